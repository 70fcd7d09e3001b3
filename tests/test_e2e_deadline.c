/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs that are late: wherever they are, they end at their deadline, and say where the time went.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness.h"

#define MS       UINT64_C(1000000)
#define LATE_MS  400u
#define SLACK_MS 3000u /* what a busy machine may add */

static struct harness harness;
static struct rmx_client *client;
static int feed;   /* of the job that waits for input */
static int output; /* where the job's output can be read, if it is a pipe */

static void set_up(void)
{
    static const char *const settings[] = { "--workers=2", "--flows-small=4", "--flows-bulk=2",
        NULL };

    (void)signal(SIGPIPE, SIG_IGN);
    (void)harness_media("large.mp4"); /* which may take longer to make than the jobs have */
    (void)harness_media("live.ts");
    (void)harness_media("small.ts");
    harness_start(&harness, settings);
    client = harness_client(&harness);
}

static void tear_down(void)
{
    harness_counter_becomes(client, "jobs_in_flight", 0);
    harness_counter_becomes(client, "fds_open", 0);
    harness_counter_becomes(client, "pairs_small_used", 0);
    harness_counter_becomes(client, "pairs_bulk_used", 0);
    rmx_close(&client);
    harness_stop(&harness);
}

TestSuite(e2e_deadline, .init = set_up, .fini = tear_down, .timeout = 180);

static uint64_t submit(int input, int to, uint64_t deadline_ns)
{
    struct rmx_job job = RMX_JOB_INIT;
    uint64_t id = 0;

    job.input = input;
    job.output = to;
    job.format = "mpegts";
    job.flags = RMX_BITEXACT;
    job.deadline_ns = deadline_ns;
    cr_assert_eq(rmx_submit(client, &job, 1, &id), 1);
    close(input);
    close(to);
    return id;
}

/* A job whose input stops after `bytes` of a clip. */
static uint64_t submit_starved(size_t bytes, uint64_t deadline_ns)
{
    char beginning[32768];
    int clip = harness_input(harness_media("live.ts"));
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(read(clip, beginning, bytes), (ssize_t)bytes);
    cr_assert_eq(write(ends[1], beginning, bytes), (ssize_t)bytes);
    close(clip);
    feed = ends[1];
    return submit(ends[0], harness_output(&harness, "starved"), deadline_ns);
}

/* One whose output nobody reads. */
static uint64_t submit_stuffed(const char *clip, uint64_t deadline_ns)
{
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    output = ends[0];
    return submit(harness_input(harness_media(clip)), ends[1], deadline_ns);
}

/* The next end: at this deadline, and its times are within its total. */
static struct rmx_result expect_late(uint64_t deadline_ns)
{
    struct rmx_result result = harness_wait(client);
    uint64_t now = harness_now_ns();

    cr_assert_eq(result.status, RMX_DEADLINE, "%s: %s", rmx_end_name(result.status), result.text);
    cr_assert_geq(now, deadline_ns);
    cr_assert_lt(now, deadline_ns + SLACK_MS * MS, "%s", result.text);
    cr_assert_leq(result.queued_ns + result.input_wait_ns + result.output_wait_ns, result.total_ns);
    return result;
}

/* "..., waited N ms for input and M ms for output, ran K ms" */
static double milliseconds(const char *text, const char *before)
{
    const char *at = strstr(text, before);
    char *end;
    double value;

    cr_assert_not_null(at, "%s", text);
    value = strtod(at + strlen(before), &end);
    cr_assert_eq(strncmp(end, " ms", 3), 0, "%s", text);
    return value;
}

/* --- before it starts ------------------------------------------------------------------------ */

Test(e2e_deadline, job_that_is_late_already_never_starts)
{
    uint64_t submitted = harness_now_ns();
    struct rmx_result result;

    (void)submit(
        harness_input(harness_media("small.ts")), harness_output(&harness, "out"), submitted - 1);
    result = expect_late(submitted - 1);
    cr_assert_eq(result.run_ns, 0);
    cr_assert_eq(result.bytes_in, 0);
}

Test(e2e_deadline, job_without_a_first_byte_waited_for_input)
{
    uint64_t deadline_ns = harness_now_ns() + LATE_MS * MS;
    struct rmx_result result;

    (void)submit_starved(0, deadline_ns);
    result = expect_late(deadline_ns);
    close(feed);
    cr_assert_gt(result.input_wait_ns, (LATE_MS - 20) * MS);
    cr_assert_eq(result.run_ns, 0);
    cr_assert_gt(milliseconds(result.text, "waited "), LATE_MS - 20);
}

