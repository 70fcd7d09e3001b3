/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When each of many is to be looked at.
 */
#include "ring/alarms.h"

#include <criterion/criterion.h>

#define MOST 2500u

static struct rmx_alarm entries[MOST];
static struct rmx_alarms alarms;

static void set_up(void)
{
    rmx_alarms_init(&alarms, entries, MOST);
}

TestSuite(alarms, .init = set_up, .timeout = 60);

Test(alarms, there_is_none_until_one_is_set)
{
    cr_assert_eq(rmx_alarms_first_ns(&alarms), RMX_ALARMS_NEVER);
    cr_assert_eq(rmx_alarms_take_due(&alarms, UINT64_MAX - 1), RMX_ALARMS_NONE);
    rmx_alarms_set(&alarms, 3, RMX_ALARMS_NEVER);
    cr_assert_eq(rmx_alarms_first_ns(&alarms), RMX_ALARMS_NEVER);
}

Test(alarms, come_in_order_and_once)
{
    rmx_alarms_set(&alarms, 0, 30);
    rmx_alarms_set(&alarms, MOST - 1, 10);
    rmx_alarms_set(&alarms, 7, 20);
    cr_assert_eq(rmx_alarms_first_ns(&alarms), 10);
    cr_assert_eq(rmx_alarms_take_due(&alarms, 9), RMX_ALARMS_NONE);
    cr_assert_eq(rmx_alarms_take_due(&alarms, 20), MOST - 1);
    cr_assert_eq(rmx_alarms_take_due(&alarms, 20), 7);
    cr_assert_eq(rmx_alarms_take_due(&alarms, 20), RMX_ALARMS_NONE);
    cr_assert_eq(rmx_alarms_first_ns(&alarms), 30);
}

Test(alarms, new_time_replaces_the_old)
{
    rmx_alarms_set(&alarms, 1, 10);
    rmx_alarms_set(&alarms, 2, 20);
    rmx_alarms_set(&alarms, 1, 30);
    rmx_alarms_set(&alarms, 2, RMX_ALARMS_NEVER);
    cr_assert_eq(rmx_alarms_take_due(&alarms, 29), RMX_ALARMS_NONE);
    cr_assert_eq(rmx_alarms_take_due(&alarms, 30), 1);
    cr_assert_eq(rmx_alarms_first_ns(&alarms), RMX_ALARMS_NEVER);
}

static uint32_t draw(uint32_t below)
{
    static uint32_t random = 2463534242;

    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    return random % below;
}

/* Against a list that is searched. */
Test(alarms, earliest_is_on_top_whatever_happens)
{
    enum { FLOWS = 100, ROUNDS = 50000 };
    uint64_t at_ns[FLOWS];

    for (uint32_t flow = 0; flow < FLOWS; flow++) {
        at_ns[flow] = RMX_ALARMS_NEVER;
    }
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t flow = draw(FLOWS);
        uint64_t first = RMX_ALARMS_NEVER;

        if (draw(3) > 0) {
            at_ns[flow] = draw(4) > 0 ? draw(1000) : RMX_ALARMS_NEVER;
            rmx_alarms_set(&alarms, flow, at_ns[flow]);
        }
        for (uint32_t other = 0; other < FLOWS; other++) {
            first = at_ns[other] < first ? at_ns[other] : first;
        }
        cr_assert_eq(rmx_alarms_first_ns(&alarms), first);
        if (draw(4) == 0 && first != RMX_ALARMS_NEVER) {
            flow = rmx_alarms_take_due(&alarms, first);
            cr_assert(flow < FLOWS && at_ns[flow] == first);
            at_ns[flow] = RMX_ALARMS_NEVER;
        }
    }
}
