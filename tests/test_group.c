/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Groups of jobs as engine/group.h draws them, without a job: every edge of the picture, no other,
 * and what a group says of its end.
 */
#include "engine/group.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define NOW 1000u

static struct rmx_group groups[RMX_GROUPS_MAX];

static struct rmx_group *open_group(uint32_t name, uint32_t flags, uint32_t jobs_max)
{
    struct rmx_msg_group message = {
        .group = name,
        .flags = flags,
        .jobs_max = jobs_max,
        .name = "nightly",
    };
    struct rmx_group *group = rmx_group_open(groups, &message);

    cr_assert_not_null(group);
    return group;
}

static struct rmx_group *open_late(uint32_t flags, uint64_t deadline_ns)
{
    struct rmx_group *group = open_group(1, flags, 0);

    group->deadline_ns = deadline_ns;
    return group;
}

static uint32_t join(struct rmx_group *group)
{
    const char *why = "";

    return rmx_group_join(group, NOW, &why);
}

/* Job number `job` ends so. Returns whether the others are to be stopped. */
static bool end(struct rmx_group *group, uint64_t job, uint32_t status)
{
    struct rmx_job_result result = { .job = job, .status = status };

    return rmx_group_ended(group, &result, false, NOW);
}

static struct rmx_msg_group_done report(struct rmx_group *group)
{
    struct rmx_msg_group_done done;

    cr_assert_eq(group->state, RMX_GROUP_OVER);
    rmx_group_report(group, &done);
    rmx_group_free(group);
    return done;
}

/* --- what it comes to ------------------------------------------------------------------------ */

Test(group, of_jobs_that_ended_ok_is_ok)
{
    struct rmx_group *group = open_group(7, 0, 0);
    struct rmx_msg_group_done done;

    cr_assert_eq(join(group), RMX_STATUS_OK);
    cr_assert_eq(join(group), RMX_STATUS_OK);
    cr_assert_not(end(group, 1, RMX_STATUS_OK));
    rmx_group_close(group);
    cr_assert_eq(group->state, RMX_GROUP_CLOSED, "one is still at work");
    cr_assert_not(end(group, 2, RMX_STATUS_OK));
    done = report(group);
    cr_assert_eq(done.group, 7);
    cr_assert_eq(done.status, RMX_STATUS_OK);
    cr_assert_eq(done.ended[RMX_STATUS_OK], 2);
    cr_assert_eq(done.first.job, 0);
}

Test(group, without_jobs_is_over_when_it_is_closed)
{
    struct rmx_group *group = open_group(7, 0, 0);

    rmx_group_close(group);
    cr_assert_eq(report(group).status, RMX_STATUS_OK);
}

Test(group, first_failure_in_time_stops_the_others_once)
{
    struct rmx_group *group = open_group(7, 0, 0);
    struct rmx_msg_group_done done;
    const char *why = "";

    for (int i = 0; i < 4; i++) {
        (void)join(group);
    }
    cr_assert_not(end(group, 1, RMX_STATUS_OK));
    cr_assert(end(group, 2, RMX_STATUS_BAD_MEDIA));
    cr_assert_eq(group->stop_status, RMX_STATUS_CANCELLED);
    cr_assert_str_eq(group->stop_why, "a job of its group failed");
    cr_assert_not(end(group, 3, RMX_STATUS_OUTPUT_FULL), "they are told already");
    cr_assert_eq(rmx_group_join(group, NOW, &why), RMX_STATUS_CANCELLED, "who comes too late");
    cr_assert_not(end(group, 5, RMX_STATUS_CANCELLED));
    rmx_group_close(group);
    cr_assert_not(end(group, 4, RMX_STATUS_CANCELLED));
    done = report(group);
    cr_assert_eq(done.status, RMX_STATUS_BAD_MEDIA);
    cr_assert_eq(done.first.job, 2);
    cr_assert_eq(done.ended[RMX_STATUS_CANCELLED], 2);
    cr_assert_eq(done.ended[RMX_STATUS_OUTPUT_FULL], 1);
}

Test(group, last_job_that_fails_has_nobody_to_stop)
{
    struct rmx_group *group = open_group(7, 0, 0);

    (void)join(group);
    cr_assert_not(end(group, 1, RMX_STATUS_BAD_MEDIA));
    cr_assert_eq(group->state, RMX_GROUP_STOPPED, "none may follow either");
}

