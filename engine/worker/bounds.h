/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much a worker may have: memory, descriptors, and nothing of what it has no use for. Worker
 * process, before it enters the sandbox; what it has from the start the zygote measures.
 */
#ifndef RMX_ENGINE_WORKER_BOUNDS_H
#define RMX_ENGINE_WORKER_BOUNDS_H

#include <stdint.h>

/* What the process has now. */
struct rmx_bounds_use {
    uint64_t all_bytes; /* address space */
    uint64_t own_bytes; /* what of it is private and writable */
};

/* What it may have beyond that. */
struct rmx_bounds_room {
    uint64_t own_bytes;    /* of memory of its own: heap and stacks; 0 = no limit on any */
    uint64_t shared_bytes; /* of arenas */
};

/* Reads /proc. Returns 0 or -errno. */
int rmx_bounds_measure(struct rmx_bounds_use *use);

/* Closes every descriptor above `last_fd`; takes away dumps, new privileges, further processes,
 * files that grow, memory beyond `use` and `room`, and descriptors beyond those of all channels it
 * may get. Returns 0 or -errno. */
int rmx_bounds_set(
    int last_fd, const struct rmx_bounds_use *use, const struct rmx_bounds_room *room);

#endif
