/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker dies, and its jobs do not: those that can run again do, and come to the very bytes that
 * they would have come to; the one that ended it is tried alone. The workers' program is
 * stuck-worker, in which WAV has three bugs. All of a test's jobs are in one worker.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/bad_wav.h"

#define NS_PER_MS  UINT64_C(1000000)
#define PIPE_BYTES 4096u
#define HELD       3u      /* jobs */
#define LOOP_TICKS 3u      /* 30 ms: no demuxer computes so long for a second of sound */
#define HELD_BYTES 100000u /* that one reads before it waits */

static struct harness harness;
static struct rmx_client *client;
static uint64_t wanted; /* hash of live.ts as a transport stream */

static void set_up(void)
{
    static const char worker[] = "--worker-program=" RMX_BUILD_DIR "/tests/stuck-worker";
    static const char *const settings[] = { "--workers=1", "--flows-small=8", "--flows-bulk=16",
        "--ring-bulk-bytes=128KiB", "--chunk-bulk-bytes=16KiB", "--stop-grace=20ms",
        "--silent-cpu=1h", worker, NULL };

    (void)signal(SIGPIPE, SIG_IGN);
    harness_start(&harness, settings);
    client = harness_client(&harness);
    wanted = harness_remux(&harness, client, harness_media("live.ts"), "mpegts");
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

TestSuite(e2e_replay, .init = set_up, .fini = tear_down, .timeout = 120);

/* --- jobs that are held up ------------------------------------------------------------------- */

/* Its output is a pipe that is full: it is in the middle of its work, and has given nothing away.
 */
struct held {
    uint64_t id;
    int reader;
};

/* Returns the end to write; *reader gets what was in it first. */
static int full_pipe(int *reader)
{
    static const char filling[PIPE_BYTES];
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(fcntl(ends[1], F_SETPIPE_SZ, (int)PIPE_BYTES), (int)PIPE_BYTES);
    cr_assert_eq(write(ends[1], filling, PIPE_BYTES), (ssize_t)PIPE_BYTES);
    *reader = ends[0];
    return ends[1];
}

static struct held hold(int input, uint32_t flags)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct held held;

    job.input = input;
    job.output = full_pipe(&held.reader);
    job.format = "mpegts";
    job.flags = flags;
    cr_assert_eq(rmx_submit(client, &job, 1, &held.id), 1);
    close(job.input);
    close(job.output);
    return held;
}

static struct held hold_file(void)
{
    return hold(harness_input(harness_media("live.ts")), 0);
}

static void pass_on(int from, int to)
{
    char bytes[65536];
    ssize_t count;

    while ((count = read(from, bytes, sizeof(bytes))) > 0) {
        cr_assert_eq(write(to, bytes, (size_t)count), count);
    }
}

/* An MP4 out of a pipe, its index at its end: in its second pass, from its spool. */
static struct held hold_spooled(void)
{
    int mp4 = harness_output(&harness, "index_at_end.mp4");
    struct rmx_job job = RMX_JOB_INIT;
    struct held held;
    int ends[2];

    job.input = harness_input(harness_media("live.ts"));
    job.output = mp4;
    job.format = "mp4";
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    cr_assert_eq(harness_wait(client).status, RMX_OK);
    close(job.input);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    held = hold(ends[0], RMX_SPOOL);
    cr_assert_eq(lseek(mp4, 0, SEEK_SET), 0);
    pass_on(mp4, ends[1]);
    close(ends[1]);
    close(mp4);
    return held;
}

/* Reads all of its output, which is given up to its end. Returns a hash of it. */
static uint64_t let_go(const struct held *held)
{
    char filling[PIPE_BYTES];
    int file = harness_output(&harness, "let_go");
    uint64_t hash;

    cr_assert_eq(read(held->reader, filling, sizeof(filling)), (ssize_t)sizeof(filling));
    pass_on(held->reader, file);
    close(held->reader);
    hash = harness_hash(file);
    close(file);
    return hash;
}

static void expect_end(uint64_t id, uint32_t status)
{
    struct rmx_result result = harness_wait(client);

    cr_assert_eq(result.id, id);
    cr_assert_eq(result.status, status, "%s: %s", rmx_end_name(result.status), result.text);
}

/* Its line in /proc, from its state on. */
static const char *stat_of(pid_t pid, char (*text)[512])
{
    char path[32];
    const char *after;
    ssize_t bytes = -1;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        bytes = read(fd, *text, sizeof(*text) - 1);
        close(fd);
    }
    (*text)[bytes > 0 ? bytes : 0] = 0;
    after = strrchr(*text, ')');
    return after != NULL ? after + 2 : "?";
}

/* How long it has computed, in clock ticks. */
static unsigned long ticks_of(pid_t pid)
{
    unsigned long ticks = 0;
    char text[512];

    /* NOLINTNEXTLINE(cert-err34-c): the kernel's own */
    (void)sscanf(stat_of(pid, &text), "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu", &ticks);
    return ticks;
}

