/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a worker may still do once it reads foreign bytes: compute, and talk on the descriptors it
 * has. Worker process, once, before the first media byte. The only file that knows seccomp.
 */
#ifndef RMX_ENGINE_WORKER_SANDBOX_H
#define RMX_ENGINE_WORKER_SANDBOX_H

#include <stdint.h>

/* What the process may have beyond what it has now. */
struct rmx_sandbox_room {
    uint64_t own_bytes;    /* of memory of its own: heap and stacks; 0 = no limit on any */
    uint64_t shared_bytes; /* of arenas */
};

/* Closes every descriptor above `last_fd`, takes away dumps, new privileges, further processes and
 * files, memory beyond `room`, and descriptors beyond those of all channels it may get. Returns 0
 * or -errno. */
int rmx_sandbox_limit(int last_fd, const struct rmx_sandbox_room *room);

/* From here on: dangerous system calls kill the process, calls it has no use for fail with ENOSYS.
 * Cannot be undone. Returns 0 or -errno. */
int rmx_sandbox_enter(void);

#endif
