/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How many live streams there may be at once. See live_herd.h.
 */
#include "bench/live_herd.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "bench/cut.h"
#include "bench/daemon.h"
#include "bench/herd.h"
#include "bench/process.h"
#include "bench/samples.h"

#define STEPS_MAX    12
#define TRIES        2
#define WORKER_JOBS  2000u /* of one worker */
#define WORKERS_MAX  64
#define WARM_NS      UINT64_C(2500000000)
#define TINY_NS      UINT64_C(500000000)
#define IDLE_NS      UINT64_C(5000000000)
#define KEPT_NS      UINT64_C(40000000)
#define STALL_TURNS  6 /* half of them with two jobs that stall */
#define CLIP_SECONDS "60"

struct bench {
    struct rmx_frame *frame;
    struct rmx_daemon daemon;
    double seconds;
    uint64_t warm_ns;
    struct rmx_herd_plan plan;
    uint64_t *write_end;
    /* what each step that was tried gave */
    struct rmx_frame_point p50_ms[STEPS_MAX];
    struct rmx_frame_point p99_ms[STEPS_MAX];
    struct rmx_frame_point cpu[STEPS_MAX];
    struct rmx_frame_point memory[STEPS_MAX];
    int64_t idle_bytes; /* of its workers, before the first step */
    size_t steps;
};

/* CPU time of all three, and when. */
struct usage {
    uint64_t at_ns;
    uint64_t worker_ns;
    uint64_t daemon_ns;
    uint64_t own_ns;
};

/* One measured stretch. */
struct stretch {
    struct usage used;
    struct rmx_histogram latency_ns;
    struct rmx_histogram late_ns;
    uint64_t missed;
    uint64_t fragments_due;
    uint64_t fragments_came;
    int64_t anon_bytes_per_job;
};

/* Of all workers; the spare does nothing. */
static uint64_t sum_workers(const struct bench *bench, uint64_t (*of)(pid_t pid))
{
    pid_t pids[WORKERS_MAX];
    size_t count = rmx_process_workers(bench->daemon.pid, pids, WORKERS_MAX);
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        sum += of(pids[i]);
    }
    return sum;
}

static struct usage usage_now(const struct bench *bench)
{
    struct timespec own;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
    return (struct usage){
        .at_ns = rmx_samples_now_ns(),
        .worker_ns = sum_workers(bench, rmx_process_cpu_ns),
        .daemon_ns = rmx_process_cpu_ns(bench->daemon.pid),
        .own_ns = (uint64_t)own.tv_sec * 1000000000 + (uint64_t)own.tv_nsec,
    };
}

static struct usage usage_since(const struct bench *bench, struct usage before)
{
    struct usage now = usage_now(bench);

    return (struct usage){
        .at_ns = now.at_ns - before.at_ns,
        .worker_ns = now.worker_ns - before.worker_ns,
        .daemon_ns = now.daemon_ns - before.daemon_ns,
        .own_ns = now.own_ns - before.own_ns,
    };
}

static double percent(uint64_t part, uint64_t whole)
{
    return 100.0 * (double)part / (double)whole;
}

/* --- the daemon and the media ----------------------------------------------------------------- */

static void start_daemon(struct bench *bench, size_t jobs)
{
    char workers[32];
    const char *const settings[] = { workers, "--credits=1024", "--jobs-max=8192",
        "--flows-small=8", "--flows-bulk=1", "--flows-ring=2000", "--worker-memory-bytes=8GiB",
        "--channels-bytes=8GiB", NULL };
    struct rmx_client *client;

    (void)snprintf(
        workers, sizeof(workers), "--workers=%zu", (jobs + WORKER_JOBS - 1) / WORKER_JOBS);
    rmx_daemon_start(&bench->daemon, "1", settings);
    client = rmx_daemon_client(&bench->daemon);
    rmx_close(&client);
    bench->idle_bytes = (int64_t)sum_workers(bench, rmx_process_anon_bytes);
}

