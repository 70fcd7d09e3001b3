/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which bitstream filters a job may name, and chains of them as ffmpeg's -bsf has them:
 * "NAME[=KEY=VALUE[:KEY=VALUE]][,NAME...]". Runs in every process; does no I/O and allocates
 * nothing. What options a filter has is for the worker to know, which has the filters.
 */
#ifndef RMX_IPC_FILTER_H
#define RMX_IPC_FILTER_H

#include <stdbool.h>
#include <stddef.h>

/* Is this name, of `length` characters, in ipc/filter.def? */
bool rmx_filter_is_allowed(const char *name, size_t length);

/* Is all of a chain allowed, as far as names and expressions tell? Returns 0, or -EINVAL with *why
 * set to a static sentence. */
int rmx_filter_check(const char *chain, const char **why);

#endif
