/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The CPU time of a job that makes several passes.
 */
#include <criterion/criterion.h>

#include "engine/pass.h"
#include "engine/ration.h"

static struct rmx_berth berth;
static struct rmx_flow flow = { .spec.job = 7, .berth = &berth };

static void set_up(void)
{
    const struct rmx_pair_geometry geometry[RMX_PAIR_SIZES] = {
        { .count = 1, .slots = 2, .chunk_bytes = 4096 },
        { .count = 1, .slots = 2, .chunk_bytes = 4096 },
        { .count = 0 },
    };

    cr_assert_eq(rmx_berth_init(&berth, 0, geometry, false), 0);
    flow.pair = rmx_berth_take(&berth, RMX_PAIR_SMALL, 0, 0, RMX_CLASS_NORMAL, &flow);
    cr_assert_not_null(flow.pair);
}

static void tear_down(void)
{
    rmx_berth_give(&berth, flow.pair);
    rmx_berth_fini(&berth);
}

TestSuite(ration, .init = set_up, .fini = tear_down, .timeout = 60);

static void make_pass(uint64_t used_ns)
{
    struct rmx_berth_run run = { .cpu_max_ns = 1000 };

    rmx_berth_lay_out(&berth, flow.pair, &flow.spec, &run);
    flow.begun = true;
    atomic_store(&rmx_berth_flow(&berth, flow.pair)->cpu_ns, used_ns);
}

Test(ration, passes_are_counted_together)
{
    make_pass(600);
    cr_assert_eq(rmx_ration_used_ns(&flow), 600);
    rmx_pass_reset(&flow);
    cr_assert_eq(rmx_ration_used_ns(&flow), 600, "the next has not begun");
    make_pass(500);
    cr_assert_eq(rmx_ration_used_ns(&flow), 1100);
    rmx_pass_reset(&flow);
    cr_assert_eq(rmx_ration_used_ns(&flow), 1100);
}

Test(ration, pass_that_had_not_begun_is_not_counted)
{
    make_pass(600);
    flow.begun = false; /* those are of the job that had the pair before */
    rmx_pass_reset(&flow);
    cr_assert_eq(rmx_ration_used_ns(&flow), 0);
}

Test(ration, reset_leaves_nothing_of_the_pass)
{
    make_pass(1);
    flow.told = true;
    flow.answered = true;
    flow.result.bytes_out = 1;
    rmx_pass_reset(&flow);
    cr_assert(!flow.begun && !flow.told && !flow.answered);
    cr_assert_eq(flow.result.bytes_out, 0);
    cr_assert_eq(flow.result.job, flow.spec.job);
}