/* Once the worker has worked, so that it is told from the spare: away from its core. */
static void leave_core(const struct bench *bench)
{
    int core = rmx_process_core(rmx_process_worker(bench->daemon.pid));

    rmx_process_bind(0, core == 0 ? (int)sysconf(_SC_NPROCESSORS_ONLN) - 1 : 0);
}

/* Cut into writes: each ends with a picture, and brings the sound before it along. */
static void cut_writes(struct bench *bench, const unsigned char *clip, size_t size)
{
    struct rmx_cut cut = { .count = 0 };

    rmx_cut_find(&cut, RMX_CUT_TS, clip, size);
    bench->write_end = calloc(cut.count + 1, sizeof(*bench->write_end));
    bench->plan = (struct rmx_herd_plan){ .clip = clip, .write_end = bench->write_end };
    for (size_t i = 0; i < cut.count; i++) {
        if (cut.packet[i].stream == RMX_CUT_VIDEO) {
            bench->write_end[bench->plan.writes++] = cut.packet[i].end;
        }
    }
    rmx_cut_fini(&cut);
}

static void make_clip(struct bench *bench)
{
    char path[96];
    const unsigned char *clip;
    size_t size;

    (void)snprintf(path, sizeof(path), "%s/clip.ts", bench->daemon.dir);
    rmx_process_ffmpeg((const char *const[]){ "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25",
        "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t",
        bench->frame->tiny ? "10" : CLIP_SECONDS, "-c:v", "libx264", "-preset", "ultrafast",
        "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "25", "-b:v", "1300k", "-minrate",
        "1300k", "-maxrate", "1300k", "-bufsize", "650k", "-nal-hrd", "cbr", "-c:a", "aac", "-b:a",
        "96k", path, NULL });
    clip = rmx_process_slurp(path, &size);
    cut_writes(bench, clip, size);
    (void)unlink(path);
}

/* --- stretches -------------------------------------------------------------------------------- */

/* Runs the herd for so long; what it measured before is forgotten. */
static void run_stretch(
    const struct bench *bench, struct rmx_herd *herd, double seconds, struct stretch *stretch)
{
    struct usage before = usage_now(bench);

    memset(&herd->latency_ns, 0, sizeof(herd->latency_ns));
    memset(&herd->late_ns, 0, sizeof(herd->late_ns));
    herd->missed = 0;
    if (!rmx_herd_run(herd, (uint64_t)(seconds * 1e9))) {
        rmx_process_die("clip", "it is too short for so many seconds");
    }
    stretch->used = usage_since(bench, before);
    stretch->missed += herd->missed;
    rmx_histogram_merge(&stretch->latency_ns, &herd->latency_ns);
    rmx_histogram_merge(&stretch->late_ns, &herd->late_ns);
    rmx_herd_count(herd, &stretch->fragments_due, &stretch->fragments_came);
}

static bool kept_pace(const struct stretch *stretch)
{
    return stretch->missed == 0 && stretch->fragments_came == stretch->fragments_due &&
           rmx_histogram_percentile(&stretch->latency_ns, 0.99) < KEPT_NS &&
           rmx_histogram_percentile(&stretch->late_ns, 0.99) < KEPT_NS;
}

static double ms(const struct rmx_histogram *histogram, double part)
{
    return (double)rmx_histogram_percentile(histogram, part) / 1e6;
}

/* name: "streams.250", or what is special about them. */
static void tell(struct bench *bench, const char *name, size_t jobs, const struct stretch *stretch)
{
    const struct usage *used = &stretch->used;
    char text[64];

    rmx_frame_say(bench->frame,
        "%5zu %-8s pace %-4s worker %5.1f %% daemon %4.1f %% own %5.1f %%  p50 %7.2f p99 %7.2f"
        " max %7.2f ms  missed %llu  own lateness p99 %.2f ms  %.0f KiB each",
        jobs, name, kept_pace(stretch) ? "kept" : "LOST", percent(used->worker_ns, used->at_ns),
        percent(used->daemon_ns, used->at_ns), percent(used->own_ns, used->at_ns),
        ms(&stretch->latency_ns, 0.5), ms(&stretch->latency_ns, 0.99), ms(&stretch->latency_ns, 1),
        (unsigned long long)stretch->missed, ms(&stretch->late_ns, 0.99),
        (double)stretch->anon_bytes_per_job / 1024);
    (void)snprintf(text, sizeof(text), "streams.%zu.%s.latency", jobs, name);
    rmx_frame_histogram(bench->frame, text, "us", &stretch->latency_ns, 1e3);
    (void)snprintf(text, sizeof(text), "streams.%zu.%s.own_lateness", jobs, name);
    rmx_frame_histogram(bench->frame, text, "us", &stretch->late_ns, 1e3);
}

