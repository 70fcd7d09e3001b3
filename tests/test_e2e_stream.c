/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs whose bytes go through the client's own memory, with a real daemon: the output is the one
 * that files give, whichever ends are rings, whoever moves the bytes, and however many there are.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness.h"

#define PATIENCE_MS 20000
#define MANY        24

TestSuite(e2e_stream, .timeout = 120);

static struct harness harness;
static struct rmx_client *client;

struct bytes {
    unsigned char *at;
    size_t size;
};

static void start(const char *const *settings)
{
    harness_start(&harness, settings);
    client = harness_client(&harness);
}

static void stop(void)
{
    rmx_close(&client);
    harness_stop(&harness);
}

static struct bytes slurp(int fd)
{
    struct bytes bytes;
    struct stat st;

    cr_assert_eq(fstat(fd, &st), 0);
    bytes.size = (size_t)st.st_size;
    bytes.at = malloc(bytes.size + 1);
    cr_assert_eq(pread(fd, bytes.at, bytes.size, 0), (ssize_t)bytes.size);
    return bytes;
}

static struct bytes media(const char *name)
{
    int fd = harness_input(harness_media(name));
    struct bytes bytes = slurp(fd);

    close(fd);
    return bytes;
}

static void same(struct bytes a, struct bytes b)
{
    cr_assert_eq(a.size, b.size);
    cr_assert_eq(memcmp(a.at, b.at, a.size), 0);
}

static struct rmx_job remux(const char *format)
{
    struct rmx_job job = RMX_JOB_INIT;

    job.format = format;
    job.flags = RMX_BITEXACT;
    return job;
}

/* What the two descriptors give: the truth of this test. */
static struct bytes by_files(const char *name, const char *format)
{
    struct rmx_job job = remux(format);
    struct rmx_result result;
    struct bytes bytes;

    job.input = harness_input(harness_media(name));
    job.output = harness_output(&harness, "truth");
    cr_assert_eq(rmx_run(client, &job, &result, PATIENCE_MS), 0);
    cr_assert_eq(result.status, RMX_OK, "%s", result.text);
    bytes = slurp(job.output);
    close(job.input);
    close(job.output);
    return bytes;
}

/* Memory in, memory out. */
static struct bytes by_memory(struct bytes from, const char *format)
{
    struct rmx_block block = { .bytes = from.at, .size = from.size };
    struct rmx_buffer buffer = { .max = 64u << 20 };
    struct rmx_job job = remux(format);
    struct rmx_source source;
    struct rmx_result result;
    struct rmx_sink sink;

    rmx_block_source(&block, &source);
    rmx_buffer_sink(&buffer, &sink);
    job.input = RMX_RING;
    job.source = &source;
    job.output = RMX_RING;
    job.sink = &sink;
    job.flags |= RMX_POSITIONAL;
    cr_assert_eq(rmx_run(client, &job, &result, PATIENCE_MS), 0);
    cr_assert_eq(result.status, RMX_OK, "%s: %s", rmx_end_name(result.status), result.text);
    cr_assert_eq(result.bytes_out, buffer.size);
    return (struct bytes){ .at = buffer.bytes, .size = buffer.size };
}

/* --- one job ------------------------------------------------------------------------------- */

Test(e2e_stream, memory_gives_what_files_give)
{
    static const char *const cases[][2] = { { "small.mp4", "mpegts" }, { "small.ts", "fmp4" },
        { "small.ts", "mp4" }, { "small.mp4", "matroska" }, { "live.ts", "mpegts" } };

    start(NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bytes from = media(cases[i][0]);
        struct bytes truth = by_files(cases[i][0], cases[i][1]);
        struct bytes ours = by_memory(from, cases[i][1]);

        same(truth, ours);
        free(from.at);
        free(truth.at);
        free(ours.at);
    }
    stop();
}

