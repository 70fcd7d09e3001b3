/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a client sees, and what the daemon gets back, when somebody dies or something is full.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness.h"

#define BEGINNING_BYTES 65536 /* of its input, that a job gets before it has to wait */

static struct harness harness;
static struct rmx_client *client;

static void set_up(void)
{
    static const char *const settings[] = { "--flows-small=16", "--flows-bulk=2", "--workers=2",
        NULL };

    harness_start(&harness, settings);
    client = harness_client(&harness);
}

static void tear_down(void)
{
    rmx_close(&client);
    harness_stop(&harness);
}

TestSuite(e2e_faults, .init = set_up, .fini = tear_down, .timeout = 180);

static uint64_t waiting_id;

/* Writes the first bytes of some media. */
static void feed_beginning(int feed)
{
    unsigned char bytes[BEGINNING_BYTES];
    int input = harness_input(harness_media("small.ts"));

    cr_assert_eq(read(input, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    cr_assert_eq(write(feed, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    close(input);
}

/* A job that is in a worker and waits for the rest of its input. Returns the pipe to write. */
static int start_waiting_job(struct rmx_client *of, const char *output)
{
    struct rmx_job job = RMX_JOB_INIT;
    int ends[2];
    int error;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    feed_beginning(ends[1]);
    job.input = ends[0];
    job.output = harness_output(&harness, output);
    job.format = "matroska";
    error = rmx_submit(of, &job, 1, &waiting_id);
    cr_assert_eq(error, 1);
    close(ends[0]);
    close(job.output);
    return ends[1];
}

static void wait_until_told(void)
{
    harness_counter_becomes(client, "bytes_in", BEGINNING_BYTES);
    (void)poll(NULL, 0, 50);
}

Test(e2e_faults, killed_worker_is_one_lost_job_and_the_next_works)
{
    pid_t workers[64];
    size_t count = harness_workers(&harness, workers, 64);
    int feed = start_waiting_job(client, "a");
    struct rmx_result result;
    uint64_t killed;
    uint64_t lost_ns;

    cr_assert_gt(count, 0);
    wait_until_told();
    killed = harness_now_ns();
    for (size_t i = 0; i < count; i++) {
        (void)kill(workers[i], SIGKILL);
    }
    result = harness_wait(client);
    lost_ns = harness_now_ns() - killed;

    cr_assert_eq(result.status, RMX_WORKER_LOST, "%s", rmx_end_name(result.status));
    (void)fprintf(stderr, "WORKER_LOST came %.2f ms after the kill\n", (double)lost_ns / 1e6);
    cr_assert_lt(lost_ns, 10000000000ull);
    (void)harness_remux(&harness, client, harness_media("small.mp4"), "fmp4");
    close(feed);
    harness_counter_becomes(client, "fds_open", 0);
}

Test(e2e_faults, job_after_job_survives_workers_that_keep_dying)
{
    uint64_t hash = harness_remux(&harness, client, harness_media("small.mp4"), "mpegts");

    for (int round = 0; round < 5; round++) {
        pid_t workers[64];
        size_t count = harness_workers(&harness, workers, 64);

        cr_assert_gt(count, 0);
        (void)kill(workers[0], SIGKILL);
        (void)poll(NULL, 0, 100);
        cr_assert_eq(harness_remux(&harness, client, harness_media("small.mp4"), "mpegts"), hash);
    }
}

Test(e2e_faults, killed_client_gives_everything_back)
{
    size_t before;
    pid_t pid;

    (void)harness_remux(&harness, client, harness_media("small.mp4"), "fmp4");
    harness_counter_becomes(client, "fds_open", 0); /* all is open that a daemon at work has */
    before = harness_descriptors(harness.daemon);
    pid = fork();
    if (pid == 0) {
        struct rmx_client *own = harness_client(&harness);

        for (int i = 0; i < 8; i++) {
            (void)start_waiting_job(own, "b");
        }
        (void)pause();
    }
    harness_counter_becomes(client, "jobs_in_flight", 8);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    harness_counter_becomes(client, "jobs_in_flight", 0);
    harness_counter_becomes(client, "sessions_open", 1);

    cr_assert_eq(harness_counter(client, "fds_open"), 0);
    cr_assert_eq(harness_counter(client, "pairs_small_used"), 0);
    cr_assert_eq(harness_counter(client, "pairs_bulk_used"), 0);
    harness_descriptors_at_most(harness.daemon, before + 4); /* a spare may have come */
}

Test(e2e_faults, killed_daemon_is_seen_at_once)
{
    struct rmx_result result;
    int feed = start_waiting_job(client, "c");
    uint64_t killed;

    wait_until_told();
    killed = harness_now_ns();
    (void)kill(harness.daemon, SIGKILL);
    result = harness_wait(client);

    cr_assert_eq(result.status, RMX_DAEMON_LOST, "%s", rmx_end_name(result.status));
    cr_assert_lt(harness_now_ns() - killed, 10000000000ull);
    cr_assert_eq(rmx_wait(client, &result, 1, 1000), -ECONNRESET);
    close(feed);
    (void)waitpid(harness.daemon, NULL, 0);
    harness.daemon = -1;
}

Test(e2e_faults, workers_end_with_their_daemon)
{
    pid_t workers[64];
    size_t count = harness_workers(&harness, workers, 64);
    uint64_t until = harness_now_ns() + 10000000000ull;

    (void)kill(harness.daemon, SIGKILL);
    (void)waitpid(harness.daemon, NULL, 0);
    harness.daemon = -1;
    for (size_t i = 0; i < count; i++) {
        while (harness_lives(workers[i])) {
            cr_assert_lt(harness_now_ns(), until, "worker %d lives on", (int)workers[i]);
            (void)poll(NULL, 0, 5);
        }
    }
}

Test(e2e_faults, full_disk_is_OUTPUT_FULL)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;

    job.input = harness_input(harness_media("small.mp4"));
    job.output = open("/dev/full", O_WRONLY | O_CLOEXEC);
    job.format = "mpegts";
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    result = harness_wait(client);

    cr_assert_eq(result.status, RMX_OUTPUT_FULL, "%s", rmx_end_name(result.status));
    cr_assert_eq(result.cause, -ENOSPC);
    close(job.input);
    close(job.output);
}

Test(e2e_faults, closed_reader_is_OUTPUT_CLOSED)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    job.input = harness_input(harness_media("small.mp4"));
    job.output = ends[1];
    job.format = "mpegts";
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    result = harness_wait(client);

    cr_assert_eq(result.status, RMX_OUTPUT_CLOSED, "%s", rmx_end_name(result.status));
    close(job.input);
    close(job.output);
}

/* A socket whose other end goes away with bytes unread fails as a broken connection does. */
Test(e2e_faults, input_that_breaks_is_INPUT_IO_and_takes_no_worker_along)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    cr_assert_eq(write(ends[0], "unread", 6), 6);
    job.input = ends[0];
    job.output = harness_output(&harness, "f");
    job.format = "mpegts";
    feed_beginning(ends[1]);
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    close(ends[0]);
    wait_until_told();
    close(ends[1]);
    result = harness_wait(client);

    cr_assert_eq(result.status, RMX_INPUT_IO, "%s: %s", rmx_end_name(result.status), result.text);
    cr_assert_eq(result.cause, -ECONNRESET);
    cr_assert_eq(harness_counter(client, "worker_deaths"), 0);
    close(job.output);
}

Test(e2e_faults, cancelled_job_ends_once_and_holds_nothing)
{
    int feed = start_waiting_job(client, "d");
    struct rmx_result result;

    wait_until_told();
    cr_assert_eq(rmx_cancel(client, waiting_id), 0);
    result = harness_wait(client);

    cr_assert_eq(result.status, RMX_CANCELLED, "%s", rmx_end_name(result.status));
    cr_assert_eq(rmx_wait(client, &result, 1, 50), 0, "a second end");
    cr_assert_eq(harness_counter(client, "fds_open"), 0);
    close(feed);
}

Test(e2e_faults, late_job_is_DEADLINE)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    job.input = ends[0];
    job.output = harness_output(&harness, "e");
    job.format = "mpegts";
    job.deadline_ns = rmx_deadline_in(50000000);
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    result = harness_wait(client);

    cr_assert_eq(result.status, RMX_DEADLINE, "%s", rmx_end_name(result.status));
    close(ends[0]);
    close(ends[1]);
    close(job.output);
}