Test(group, that_collects_all_goes_on_after_a_failure)
{
    struct rmx_group *group = open_group(7, RMX_GROUP_COLLECT_ALL, 0);
    struct rmx_msg_group_done done;

    (void)join(group);
    (void)join(group);
    cr_assert_not(end(group, 1, RMX_STATUS_BAD_MEDIA));
    cr_assert_eq(join(group), RMX_STATUS_OK);
    cr_assert_not(end(group, 2, RMX_STATUS_TRUNCATED));
    cr_assert_not(end(group, 3, RMX_STATUS_OK));
    rmx_group_close(group);
    done = report(group);
    cr_assert_eq(done.status, RMX_STATUS_BAD_MEDIA);
    cr_assert_eq(done.first.job, 1);
    cr_assert_eq(done.ended[RMX_STATUS_OK] + done.ended[RMX_STATUS_TRUNCATED], 2);
}

Test(group, that_is_cancelled_says_so_and_names_no_job)
{
    struct rmx_group *group = open_group(7, 0, 0);
    struct rmx_msg_group_done done;

    (void)join(group);
    cr_assert(rmx_group_cancel(group));
    cr_assert_str_eq(group->stop_why, "its group was cancelled");
    cr_assert_not(rmx_group_cancel(group), "once is enough");
    rmx_group_close(group);
    cr_assert_not(end(group, 1, RMX_STATUS_CANCELLED));
    done = report(group);
    cr_assert_eq(done.status, RMX_STATUS_CANCELLED);
    cr_assert_eq(done.first.job, 0);
}

Test(group, failure_before_the_cancel_is_what_it_ends_with)
{
    struct rmx_group *group = open_group(7, RMX_GROUP_COLLECT_ALL, 0);

    (void)join(group);
    (void)join(group);
    (void)end(group, 1, RMX_STATUS_BAD_MEDIA);
    cr_assert(rmx_group_cancel(group));
    (void)end(group, 2, RMX_STATUS_CANCELLED);
    rmx_group_close(group);
    cr_assert_eq(report(group).status, RMX_STATUS_BAD_MEDIA);
}

Test(group, that_is_late_ends_all_its_jobs_as_late)
{
    struct rmx_group *group = open_late(RMX_GROUP_COLLECT_ALL, NOW);
    struct rmx_msg_group_done done;

    cr_assert_eq(join(group), RMX_STATUS_DEADLINE);
    (void)join(group);
    cr_assert(end(group, 1, RMX_STATUS_DEADLINE));
    cr_assert_eq(group->stop_status, RMX_STATUS_DEADLINE);
    cr_assert_not(end(group, 2, RMX_STATUS_DEADLINE));
    rmx_group_close(group);
    done = report(group);
    cr_assert_eq(done.status, RMX_STATUS_DEADLINE);
    cr_assert_eq(done.first.job, 1);
}

Test(group, job_that_was_late_by_itself_fails_it_like_any_other)
{
    struct rmx_group *group = open_late(0, NOW + 1);

    (void)join(group);
    (void)join(group);
    cr_assert(end(group, 1, RMX_STATUS_DEADLINE));
    cr_assert_eq(group->stop_status, RMX_STATUS_CANCELLED);
}

Test(group, none_joins_a_closed_one)
{
    struct rmx_group *group = open_group(7, 0, 0);

    (void)join(group);
    rmx_group_close(group);
    cr_assert_eq(join(group), RMX_STATUS_BAD_JOB);
    (void)rmx_group_cancel(group);
    cr_assert_eq(join(group), RMX_STATUS_BAD_JOB);
    (void)end(group, 1, RMX_STATUS_CANCELLED);
    cr_assert_eq(join(group), RMX_STATUS_BAD_JOB, "and it is not counted");
    cr_assert_eq(report(group).ended[RMX_STATUS_BAD_JOB], 0);
}

Test(group, as_many_work_as_it_allows)
{
    struct rmx_group *group = open_group(7, RMX_GROUP_COLLECT_ALL, 2);
    const struct rmx_job_result result = { .job = 1, .status = RMX_STATUS_OK };

    for (int i = 0; i < 4; i++) {
        (void)join(group);
    }
    cr_assert(rmx_group_let_work(group));
    cr_assert(rmx_group_let_work(group));
    cr_assert_not(rmx_group_let_work(group));
    (void)rmx_group_ended(group, &result, false, NOW);
    cr_assert_not(rmx_group_let_work(group), "the one that ended did not work");
    (void)rmx_group_ended(group, &result, true, NOW);
    cr_assert(rmx_group_let_work(group));
}

