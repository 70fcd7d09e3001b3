/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a warden tells its zygote and its workers: messages of ipc/lane_wire.h. Runs on the lane's
 * thread; never waits. All return 0 or as rmx_sock_send() does; descriptors stay the caller's.
 */
#ifndef RMX_ENGINE_ORDER_H
#define RMX_ENGINE_ORDER_H

#include <stdint.h>

#include "engine/berth.h"
#include "engine/nursery.h"

struct rmx_order_limits {
    uint64_t memory_max_bytes; /* a worker's address space beyond its arenas; 0 = no limit */
    uint64_t channels_bytes;   /* of the clients' arenas it may get */
};

/* To the zygote: a worker for berths of this geometry, with child_fd for its control socket. */
int rmx_order_fork(struct rmx_nursery *nursery, uint32_t ticket, int child_fd,
    const struct rmx_berth *berth, const struct rmx_order_limits *limits);

/* To a spare: the arena and the bells of its berth. */
int rmx_order_adopt(int ctl_fd, const struct rmx_berth *berth, uint64_t spin_ns);

/* To a worker: about a channel. */
int rmx_order_channel(int ctl_fd, const struct rmx_lane_msg *message, const int *fds, int count);

#endif
