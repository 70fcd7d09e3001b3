/* SPDX-License-Identifier: BSD-2-Clause
 *
 * engine/grace: how long a worker may take to stop a job. The worker is this process.
 */
#include <criterion/criterion.h>
#include <unistd.h>

#include "engine/berth.h"

#define GRACE_NS 20000000u

enum { STUCK = 1, OTHER = 2 };

static struct rmx_berth berth;

static void set_up(void)
{
    const struct rmx_pair_geometry geometry[RMX_PAIR_SIZES] = {
        { .count = 4, .slots = 2, .chunk_bytes = 4096 },
        { .count = 0, .slots = 2, .chunk_bytes = 4096 },
    };

    cr_assert_eq(rmx_berth_init(&berth, 0, geometry, false), 0);
    berth.pid = getpid();
}

static void tear_down(void)
{
    rmx_berth_fini(&berth);
}

TestSuite(grace, .init = set_up, .fini = tear_down, .timeout = 60);

static void put_on_core(uint32_t flow)
{
    atomic_store_explicit(&berth.shm->last_words.flow, flow, memory_order_relaxed);
}

static void compute(void)
{
    uint64_t until_ns = rmx_watchdog_cpu_ns(berth.pid) + 2 * GRACE_NS;

    while (rmx_watchdog_cpu_ns(berth.pid) < until_ns) {
    }
}

/* At this time by the clock. */
static bool is_over(uint32_t flow, uint64_t now)
{
    return rmx_grace_is_over(&berth, flow, now, GRACE_NS);
}

Test(grace, job_that_computes_on_has_had_its_time)
{
    put_on_core(STUCK);
    rmx_grace_begin(&berth, STUCK, 0);
    cr_assert_not(is_over(STUCK, GRACE_NS));
    compute();
    cr_assert(is_over(STUCK, 2 * GRACE_NS));
    cr_assert_not(is_over(OTHER, 2 * GRACE_NS), "it is not the one on the core");
}

Test(grace, what_a_job_computed_before_it_was_told_is_no_fault)
{
    put_on_core(STUCK);
    rmx_grace_begin(&berth, OTHER, 0);
    cr_assert_not(is_over(OTHER, GRACE_NS));
    compute();
    rmx_grace_begin(&berth, STUCK, 2 * GRACE_NS);
    cr_assert_not(is_over(STUCK, 3 * GRACE_NS));
}

Test(grace, nor_is_what_was_seen_of_it_just_before)
{
    uint64_t now = 2 * GRACE_NS;

    put_on_core(STUCK);
    rmx_grace_begin(&berth, OTHER, 0);
    cr_assert_not(is_over(OTHER, GRACE_NS));
    compute();
    cr_assert_not(is_over(OTHER, now), "another is on the core, and has been for long");
    put_on_core(RMX_WATCHDOG_NO_FLOW);
    rmx_grace_begin(&berth, STUCK, now + 1);
    cr_assert_not(is_over(STUCK, now + 2), "too early for another look");
    cr_assert_not(is_over(STUCK, now + GRACE_NS));
}

Test(grace, another_on_the_core_in_between_is_a_sign)
{
    put_on_core(STUCK);
    rmx_grace_begin(&berth, STUCK, 0);
    put_on_core(OTHER);
    cr_assert_not(is_over(STUCK, GRACE_NS));
    put_on_core(STUCK);
    compute();
    cr_assert_not(is_over(STUCK, 2 * GRACE_NS));
}
