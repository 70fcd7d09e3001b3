/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The lane's bell: whom the lane has just given something need not ring it, for the lane is awake.
 */
#include <criterion/criterion.h>

#include "engine/berth.h"

static struct rmx_berth berth;

static void make(void)
{
    static const struct rmx_pair_geometry geometry[RMX_PAIR_SIZES] = {
        { .count = 1, .slots = 2, .chunk_bytes = 4096 },
        { .count = 1, .slots = 2, .chunk_bytes = 4096 },
    };

    cr_assert_eq(rmx_berth_init(&berth, 0, geometry, false), 0);
}

static void drop(void)
{
    rmx_berth_fini(&berth);
}

TestSuite(berth, .init = make, .fini = drop);

/* As the lane does before it sleeps. */
static void arm(void)
{
    rmx_bell_arm(&berth.lane_bell);
    berth.armed = true;
}

static bool worker_rings(void)
{
    return rmx_bell_ring(&berth.lane_bell);
}

Test(berth, a_lane_that_sleeps_is_rung_for)
{
    arm();
    cr_expect(worker_rings());
    cr_expect(rmx_bell_hear(&berth.lane_bell));
}

Test(berth, a_lane_that_posts_is_awake)
{
    arm();
    cr_assert_geq(rmx_berth_post(&berth, RMX_NOTE_RUN, 0), 0);
    cr_expect_not(worker_rings());
    cr_expect_not(rmx_bell_hear(&berth.lane_bell));
}

Test(berth, a_lane_that_sleeps_again_is_rung_for_again)
{
    arm();
    cr_assert_geq(rmx_berth_post(&berth, RMX_NOTE_RUN, 0), 0);
    arm();
    cr_expect(worker_rings());
}

Test(berth, a_new_worker_finds_no_bell_armed)
{
    arm();
    rmx_berth_reset(&berth);
    cr_expect_not(berth.armed);
    cr_expect_not(worker_rings());
}
