/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Groups of jobs, through a real daemon: what ends whom, how many work at once, and that a group's
 * own end comes last.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/raw_talk.h"

#define MS UINT64_C(1000000)

static struct harness harness;
static struct rmx_client *watcher; /* for the counters */

static void set_up(void)
{
    static const char *const settings[] = { "--workers=2", "--flows-small=8", "--flows-bulk=4",
        NULL };

    (void)signal(SIGPIPE, SIG_IGN);
    harness_start(&harness, settings);
    watcher = harness_client(&harness);
    raw_sock = raw_session(&harness);
}

static void tear_down(void)
{
    close(raw_sock);
    cr_assert_not_null(watcher, "the test ended in the middle");
    harness_counter_becomes(watcher, "groups_open", 0);
    harness_counter_becomes(watcher, "jobs_in_flight", 0);
    harness_counter_becomes(watcher, "fds_open", 0);
    harness_counter_becomes(watcher, "pairs_small_used", 0);
    harness_counter_becomes(watcher, "pairs_bulk_used", 0);
    rmx_close(&watcher);
    harness_stop(&harness);
}

TestSuite(e2e_group, .init = set_up, .fini = tear_down, .timeout = 180);

/* A job that waits for the first byte of a pipe. Returns the pipe's end that feeds it. */
static int submit_waiting(uint64_t job, uint32_t group)
{
    struct rmx_job_spec spec = raw_remux(job, group, "mpegts");
    int output = harness_output(&harness, "output");
    int ends[2];
    int fds[2];

    cr_assert_eq(pipe(ends), 0);
    fds[0] = ends[0];
    fds[1] = output;
    raw_submit(&spec, fds, 2);
    close(ends[0]);
    close(output);
    return ends[1];
}

/* One that fails: its input is empty. */
static void submit_failing(uint64_t job, uint32_t group)
{
    struct rmx_job_spec spec = raw_remux(job, group, "mpegts");
    int fds[2] = { harness_input("/dev/null"), harness_output(&harness, "failing") };

    raw_submit(&spec, fds, 2);
    close(fds[0]);
    close(fds[1]);
}

static void submit_noop(uint64_t job, uint32_t group)
{
    struct rmx_job_spec spec = raw_noop(job, group);

    raw_submit(&spec, NULL, 0);
}

static void expect(uint64_t job, enum rmx_status status, const char *text)
{
    struct rmx_job_result result = raw_hear_job();

    cr_assert_eq(result.job, job, "the end of %llu", (unsigned long long)result.job);
    cr_assert_eq(result.status, status, "%s: %s", rmx_status_name(result.status), result.text);
    if (text != NULL) {
        cr_assert_str_eq(result.text, text);
    }
}

/* --- how it ends ----------------------------------------------------------------------------- */

Test(e2e_group, end_comes_after_those_of_all_its_jobs)
{
    struct rmx_msg_group_done done;

    raw_open_group(7, 0, 0, 0);
    for (uint64_t job = 1; job <= 40; job++) {
        submit_noop(job, 7);
    }
    raw_say_group(RMX_MSG_GROUP_CLOSE, 7);
    for (uint64_t job = 1; job <= 40; job++) {
        cr_assert_eq(raw_hear_job().status, RMX_STATUS_OK);
    }
    done = raw_hear_group(7);
    cr_assert_eq(done.status, RMX_STATUS_OK);
    cr_assert_eq(done.ended[RMX_STATUS_OK], 40);
    raw_open_group(7, 0, 0, 0); /* its name is free again */
    raw_say_group(RMX_MSG_GROUP_CLOSE, 7);
    cr_assert_eq(raw_hear_group(7).ended[RMX_STATUS_OK], 0);
}

Test(e2e_group, first_that_fails_ends_those_that_wait_and_those_that_come)
{
    struct rmx_msg_group_done done;
    int feeds[3];

    raw_open_group(7, 0, 0, 0);
    for (uint64_t i = 0; i < 3; i++) {
        feeds[i] = submit_waiting(1 + i, 7);
    }
    submit_failing(9, 7);
    cr_assert_eq(raw_hear_job().job, 9, "the culprit first");
    for (uint64_t i = 0; i < 3; i++) {
        struct rmx_job_result result = raw_hear_job();

        cr_assert_eq(result.status, RMX_STATUS_CANCELLED);
        cr_assert_str_eq(result.text, "a job of its group failed");
        close(feeds[i]);
    }
    submit_noop(10, 7);
    expect(10, RMX_STATUS_CANCELLED, "a job of its group failed");
    raw_say_group(RMX_MSG_GROUP_CLOSE, 7);
    done = raw_hear_group(7);
    cr_assert_eq(done.status, RMX_STATUS_BAD_MEDIA);
    cr_assert_eq(done.first.job, 9);
    cr_assert_eq(done.ended[RMX_STATUS_CANCELLED], 4);
    cr_assert_eq(done.ended[RMX_STATUS_BAD_MEDIA], 1);
}

