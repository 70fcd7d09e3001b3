/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs that wait for a row of a worker's flow table. Most may go to any worker of the lane; one
 * with a ring in a channel must go to that channel's, and waits there: it holds up nobody who could
 * start elsewhere, and is overtaken by none who wants the same. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_QUEUE_H
#define RMX_ENGINE_QUEUE_H

#include <stdint.h>

#include "engine/flow_list.h"
#include "ipc/job.h"

struct rmx_berth;
struct rmx_crew;

struct rmx_queue {
    struct rmx_flow_list anywhere[RMX_CLASSES];
    uint64_t pushed; /* jobs so far: their order */
    uint32_t count;
    uint32_t tied; /* of those: in the lists of berths */
};

void rmx_queue_push(struct rmx_queue *queue, struct rmx_flow *flow);

/* Takes one out that does not wait any more. */
void rmx_queue_remove(struct rmx_queue *queue, struct rmx_flow *flow);

/* Takes out the job that starts next: of those for which there is a pair in an open berth the one
 * that came first in the highest class. *berth is where. NULL: none can start. */
struct rmx_flow *rmx_queue_next(
    struct rmx_queue *queue, struct rmx_crew *crew, struct rmx_berth **berth);

#endif
