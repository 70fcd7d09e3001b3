/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The counters: where each stands, what it is called, how it moves.
 */
#include "ipc/stats.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(stats, every_status_has_its_counter_at_its_wire_value)
{
    for (uint32_t status = 0; status < RMX_STATUSES; status++) {
        char name[64];

        snprintf(name, sizeof(name), "jobs_ended_%s", rmx_status_name(status));
        cr_assert_str_eq(rmx_stats_name(status), name);
        cr_assert_eq((uint32_t)rmx_stats_ended(status), status);
        cr_assert_eq(rmx_stats_kind(status), RMX_STATS_COUNTER);
    }
}

Test(stats, an_end_without_a_row_counts_as_our_mistake)
{
    cr_assert_eq(rmx_stats_ended(RMX_STATUSES), RMX_STATS_JOBS_ENDED_INTERNAL);
    cr_assert_eq(rmx_stats_ended(UINT32_MAX), RMX_STATS_JOBS_ENDED_INTERNAL);
}

Test(stats, rows_start_after_the_room_for_statuses_to_come)
{
    cr_assert_eq((uint32_t)RMX_STATS_JOBS_SUBMITTED, RMX_STATS_ENDED_SLOTS);
    cr_assert_str_eq(rmx_stats_name(RMX_STATS_JOBS_SUBMITTED), "jobs_submitted");
    for (uint32_t i = RMX_STATUSES; i < RMX_STATS_ENDED_SLOTS; i++) {
        cr_assert_null(rmx_stats_name(i));
        cr_assert_null(rmx_stats_unit(i));
        cr_assert_null(rmx_stats_help(i));
    }
}

Test(stats, every_row_has_a_name_of_its_own_a_unit_and_a_help_text)
{
    for (uint32_t i = RMX_STATS_ENDED_SLOTS; i < RMX_STATS_COUNT; i++) {
        cr_assert_gt(strlen(rmx_stats_name(i)), 0);
        cr_assert_gt(strlen(rmx_stats_unit(i)), 0);
        cr_assert_gt(strlen(rmx_stats_help(i)), 0);
        for (uint32_t j = RMX_STATS_ENDED_SLOTS; j < i; j++) {
            cr_assert_str_neq(rmx_stats_name(i), rmx_stats_name(j));
        }
    }
    cr_assert_eq(rmx_stats_kind(RMX_STATS_JOBS_IN_FLIGHT), RMX_STATS_GAUGE);
    cr_assert_eq(rmx_stats_kind(RMX_STATS_BYTES_IN), RMX_STATS_COUNTER);
}

Test(stats, there_is_nothing_behind_the_last)
{
    cr_assert_null(rmx_stats_name(RMX_STATS_COUNT));
    cr_assert_null(rmx_stats_unit(UINT32_MAX));
    cr_assert_null(rmx_stats_help(UINT32_MAX));
    cr_assert_eq(rmx_stats_kind(UINT32_MAX), RMX_STATS_COUNTER);
}

Test(stats, values_move_alone)
{
    static struct rmx_stats stats;

    rmx_stats_set(&stats, RMX_STATS_JOBS_IN_FLIGHT, 1);
    rmx_stats_add(&stats, RMX_STATS_JOBS_IN_FLIGHT, 2);
    rmx_stats_set(&stats, RMX_STATS_FDS_OPEN, 7);

    cr_assert_eq(rmx_stats_get(&stats, RMX_STATS_JOBS_IN_FLIGHT), 3);
    cr_assert_eq(rmx_stats_get(&stats, RMX_STATS_FDS_OPEN), 7);
    cr_assert_eq(rmx_stats_get(&stats, RMX_STATS_JOBS_QUEUED), 0);
}

Test(stats, lanes_add_up)
{
    static struct rmx_stats lanes[2];
    uint64_t totals[RMX_STATS_COUNT] = { 0 };

    rmx_stats_add(&lanes[0], RMX_STATS_BYTES_OUT, 1ull << 40);
    rmx_stats_add(&lanes[1], RMX_STATS_BYTES_OUT, 1);
    rmx_stats_add(&lanes[1], RMX_STATS_MESSAGES_OUT, 9);
    rmx_stats_collect(&lanes[0], totals);
    rmx_stats_collect(&lanes[1], totals);

    cr_assert_eq(totals[RMX_STATS_BYTES_OUT], (1ull << 40) + 1);
    cr_assert_eq(totals[RMX_STATS_MESSAGES_OUT], 9);
    cr_assert_eq(totals[RMX_STATS_JOBS_ENDED_OK], 0);
}

Test(stats, the_highest_level_of_the_lanes_counts)
{
    static struct rmx_stats lanes[3];
    uint64_t totals[RMX_STATS_COUNT] = { 0 };

    rmx_stats_set(&lanes[0], RMX_STATS_LOAD_LEVEL, 1);
    rmx_stats_set(&lanes[1], RMX_STATS_LOAD_LEVEL, 3);
    rmx_stats_set(&lanes[2], RMX_STATS_LOAD_LEVEL, 2);
    for (size_t i = 0; i < 3; i++) {
        rmx_stats_collect(&lanes[i], totals);
    }

    cr_assert_eq(totals[RMX_STATS_LOAD_LEVEL], 3);
    cr_assert_eq(rmx_stats_kind(RMX_STATS_LOAD_LEVEL), RMX_STATS_LEVEL);
}
