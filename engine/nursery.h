/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The daemon's side of a zygote: runs it, orders forks, hears what became of them. Runs on the
 * lane's thread, driven by its loop. Knows processes by ticket only; what they are for is the
 * warden's business.
 */
#ifndef RMX_ENGINE_NURSERY_H
#define RMX_ENGINE_NURSERY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/loop.h"
#include "ipc/lane_wire.h"

struct rmx_nursery {
    struct rmx_loop *loop;
    int fd; /* our end of the zygote's control socket; -1 = there is no zygote */
    int pidfd;
    pid_t pid;
    bool stopping;   /* it was asked to end */
    uint32_t lacks;  /* bits of enum rmx_lane_wall: what the last worker's sandbox is without */
    int lacks_error; /* -errno of the first of them */
    struct rmx_op messages_op;
    struct rmx_op death_op;
    void *owner; /* the caller's, for the callbacks */

    /* An order was carried out. Takes *pidfd if it wants it. error: -errno of a fork that failed;
     * there is no pidfd then. */
    void (*on_forked)(void *owner, uint32_t ticket, pid_t pid, int error, int *pidfd);
    void (*on_lost)(void *owner); /* the zygote is dead; orders under way are lost */
};

/* Fills all but owner and the callbacks. */
void rmx_nursery_init(struct rmx_nursery *nursery, struct rmx_loop *loop);

/* Runs `path --zygote`, if nothing of a former one is left. Returns 0 or as rmx_spawn_zygote(). */
int rmx_nursery_start(struct rmx_nursery *nursery, const char *path, uint64_t alloc_max_bytes);

/* Orders a fork; child_fd, which stays the caller's, becomes the worker's control socket. Returns 0
 * or -errno. */
int rmx_nursery_order(struct rmx_nursery *nursery, const struct rmx_lane_msg *order, int child_fd);

/* Asks it to end, or ends it. */
void rmx_nursery_stop(struct rmx_nursery *nursery);
void rmx_nursery_kill(struct rmx_nursery *nursery);

/* Can orders be given? */
static inline bool rmx_nursery_open(const struct rmx_nursery *nursery)
{
    return nursery->fd >= 0;
}

/* Nothing of a zygote is left, not even an operation in the loop. */
static inline bool rmx_nursery_empty(const struct rmx_nursery *nursery)
{
    return nursery->fd < 0 && !nursery->messages_op.busy && !nursery->death_op.busy;
}

#endif
