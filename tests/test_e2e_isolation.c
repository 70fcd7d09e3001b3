/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs that share their worker with none, or only with those of their client.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness.h"

#define HELD_MAX 8

static struct harness harness;
static struct rmx_client *client;
static int feeds[HELD_MAX]; /* of the jobs that wait for more of their input */
static size_t feeds_count;

static void start(const char *isolated_workers, const char *isolation)
{
    const char *const settings[] = { "--workers=1", "--flows-small=4", "--flows-bulk=4",
        isolated_workers, isolation, NULL };

    (void)signal(SIGPIPE, SIG_IGN);
    harness_start(&harness, settings);
    client = harness_client(&harness);
}

static void tear_down(void)
{
    harness_counter_becomes(client, "jobs_in_flight", 0);
    harness_counter_becomes(client, "fds_open", 0);
    harness_counter_becomes(client, "worker_deaths", 0);
    rmx_close(&client);
    harness_stop(&harness);
}

TestSuite(e2e_isolation, .fini = tear_down, .timeout = 180);

/* How often a worker took an isolated berth. */
static unsigned isolated_ready(void)
{
    char line[1024];
    unsigned count = 0;
    FILE *log = fopen(harness.log, "re");

    cr_assert_not_null(log);
    while (fgets(line, sizeof(line), log) != NULL) {
        count += strstr(line, "\"event\":\"isolated_ready\"") != NULL;
    }
    (void)fclose(log);
    return count;
}

static void await_isolated(unsigned count)
{
    uint64_t until = harness_now_ns() + 10000000000u;

    while (isolated_ready() < count) {
        cr_assert_lt(harness_now_ns(), until, "%u, not %u", isolated_ready(), count);
        (void)poll(NULL, 0, 5);
    }
    cr_assert_eq(isolated_ready(), count);
}

static struct rmx_result run(struct rmx_client *of, uint32_t isolation)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;

    job.input = harness_input(harness_media("small.mp4"));
    job.output = harness_output(&harness, "out");
    job.format = "mpegts";
    job.isolation = isolation;
    cr_assert_eq(rmx_submit(of, &job, 1, NULL), 1);
    result = harness_wait(of);
    close(job.input);
    close(job.output);
    return result;
}

static void expect(struct rmx_client *of, uint32_t isolation)
{
    struct rmx_result result = run(of, isolation);

    cr_assert_eq(result.status, RMX_OK, "%s: %s", rmx_end_name(result.status), result.text);
}

/* A job in a worker that waits for more. Returns its name. */
static uint64_t hold(struct rmx_client *of, uint32_t isolation)
{
    struct rmx_job job = RMX_JOB_INIT;
    uint64_t id = 0;
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "\x47", 1), 1);
    feeds[feeds_count++] = ends[1];
    job.input = ends[0];
    job.output = harness_output(&harness, "held");
    job.format = "mpegts";
    job.isolation = isolation;
    cr_assert_eq(rmx_submit(of, &job, 1, &id), 1);
    close(job.input);
    close(job.output);
    return id;
}

/* The first of them gets no more, and ends. */
static void let_go(struct rmx_client *of, uint64_t id)
{
    cr_assert_gt(feeds_count, 0);
    close(feeds[0]);
    memmove(feeds, feeds + 1, --feeds_count * sizeof(feeds[0]));
    cr_assert_eq(harness_wait(of).id, id);
}

Test(e2e_isolation, job_with_a_worker_to_itself_leaves_it_to_nobody)
{
    start("--isolated-workers=1", "--isolation=shared");
    await_isolated(1);
    for (unsigned i = 0; i < 3; i++) {
        expect(client, RMX_JOB_WORKER);
        await_isolated(2 + i);
    }
    expect(client, RMX_SHARED_WORKER);
    await_isolated(4);
}

Test(e2e_isolation, jobs_that_want_a_worker_each_wait_for_each_other)
{
    uint64_t first;
    uint64_t second;

    start("--isolated-workers=1", "--isolation=shared");
    first = hold(client, RMX_JOB_WORKER);
    harness_counter_becomes(client, "jobs_isolated", 1);
    second = hold(client, RMX_JOB_WORKER);
    harness_counter_becomes(client, "jobs_queued", 1);
    expect(client, RMX_SHARED_WORKER);
    cr_assert_eq(harness_counter(client, "jobs_queued"), 1, "it waits for one of its own");
    let_go(client, first);
    harness_counter_becomes(client, "jobs_running", 1);
    let_go(client, second);
    await_isolated(3);
}

Test(e2e_isolation, job_that_waits_for_a_worker_of_its_own_ends_at_its_deadline)
{
    struct rmx_job job = RMX_JOB_INIT;
    uint64_t first;

    start("--isolated-workers=1", "--isolation=shared");
    first = hold(client, RMX_JOB_WORKER);
    harness_counter_becomes(client, "jobs_isolated", 1);
    job.input = harness_input(harness_media("small.mp4"));
    job.output = harness_output(&harness, "out");
    job.format = "mpegts";
    job.isolation = RMX_JOB_WORKER;
    job.deadline_ns = rmx_deadline_in(20000000);
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    cr_assert_eq(harness_wait(client).status, RMX_DEADLINE);
    close(job.input);
    close(job.output);
    let_go(client, first);
}

Test(e2e_isolation, client_has_a_worker_to_itself_until_another_wants_it)
{
    struct rmx_client *other;
    uint64_t ids[2];
    uint64_t id;

    start("--isolated-workers=1", "--isolation=shared");
    other = harness_client(&harness);
    expect(client, RMX_CLIENT_WORKER);
    ids[0] = hold(client, RMX_CLIENT_WORKER);
    ids[1] = hold(client, RMX_CLIENT_WORKER);
    harness_counter_becomes(client, "jobs_running", 2);
    await_isolated(1);
    id = hold(other, RMX_CLIENT_WORKER);
    harness_counter_becomes(client, "jobs_queued", 1);
    let_go(client, ids[0]);
    cr_assert_eq(harness_counter(client, "jobs_queued"), 1, "one of them is still there");
    let_go(client, ids[1]);
    harness_counter_becomes(client, "jobs_running", 1);
    await_isolated(2);
    let_go(other, id);
    rmx_close(&other);
}

Test(e2e_isolation, client_that_leaves_leaves_no_worker_to_the_next)
{
    struct rmx_client *other;

    start("--isolated-workers=1", "--isolation=shared");
    for (unsigned i = 0; i < 3; i++) {
        other = harness_client(&harness);
        expect(other, RMX_CLIENT_WORKER);
        rmx_close(&other);
        await_isolated(2 + i);
    }
}

Test(e2e_isolation, job_that_wants_more_than_there_is_is_refused)
{
    struct rmx_result result;

    start("--isolated-workers=0", "--isolation=shared");
    expect(client, RMX_SHARED_WORKER);
    result = run(client, RMX_CLIENT_WORKER);
    cr_assert_eq(result.status, RMX_BAD_JOB);
    cr_assert_not_null(strstr(result.text, "isolated_workers"), "%s", result.text);
}

Test(e2e_isolation, daemon_may_ask_for_more_than_its_clients)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;

    start("--isolated-workers=2", "--isolation=job");
    await_isolated(2);
    expect(client, RMX_SHARED_WORKER);
    await_isolated(3);
    job.input = RMX_RING;
    job.output = harness_output(&harness, "ring");
    job.format = "mpegts";
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    result = harness_wait(client);
    cr_assert_eq(result.status, RMX_BAD_JOB);
    cr_assert_not_null(strstr(result.text, "isolates all jobs"), "%s", result.text);
    close(job.output);
}
