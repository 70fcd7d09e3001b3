/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whose turn it is on a worker's core. Jobs that are ready stand in line with their party, the
 * client whose jobs they are, and parties with others of the same class. Parties take turns, and so
 * do a party's jobs: a client gets no more of the core for having many of them. A class comes
 * before those below it, but for every 16th turn, so that none starves; jobs that were told to stop
 * come before all. Worker process, its one thread.
 *
 *   urgent:      job 5
 *   critical:    party 3 -> party 8 -> party 0       take() = 5, 4, 7, 1, 9, 2, 3
 *                 job 4      job 7      job 1
 *                 job 9                 job 2
 *   background:  party 3
 *                 job 3
 */
#ifndef RMX_ENGINE_WORKER_TURNS_H
#define RMX_ENGINE_WORKER_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/job.h"
#include "ipc/lane_wire.h"

#define RMX_TURNS_NONE UINT32_MAX

/* A class that others wait behind has so many turns, then one of them has one. */
#define RMX_TURNS_IN_A_ROW 15u

/* Flows, or parties, one behind the other. */
struct rmx_turns_line {
    uint32_t first;
    uint32_t last;
};

struct rmx_turns_link {
    uint32_t before;
    uint32_t after;
};

struct rmx_turns_class {
    struct rmx_turns_line round; /* parties with flows in line */
    struct rmx_turns_link links[RMX_WORKER_PARTIES];
    struct rmx_turns_line lines[RMX_WORKER_PARTIES]; /* the flows of each */
    uint32_t in_a_row; /* turns it had while a class below it waited */
};

/* Where a flow stands, while it does. */
struct rmx_turns_place {
    enum rmx_job_class class_;
    uint32_t party;
    bool urgent; /* in that line, whatever the others say */
};

struct rmx_turns {
    struct rmx_turns_line urgent;
    struct rmx_turns_class classes[RMX_CLASSES];
    struct rmx_turns_link links[RMX_WORKER_FLOWS_MAX];
    struct rmx_turns_place places[RMX_WORKER_FLOWS_MAX];
    uint32_t count; /* flows in line */
};

void rmx_turns_init(struct rmx_turns *turns);

/* The flow, which is not in line, goes to the end: of its party's line, or of the urgent ones'. A
 * party that had none goes to the end of its class's round. */
void rmx_turns_add(struct rmx_turns *turns, uint32_t flow, const struct rmx_turns_place *place);

/* The flow, whose turn was cut short or which is to go on first, comes before all others of its
 * class, and its party before all others; or before all urgent ones. Its next turn is not counted
 * as another of those in a row. */
void rmx_turns_add_first(
    struct rmx_turns *turns, uint32_t flow, const struct rmx_turns_place *place);

/* Does a flow wait whose turn comes before those of this place in general? Then its turn is one of
 * those that keep it from starving. */
bool rmx_turns_waits_above(const struct rmx_turns *turns, const struct rmx_turns_place *place);

/* The flow, which is in line, goes to the end of the urgent ones' line unless it is there. */
void rmx_turns_hurry(struct rmx_turns *turns, uint32_t flow);

/* Takes out the flow whose turn it is; its party goes to the round's end. Or RMX_TURNS_NONE. */
uint32_t rmx_turns_take(struct rmx_turns *turns);

static inline bool rmx_turns_is_empty(const struct rmx_turns *turns)
{
    return turns->count == 0;
}

#endif
