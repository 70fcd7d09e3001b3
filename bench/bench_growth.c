/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How cost grows: time and memory against a file's size, its samples, jobs in flight and sessions.
 *
 *     rmx-bench growth [--trials N] [--max-mib N] [--dir DIR]      prints JSON; about 3 minutes
 *
 * A private daemon with one worker. Of each series the slope of a line through the logarithms is
 * told: 1 is linear, and what is more than 1.1 is called worse. Output goes to /dev/null. Memory is
 * anonymous memory of daemon and workers, beyond what they had when idle.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/daemon.h"
#include "bench/frame.h"
#include "bench/growth_media.h"
#include "bench/process.h"
#include "bench/rounds.h"
#include "ring/base.h"

#define POINTS_MAX   8
#define JOBS_MAX     1024u
#define SESSIONS_MAX 256u
#define WORKERS_MAX  16
#define HELD_PART    2 /* a held job has had this part of its input, half of it */
#define SUBMIT_TRIES 10000
#define LOOK_MS      5 /* for the most memory a job has */
#define MIB          1048576.0

struct bench {
    struct rmx_frame *frame;
    struct rmx_client *client;
    struct rmx_growth_media media;
    pid_t daemon;
    double idle_mib; /* what it and its worker hold before they have more to do */
    uint32_t ended;  /* of the jobs that collect() will wait for */
};

/* --- what they hold --------------------------------------------------------------------------- */

static double memory_mib(pid_t daemon)
{
    pid_t workers[WORKERS_MAX];
    size_t count = rmx_process_workers(daemon, workers, WORKERS_MAX);
    uint64_t bytes = rmx_process_anon_bytes(daemon);

    for (size_t i = 0; i < count; i++) {
        bytes += rmx_process_anon_bytes(workers[i]);
    }
    return (double)bytes / MIB;
}

static void init_job(struct rmx_job *job, int input)
{
    rmx_job_init(job);
    job->input = input;
    job->output = open("/dev/null", O_WRONLY | O_CLOEXEC);
    job->format = "fmp4";
    if (job->input < 0 || job->output < 0) {
        rmx_process_die("a job's file", strerrordesc_np(errno));
    }
}

static void start(struct bench *bench)
{
    static const char *const settings[] = { "--log-level=error", "--workers=1", "--credits=1024",
        "--overload-cpu=0", "--overload-queue=0", "--overload-rings=0", "--worker-jobs-max=0",
        "--sessions-max=512", "--flows-small=256", NULL };

    struct rmx_result result;
    struct rmx_job job;

    bench->client = rmx_daemon_private(settings);
    bench->daemon = (pid_t)rmx_daemon_pid(bench->client);
    init_job(&job, open(bench->media.clip, O_RDONLY | O_CLOEXEC)); /* a warm-up */
    rmx_daemon_run(bench->client, &job, &result);
    (void)close(job.input);
    (void)close(job.output);
    bench->idle_mib = memory_mib(bench->daemon);
}

/* Takes results that are there within so long; each has to be OK. Returns how many. */
static uint32_t take(struct bench *bench, int timeout_ms)
{
    struct rmx_result results[64];
    int got = rmx_wait(bench->client, results, 64, timeout_ms);

    if (got < 0) {
        rmx_process_die("wait", strerrordesc_np(-got));
    }
    for (int i = 0; i < got; i++) {
        if (results[i].status != RMX_OK) {
            rmx_process_die(rmx_end_name(results[i].status), results[i].text);
        }
    }
    return (uint32_t)got;
}

/* The daemon reads when it can: until then no more are taken, and results may come. */
static void submit(struct bench *bench, const struct rmx_job *jobs, uint32_t count)
{
    uint32_t tries = 0;

    for (uint32_t sent = 0; sent < count;) {
        int got = rmx_submit(bench->client, jobs + sent, count - sent, NULL);

        if (got < 0 && (got != -EAGAIN || ++tries > SUBMIT_TRIES)) {
            rmx_process_die("submit", strerrordesc_np(-got));
        }
        if (got < 0) {
            bench->ended += take(bench, 1);
        } else {
            sent += (uint32_t)got;
            tries = 0;
        }
    }
}