static pid_t await_worker(void)
{
    pid_t worker;

    while (harness_workers(&harness, &worker, 1) != 1) {
        (void)poll(NULL, 0, 1);
    }
    return worker;
}

/* The workers have so many jobs, and the shared one does nothing but one that loops. */
static void await_looping(uint64_t jobs)
{
    unsigned long before;
    pid_t worker;

    harness_counter_becomes(client, "jobs_running", jobs);
    worker = await_worker();
    before = ticks_of(worker);
    while (ticks_of(worker) < before + LOOP_TICKS) {
        (void)poll(NULL, 0, 10);
    }
}

/* The workers have so many jobs, and the shared one has slept for a while. */
static void await_asleep(uint64_t jobs)
{
    char text[512];

    harness_counter_becomes(client, "jobs_running", jobs);
    for (int looks = 0; looks < 10; looks++) {
        if (stat_of(await_worker(), &text)[0] != 'S') {
            looks = 0;
        }
        (void)poll(NULL, 0, 10);
    }
}

/* All of them have read what they can since the daemon had read `before`, and wait. */
static void await_held(uint64_t jobs, uint64_t before)
{
    while (harness_counter(client, "bytes_in") < before + HELD_BYTES) {
        (void)poll(NULL, 0, 1);
    }
    await_asleep(jobs);
}

static void kill_worker(void)
{
    uint64_t deaths = harness_counter(client, "worker_deaths");

    cr_assert_eq(kill(await_worker(), SIGKILL), 0);
    harness_counter_becomes(client, "worker_deaths", deaths + 1);
}

/* Kills its worker while it waits, so often. */
static void bereave(uint64_t jobs, int times)
{
    for (int i = 0; i < times; i++) {
        uint64_t before = harness_counter(client, "bytes_in");

        kill_worker();
        await_held(jobs, before);
    }
}

/* --- those beside it ------------------------------------------------------------------------- */

static void hold_all(struct held held[HELD])
{
    uint64_t before;

    held[0] = hold_spooled();
    harness_counter_becomes(client, "spools_open", 1);
    before = harness_counter(client, "bytes_in");
    held[1] = hold_file();
    held[2] = hold_file();
    await_held(HELD, before + HELD_BYTES);
}

static void expect_all(const struct held held[HELD])
{
    uint64_t spooled = let_go(&held[0]);
    struct held alone;

    expect_end(held[0].id, RMX_OK);
    for (uint32_t i = 1; i < HELD; i++) {
        cr_assert_eq(let_go(&held[i]), wanted, "the bytes of a run without any of this");
        expect_end(held[i].id, RMX_OK);
    }
    alone = hold_spooled();
    cr_assert_eq(let_go(&alone), spooled);
    expect_end(alone.id, RMX_OK);
}

Test(e2e_replay, job_that_crashes_is_POISON_and_those_in_its_worker_run_again)
{
    struct held held[HELD];
    struct rmx_result result;
    uint64_t id;

    hold_all(held);
    id = bad_wav_submit(&harness, client, BAD_WAV_CRASHES, 0);
    result = harness_wait(client);
    cr_assert_eq(result.id, id);
    cr_assert_eq(result.status, RMX_POISON, "%s: %s", rmx_end_name(result.status), result.text);
    cr_assert_not_null(strstr(result.text, "SIGABRT"), "%s", result.text);
    cr_assert_not(rmx_end_retry(result.status));
    cr_assert_eq(harness_counter(client, "worker_deaths"), 2);
    cr_assert_eq(harness_counter(client, "jobs_tried_alone"), 1);
    cr_assert_eq(harness_counter(client, "jobs_poisoned"), 1);
    harness_counter_becomes(client, "jobs_replayed", HELD);
    expect_all(held);
}

Test(e2e_replay, those_beside_a_job_in_an_endless_loop_run_again)
{
    struct held held[HELD];
    uint64_t id;

    hold_all(held);
    id = bad_wav_submit(&harness, client, BAD_WAV_LOOPS, rmx_deadline_in(300 * NS_PER_MS));
    expect_end(id, RMX_DEADLINE);
    harness_counter_becomes(client, "jobs_replayed", HELD);
    cr_assert_eq(harness_counter(client, "jobs_tried_alone"), 0);
    expect_all(held);
}

Test(e2e_replay, job_whose_bytes_are_gone_is_WORKER_LOST)
{
    uint64_t before = harness_counter(client, "bytes_in");
    struct held held = hold_file();
    char filling[PIPE_BYTES];

    await_held(1, before);
    cr_assert_eq(read(held.reader, filling, PIPE_BYTES), (ssize_t)PIPE_BYTES);
    (void)poll(NULL, 0, 100); /* its output is in the pipe now */
    kill_worker();
    expect_end(held.id, RMX_WORKER_LOST);
    close(held.reader);
    cr_assert_eq(harness_counter(client, "jobs_replayed"), 0);
}

