/* SPDX-License-Identifier: BSD-2-Clause
 *
 * engine/recycle: when a worker process goes, and when it must not.
 */
#include <criterion/criterion.h>

#include "engine/recycle.h"

#define NOW ((uint64_t)5000000000)

static const struct rmx_recycle_limits limits = { .jobs = 100, .resident_bytes = 1 << 20 };
static struct rmx_recycle recycle;
static struct rmx_recycle_view view;

static void begin(void)
{
    recycle = (struct rmx_recycle){ .jobs = 100 };
    view = (struct rmx_recycle_view){ .now_ns = NOW, .used = 3, .replaceable = true };
}

TestSuite(recycle, .init = begin);

static enum rmx_recycle_deed look_at(uint64_t now_ns, uint32_t used)
{
    view.now_ns = now_ns;
    view.used = used;
    return rmx_recycle_look(&recycle, &view);
}

Test(recycle, worker_is_due_after_so_many_jobs_or_with_so_much_memory)
{
    const struct rmx_recycle_limits none = { 0 };
    const struct rmx_recycle few = { .jobs = 99, .resident_bytes = (1 << 20) - 1 };
    const struct rmx_recycle large = { .resident_bytes = 1 << 20 };

    cr_assert(rmx_recycle_is_due(&recycle, &limits));
    cr_assert(rmx_recycle_is_due(&large, &limits));
    cr_assert_not(rmx_recycle_is_due(&few, &limits));
    cr_assert_not(rmx_recycle_is_due(&recycle, &none), "no limit is no reason");
}

Test(recycle, closed_one_is_looked_at_until_it_goes_or_opens)
{
    const struct rmx_recycle_limits none = { 0 };

    recycle = (struct rmx_recycle){ .resident_bytes = 1 << 20 };
    cr_assert_eq(look_at(NOW, 3), RMX_RECYCLE_CLOSE);
    recycle.resident_bytes = 0; /* its jobs have given back what they had */
    cr_assert(rmx_recycle_is_due(&recycle, &limits));
    cr_assert(rmx_recycle_is_due(&recycle, &none));
    cr_assert_eq(look_at(NOW + RMX_RECYCLE_PATIENCE_NS, 3), RMX_RECYCLE_OPEN);
    cr_assert_not(rmx_recycle_is_due(&recycle, &limits));
}

Test(recycle, one_without_jobs_goes_at_once)
{
    cr_assert_eq(look_at(NOW, 0), RMX_RECYCLE_GO);
}

Test(recycle, busy_one_is_closed_and_goes_when_its_last_job_has_ended)
{
    cr_assert_eq(look_at(NOW, 3), RMX_RECYCLE_CLOSE);
    cr_assert(recycle.closed);
    cr_assert_eq(look_at(NOW + 1000, 2), RMX_RECYCLE_NOTHING);
    cr_assert_eq(look_at(NOW + 2000, 0), RMX_RECYCLE_GO);
}

Test(recycle, jobs_that_end_one_by_one_keep_it_closed)
{
    uint64_t now = NOW;

    view.only = true;
    cr_assert_eq(look_at(now, 50), RMX_RECYCLE_CLOSE);
    for (uint32_t used = 49; used > 0; used--) {
        now += RMX_RECYCLE_PATIENCE_ONLY_NS - 1;
        cr_assert_eq(look_at(now, used), RMX_RECYCLE_NOTHING);
    }
}

Test(recycle, jobs_that_last_open_it_again_and_it_is_left_alone_for_a_while)
{
    view.only = true;
    cr_assert_eq(look_at(NOW, 3), RMX_RECYCLE_CLOSE);
    uint64_t then = rmx_recycle_next_ns(&recycle, true);

    cr_assert_eq(then, NOW + RMX_RECYCLE_PATIENCE_ONLY_NS);
    cr_assert_eq(look_at(then, 3), RMX_RECYCLE_OPEN);
    cr_assert_not(recycle.closed);
    cr_assert_eq(look_at(then + RMX_RECYCLE_PAUSE_NS - 1, 3), RMX_RECYCLE_NOTHING);
    cr_assert_eq(look_at(then + RMX_RECYCLE_PAUSE_NS, 3), RMX_RECYCLE_CLOSE);
}

Test(recycle, with_others_to_take_new_jobs_it_waits_longer)
{
    cr_assert_eq(look_at(NOW, 3), RMX_RECYCLE_CLOSE);
    cr_assert_eq(look_at(NOW + RMX_RECYCLE_PATIENCE_ONLY_NS, 3), RMX_RECYCLE_NOTHING);
    cr_assert_eq(look_at(NOW + RMX_RECYCLE_PATIENCE_NS, 3), RMX_RECYCLE_OPEN);
}

Test(recycle, nobody_goes_without_a_spare_to_come)
{
    view.replaceable = false;
    cr_assert_eq(look_at(NOW, 0), RMX_RECYCLE_NOTHING);
    view.replaceable = true;
    cr_assert_eq(look_at(NOW, 3), RMX_RECYCLE_CLOSE);
    view.replaceable = false;
    cr_assert_eq(look_at(NOW + 1, 2), RMX_RECYCLE_OPEN, "another worker died meanwhile");
}

Test(recycle, nobody_goes_with_a_channel)
{
    view.channels = 1;
    cr_assert_eq(look_at(NOW, 0), RMX_RECYCLE_NOTHING);
}
