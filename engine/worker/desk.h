/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where a worker's jobs come in: notes from the lane's mailbox, and from those of clients'
 * channels, make jobs ready, which get their turns one after the other (seats.h), and when none is,
 * the worker polls a while and sleeps. Worker process, its one thread.
 *
 * No note is lost: a job that is going to wait first asks its ring, then looks again, then waits,
 * and notes are taken off the mailbox only by the scheduler, when every job waits or stands in
 * line.
 */
#ifndef RMX_ENGINE_WORKER_DESK_H
#define RMX_ENGINE_WORKER_DESK_H

#include <stdint.h>

#include "ring/bell.h"
#include "ring/region.h"

struct rmx_desk_plan {
    const struct rmx_region *arena; /* laid out as ipc/lane_wire.h says */
    uint32_t flows;                 /* entries of its flow table */
    int worker_bell_fd;
    int lane_bell_fd;
    int ctl_fd;   /* a message per RMX_NOTE_CTL; its hang-up means the daemon is done with us */
    int epoll_fd; /* empty; bells will be listened to with it */
    uint64_t spin_ns;
    uint32_t stacks; /* of so many jobs, made before the first */
};

/* Works until the daemon hangs up (returns 0) or is not to be worked with (-EBADMSG: it sent
 * nonsense; last words say what). At most once in a process. */
int rmx_desk_run(const struct rmx_desk_plan *plan);

#endif
