/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs that wait for a row of a worker's flow table, and which of them comes next. Runs on the
 * lane's thread. Must never let anybody wait for ever:
 *
 *   classes   a higher one goes first, but a lower one that waits has every sixteenth start
 *   sessions  of one class take turns, one start each, however many jobs each has
 *   jobs      of one session and class start in the order they came, also those whose worker died
 *
 * Most jobs may go to any worker of the lane; one with a ring in a channel must go to that
 * channel's, one that is to be tried alone to the trial berth, and waits there: it holds up nobody
 * who could start elsewhere, and is overtaken by none of its session that wants the same. A session
 * that has its portion of the pairs (engine/portion.h) keeps its turn until it may have another.
 */
#ifndef RMX_ENGINE_QUEUE_H
#define RMX_ENGINE_QUEUE_H

#include <stdint.h>

#include "engine/flow_list.h"
#include "ipc/job.h"

struct rmx_berth;
struct rmx_crew;
struct rmx_pair;

/* What one session has waiting in one class. */
struct rmx_queue_line {
    struct rmx_flow_list *places; /* by where its jobs may start */
    uint32_t count;
    struct rmx_queue_line *next; /* whose turn comes after; while count > 0 */
    struct rmx_queue_line *before;
};

struct rmx_queue_class {
    struct rmx_queue_line *lines; /* by party */
    struct rmx_queue_line *first; /* whose turn it is */
    struct rmx_queue_line *last;
    uint32_t *waiting; /* jobs, by place */
    uint32_t count;
    uint32_t passed; /* starts of higher classes since its own last one, while it waited */
};

struct rmx_queue {
    struct rmx_queue_class classes[RMX_CLASSES];
    struct rmx_queue_line *lines; /* of all classes; owned, as the next two are */
    struct rmx_flow_list *lists;
    uint32_t *waiting;
    uint32_t parties;
    uint32_t places;
    uint64_t pushed;  /* jobs so far: their order */
    uint64_t started; /* likewise */
    uint32_t count;
};

/* Makes the lines of so many sessions for a crew of so many berths. Returns 0 or -ENOMEM. */
int rmx_queue_init(struct rmx_queue *queue, uint32_t parties, uint32_t berths);
void rmx_queue_fini(struct rmx_queue *queue);

/* One that was in it before, and has kept its `order`, comes back to where it would be now. */
void rmx_queue_push(struct rmx_queue *queue, struct rmx_flow *flow);

/* Takes one out that does not wait any more. */
void rmx_queue_remove(struct rmx_queue *queue, struct rmx_flow *flow);

/* Takes out the job that starts next. *berth is where, *pair what it was given there. NULL: none
 * can start. */
struct rmx_flow *rmx_queue_next(struct rmx_queue *queue, struct rmx_crew *crew,
    struct rmx_berth **berth, struct rmx_pair **pair);

#endif