Test(e2e_stream, an_index_at_the_end_is_sought)
{
    start(NULL);
    struct bytes from = media("small.ts");
    struct bytes mp4 = by_memory(from, "mp4"); /* its moov comes last */
    struct bytes again = by_memory(mp4, "mpegts");
    struct bytes truth = by_files("small.ts", "mpegts");

    cr_assert_gt(again.size, truth.size / 2);
    free(from.at);
    free(mp4.at);
    free(again.at);
    free(truth.at);
    stop();
}

Test(e2e_stream, each_end_may_be_a_ring_or_a_file)
{
    start(NULL);
    struct bytes from = media("small.mp4");
    struct bytes truth = by_files("small.mp4", "mpegts");
    for (int ends = 1; ends < 3; ends++) {
        struct rmx_block block = { .bytes = from.at, .size = from.size };
        struct rmx_buffer buffer = { .max = 0 };
        struct rmx_job job = remux("mpegts");
        struct rmx_source source;
        struct rmx_result result;
        struct rmx_sink sink;
        struct bytes ours;

        rmx_block_source(&block, &source);
        rmx_buffer_sink(&buffer, &sink);
        job.input = ends & 1 ? RMX_RING : harness_input(harness_media("small.mp4"));
        job.source = ends & 1 ? &source : NULL;
        job.output = ends & 2 ? RMX_RING : harness_output(&harness, "out");
        job.sink = ends & 2 ? &sink : NULL;
        cr_assert_eq(rmx_run(client, &job, &result, PATIENCE_MS), 0);
        cr_assert_eq(result.status, RMX_OK, "%d: %s", ends, result.text);
        ours = ends & 2 ? (struct bytes){ buffer.bytes, buffer.size } : slurp(job.output);
        same(truth, ours);
        free(ours.at);
        close(ends & 1 ? job.output : job.input);
    }
    free(from.at);
    free(truth.at);
    stop();
}

Test(e2e_stream, a_probe_needs_no_more_than_a_ring)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_buffer buffer = { .max = 0 };
    struct rmx_source source;
    struct rmx_result result;
    struct rmx_sink sink;

    start(NULL);
    struct bytes from = media("small.mp4");
    struct rmx_block block = { .bytes = from.at, .size = from.size };
    rmx_block_source(&block, &source);
    rmx_buffer_sink(&buffer, &sink);
    job.kind = RMX_PROBE;
    job.input = RMX_RING;
    job.source = &source;
    job.output = RMX_RING;
    job.sink = &sink;
    cr_assert_eq(rmx_run(client, &job, &result, PATIENCE_MS), 0);
    cr_assert_eq(result.status, RMX_OK, "%s", result.text);
    cr_assert_not_null(memmem(buffer.bytes, buffer.size, "h264", 4));
    rmx_buffer_free(&buffer);
    free(from.at);
    stop();
}

/* --- by hand ------------------------------------------------------------------------------- */

struct feeder {
    struct bytes from;
    uint64_t id;
};

static void *feeds(void *arg)
{
    struct feeder *feeder = arg;
    ptrdiff_t size = (ptrdiff_t)feeder->from.size;

    cr_assert_eq(rmx_write(client, feeder->id, feeder->from.at, feeder->from.size, -1), size);
    cr_assert_eq(rmx_finish(client, feeder->id, -1), 0);
    return NULL;
}

Test(e2e_stream, one_thread_writes_and_another_reads)
{
    struct rmx_job job = remux("mpegts");
    struct rmx_result result;
    pthread_t thread;
    size_t got = 0;
    ptrdiff_t some;

    start(NULL);
    struct bytes truth = by_files("live.ts", "mpegts");
    struct feeder feeder = { .from = media("live.ts") };
    unsigned char *to = malloc(truth.size + 1);
    job.input = RMX_RING;
    job.output = RMX_RING;
    cr_assert_eq(rmx_submit(client, &job, 1, &feeder.id), 1);
    cr_assert_eq(pthread_create(&thread, NULL, feeds, &feeder), 0);
    while ((some = rmx_read(client, feeder.id, to + got, truth.size + 1 - got, -1)) > 0) {
        got += (size_t)some;
    }
    cr_assert_eq(some, 0);
    pthread_join(thread, NULL);
    same(truth, (struct bytes){ to, got });
    cr_assert_eq(rmx_wait(client, &result, 1, PATIENCE_MS), 1);
    cr_assert_eq(result.status, RMX_OK);
    free(to);
    free(truth.at);
    free(feeder.from.at);
    stop();
}

