/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker process, from the zygote's fork to its end: locks itself down, says READY, waits for its
 * arena, works. Must never return to the zygote's code, nor read a media byte before it is locked
 * down.
 */
#ifndef RMX_ENGINE_WORKER_WORKER_H
#define RMX_ENGINE_WORKER_WORKER_H

#include <sys/types.h>

#include "engine/worker/bounds.h"
#include "ipc/lane_wire.h"

/* How a worker ended, for those who look at its exit code. */
enum rmx_worker_exit {
    RMX_WORKER_DONE = 0,     /* the daemon hung up */
    RMX_WORKER_OPEN = 3,     /* it could not lock itself down */
    RMX_WORKER_PROTOCOL = 4, /* the daemon said something impossible */
};

/* What the zygote knows of a worker it forks. */
struct rmx_worker_birth {
    const struct rmx_lane_msg *order; /* what the daemon asked for */
    const struct rmx_bounds_use *use; /* of memory, before the fork */
    pid_t parent;                     /* the zygote, as the worker's getppid(2) names it */
};

/* In the forked child. ctl_fd: its control socket. */
_Noreturn void rmx_worker_run(int ctl_fd, const struct rmx_worker_birth *birth);

#endif
