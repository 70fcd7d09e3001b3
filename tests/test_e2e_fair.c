/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A greedy client beside modest ones, by counting: how many of its jobs go before each of theirs.
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

static struct harness harness;
static struct rmx_client *greedy;
static struct rmx_client *modest[MODEST];
static uint64_t greedy_ended;

static void set_up(void)
{
    static const char *const settings[] = { "--workers=1", "--flows-small=4", "--flows-bulk=1",
        "--credits=256", "--jobs-max=4096", "--overload-queue=0", "--overload-cpu=0",
        "--overload-rings=0", NULL };

    harness_start(&harness, settings);
    greedy = harness_client(&harness);
    for (int i = 0; i < MODEST; i++) {
        modest[i] = harness_client(&harness);
    }
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

TestSuite(e2e_fair, .init = set_up, .fini = tear_down, .timeout = 60);

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

/* Inputs that trickle keep their pairs: never all. */
Test(e2e_fair, client_with_trickling_inputs_leaves_room_for_others)
{
    struct rmx_job job = RMX_JOB_INIT;
    int stuck[64];

    job.output = open("/dev/null", O_WRONLY | O_CLOEXEC);
    job.format = "mpegts";
    for (int i = 0; i < 64; i++) {
        int ends[2];

        cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
        cr_assert_eq(write(ends[1], "G", 1), 1);
        job.input = ends[0];
        submit(greedy, &job);
        close(ends[0]);
        stuck[i] = ends[1];
    }
    harness_counter_becomes(modest[0], "jobs_queued", 64 - (RUNNING - 1));
    for (int i = 0; i < MODEST; i++) {
        (void)harness_remux(&harness, modest[i], harness_media("small.mp4"), "mpegts");
    }
    close(job.output);
    for (int i = 0; i < 64; i++) {
        close(stuck[i]);
    }
    for (int i = 0; i < 64; i++) {
        (void)harness_wait(greedy);
    }
}
