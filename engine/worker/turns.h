/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whose turn it is on a worker's core. Jobs that are ready stand in line with their party: a
 * channel, or a job of the lane by itself. Parties take turns, and so do a party's jobs: a client
 * gets no more of the core for having many jobs. Worker process, its one thread.
 *
 *   round:  channel 3 -> job 7 -> channel 0 ->      take() = job 4, then job 7, job 1, job 9 ...
 *            job 4                 job 1
 *            job 9                 job 2
 */
#ifndef RMX_ENGINE_WORKER_TURNS_H
#define RMX_ENGINE_WORKER_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/lane_wire.h"

#define RMX_TURNS_NONE    UINT32_MAX
#define RMX_TURNS_PARTIES (RMX_WORKER_CHANNELS_MAX + RMX_WORKER_FLOWS_MAX)

struct rmx_turns_party {
    uint32_t first; /* its flows that are ready */
    uint32_t last;
    uint32_t next; /* in the round: the party after it */
};

struct rmx_turns {
    uint32_t first; /* parties with such flows */
    uint32_t last;
    struct rmx_turns_party parties[RMX_TURNS_PARTIES];
    uint32_t next_of[RMX_WORKER_FLOWS_MAX]; /* in its party's line: the flow after it */
};

void rmx_turns_init(struct rmx_turns *turns);

/* The party of the channel at that place, below RMX_WORKER_CHANNELS_MAX; of a flow by itself. */
static inline uint32_t rmx_turns_party_of_channel(uint32_t place)
{
    return place;
}
static inline uint32_t rmx_turns_party_of_flow(uint32_t flow)
{
    return RMX_WORKER_CHANNELS_MAX + flow;
}

/* The flow, which is not in line, goes to its party's end; a party that had none, to the round's.
 */
void rmx_turns_add(struct rmx_turns *turns, uint32_t party, uint32_t flow);

/* Takes out the flow whose turn it is; its party goes to the round's end. Or RMX_TURNS_NONE. */
uint32_t rmx_turns_take(struct rmx_turns *turns);

static inline bool rmx_turns_is_empty(const struct rmx_turns *turns)
{
    return turns->first == RMX_TURNS_NONE;
}

#endif
