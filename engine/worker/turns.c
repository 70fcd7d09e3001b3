/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whose turn it is on a worker's core. See turns.h.
 */
#include "engine/worker/turns.h"

#include "ring/base.h"

#define NONE RMX_TURNS_NONE

void rmx_turns_init(struct rmx_turns *turns)
{
    turns->first = NONE;
    for (uint32_t party = 0; party < RMX_TURNS_PARTIES; party++) {
        turns->parties[party].first = NONE;
    }
}

static void join_round(struct rmx_turns *turns, uint32_t party)
{
    turns->parties[party].next = NONE;
    if (turns->first == NONE) {
        turns->first = party;
    } else {
        turns->parties[turns->last].next = party;
    }
    turns->last = party;
}

void rmx_turns_add(struct rmx_turns *turns, uint32_t party, uint32_t flow)
{
    struct rmx_turns_party *line;

    rmx_assert(party < RMX_TURNS_PARTIES && flow < RMX_WORKER_FLOWS_MAX);
    line = &turns->parties[party];
    turns->next_of[flow] = NONE;
    if (line->first == NONE) {
        line->first = flow;
        join_round(turns, party);
    } else {
        turns->next_of[line->last] = flow;
    }
    line->last = flow;
}

uint32_t rmx_turns_take(struct rmx_turns *turns)
{
    uint32_t party = turns->first;
    struct rmx_turns_party *line;
    uint32_t flow;

    if (party == NONE) {
        return NONE;
    }
    line = &turns->parties[party];
    flow = line->first;
    line->first = turns->next_of[flow];
    turns->first = line->next;
    if (line->first != NONE) {
        join_round(turns, party);
    }
    return flow;
}