static struct rmx_frame_point point(size_t jobs, double value)
{
    return (struct rmx_frame_point){ .x = (double)jobs, .y = value, .low = value, .high = value };
}

/* What was tried again counts with its last try. */
static void keep(struct bench *bench, size_t jobs, const struct stretch *stretch)
{
    size_t at = bench->steps;

    if (at > 0 && bench->cpu[at - 1].x == (double)jobs) {
        at--;
    }
    bench->p50_ms[at] = point(jobs, ms(&stretch->latency_ns, 0.5));
    bench->p99_ms[at] = point(jobs, ms(&stretch->latency_ns, 0.99));
    bench->cpu[at] = point(jobs, percent(stretch->used.worker_ns, stretch->used.at_ns));
    bench->memory[at] =
        point(jobs, (double)(stretch->anon_bytes_per_job * (int64_t)jobs) / 1048576);
    bench->steps = at + 1;
}

/* So many jobs at once. Returns whether they kept the pace. */
static bool try_jobs(struct bench *bench, size_t jobs)
{
    static struct rmx_herd herd;
    static struct stretch stretch;

    memset(&stretch, 0, sizeof(stretch));
    rmx_herd_open(&herd, &bench->plan, bench->daemon.socket, jobs);
    (void)rmx_herd_run(&herd, bench->warm_ns);
    run_stretch(bench, &herd, bench->seconds, &stretch);
    stretch.anon_bytes_per_job =
        ((int64_t)sum_workers(bench, rmx_process_anon_bytes) - bench->idle_bytes) / (int64_t)jobs;
    rmx_herd_close(&herd);
    tell(bench, "paced", jobs, &stretch);
    keep(bench, jobs, &stretch);
    return kept_pace(&stretch);
}

/* Two that stall among many, in turn with none. */
static void try_stalled(struct bench *bench, size_t jobs)
{
    static struct rmx_herd herd;
    static struct stretch stretch[2];

    for (int turn = 0; turn < STALL_TURNS; turn++) {
        bool stalls = turn % 2 == 1;

        rmx_herd_open(&herd, &bench->plan, bench->daemon.socket, jobs);
        (void)rmx_herd_run(&herd, bench->warm_ns);
        rmx_herd_stall(&herd, stalls, stalls);
        run_stretch(bench, &herd, bench->seconds, &stretch[stalls]);
        rmx_herd_close(&herd);
    }
    tell(bench, "none_stall", jobs, &stretch[0]);
    tell(bench, "two_stall", jobs, &stretch[1]);
}

/* Jobs under way that get nothing and wait for nothing but that. */
static void try_idle(struct bench *bench, size_t jobs)
{
    static struct rmx_herd herd;
    struct timespec nap = { .tv_sec = (time_t)(IDLE_NS / 1000000000) };
    char name[64];
    struct rmx_samples cpu = { .name = name, .unit = "ms/s" };
    struct usage used;

    if (jobs > 0) {
        rmx_herd_open(&herd, &bench->plan, bench->daemon.socket, jobs);
        (void)rmx_herd_run(&herd, bench->warm_ns);
    }
    used = usage_now(bench);
    (void)nanosleep(&nap, NULL);
    used = usage_since(bench, used);
    rmx_frame_say(bench->frame, "%5zu idle     worker %.3f ms, daemon %.3f ms of CPU in %.1f s",
        jobs, (double)used.worker_ns / 1e6, (double)used.daemon_ns / 1e6, (double)used.at_ns / 1e9);
    (void)snprintf(name, sizeof(name), "streams.%zu.idle_cpu", jobs);
    rmx_samples_add(&cpu, (double)(used.worker_ns + used.daemon_ns) * 1e3 / (double)used.at_ns);
    rmx_frame_measure(bench->frame, &cpu);
    rmx_samples_fini(&cpu);
    if (jobs > 0) {
        rmx_herd_close(&herd);
    }
}

