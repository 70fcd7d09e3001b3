/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whose turn it is on a worker's core. Jobs that are ready stand in line with their party, the
 * client whose jobs they are, and parties with others of the same class. Parties take turns, and so
 * do a party's jobs: a client gets no more of the core for having many of them. A class comes
 * before those below it, but for a sixteenth of the time, so that none starves: time, since turns
 * are of all lengths. Jobs that were told to stop come before all. Worker process, its one thread.
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

/* A class that others wait behind has the core for so long, then one of them has a turn, after
 * which the class has so many times as long again. */
#define RMX_TURNS_SHARE   15
#define RMX_TURNS_LEAD_NS (RMX_TURNS_SHARE * INT64_C(200000))

/* No more of what either had is remembered: where the machine took the core away, or a job kept it,
 * nobody pays for long. */
#define RMX_TURNS_LEAD_MAX_NS (2 * RMX_TURNS_LEAD_NS)
#define RMX_TURNS_LAG_MAX_NS  (10 * RMX_TURNS_LEAD_NS)

/* The shortest turn costs so much. */
#define RMX_TURNS_LEAST_NS INT64_C(1000)

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
    int64_t lead_ns; /* time it had while a class below waited, less its share of theirs */
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
 * class, and its party before all others; or before all urgent ones. */
void rmx_turns_add_first(
    struct rmx_turns *turns, uint32_t flow, const struct rmx_turns_place *place);

/* Does a flow wait whose turn comes before those of this place in general? Then its turn is one of
 * those that keep it from starving. */
bool rmx_turns_waits_above(const struct rmx_turns *turns, const struct rmx_turns_place *place);

/* The flow, which is in line, goes to the end of the urgent ones' line unless it is there. */
void rmx_turns_hurry(struct rmx_turns *turns, uint32_t flow);

/* Takes out the flow whose turn it is; its party goes to the round's end. Or RMX_TURNS_NONE. */
uint32_t rmx_turns_take(struct rmx_turns *turns);

/* A turn of this place is over, and took so long. */
void rmx_turns_charge(struct rmx_turns *turns, const struct rmx_turns_place *place, int64_t ns);

static inline bool rmx_turns_is_empty(const struct rmx_turns *turns)
{
    return turns->count == 0;
}

#endif