/* Waits for so many; returns the most memory that was seen meanwhile. */
static double collect(struct bench *bench, uint32_t count, bool look)
{
    double most = 0;

    while (bench->ended < count) {
        uint32_t got = take(bench, look ? LOOK_MS : 600000);

        if (got == 0 && !look) {
            rmx_process_die("wait", "no answer");
        }
        if (look) {
            double now = memory_mib(bench->daemon);

            most = now > most ? now : most;
        }
        bench->ended += got;
    }
    bench->ended = 0;
    return most;
}

static void close_jobs(const struct rmx_job *jobs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)close(jobs[i].input);
        (void)close(jobs[i].output);
    }
}

/* --- one file --------------------------------------------------------------------------------- */

struct file_cost {
    struct rmx_samples ms;
    struct rmx_samples mib;
};

static void run_file(
    struct bench *bench, const char *path, const char *format, struct file_cost *cost)
{
    struct rmx_job job;
    uint64_t began;
    double most;

    init_job(&job, open(path, O_RDONLY | O_CLOEXEC));
    job.format = format;
    began = rmx_samples_now_ns();
    submit(bench, &job, 1);
    (void)collect(bench, 1, false);
    rmx_samples_add(&cost->ms, (double)(rmx_samples_now_ns() - began) / 1e6);
    rmx_assert(lseek(job.input, 0, SEEK_SET) == 0);
    submit(bench, &job, 1); /* once more: looking takes time */
    most = collect(bench, 1, true);
    rmx_samples_add(&cost->mib, most > bench->idle_mib ? most - bench->idle_mib : 0);
    close_jobs(&job, 1);
}

static struct rmx_frame_point point_of(double x, struct rmx_samples *samples)
{
    struct rmx_spread spread = rmx_spread_of(samples, NULL);

    rmx_samples_fini(samples);
    return (struct rmx_frame_point){
        .x = x, .y = spread.median, .low = spread.low, .high = spread.high
    };
}

/* Files of growing size, or of growing numbers of samples; each made when its turn comes. */
static void run_files(struct bench *bench, bool samples, const uint64_t *sizes, size_t count)
{
    struct rmx_frame_point ms[POINTS_MAX];
    struct rmx_frame_point mib[POINTS_MAX];
    const char *x = samples ? "samples" : "file, MB";
    const struct rmx_frame_series time = {
        .name = samples ? "time_by_samples" : "time_by_size",
        .x = x,
        .y = "time of the job, ms",
        .points = ms,
        .count = count,
        .growth = true,
    };
    const struct rmx_frame_series memory = {
        .name = samples ? "memory_by_samples" : "memory_by_size",
        .x = x,
        .y = "memory beyond idle, MiB",
        .points = mib,
        .count = count,
    };

    for (size_t i = 0; i < count; i++) {
        struct file_cost cost = { .ms = { .unit = "ms" }, .mib = { .unit = "MiB" } };
        const char *path = samples ? rmx_growth_media_samples(&bench->media, sizes[i])
                                   : rmx_growth_media_bytes(&bench->media, sizes[i]);
        double at = samples ? (double)sizes[i] : (double)bench->media.bytes / 1e6;

        rmx_frame_say(bench->frame, "%s %.6g", x, at);
        for (uint32_t trial = 0; trial < bench->frame->trials; trial++) {
            run_file(bench, path, samples ? "mpegts" : "fmp4", &cost);
        }
        ms[i] = point_of(at, &cost.ms);
        mib[i] = point_of(at, &cost.mib);
    }
    rmx_frame_series(bench->frame, &time);
    rmx_frame_series(bench->frame, &memory);
}

/* --- many jobs -------------------------------------------------------------------------------- */