/* One of many streams that a single thread keeps going. */
struct flow {
    uint64_t id;
    size_t fed;
    bool finished;
    unsigned char *to;
    size_t got;
    bool read;
};

static void move(struct flow *flow, struct bytes from, size_t room)
{
    ptrdiff_t some = 1;

    while (flow->fed < from.size && some > 0) {
        some = rmx_write(client, flow->id, from.at + flow->fed, from.size - flow->fed, 0);
        flow->fed += some > 0 ? (size_t)some : 0;
    }
    if (flow->fed == from.size && !flow->finished) {
        int err = rmx_finish(client, flow->id, 0);

        cr_assert(err == 0 || err == -EAGAIN);
        flow->finished = err == 0;
    }
    for (some = 1; !flow->read && some > 0;) {
        some = rmx_read(client, flow->id, flow->to + flow->got, room - flow->got, 0);
        flow->got += some > 0 ? (size_t)some : 0;
        flow->read = some == 0;
    }
    cr_assert(some > 0 || some == 0 || some == -EAGAIN, "%td", some);
}

Test(e2e_stream, one_thread_keeps_many_streams_going)
{
    static struct flow flows[MANY];
    struct rmx_event events[8];
    struct rmx_result result;
    int ended = 0;

    start((const char *const[]){ "--workers=2", NULL });
    struct bytes from = media("live.ts");
    struct bytes truth = by_files("live.ts", "mpegts");
    for (int i = 0; i < MANY; i++) {
        struct rmx_job job = remux("mpegts");

        job.input = RMX_RING;
        job.output = RMX_RING;
        job.input_ring_bytes = 65536;
        job.output_ring_bytes = 65536;
        job.user = &flows[i];
        flows[i].to = malloc(truth.size + 1);
        cr_assert_eq(rmx_submit(client, &job, 1, &flows[i].id), 1);
        move(&flows[i], from, truth.size + 1);
    }
    struct pollfd watched = { .fd = rmx_fd(client), .events = POLLIN };
    while (ended < MANY) {
        int count;

        cr_assert_eq(poll(&watched, 1, PATIENCE_MS), 1);
        while ((count = rmx_events(client, events, 8, 0)) > 0) {
            for (int i = 0; i < count; i++) {
                struct flow *flow = events[i].user;

                if (!flow->read) {
                    move(flow, from, truth.size + 1);
                }
            }
        }
        cr_assert_eq(count, 0);
        while (rmx_wait(client, &result, 1, 0) == 1) {
            cr_assert_eq(result.status, RMX_OK, "%s", result.text);
            ended++;
        }
    }
    for (int i = 0; i < MANY; i++) {
        while (!flows[i].read) {
            move(&flows[i], from, truth.size + 1);
        }
        same(truth, (struct bytes){ flows[i].to, flows[i].got });
        free(flows[i].to);
    }
    free(from.at);
    free(truth.at);
    stop();
}

static struct bytes shared_from;
static struct bytes shared_truth;

static void *runs_jobs(void *arg)
{
    for (int i = 0; i < 20; i++) {
        struct bytes ours = by_memory(shared_from, "mpegts");

        same(shared_truth, ours);
        free(ours.at);
    }
    return arg;
}

Test(e2e_stream, several_threads_share_one_client)
{
    pthread_t threads[4];

    start(NULL);
    shared_from = media("small.mp4");
    shared_truth = by_files("small.mp4", "mpegts");
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, runs_jobs, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    free(shared_from.at);
    free(shared_truth.at);
    stop();
}