static void tell_series(struct bench *bench)
{
    const struct rmx_frame_series series[] = {
        { .name = "p50",
            .group = "streams_latency",
            .x = "streams at once",
            .y = "a fragment's latency, ms",
            .points = bench->p50_ms,
            .count = bench->steps },
        { .name = "p99",
            .group = "streams_latency",
            .x = "streams at once",
            .y = "a fragment's latency, ms",
            .points = bench->p99_ms,
            .count = bench->steps },
        { .name = "streams_cpu",
            .x = "streams at once",
            .y = "workers' CPU, % of a core",
            .points = bench->cpu,
            .count = bench->steps,
            .growth = true },
        { .name = "streams_memory",
            .x = "streams at once",
            .y = "workers' memory, MiB",
            .points = bench->memory,
            .count = bench->steps,
            .growth = true },
    };

    for (size_t i = 0; i < sizeof(series) / sizeof(series[0]); i++) {
        rmx_frame_series(bench->frame, &series[i]);
    }
}

/* Returns how many kept the pace. */
static size_t climb(struct bench *bench, const size_t *step, size_t steps)
{
    size_t kept = 0;

    for (size_t tries = 0; kept < steps && tries < TRIES; tries++) {
        while (kept < steps && try_jobs(bench, step[kept])) {
            kept++;
            tries = 0;
        }
    }
    return kept;
}

static void tell_kept(struct bench *bench, size_t jobs)
{
    struct rmx_samples kept = { .name = "streams_that_kept_pace", .unit = "streams" };

    rmx_samples_add(&kept, (double)jobs);
    rmx_frame_measure(bench->frame, &kept);
    rmx_samples_fini(&kept);
}

/* Those that one worker cannot hold, in a daemon with more of them. */
static size_t climb_on(struct bench *bench, size_t max)
{
    size_t kept;

    rmx_daemon_stop(&bench->daemon);
    start_daemon(bench, max);
    kept = climb(bench, &max, 1);
    return kept > 0 ? max : 0;
}

void rmx_live_herd_run(struct rmx_frame *frame, size_t max)
{
    static const size_t all[] = { 1, 4, 16, 64, 250, 500, 1000, 1500, 2000 };
    static const size_t some[] = { 1, 16, 250, 1000 };
    static const size_t least[] = { 1, 2 };
    const size_t *step = frame->tiny ? least : frame->quick ? some : all;
    size_t steps = frame->tiny ? 2 : frame->quick ? 4 : sizeof(all) / sizeof(all[0]);
    static struct bench bench;
    size_t kept;
    size_t most;

    bench.frame = frame;
    bench.seconds = frame->tiny ? 1.5 : frame->quick ? 2 : 4;
    bench.warm_ns = frame->tiny ? TINY_NS : WARM_NS;
    while (steps > 1 && step[steps - 1] > max) {
        steps--;
    }
    start_daemon(&bench, 1);
    make_clip(&bench);
    (void)prctl(PR_SET_TIMERSLACK, 1);
    rmx_herd_learn(&bench.plan, bench.daemon.socket);
    leave_core(&bench);
    kept = climb(&bench, step, steps);
    most = kept > 0 ? step[kept - 1] : 0;
    if (!frame->quick && most > 1) {
        try_stalled(&bench, most / 2 < 2 ? 2 : most / 2);
        try_idle(&bench, 0);
        try_idle(&bench, most);
    }
    if (kept == steps && max > WORKER_JOBS && !frame->quick) {
        size_t more = climb_on(&bench, max);

        most = more > 0 ? more : most;
    }
    tell_kept(&bench, most);
    tell_series(&bench);
    rmx_daemon_stop(&bench.daemon);
    free(bench.write_end);
}