Test(group, name_is_one_group_s_until_that_is_over)
{
    struct rmx_msg_group message = { .group = 7 };
    struct rmx_group *group = open_group(7, 0, 0);

    cr_assert_null(rmx_group_open(groups, &message));
    cr_assert_eq(rmx_group_find(groups, 7), group);
    cr_assert_null(rmx_group_find(groups, 8));
    rmx_group_close(group);
    (void)report(group);
    cr_assert_null(rmx_group_find(groups, 7));
    (void)open_group(7, 0, 0);
    for (uint32_t i = 1; i < RMX_GROUPS_MAX; i++) {
        (void)open_group(100 + i, 0, 0);
    }
    message.group = 99;
    cr_assert_null(rmx_group_open(groups, &message), "as many as may be");
}

/* --- its states ------------------------------------------------------------------------------ */

static bool seen[RMX_GROUP_STATES][RMX_GROUP_STATES];

/* Does one thing of those that may happen to a group in its state. */
static void do_something(struct rmx_group *group, long what)
{
    static const uint32_t ends[] = { RMX_STATUS_OK, RMX_STATUS_OK, RMX_STATUS_BAD_MEDIA,
        RMX_STATUS_CANCELLED, RMX_STATUS_DEADLINE };

    switch (what % 6) {
    case 0:
        (void)rmx_group_cancel(group);
        break;
    case 1:
        rmx_group_close(group);
        break;
    case 2:
        for (; group->jobs > 0 && what % 4 == 0; rmx_group_leave(group, false)) {
        }
        if (group->jobs == 0) {
            rmx_group_free(group); /* told, or its client has left */
        }
        break;
    case 3:
        (void)join(group);
        break;
    default:
        if (group->jobs > 0) {
            (void)end(group, 1, ends[(unsigned long)what / 6 % 5]);
        }
    }
}

/* What must hold whatever happened. */
static void check(const struct rmx_group *group)
{
    bool closed = group->state == RMX_GROUP_CLOSED || group->state == RMX_GROUP_ENDING;

    cr_assert(!closed || group->jobs > 0, "the last end ends it");
    cr_assert(group->state != RMX_GROUP_OVER || group->jobs == 0);
    cr_assert(group->state != RMX_GROUP_STOPPED || group->status != RMX_STATUS_OK);
    cr_assert(group->first.job == 0 || group->first.status == group->status);
}

Test(group, goes_every_way_of_its_picture_and_no_other)
{
    static const bool drawn[RMX_GROUP_STATES][RMX_GROUP_STATES] = {
        [RMX_GROUP_FREE] = { [RMX_GROUP_OPEN] = true },
        [RMX_GROUP_OPEN] = { [RMX_GROUP_CLOSED] = true,
            [RMX_GROUP_STOPPED] = true,
            [RMX_GROUP_OVER] = true /* by CLOSED */,
            [RMX_GROUP_FREE] = true },
        [RMX_GROUP_STOPPED] = { [RMX_GROUP_ENDING] = true,
            [RMX_GROUP_OVER] = true /* by ENDING */,
            [RMX_GROUP_FREE] = true },
        [RMX_GROUP_CLOSED] = { [RMX_GROUP_ENDING] = true,
            [RMX_GROUP_OVER] = true,
            [RMX_GROUP_FREE] = true },
        [RMX_GROUP_ENDING] = { [RMX_GROUP_OVER] = true, [RMX_GROUP_FREE] = true },
        [RMX_GROUP_OVER] = { [RMX_GROUP_FREE] = true },
    };

    srandom(4);
    for (uint32_t i = 0; i < 200000; i++) {
        enum rmx_group_state before = groups[0].state;

        if (before == RMX_GROUP_FREE) {
            (void)open_late((uint32_t)random() % 2, (uint32_t)random() % 3 * NOW);
        } else {
            do_something(&groups[0], random());
        }
        seen[before][groups[0].state] = true;
        check(&groups[0]);
    }
    for (int from = 0; from < RMX_GROUP_STATES; from++) {
        for (int to = 0; to < RMX_GROUP_STATES; to++) {
            cr_assert(from == to || seen[from][to] == drawn[from][to], "%d -> %d", from, to);
        }
    }
}