/* Streams take a bulk pair each: these four fill both workers. */
Test(e2e_faults, neighbours_do_not_notice_a_lost_worker)
{
    pid_t workers[64];
    int feeds[4];
    struct rmx_result result;

    for (int i = 0; i < 4; i++) {
        feeds[i] = start_waiting_job(client, "g");
    }
    harness_counter_becomes(client, "bytes_in", 4ull * BEGINNING_BYTES);
    cr_assert_eq(harness_workers(&harness, workers, 64), 2);
    (void)kill(workers[0], SIGKILL);
    for (int i = 0; i < 2; i++) {
        result = harness_wait(client);
        cr_assert_eq(result.status, RMX_WORKER_LOST, "%s", rmx_end_name(result.status));
    }
    cr_assert_eq(rmx_wait(client, &result, 1, 200), 0, "%s", rmx_end_name(result.status));
    for (int i = 0; i < 4; i++) {
        close(feeds[i]);
    }
    for (int i = 0; i < 2; i++) { /* what they have ends within a packet, and somebody read it */
        result = harness_wait(client);
        cr_assert_eq(result.status, RMX_TRUNCATED, "%s", rmx_end_name(result.status));
    }
}

static void submit_many(uint64_t *ids, int count)
{
    for (int i = 0; i < count; i++) {
        ids[i] = harness_submit(&harness, client, harness_media("small.mp4"), "fmp4");
    }
}

static bool is_one_of(uint64_t id, const uint64_t *ids, int count)
{
    bool found = false;

    for (int i = 0; i < count; i++) {
        found = found || ids[i] == id;
    }
    return found;
}

Test(e2e_faults, lost_worker_costs_what_it_held_and_nothing_that_came_later)
{
    uint64_t hash = harness_remux(&harness, client, harness_media("small.mp4"), "fmp4");
    uint64_t ids[32];
    pid_t workers[64];
    unsigned lost = 0;

    submit_many(ids, 16);
    cr_assert_gt(harness_workers(&harness, workers, 64), 0);
    (void)kill(workers[0], SIGKILL);
    harness_counter_becomes(client, "worker_deaths", 1);
    submit_many(ids + 16, 16);
    for (int i = 0; i < 32; i++) {
        struct rmx_result result = harness_wait(client);

        if (result.status == RMX_WORKER_LOST) {
            cr_assert(is_one_of(result.id, ids, 16), "sent to a worker known to be dead");
            lost++;
        } else {
            cr_assert_eq(result.status, RMX_OK, "%s", rmx_end_name(result.status));
        }
    }
    cr_assert_leq(lost, 8, "the other worker had its half");
    cr_assert_eq(harness_remux(&harness, client, harness_media("small.mp4"), "fmp4"), hash);
}
