/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What one user's jobs may cost others: who ends one worker after another is kept waiting, alone,
 * and is told so; critical jobs are few; and those that stand still leave something. The workers'
 * program is stuck-worker, in which WAV has three bugs.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bad_wav.h"

#define ALICE 40001
#define BOB   40002

#define JOBS_MAX 400 /* by then one is refused */
#define SESSIONS 12

static struct harness harness;

static struct rmx_client *client_of(uid_t uid)
{
    struct rmx_client *client;

    cr_assert_eq(seteuid(uid), 0);
    client = harness_client(&harness);
    cr_assert_eq(seteuid(0), 0);
    return client;
}

static void set_up(void)
{
    static const char worker[] = "--worker-program=" RMX_BUILD_DIR "/tests/stuck-worker";
    static const char *const settings[] = { "--workers=1", "--socket-mode=0666",
        "--critical-per-uid=2", "--flows-small=8", "--flows-bulk=1", worker, NULL };

    if (geteuid() != 0) {
        cr_skip_test("only root can be several users");
    }
    harness_start(&harness, settings);
    cr_assert_eq(chmod(harness.dir, 0755), 0);
}

TestSuite(e2e_penalty, .init = set_up, .timeout = 180);

/* Jobs of Alice's each of which ends two workers, the second one alone, and itself so. */
static void end_workers(enum bad_wav kind, uint32_t status)
{
    struct rmx_client *alice = client_of(ALICE);
    struct rmx_client *bob = client_of(BOB);
    struct rmx_result result = { .status = status };
    int ended = 0;

    for (int i = 0; i < JOBS_MAX && result.status == status; i++) {
        (void)bad_wav_submit(&harness, alice, kind, 0);
        result = harness_wait(alice);
        ended += result.status == status;
    }
    cr_assert_eq(result.status, RMX_BUSY, "%s: %s", rmx_end_name(result.status), result.text);
    cr_assert_not_null(strstr(result.text, "jobs of this user ended too many workers"));
    cr_assert_gt(result.retry_after_ns, 0);
    cr_assert_geq(ended, 9); /* some are free */
    (void)harness_remux(&harness, bob, harness_media("small.mp4"), "mpegts");
    cr_assert_geq(harness_counter(bob, "jobs_refused_penalty"), 1);
    (void)poll(NULL, 0, (int)(result.retry_after_ns / 1000000u) + 1);
    (void)harness_remux(&harness, alice, harness_media("small.mp4"), "mpegts");
    harness_counter_becomes(bob, "jobs_in_flight", 0);
    rmx_close(&alice);
    rmx_close(&bob);
    harness_stop(&harness);
}

Test(e2e_penalty, a_user_whose_jobs_end_workers_waits_and_no_other)
{
    end_workers(BAD_WAV_CRASHES, RMX_POISON);
}

/* As a job may that has taken its worker over. */
Test(e2e_penalty, a_user_whose_jobs_have_their_worker_end_silently_waits_too)
{
    end_workers(BAD_WAV_LEAVES, RMX_WORKER_LOST);
}

/* A job whose input is a pipe with one byte: it waits for more. Returns the pipe's end. */
static int submit_stuck(struct rmx_client *client, uint32_t class_)
{
    struct rmx_job job = RMX_JOB_INIT;
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(write(ends[1], "x", 1), 1);
    job.input = ends[0];
    job.output = open("/dev/null", O_WRONLY | O_CLOEXEC);
    job.format = "mpegts";
    job.job_class = class_;
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    close(job.input);
    close(job.output);
    return ends[1];
}

Test(e2e_penalty, critical_jobs_of_one_user_are_few_while_others_have_jobs)
{
    struct rmx_client *alice = client_of(ALICE);
    struct rmx_client *bob = client_of(BOB);
    int pipes[6];

    for (int i = 0; i < 4; i++) {
        pipes[i] = submit_stuck(alice, RMX_CRITICAL);
    }
    harness_counter_becomes(alice, "jobs_running", 4);
    cr_assert_eq(harness_counter(bob, "jobs_made_normal"), 0);
    pipes[4] = submit_stuck(bob, RMX_CRITICAL); /* one of its own is not too many */
    harness_counter_becomes(bob, "jobs_running", 5);
    cr_assert_eq(harness_counter(bob, "jobs_made_normal"), 0);
    pipes[5] = submit_stuck(alice, RMX_CRITICAL);
    harness_counter_becomes(alice, "jobs_made_normal", 1);
    for (int i = 0; i < 6; i++) {
        close(pipes[i]);
    }
    for (int i = 0; i < 5; i++) {
        (void)harness_wait(alice);
    }
    (void)harness_wait(bob);
    rmx_close(&alice);
    rmx_close(&bob);
    harness_stop(&harness);
}

/* Of the nine pairs, one stays for a critical job, and one for a user who has none. */
Test(e2e_penalty, stalled_jobs_of_all_sessions_of_a_user_leave_a_pair_for_another)
{
    struct rmx_client *bob = client_of(BOB);
    struct rmx_client *alice[SESSIONS];
    int pipes[SESSIONS];

    for (int i = 0; i < SESSIONS; i++) {
        alice[i] = client_of(ALICE);
        pipes[i] = submit_stuck(alice[i], RMX_NORMAL);
    }
    harness_counter_becomes(bob, "jobs_running", 7);
    harness_counter_becomes(bob, "jobs_queued", SESSIONS - 7);
    (void)harness_remux(&harness, bob, harness_media("small.mp4"), "mpegts");
    cr_assert_eq(harness_counter(bob, "jobs_running"), 7);
    for (int i = 0; i < SESSIONS; i++) {
        rmx_close(&alice[i]);
        close(pipes[i]);
    }
    harness_counter_becomes(bob, "jobs_in_flight", 0);
    rmx_close(&bob);
    harness_stop(&harness);
}