Test(e2e_deadline, job_that_finds_no_worker_was_queued)
{
    struct rmx_result result;
    uint64_t deadline_ns;
    int feeds[64];
    uint64_t ids[64];
    int count = 0;

    for (; harness_counter(client, "jobs_queued") == 0; count++) {
        cr_assert_lt(count, 64);
        ids[count] = submit_starved(188, 0);
        feeds[count] = feed;
    }
    deadline_ns = harness_now_ns() + LATE_MS * MS;
    (void)submit(
        harness_input(harness_media("small.ts")), harness_output(&harness, "out"), deadline_ns);
    result = expect_late(deadline_ns);
    cr_assert_gt(result.queued_ns, result.total_ns * 9 / 10);
    cr_assert_eq(result.run_ns, 0);
    cr_assert_gt(milliseconds(result.text, "queued "), 0);
    for (int i = 0; i < count; i++) {
        cr_assert_eq(rmx_cancel(client, ids[i]), 0);
        cr_assert_eq(harness_wait(client).status, RMX_CANCELLED);
        close(feeds[i]);
    }
}

/* --- while it runs --------------------------------------------------------------------------- */

Test(e2e_deadline, job_whose_input_stops_waited_for_it)
{
    uint64_t deadline_ns = harness_now_ns() + LATE_MS * MS;
    struct rmx_result result;

    (void)submit_starved(32768, deadline_ns);
    result = expect_late(deadline_ns);
    close(feed);
    cr_assert_gt(result.input_wait_ns, result.total_ns / 4, "%s", result.text);
    cr_assert_gt(result.run_ns, result.total_ns / 4, "a worker had it");
    cr_assert_lt(result.output_wait_ns, result.input_wait_ns);
    cr_assert_eq(result.bytes_in, 32768);
}

Test(e2e_deadline, job_whose_output_is_not_read_waited_for_that)
{
    uint64_t deadline_ns = harness_now_ns() + 3 * LATE_MS * MS;
    struct rmx_result result;

    (void)submit_stuffed("large.mp4", deadline_ns);
    result = expect_late(deadline_ns);
    close(output);
    cr_assert_gt(result.output_wait_ns, result.total_ns / 4, "%s", result.text);
    cr_assert_gt(milliseconds(result.text, " and "), LATE_MS / 2.0);
}

Test(e2e_deadline, job_that_only_drains_waited_for_its_output)
{
    uint64_t deadline_ns = harness_now_ns() + 5 * LATE_MS * MS; /* a slow machine's worker, too */
    struct rmx_result result;

    (void)submit_stuffed("small.ts", deadline_ns); /* the ring holds all that the pipe does not */
    result = expect_late(deadline_ns);
    close(output);
    cr_assert_gt(result.output_wait_ns, result.total_ns / 4, "%s", result.text);
    cr_assert_lt(result.run_ns, result.total_ns * 3 / 4, "its worker was done");
}

Test(e2e_deadline, job_that_is_in_time_ends_as_ever)
{
    uint64_t id = submit(harness_input(harness_media("small.ts")), harness_output(&harness, "out"),
        harness_now_ns() + 20000 * MS);
    struct rmx_result result = harness_wait(client);

    cr_assert_eq(result.id, id);
    cr_assert_eq(result.status, RMX_OK);
    cr_assert_leq(result.queued_ns + result.input_wait_ns + result.output_wait_ns, result.total_ns);
}

/* --- its worker ------------------------------------------------------------------------------ */

Test(e2e_deadline, worker_that_does_not_stop_a_job_is_ended_and_the_other_goes_on)
{
    uint64_t expected = harness_remux(&harness, client, harness_media("small.ts"), "mpegts");
    uint64_t deadline_ns = harness_now_ns() + LATE_MS * MS;
    uint64_t late = submit_starved(32768, deadline_ns);
    int late_feed = feed;
    uint64_t other = submit_starved(188, 0);
    pid_t workers[2];
    struct rmx_result result;
    uint64_t start_ns = harness_now_ns();

    cr_assert_eq(harness_workers(&harness, workers, 2), 2);
    cr_assert_eq(kill(workers[0], SIGSTOP), 0); /* it has one of them */
    result = harness_wait(client);
    if (result.id == late && result.status == RMX_DEADLINE) {
        cr_assert_geq(harness_now_ns(), deadline_ns);
        cr_assert_lt(harness_now_ns(), deadline_ns + 2 * SLACK_MS * MS);
    } else {
        cr_assert_eq(result.id, other, "%s", result.text);
    }
    (void)kill(workers[0], SIGCONT);
    close(late_feed);
    close(feed);
    cr_assert_lt(harness_now_ns() - start_ns, 5000 * MS);
    result = harness_wait(client);
    cr_assert(result.id == late || result.id == other);
    harness_counter_becomes(client, "jobs_in_flight", 0);
    cr_assert_eq(harness_remux(&harness, client, harness_media("small.ts"), "mpegts"), expected);
}