static void run_in_flight(struct bench *bench, uint32_t most)
{
    static struct rmx_job jobs[JOBS_MAX];
    struct rmx_frame_point points[POINTS_MAX];
    struct rmx_frame_series series = {
        .name = "time_by_jobs",
        .x = "small jobs sent at once",
        .y = "time until the last has ended, ms",
        .points = points,
        .growth = true,
    };

    for (uint32_t count = 1; count <= most; count *= 4) {
        struct rmx_samples samples = { .unit = "ms" };

        for (uint32_t trial = 0; trial < bench->frame->trials; trial++) {
            uint64_t began;

            for (uint32_t i = 0; i < count; i++) {
                init_job(&jobs[i], open(bench->media.clip, O_RDONLY | O_CLOEXEC));
            }
            began = rmx_samples_now_ns();
            submit(bench, jobs, count);
            (void)collect(bench, count, false);
            rmx_samples_add(&samples, (double)(rmx_samples_now_ns() - began) / 1e6);
            close_jobs(jobs, count);
        }
        points[series.count++] = point_of(count, &samples);
    }
    rmx_frame_series(bench->frame, &series);
}

/* Jobs whose input is a pipe that has brought half of a clip: they have begun, and wait. Returns
 * what daemon and worker hold more than before. */
static double held_mib(struct bench *bench, uint32_t count)
{
    static struct rmx_job jobs[JOBS_MAX];
    static int writers[JOBS_MAX];
    size_t bytes = 0;
    unsigned char *clip = rmx_process_slurp(bench->media.clip, &bytes);
    double before = memory_mib(bench->daemon);
    double held;

    for (uint32_t i = 0; i < count; i++) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) < 0) {
            rmx_process_die("pipe", strerrordesc_np(errno));
        }
        init_job(&jobs[i], ends[0]);
        writers[i] = ends[1];
        rmx_assert(write(ends[1], clip, bytes / HELD_PART) == (ssize_t)(bytes / HELD_PART));
    }
    submit(bench, jobs, count);
    rmx_growth_media_settle(bench->client, count);
    held = memory_mib(bench->daemon) - before;
    for (uint32_t i = 0; i < count; i++) {
        size_t rest = bytes - bytes / HELD_PART;

        rmx_assert(write(writers[i], clip + bytes / HELD_PART, rest) == (ssize_t)rest);
        (void)close(writers[i]);
    }
    (void)collect(bench, count, false);
    close_jobs(jobs, count);
    free(clip);
    return held;
}

/* Each number of jobs at a daemon of its own: a heap that was larger once stays so. */
static void run_held(struct bench *bench, uint32_t most)
{
    struct rmx_frame_point points[POINTS_MAX];
    struct rmx_frame_series series = {
        .name = "memory_by_jobs_in_flight",
        .x = "jobs in flight, half of their input there",
        .y = "memory beyond idle, MiB",
        .points = points,
    };
    struct rmx_frame_row row = { .note = "beyond its rings, small clips" };

    for (uint32_t count = 1; count <= most; count *= 4) {
        struct rmx_samples samples = { .unit = "MiB" };

        rmx_close(&bench->client);
        start(bench);
        (void)held_mib(bench, 1);
        rmx_samples_add(&samples, held_mib(bench, count));
        points[series.count++] = point_of(count, &samples);
    }
    rmx_frame_series(bench->frame, &series);
    row.ours = (points[series.count - 1].y - points[0].y) / (points[series.count - 1].x - 1);
    rmx_frame_row(bench->frame, RMX_AIM_memory_per_job, &row);
}

/* --- many sessions ---------------------------------------------------------------------------- */

static void open_sessions(const struct rmx_daemon *daemon, struct rmx_client **clients,
    uint32_t count, struct rmx_samples *ms, struct rmx_samples *mib)
{
    double before = memory_mib(daemon->pid);
    uint64_t began = rmx_samples_now_ns();
    uint64_t ignored;

    for (uint32_t i = 0; i < count; i++) {
        clients[i] = rmx_daemon_client(daemon);
        if (rmx_ping(clients[i], &ignored) < 0) {
            rmx_process_die("ping", "no answer");
        }
    }
    rmx_samples_add(ms, (double)(rmx_samples_now_ns() - began) / 1e6);
    rmx_samples_add(mib, memory_mib(daemon->pid) - before);
    for (uint32_t i = 0; i < count; i++) {
        rmx_close(&clients[i]);
    }
}

