/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whose turn it is.
 */
#include "engine/worker/turns.h"

#include <criterion/criterion.h>

static struct rmx_turns turns;

static void expect(const uint32_t *flows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(rmx_turns_take(&turns), flows[i], "turn %zu", i);
    }
    cr_assert(rmx_turns_is_empty(&turns));
    cr_assert_eq(rmx_turns_take(&turns), RMX_TURNS_NONE);
}

Test(turns, jobs_of_the_lane_come_as_they_came)
{
    static const uint32_t flows[] = { 7, 0, RMX_WORKER_FLOWS_MAX - 1, 3 };

    rmx_turns_init(&turns);
    for (size_t i = 0; i < 4; i++) {
        rmx_turns_add(&turns, rmx_turns_party_of_flow(flows[i]), flows[i]);
    }
    expect(flows, 4);
}

Test(turns, channel_has_one_turn_in_each_round_however_many_jobs)
{
    static const uint32_t wanted[] = { 0, 8, 9, 1, 10, 2, 11, 3, 4, 5, 6, 7 };

    rmx_turns_init(&turns);
    for (uint32_t flow = 0; flow < 8; flow++) {
        rmx_turns_add(&turns, rmx_turns_party_of_channel(0), flow);
    }
    rmx_turns_add(&turns, rmx_turns_party_of_channel(255), 8);
    rmx_turns_add(&turns, rmx_turns_party_of_flow(9), 9);
    rmx_turns_add(&turns, rmx_turns_party_of_channel(255), 10);
    rmx_turns_add(&turns, rmx_turns_party_of_channel(255), 11);
    expect(wanted, 12);
}

static uint32_t draw(uint32_t below)
{
    static uint32_t random = 2463534242;

    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    return random % below;
}

/* Nobody is passed by more of its own than there are. */
Test(turns, who_is_ready_again_goes_to_the_end_of_its_own_line)
{
    enum { FLOWS = 30, PARTIES = 5, ROUNDS = 100000 };
    bool waiting[FLOWS] = { false };
    uint32_t bypassed[FLOWS] = { 0 }; /* turns of others of its party since it came */

    rmx_turns_init(&turns);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t flow = draw(FLOWS);

        if (!waiting[flow]) {
            rmx_turns_add(&turns, rmx_turns_party_of_channel(flow % PARTIES), flow);
            waiting[flow] = true;
            bypassed[flow] = 0;
        }
        if (draw(2) == 0) {
            continue;
        }
        flow = rmx_turns_take(&turns);
        cr_assert(flow < FLOWS && waiting[flow]);
        waiting[flow] = false;
        for (uint32_t other = flow % PARTIES; other < FLOWS; other += PARTIES) {
            bypassed[other]++;
            cr_assert(!waiting[other] || bypassed[other] < FLOWS / PARTIES);
        }
    }
}
