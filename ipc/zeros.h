/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a fixed field has behind its content. Runs in every process.
 */
#ifndef RMX_IPC_ZEROS_H
#define RMX_IPC_ZEROS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Are these bytes zeros, all of them? The first is one, and each is as the one before it. */
static inline bool rmx_zeros(const char *bytes, size_t count)
{
    return count == 0 || (bytes[0] == '\0' && memcmp(bytes, bytes + 1, count - 1) == 0);
}

#endif