static void run_sessions(struct rmx_frame *frame, uint32_t most)
{
    static struct rmx_client *clients[SESSIONS_MAX];
    static const char *const settings[] = { "--workers=1", "--sessions-max=512",
        "--connections-per-uid=0", NULL };
    struct rmx_frame_point points[POINTS_MAX];
    struct rmx_frame_point mib[POINTS_MAX];
    struct rmx_frame_series time = {
        .name = "time_by_sessions",
        .x = "sessions",
        .y = "opening and asking each once, ms",
        .points = points,
        .growth = true,
    };
    struct rmx_frame_series memory = {
        .name = "memory_by_sessions",
        .x = "sessions",
        .y = "memory beyond idle, MiB",
        .points = mib,
    };
    struct rmx_samples warm_ups = { .unit = "" };
    struct rmx_daemon daemon;

    rmx_daemon_start(&daemon, "1", settings);
    open_sessions(&daemon, clients, 4, &warm_ups, &warm_ups);
    for (uint32_t count = 1; count <= most; count *= 4) {
        struct rmx_samples ms = { .unit = "ms" };
        struct rmx_samples more = { .unit = "MiB" };

        for (uint32_t trial = 0; trial < frame->trials; trial++) {
            open_sessions(&daemon, clients, count, &ms, &more);
        }
        points[time.count++] = point_of(count, &ms);
        mib[memory.count++] = point_of(count, &more);
    }
    rmx_daemon_stop(&daemon);
    rmx_frame_series(frame, &time);
    rmx_frame_series(frame, &memory);
}

/* --- all of it -------------------------------------------------------------------------------- */

static void run_all(struct bench *bench, uint64_t max_bytes)
{
    static const uint64_t samples[] = { 1000, 10000, 100000, 1000000 };
    uint64_t bytes[POINTS_MAX];
    size_t sizes = 0;
    const struct rmx_frame *frame = bench->frame;
    uint64_t largest = frame->tiny ? 400000 : frame->quick ? 100000000 : max_bytes;

    for (uint64_t size = 100000; size < largest && sizes < POINTS_MAX - 1; size *= 10) {
        bytes[sizes++] = size;
    }
    bytes[sizes++] = largest;
    run_files(bench, false, bytes, sizes);
    run_files(bench, true, samples, frame->tiny ? 2 : frame->quick ? 3 : 4);
    run_in_flight(bench, frame->tiny ? 4 : frame->quick ? 256 : JOBS_MAX);
    run_held(bench, frame->tiny ? 4 : 64);
    run_sessions(bench->frame, frame->tiny ? 4 : SESSIONS_MAX);
}

int rmx_bench_growth_run(int argc, char **argv)
{
    static struct rmx_frame_option options[] = {
        { .name = "max-mib", .text = "of the largest file", .value = 1024, .min = 1, .max = 4096 },
        { .name = "dir", .text = "has room for two such files", .word = "/var/tmp" },
        { .name = NULL },
    };
    static const struct rmx_frame_plan plan = {
        .name = "growth", .options = options, .trials = 5, .quick_trials = 3, .ms = 1, .quick_ms = 1
    };
    static struct bench bench;
    struct rmx_frame frame;
    struct rlimit files;

    rmx_frame_begin(&frame, &plan, argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    bench.frame = &frame;
    rmx_growth_media_make(&bench.media, rmx_frame_option(&frame, "dir")->word);
    start(&bench);
    run_all(&bench, (uint64_t)rmx_frame_option(&frame, "max-mib")->value << 20);
    rmx_close(&bench.client);
    rmx_growth_media_end(&bench.media);
    return rmx_frame_end(&frame);
}
