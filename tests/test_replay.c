/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What becomes of a job whose worker died.
 */
#include <criterion/criterion.h>

#include "engine/replay.h"

static const enum rmx_replay_death deaths[] = { RMX_REPLAY_CRASHED, RMX_REPLAY_CONDEMNED,
    RMX_REPLAY_VANISHED };

#define DEATHS (sizeof(deaths) / sizeof(deaths[0]))

Test(replay, innocent_job_runs_again_however_its_worker_died)
{
    for (size_t i = 0; i < DEATHS; i++) {
        struct rmx_replay_case facts = { .death = deaths[i], .repeatable = true, .losses = 1 };

        cr_assert_eq(rmx_replay_judge(&facts), RMX_REPLAY_AGAIN);
    }
}

Test(replay, innocent_job_that_lost_three_workers_runs_again_and_after_the_fourth_alone)
{
    struct rmx_replay_case facts = { .death = RMX_REPLAY_CRASHED, .repeatable = true };

    for (facts.losses = 1; facts.losses <= 3; facts.losses++) {
        cr_assert_eq(rmx_replay_judge(&facts), RMX_REPLAY_AGAIN, "%u", facts.losses);
    }
    cr_assert_eq(rmx_replay_judge(&facts), RMX_REPLAY_ALONE);
}

Test(replay, job_on_the_core_is_tried_alone)
{
    for (size_t i = 0; i < DEATHS; i++) {
        struct rmx_replay_case facts = {
            .death = deaths[i], .repeatable = true, .on_core = true, .losses = 1
        };

        cr_assert_eq(rmx_replay_judge(&facts), RMX_REPLAY_ALONE);
    }
}

Test(replay, job_that_ends_its_worker_alone_is_poison_if_that_crashed)
{
    for (int on_core = 0; on_core < 2; on_core++) {
        for (int repeatable = 0; repeatable < 2; repeatable++) {
            struct rmx_replay_case facts = {
                .death = RMX_REPLAY_CRASHED,
                .alone = true,
                .on_core = on_core != 0,
                .repeatable = repeatable != 0,
                .losses = 1,
            };

            cr_assert_eq(rmx_replay_judge(&facts), RMX_REPLAY_POISON);
            facts.death = RMX_REPLAY_CONDEMNED;
            cr_assert_eq(rmx_replay_judge(&facts), RMX_REPLAY_LOST);
            facts.death = RMX_REPLAY_VANISHED;
            cr_assert_eq(rmx_replay_judge(&facts), RMX_REPLAY_LOST);
        }
    }
}

Test(replay, job_that_cannot_be_repeated_is_lost)
{
    for (int on_core = 0; on_core < 2; on_core++) {
        struct rmx_replay_case facts = { .on_core = on_core != 0, .losses = 1 };

        cr_assert_eq(rmx_replay_judge(&facts), RMX_REPLAY_LOST);
    }
}

Test(replay, job_that_is_to_stop_stops_whatever_else_is_true_of_it)
{
    for (unsigned bits = 0; bits < 8; bits++) {
        for (size_t i = 0; i < DEATHS; i++) {
            struct rmx_replay_case facts = {
                .death = deaths[i],
                .stops = true,
                .repeatable = (bits & 1) != 0,
                .on_core = (bits & 2) != 0,
                .alone = (bits & 4) != 0,
                .losses = 1,
            };

            cr_assert_eq(rmx_replay_judge(&facts), RMX_REPLAY_STOP);
        }
    }
}
