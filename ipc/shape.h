/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whether a message is one: its size, items, descriptors and fields are what its type asks for.
 * When it may come is session.h's. Runs in the client and in the daemon; does no I/O and allocates
 * nothing.
 */
#ifndef RMX_IPC_SHAPE_H
#define RMX_IPC_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Has `message`, of `bytes` bytes, with `fds` descriptors, the shape of its type? It need not be
 * aligned but must be private memory. A job's spec is not looked at, but for its descriptors. */
bool rmx_shape_check(const unsigned char *message, size_t bytes, uint32_t fds);

#endif
