/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A session's jobs by slot and by name.
 */
#include "engine/roster.h"

#include <criterion/criterion.h>

#include "engine/flow.h"

static struct rmx_roster roster;
static struct rmx_flow flows[RMX_CREDITS_MAX];

static uint32_t add(uint32_t i, uint64_t job)
{
    flows[i].spec.job = job;
    return rmx_roster_add(&roster, &flows[i], job);
}

Test(roster, finds_each_job_by_its_name)
{
    uint32_t slots[RMX_CREDITS_MAX];

    rmx_roster_init(&roster, RMX_CREDITS_MAX);
    for (uint32_t i = 0; i < RMX_CREDITS_MAX; i++) {
        slots[i] = add(i, 1000 + i);
    }
    for (uint32_t i = 0; i < RMX_CREDITS_MAX; i++) {
        cr_assert_eq(rmx_roster_find(&roster, 1000 + i), &flows[i]);
        cr_assert_eq(roster.jobs[slots[i]], &flows[i]);
    }
    cr_assert_null(rmx_roster_find(&roster, 999));
}

Test(roster, slot_is_free_again_when_its_job_has_ended)
{
    uint32_t slot;

    rmx_roster_init(&roster, 2);
    slot = add(0, 5);
    (void)add(1, 5 + (UINT64_C(1) << 63)); /* wherever they lie */
    rmx_roster_remove(&roster, slot, 5);
    cr_assert_null(rmx_roster_find(&roster, 5));
    cr_assert_null(roster.jobs[slot]);
    cr_assert_eq(add(0, 6), slot);
    cr_assert_eq(rmx_roster_find(&roster, 6), &flows[0]);
}

Test(roster, jobs_of_one_bucket_come_and_go_in_any_order)
{
    uint32_t slots[64];

    rmx_roster_init(&roster, 64);
    for (uint32_t i = 0; i < 64; i++) {
        slots[i] = add(i, i % 2); /* a client that does not keep its names apart */
    }
    for (uint32_t i = 0; i < 64; i += 2) {
        rmx_roster_remove(&roster, slots[i], 0);
    }
    cr_assert_null(rmx_roster_find(&roster, 0));
    for (uint32_t i = 63; i < 64; i -= 2) {
        cr_assert_not_null(rmx_roster_find(&roster, 1));
        rmx_roster_remove(&roster, slots[i], 1);
    }
    cr_assert_null(rmx_roster_find(&roster, 1));
}