Test(e2e_group, that_collects_all_leaves_the_others_alone)
{
    struct rmx_msg_group_done done;
    int feed;

    raw_open_group(7, RMX_GROUP_COLLECT_ALL, 0, 0);
    feed = submit_waiting(1, 7);
    submit_failing(2, 7);
    expect(2, RMX_STATUS_BAD_MEDIA, NULL);
    submit_noop(3, 7);
    expect(3, RMX_STATUS_OK, NULL);
    raw_say_group(RMX_MSG_GROUP_CLOSE, 7);
    close(feed);
    expect(1, RMX_STATUS_BAD_MEDIA, NULL);
    done = raw_hear_group(7);
    cr_assert_eq(done.status, RMX_STATUS_BAD_MEDIA);
    cr_assert_eq(done.first.job, 2);
    cr_assert_eq(done.ended[RMX_STATUS_OK], 1);
}

Test(e2e_group, cancel_ends_its_jobs_and_nobody_else_s)
{
    int ours;
    int other;

    raw_open_group(7, 0, 0, 0);
    ours = submit_waiting(1, 7);
    other = submit_waiting(2, 0);
    raw_say_group(RMX_MSG_GROUP_CANCEL, 7);
    expect(1, RMX_STATUS_CANCELLED, "its group was cancelled");
    raw_say_group(RMX_MSG_GROUP_CANCEL, 7);
    raw_say_group(RMX_MSG_GROUP_CLOSE, 7);
    cr_assert_eq(raw_hear_group(7).status, RMX_STATUS_CANCELLED);
    raw_say_group(RMX_MSG_GROUP_CANCEL, 7); /* it has ended: no error */
    close(ours);
    raw_cancel(2);
    expect(2, RMX_STATUS_CANCELLED, "cancelled by the client");
    close(other);
}

Test(e2e_group, job_that_is_none_fails_its_group)
{
    struct rmx_job_spec bad = raw_noop(5, 7);

    raw_open_group(7, 0, 0, 0);
    bad.outputs = 1;
    bad.output_port = RMX_JOB_RING;
    raw_submit(&bad, NULL, 0);
    expect(5, RMX_STATUS_BAD_JOB, NULL);
    raw_say_group(RMX_MSG_GROUP_CLOSE, 7);
    cr_assert_eq(raw_hear_group(7).first.job, 5);
}

Test(e2e_group, job_cannot_join_what_is_not_open)
{
    submit_noop(1, 7);
    expect(1, RMX_STATUS_BAD_JOB, "group: there is none of that name");
    raw_open_group(7, 0, 0, 0);
    int feed = submit_waiting(2, 7);

    raw_say_group(RMX_MSG_GROUP_CLOSE, 7);
    submit_noop(3, 7);
    expect(3, RMX_STATUS_BAD_JOB, "group: it is closed");
    close(feed);
    expect(2, RMX_STATUS_BAD_MEDIA, NULL);
    cr_assert_eq(raw_hear_group(7).ended[RMX_STATUS_BAD_JOB], 0);
}

Test(e2e_group, who_opens_a_group_twice_is_cut_off)
{
    raw_open_group(7, 0, 0, 0);
    raw_open_group(7, 0, 0, 0);
    cr_assert_eq(raw_hear().type, RMX_MSG_GOODBYE);
    cr_assert_eq(raw_hear().type, 0);
}

/* --- how many work at once ------------------------------------------------------------------- */

/* How many of the daemon's jobs are in this state. */
static size_t count_in(int operator_sock, enum rmx_job_state state)
{
    struct rmx_jobs_item items[32];
    size_t count = raw_jobs(operator_sock, items, 32);
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        found += items[i].state == state;
        cr_assert_str_eq(items[i].group, RAW_GROUP_NAME);
    }
    return found;
}

static void await_count(int operator_sock, enum rmx_job_state state, size_t wanted)
{
    for (int i = 0; i < 2000 && count_in(operator_sock, state) != wanted; i++) {
        (void)poll(NULL, 0, 5);
    }
    cr_assert_eq(count_in(operator_sock, state), wanted);
}

Test(e2e_group, no_more_work_at_once_than_it_allows)
{
    int operator_sock = raw_operator(&harness);
    struct rmx_msg_group_done done;
    int feeds[6];

    raw_open_group(7, RMX_GROUP_COLLECT_ALL, 2, 0);
    for (uint64_t i = 0; i < 6; i++) {
        feeds[i] = submit_waiting(1 + i, 7);
        cr_assert_eq(write(feeds[i], "\x47", 1), 1); /* now it could start */
    }
    await_count(operator_sock, RMX_JOB_RUNNING, 2);
    cr_assert_eq(count_in(operator_sock, RMX_JOB_QUEUED), 4);
    for (uint64_t i = 0; i < 6; i++) {
        struct rmx_job_result result;

        close(feeds[i]); /* in the order they came, and so they start */
        result = raw_hear_job();
        cr_assert_eq(result.job, 1 + i);
        await_count(operator_sock, RMX_JOB_RUNNING, i < 4 ? 2 : 5 - i);
    }
    raw_say_group(RMX_MSG_GROUP_CLOSE, 7);
    done = raw_hear_group(7);
    cr_assert_eq(done.ended[RMX_STATUS_BAD_MEDIA], 6);
    close(operator_sock);
}

