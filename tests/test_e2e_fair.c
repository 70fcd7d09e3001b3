/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Greedy clients beside modest ones, by counting: how many of their jobs go before each of theirs;
 * and that theirs go at all beside jobs that stand still.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "tests/harness.h"

#define MODEST  10
#define ROUNDS  8
#define GREEDY  256
#define RUNNING 5 /* pairs */
#define STUCK   64

static struct harness harness;
static struct rmx_client *greedy;
static struct rmx_client *modest[MODEST];
static uint64_t greedy_ended;
static int stuck[2 * STUCK]; /* pipes with one byte in them: who reads one waits for more */

static void start(const char *const *settings)
{
    harness_start(&harness, settings);
    greedy = harness_client(&harness);
    for (int i = 0; i < MODEST; i++) {
        modest[i] = harness_client(&harness);
    }
}

static void set_up(void)
{
    static const char *const settings[] = { "--workers=1", "--flows-small=4", "--flows-bulk=1",
        "--credits=256", "--jobs-max=4096", "--overload-queue=0", "--overload-cpu=0",
        "--overload-rings=0", NULL };

    start(settings);
}

static void set_up_default(void)
{
    static const char *const settings[] = { "--workers=1", NULL };

    start(settings);
}

static void tear_down(void)
{
    harness_counter_becomes(greedy, "jobs_in_flight", 0);
    for (int i = 0; i < MODEST; i++) {
        rmx_close(&modest[i]);
    }
    rmx_close(&greedy);
    harness_stop(&harness);
}

TestSuite(e2e_fair, .init = set_up, .fini = tear_down, .timeout = 180);
TestSuite(e2e_fair_default, .init = set_up_default, .fini = tear_down, .timeout = 180);

/* Tries again until the daemon has read what was sent before. */
static void submit(struct rmx_client *client, const struct rmx_job *job)
{
    while (rmx_submit(client, job, 1, NULL) != 1) {
        (void)poll(NULL, 0, 1);
    }
}

static void submit_remux(struct rmx_client *client)
{
    struct rmx_job job = RMX_JOB_INIT;

    job.input = harness_input(harness_media("small.mp4"));
    job.output = open("/dev/null", O_WRONLY | O_CLOEXEC);
    job.format = "mpegts";
    submit(client, &job);
    close(job.input);
    close(job.output);
}

/* The greedy one has as many in flight as ever, for each that has ended another. */
static void keep_up(void)
{
    struct rmx_result results[16];
    int count = 0;

    while ((count = rmx_wait(greedy, results, 16, 0)) > 0) {
        greedy_ended += (uint64_t)count;
        for (int i = 0; i < count; i++) {
            cr_assert_eq(results[i].status, RMX_OK);
            submit_remux(greedy);
        }
    }
}

/* First come, first served would be: each of the rounds after all 256 of the greedy one's. */
Test(e2e_fair, one_with_256_jobs_does_not_hold_up_ten_with_one)
{
    int rounds[MODEST] = { 0 };
    int left = MODEST * ROUNDS;

    for (int i = 0; i < GREEDY; i++) {
        submit_remux(greedy);
    }
    for (int i = 0; i < MODEST; i++) {
        submit_remux(modest[i]);
    }
    while (left > 0) {
        struct rmx_result result;

        keep_up();
        for (int i = 0; i < MODEST; i++) {
            if (rmx_wait(modest[i], &result, 1, left % 2) == 1) {
                cr_assert_eq(result.status, RMX_OK, "%s", result.text);
                rounds[i]++;
                left--;
                if (rounds[i] < ROUNDS) {
                    submit_remux(modest[i]);
                }
            }
        }
    }
    cr_log_info("the greedy one had %llu starts", (unsigned long long)greedy_ended);
    cr_assert_lt(greedy_ended, ROUNDS * GREEDY / 4);
    while (greedy_ended < GREEDY) { /* and it is served too */
        keep_up();
    }
    for (int i = 0; i < GREEDY; i++) {
        (void)harness_wait(greedy);
    }
}

/* Jobs that keep their pairs, or wait for one, until let_go(). */
static void submit_stuck(struct rmx_client *client, enum rmx_class class_, int pipes[STUCK])
{
    struct rmx_job job = RMX_JOB_INIT;

    job.output = open("/dev/null", O_WRONLY | O_CLOEXEC);
    job.format = "mpegts";
    job.job_class = class_;
    for (int i = 0; i < STUCK; i++) {
        int ends[2];

        cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
        cr_assert_eq(write(ends[1], "G", 1), 1);
        job.input = ends[0];
        submit(client, &job);
        close(ends[0]);
        pipes[i] = ends[1];
    }
    close(job.output);
}

static void let_go(struct rmx_client *client, const int pipes[STUCK])
{
    for (int i = 0; i < STUCK; i++) {
        close(pipes[i]);
    }
    for (int i = 0; i < STUCK; i++) {
        (void)harness_wait(client);
    }
}

/* Inputs that trickle keep their pairs: never all. */
Test(e2e_fair, client_with_trickling_inputs_leaves_room_for_others)
{
    submit_stuck(greedy, RMX_NORMAL, stuck);
    harness_counter_becomes(modest[0], "jobs_queued", STUCK - (RUNNING - 1));
    for (int i = 0; i < MODEST; i++) {
        (void)harness_remux(&harness, modest[i], harness_media("small.mp4"), "mpegts");
    }
    let_go(greedy, stuck);
}

/* Nor do two of them have all, even if theirs are of a higher class. */
static void expect_room_beside(enum rmx_class class_)
{
    submit_stuck(greedy, class_, stuck);
    harness_counter_becomes(modest[0], "jobs_in_flight", STUCK);
    submit_stuck(modest[1], class_, stuck + STUCK);
    harness_counter_becomes(modest[0], "jobs_in_flight", 2 * STUCK);
    for (int i = 2; i < MODEST; i++) {
        (void)harness_remux(&harness, modest[i], harness_media("small.mp4"), "mpegts");
    }
    let_go(greedy, stuck);
    let_go(modest[1], stuck + STUCK);
}

Test(e2e_fair_default, two_with_jobs_that_stand_still_leave_room_for_others)
{
    expect_room_beside(RMX_NORMAL);
}

Test(e2e_fair_default, critical_jobs_that_stand_still_leave_room_for_normal_ones)
{
    expect_room_beside(RMX_CRITICAL);
}
