/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a warden tells its zygote and its workers. See order.h.
 */
#include "engine/order.h"

#include "ipc/sock.h"

int rmx_order_fork(struct rmx_nursery *nursery, uint32_t ticket, int child_fd,
    const struct rmx_berth *berth, const struct rmx_order_limits *limits)
{
    struct rmx_lane_msg order = {
        .type = RMX_LANE_FORK,
        .version = RMX_LANE_WIRE_VERSION,
        .ticket = ticket,
        .arena_bytes = berth->arena.size + limits->channels_bytes,
        .flows = berth->pairs_count,
        .memory_max_bytes = limits->memory_max_bytes,
        .prefault = berth->prefault,
    };

    return rmx_nursery_order(nursery, &order, child_fd);
}

static int send_to(int ctl_fd, const struct rmx_lane_msg *message, const int *fds, int count)
{
    struct rmx_lane_msg copy = *message;
    struct iovec part = { .iov_base = &copy, .iov_len = sizeof(copy) };

    copy.version = RMX_LANE_WIRE_VERSION;
    return rmx_sock_send(ctl_fd, &part, 1, fds, count, MSG_DONTWAIT);
}

int rmx_order_adopt(int ctl_fd, const struct rmx_berth *berth, uint64_t spin_ns)
{
    const struct rmx_lane_msg adopt = {
        .type = RMX_LANE_ADOPT,
        .arena_bytes = berth->arena.size,
        .flows = berth->pairs_count,
        .spin_ns = spin_ns,
        .prefault = berth->prefault,
    };
    const int fds[] = { berth->arena.fd, berth->worker_bell.fd, berth->lane_bell.fd };

    return send_to(ctl_fd, &adopt, fds, 3);
}

int rmx_order_channel(int ctl_fd, const struct rmx_lane_msg *message, const int *fds, int count)
{
    rmx_assert(message->type == RMX_LANE_SHARE || message->type == RMX_LANE_UNSHARE);
    return send_to(ctl_fd, message, fds, count);
}