Test(e2e_stream, a_private_daemon_streams_too)
{
    struct rmx_private_options options = { .daemon = RMX_BUILD_DIR "/ringmuxd" };

    start(NULL);
    shared_truth = by_files("small.mp4", "mpegts");
    stop();
    cr_assert_eq(rmx_open_private(&client, &options), 0);
    shared_from = media("small.mp4");
    runs_jobs(NULL);
    cr_assert_eq(rmx_state(client), RMX_STATE_READY);
    cr_assert_eq(rmx_reconnect(client, 0), -EOPNOTSUPP, "it has no successor");
    rmx_close(&client);
}

/* --- ends ---------------------------------------------------------------------------------- */

static void *kills_the_daemon(void *arg)
{
    (void)poll(NULL, 0, 50);
    kill(harness.daemon, SIGKILL);
    return arg;
}

Test(e2e_stream, a_daemon_that_dies_ends_a_read_at_once)
{
    struct rmx_job job = remux("mpegts");
    pthread_t thread;
    uint64_t id;
    char to[16];

    start(NULL);
    job.input = RMX_RING;
    job.output = RMX_RING;
    cr_assert_eq(rmx_submit(client, &job, 1, &id), 1);
    cr_assert_eq(pthread_create(&thread, NULL, kills_the_daemon, NULL), 0);
    uint64_t before = harness_now_ns();
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), -1), -ECONNRESET);
    cr_assert_lt(harness_now_ns() - before, 10000000000u);
    pthread_join(thread, NULL);
    rmx_close(&client);
    cr_assert_eq(waitpid(harness.daemon, NULL, 0), harness.daemon);
    harness.daemon = -1;
}

Test(e2e_stream, a_worker_that_dies_takes_its_jobs_and_no_more)
{
    struct rmx_job job = remux("mpegts");
    struct rmx_result result;
    struct rmx_piece piece;
    pid_t pid;
    uint64_t id;

    start((const char *const[]){ "--workers=1", NULL });
    struct bytes from = media("small.mp4");
    struct bytes truth = by_files("small.mp4", "mpegts");
    job.input = RMX_RING;
    job.output = RMX_RING;
    cr_assert_eq(rmx_submit(client, &job, 1, &id), 1);
    cr_assert_eq(rmx_write(client, id, from.at, 1000, -1), 1000);
    cr_assert_eq(rmx_peek(client, id, &piece, 50), -EAGAIN);
    cr_assert_eq(harness_workers(&harness, &pid, 1), 1);
    kill(pid, SIGKILL);
    cr_assert_eq(rmx_peek(client, id, &piece, PATIENCE_MS), -ECANCELED);
    cr_assert_eq(rmx_wait(client, &result, 1, PATIENCE_MS), 1);
    cr_assert_eq(result.status, RMX_WORKER_LOST);
    struct bytes ours = by_memory(from, "mpegts");
    same(truth, ours);
    free(ours.at);
    free(truth.at);
    free(from.at);
    stop();
}

Test(e2e_stream, a_client_that_dies_leaves_nothing)
{
    int ends[2];

    start(NULL);
    shared_from = media("small.mp4");
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        struct rmx_client *mine = harness_client(&harness);
        struct rmx_job job = remux("mpegts");
        uint64_t id = 0;

        job.input = RMX_RING;
        job.output = RMX_RING;
        rmx_submit(mine, &job, 1, &id);
        rmx_write(mine, id, shared_from.at, 50000, -1);
        (void)!write(ends[1], "x", 1);
        (void)pause();
        _exit(0);
    }
    char ready;
    cr_assert_eq(read(ends[0], &ready, 1), 1);
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    shared_truth = by_files("small.mp4", "mpegts");
    for (int i = 0; i < 10; i++) {
        runs_jobs(NULL);
    }
    stop(); /* which looks for what was left */
}
