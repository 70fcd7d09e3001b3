/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When a lane has too much: every way up and down, what is refused meanwhile, and the windows.
 */
#include <criterion/criterion.h>

#include "engine/load.h"

#define MS 1000000u

static struct rmx_load load;
static struct rmx_load_limits limits;
static struct rmx_load_pressure pressure;
static uint64_t now_ns;
static uint32_t cpu; /* percent */
static uint32_t changes;

static void set_up(void)
{
    load = (struct rmx_load){ .level = 0 };
    limits = (struct rmx_load_limits){ .cpu = 85, .queue = 200, .rings = 85, .workers = 2 };
    pressure = (struct rmx_load_pressure){ .queued = 0 };
    now_ns = 5000 * (uint64_t)MS;
    cpu = 0;
    changes = 0;
}

TestSuite(load, .init = set_up, .timeout = 60);

/* Looks for so long. Returns the level then. */
static uint32_t after(uint64_t ms)
{
    for (uint64_t end_ns = now_ns + ms * MS; now_ns < end_ns; now_ns += RMX_LOAD_LOOK_NS) {
        const struct rmx_load_work work = {
            .busy_ns = (uint64_t)RMX_LOAD_LOOK_NS * limits.workers * cpu / 100,
            .starts = 50,
        };

        changes += rmx_load_look(&load, &limits, &pressure, &work, now_ns);
    }
    return load.level;
}

static uint32_t with_queue(uint32_t queued, uint64_t ms)
{
    pressure.queued = queued;
    pressure.crowd = queued;
    return after(ms);
}

static bool refuses(enum rmx_job_class class_)
{
    return rmx_load_refuses(&load, &limits, &pressure, class_);
}

Test(load, queue_raises_the_level_at_once_to_what_it_asks_for)
{
    static const struct {
        uint32_t queued;
        uint32_t level;
    } steps[] = { { 199, 0 }, { 200, 1 }, { 399, 1 }, { 400, 2 }, { 799, 2 }, { 800, 3 },
        { 5000, 3 } };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        set_up();
        (void)after(1000);
        cr_assert_eq(with_queue(steps[i].queued, 100), steps[i].level);
        cr_assert_eq(changes, steps[i].level > 0 ? 1 : 0);
    }
}

Test(load, level_falls_one_at_a_time_after_half_a_second)
{
    cr_assert_eq(with_queue(800, 100), 3);
    cr_assert_eq(with_queue(0, 500), 3);
    cr_assert_eq(after(100), 2);
    cr_assert_eq(after(400), 2);
    cr_assert_eq(after(100), 1);
    cr_assert_eq(after(400), 1);
    cr_assert_eq(after(100), 0);
    cr_assert_eq(after(2000), 0);
    cr_assert_eq(changes, 4);
}

Test(load, level_holds_at_four_fifths_of_what_raised_it)
{
    static const uint32_t raised_at[] = { 0, 200, 400, 800 };

    for (uint32_t level = 1; level < RMX_LOAD_LEVELS; level++) {
        uint32_t holds = raised_at[level] * 4 / 5;

        set_up();
        cr_assert_eq(with_queue(raised_at[level], 100), level);
        cr_assert_eq(with_queue(holds, 5000), level);
        cr_assert_eq(with_queue(holds - 1, 600), level - 1);
    }
}

Test(load, it_does_not_flap)
{
    for (int i = 0; i < 100; i++) { /* about the limit, on both sides of it */
        (void)with_queue(i % 2 ? 210 : 150, 100);
    }
    cr_assert_eq(changes, 1);
    for (int i = 0; i < 100; i++) { /* calm for a moment, again and again */
        (void)with_queue(200, 100);
        (void)with_queue(0, 400);
    }
    cr_assert_eq(changes, 1);
}

Test(load, rings_that_run_low_are_for_higher_classes)
{
    pressure.rings = 84;
    cr_assert_eq(after(1000), 0);
    pressure.rings = 85;
    cr_assert_eq(after(100), 1);
    pressure.rings = 100;
    cr_assert_eq(after(5000), 1);
    pressure.rings = 68;
    cr_assert_eq(after(5000), 1);
    pressure.rings = 67;
    cr_assert_eq(after(600), 0);
}

Test(load, busy_workers_are_no_overload_while_nothing_waits_for_them)
{
    cpu = 100;
    pressure.crowd = 15;
    cr_assert_eq(after(60000), 0);
    cr_assert_geq(load.cpu_permille, 980);
    pressure.crowd = 16;
    cr_assert_eq(after(100), 1);
}

Test(load, crowd_is_no_overload_while_the_workers_are_not_busy)
{
    cpu = 80;
    pressure.crowd = 1000;
    cr_assert_eq(after(60000), 0);
    cpu = 100;
    cr_assert_eq(after(1000), 1);
    cpu = 72;
    cr_assert_eq(after(10000), 1, "four fifths of 85");
    cpu = 60;
    cr_assert_eq(after(10000), 0);
}