Test(e2e_replay, innocent_job_outlives_three_workers_and_runs_alone_after_the_fourth)
{
    uint64_t before = harness_counter(client, "bytes_in");
    struct held held = hold_file();

    await_held(1, before);
    bereave(1, 3);
    cr_assert_eq(harness_counter(client, "jobs_replayed"), 3);
    bereave(1, 1);
    cr_assert_eq(harness_counter(client, "jobs_tried_alone"), 1);
    kill_worker(); /* which is not its own any more */
    cr_assert_eq(let_go(&held), wanted);
    expect_end(held.id, RMX_OK);
}

/* --- a job that waits for its trial ---------------------------------------------------------- */

/* One that is tried alone, for as long as it is let. */
static uint64_t occupy_trial(void)
{
    uint64_t id = bad_wav_submit(&harness, client, BAD_WAV_LOOPS, 0);

    await_looping(1);
    kill_worker();
    harness_counter_becomes(client, "jobs_tried_alone", 1);
    await_asleep(1);
    return id;
}

/* Another that is to be, after it. */
static uint64_t queue_for_trial(struct rmx_client *of, uint64_t deadline_ns)
{
    uint64_t id = bad_wav_submit(&harness, of, BAD_WAV_LOOPS, deadline_ns);

    await_looping(2);
    kill_worker();
    harness_counter_becomes(client, "jobs_tried_alone", 2);
    await_asleep(1);
    cr_assert_eq(harness_counter(client, "jobs_queued"), 1);
    return id;
}

static void end_trial(uint64_t id)
{
    cr_assert_eq(rmx_cancel(client, id), 0);
    expect_end(id, RMX_CANCELLED);
}

Test(e2e_replay, job_that_waits_for_its_trial_can_be_cancelled)
{
    uint64_t tried = occupy_trial();
    uint64_t id = queue_for_trial(client, 0);

    cr_assert_eq(rmx_cancel(client, id), 0);
    expect_end(id, RMX_CANCELLED);
    end_trial(tried);
}

Test(e2e_replay, job_that_waits_for_its_trial_has_its_deadline)
{
    uint64_t tried = occupy_trial();
    uint64_t id = queue_for_trial(client, rmx_deadline_in(4000 * NS_PER_MS));

    expect_end(id, RMX_DEADLINE);
    end_trial(tried);
}

Test(e2e_replay, job_that_waits_for_its_trial_goes_with_its_client)
{
    uint64_t tried = occupy_trial();
    struct rmx_client *other = harness_client(&harness);

    (void)queue_for_trial(other, 0);
    rmx_close(&other);
    harness_counter_becomes(client, "jobs_queued", 0);
    harness_counter_becomes(client, "jobs_in_flight", 1);
    end_trial(tried);
}

Test(e2e_replay, job_with_a_spool_that_waits_for_its_trial_can_be_cancelled)
{
    uint64_t tried = occupy_trial();
    struct held held = hold_spooled();

    harness_counter_becomes(client, "spools_open", 1);
    await_asleep(2);
    for (int i = 0; i < 3; i++) {
        kill_worker();
        await_asleep(2);
    }
    kill_worker();
    harness_counter_becomes(client, "jobs_queued", 1);
    cr_assert_eq(harness_counter(client, "spools_open"), 1);
    cr_assert_eq(rmx_cancel(client, held.id), 0);
    expect_end(held.id, RMX_CANCELLED);
    cr_assert_eq(harness_counter(client, "spools_open"), 0);
    close(held.reader);
    end_trial(tried);
}

Test(e2e_replay, trial_that_others_wait_for_ends_after_ten_seconds)
{
    uint64_t tried = occupy_trial();
    uint64_t id = queue_for_trial(client, 0);
    struct rmx_result result = harness_wait(client);

    cr_assert_eq(result.id, tried);
    cr_assert_eq(result.status, RMX_WORKER_LOST);
    cr_assert_not_null(strstr(result.text, "ten seconds"), "%s", result.text);
    harness_counter_becomes(client, "jobs_on_trial", 1);
    cr_assert_eq(harness_counter(client, "jobs_queued"), 0, "it is its turn");
    end_trial(id);
}

Test(e2e_replay, daemon_that_drains_finishes_what_waits)
{
    uint64_t before = harness_counter(client, "bytes_in");
    struct held held = hold_file();
    struct rmx_result result = { .id = 0 };
    pid_t killed;
    pid_t next;

    await_held(1, before);
    cr_assert_eq(kill(harness.daemon, SIGTERM), 0);
    (void)poll(NULL, 0, 50);
    cr_assert_eq(harness_workers(&harness, &killed, 1), 1);
    cr_assert_eq(kill(killed, SIGKILL), 0);
    while (harness_workers(&harness, &next, 1) != 1 || next == killed) {
        (void)poll(NULL, 0, 1);
    }
    cr_assert_eq(let_go(&held), wanted);
    cr_assert_eq(rmx_wait(client, &result, 1, 20000), 1);
    cr_assert_eq(result.status, RMX_OK, "%s: %s", rmx_end_name(result.status), result.text);
    rmx_close(&client);
    harness_stop(&harness);
    harness_start(&harness, NULL);
    client = harness_client(&harness);
}
