/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a worker may still do once it reads foreign bytes: compute, and talk on the descriptors it
 * has. Worker process, once, before the first media byte. The only file that knows seccomp.
 */
#ifndef RMX_ENGINE_WORKER_SANDBOX_H
#define RMX_ENGINE_WORKER_SANDBOX_H

#include <stdint.h>

/* Closes every descriptor above `last_fd`, takes away dumps, new privileges, further processes,
 * files and descriptors, and address space beyond extra_bytes more than is in use now (0: no
 * limit). Returns 0 or -errno. */
int rmx_sandbox_limit(int last_fd, uint64_t extra_bytes);

/* From here on: dangerous system calls kill the process, calls it has no use for fail with ENOSYS.
 * Cannot be undone. Returns 0 or -errno. */
int rmx_sandbox_enter(void);

#endif