Test(e2e_group, those_that_wait_for_it_end_with_it)
{
    int feed;

    raw_open_group(7, 0, 1, 0);
    feed = submit_waiting(1, 7);
    cr_assert_eq(write(feed, "\x47", 1), 1);
    for (uint64_t job = 2; job < 6; job++) {
        submit_noop(job, 7);
    }
    raw_cancel(3); /* out of the middle */
    raw_say_group(RMX_MSG_GROUP_CLOSE, 7);
    for (int i = 0; i < 5; i++) {
        struct rmx_job_result result = raw_hear_job();

        cr_assert_eq(result.status, RMX_STATUS_CANCELLED, "%s", result.text);
    }
    cr_assert_eq(raw_hear_group(7).first.job, 3, "it was the first that did not end OK");
    close(feed);
}

/* --- its deadline ---------------------------------------------------------------------------- */

Test(e2e_group, deadline_caps_those_of_its_jobs)
{
    uint64_t start_ns = harness_now_ns();
    struct rmx_job_spec spec = raw_noop(3, 7);
    struct rmx_msg_group_done done;
    int feeds[2];

    raw_open_group(7, 0, 0, start_ns + 150 * MS);
    feeds[0] = submit_waiting(1, 7);
    feeds[1] = submit_waiting(2, 7);
    for (int i = 0; i < 2; i++) {
        struct rmx_job_result result = raw_hear_job();

        cr_assert_eq(result.status, RMX_STATUS_DEADLINE, "%s", rmx_status_name(result.status));
        cr_assert_geq(harness_now_ns(), start_ns + 150 * MS);
        close(feeds[i]);
    }
    spec.deadline_ns = start_ns + 60000 * MS; /* later than the group's */
    raw_submit(&spec, NULL, 0);
    expect(3, RMX_STATUS_DEADLINE, NULL);
    raw_say_group(RMX_MSG_GROUP_CLOSE, 7);
    done = raw_hear_group(7);
    cr_assert_eq(done.status, RMX_STATUS_DEADLINE);
    cr_assert_eq(done.ended[RMX_STATUS_DEADLINE], 3);
}

/* --- who leaves ------------------------------------------------------------------------------ */

Test(e2e_group, client_that_leaves_takes_its_groups_along)
{
    int feeds[4];

    for (uint32_t i = 0; i < 4; i++) {
        raw_open_group(1 + i, 0, 1, 0);
        feeds[i] = submit_waiting(1 + i, 1 + i);
        cr_assert_eq(write(feeds[i], "\x47", 1), 1);
        submit_noop(10 + i, 1 + i);
    }
    harness_counter_becomes(watcher, "groups_open", 4);
    close(raw_sock);
    harness_counter_becomes(watcher, "groups_open", 0);
    harness_counter_becomes(watcher, "jobs_in_flight", 0);
    for (uint32_t i = 0; i < 4; i++) {
        close(feeds[i]);
    }
    raw_sock = raw_session(&harness); /* and its entry has nothing of it */
    raw_open_group(1, 0, 0, 0);
    submit_noop(1, 1);
    raw_say_group(RMX_MSG_GROUP_CLOSE, 1);
    expect(1, RMX_STATUS_OK, NULL);
    cr_assert_eq(raw_hear_group(1).ended[RMX_STATUS_OK], 1);
}

Test(e2e_group, that_is_open_when_the_daemon_drains_has_its_end)
{
    struct rmx_msg_group_done done;
    int feed;

    rmx_close(&watcher);
    raw_open_group(7, 0, 0, 0);
    feed = submit_waiting(1, 7);
    submit_noop(2, 7);
    expect(2, RMX_STATUS_OK, NULL);
    cr_assert_eq(kill(harness.daemon, SIGTERM), 0);
    cr_assert_eq(raw_hear().type, RMX_MSG_GOODBYE);
    submit_noop(3, 7);
    expect(3, RMX_STATUS_DRAINING, NULL); /* it never joined */
    close(feed);
    expect(1, RMX_STATUS_BAD_MEDIA, NULL);
    done = raw_hear_group(7);
    cr_assert_eq(done.first.job, 1);
    cr_assert_eq(done.ended[RMX_STATUS_DRAINING], 0);
    cr_assert_eq(raw_hear().type, 0);
    harness_stop(&harness);
    harness_start(&harness, NULL);
    watcher = harness_client(&harness);
}