Test(load, moment_of_work_is_no_overload)
{
    pressure.crowd = 1000;
    for (int i = 0; i < 50; i++) {
        cpu = 100;
        (void)after(500);
        cpu = 0;
        (void)after(500);
    }
    cr_assert_eq(changes, 0);
}

Test(load, worker_that_lies_about_its_time_was_busy_all_the_time_and_no_more)
{
    const struct rmx_load_work lie = { .busy_ns = UINT64_MAX, .starts = UINT64_MAX / 2000000000u };

    (void)after(1000);
    (void)rmx_load_look(&load, &limits, &pressure, &lie, now_ns + 5000 * (uint64_t)MS);
    cr_assert_eq(load.cpu_permille, 1000);
}

Test(load, nothing_is_too_much_where_the_settings_are_off)
{
    limits = (struct rmx_load_limits){ .workers = 2 };
    pressure = (struct rmx_load_pressure){ .queued = 5000, .crowd = 5000, .rings = 100 };
    cpu = 100;
    cr_assert_eq(after(10000), 0);
}

Test(load, settings_that_change_count_from_the_next_look)
{
    cr_assert_eq(with_queue(100, 100), 0);
    limits.queue = 50;
    cr_assert_eq(after(100), 2);
    limits.queue = 0;
    cr_assert_eq(after(2000), 0);
}

Test(load, background_is_refused_first_and_critical_last)
{
    static const uint32_t queued[] = { 0, 200, 400, 800 };

    for (uint32_t level = 0; level < RMX_LOAD_LEVELS; level++) {
        set_up();
        cr_assert_eq(with_queue(queued[level], 100), level);
        cr_assert_eq(refuses(RMX_CLASS_BACKGROUND), level >= 1);
        cr_assert_eq(refuses(RMX_CLASS_NORMAL), level >= 2);
        cr_assert_eq(refuses(RMX_CLASS_CRITICAL), level >= 3);
    }
}

/* Else workers would have nothing to do until the level falls. */
Test(load, what_has_room_again_is_taken_though_the_level_holds_on)
{
    cr_assert_eq(with_queue(800, 100), 3);
    pressure.queued = 639;
    cr_assert(!refuses(RMX_CLASS_CRITICAL));
    cr_assert(refuses(RMX_CLASS_NORMAL));
    pressure.queued = 319;
    cr_assert(!refuses(RMX_CLASS_NORMAL));
    cr_assert(refuses(RMX_CLASS_BACKGROUND));
    pressure.queued = 159;
    cr_assert(!refuses(RMX_CLASS_BACKGROUND));
    cr_assert_eq(load.level, 3);
}

Test(load, hint_is_when_what_is_in_front_will_be_done)
{
    (void)with_queue(200, 20000);
    cr_assert(load.starts >= 490 && load.starts <= 500, "%u", load.starts);
    uint64_t retry_ns = rmx_load_retry_ns(&load, &pressure);

    cr_assert(retry_ns > 400 * MS && retry_ns < 411 * MS);
    load.starts = 1000000;
    cr_assert_eq(rmx_load_retry_ns(&load, &pressure), 10 * MS);
    load.starts = 1;
    cr_assert_eq(rmx_load_retry_ns(&load, &pressure), 5000ull * MS);
    load.starts = 0;
    cr_assert_eq(rmx_load_retry_ns(&load, &pressure), 5000ull * MS);
}

Test(load, windows_of_a_refused_class_narrow_and_keep_some)
{
    static const uint32_t keeps[RMX_LOAD_LEVELS] = { 64, 16, 4, 1 };

    for (uint32_t level = 1; level < RMX_LOAD_LEVELS; level++) {
        uint32_t credits = 64;

        load.level = level;
        for (int i = 0; i < 100; i++) {
            credits += rmx_load_credits(&load, RMX_CLASS_BACKGROUND, credits, 64) - 1;
        }
        cr_assert_eq(credits, keeps[level]);
        for (uint32_t class_ = 0; class_ < RMX_CLASSES; class_++) {
            bool refused = class_ + level >= RMX_CLASSES;

            cr_assert_eq(rmx_load_credits(&load, class_, 64, 64), refused ? 0 : 1);
            cr_assert_eq(rmx_load_credits(&load, class_, 1, 1), 1, "never below one");
        }
    }
}

Test(load, windows_widen_when_all_is_calm_and_no_further_than_they_were)
{
    uint32_t credits = 3;

    for (int i = 0; i < 100; i++) {
        credits += rmx_load_credits(&load, RMX_CLASS_BACKGROUND, credits, 64) - 1;
    }
    cr_assert_eq(credits, 64);
    load.level = 1;
    cr_assert_eq(rmx_load_credits(&load, RMX_CLASS_CRITICAL, 3, 64), 1, "not yet");
}
