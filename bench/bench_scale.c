/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How many live streams one worker core carries: 1.5 Mb/s MPEG-TS (H.264 and AAC, 25 pictures a
 * second, a keyframe each second) in, fragmented MP4 with a fragment per keyframe out, each through
 * client rings, paced; their keyframes come one after the other.
 *
 *     rmx-bench scale [-n JOBS]... [-t SECONDS] [-d DAEMON]
 *
 * Prints JSON; a table on standard error. Starts a daemon with one worker; the worker has a core,
 * this program, which writes and reads, another. Default: 250, 500 ... 2000 jobs, 4 s each, until
 * the pace is lost; then, with half as many as kept it, one producer and one consumer that stop in
 * the midst of it, in turn with none that do; then as many that say nothing for 5 s. About a minute
 * and a half.
 *
 * A fragment's latency is from before the write that lets it be finished (learnt from one job that
 * was given its input write by write) until its last byte was read. The pace was kept if every
 * write found room before the next was due, every fragment came, p99 is below a picture's 40 ms,
 * and this program itself was not late by as much. What fails is tried once more.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/cut.h"
#include "bench/herd.h"
#include "bench/process.h"
#include "bench/samples.h"

#define STEPS_MAX     16
#define TRIES         2
#define JOBS_MAX      2000u /* of one worker */
#define WARM_NS       UINT64_C(2500000000)
#define IDLE_NS       UINT64_C(5000000000)
#define KEPT_NS       UINT64_C(40000000)
#define STALL_TURNS   6 /* half of them with two jobs that stall */
#define CLIP_SECONDS  "60"
#define START_TRIES   200
#define START_WAIT_NS 50000000

extern char **environ;

struct bench {
    pid_t daemon;
    pid_t worker;
    char dir[64];
    char socket[96];
    const char *program;
    double seconds;
    size_t step[STEPS_MAX];
    size_t steps;
    struct rmx_herd_plan plan;
    uint64_t *write_end;
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

static struct usage usage_now(const struct bench *bench)
{
    struct timespec own;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
    return (struct usage){
        .at_ns = rmx_samples_now_ns(),
        .worker_ns = rmx_process_cpu_ns(bench->worker),
        .daemon_ns = rmx_process_cpu_ns(bench->daemon),
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

static pid_t daemon_to_end; /* whatever way this program ends */

static void end_daemon(void)
{
    if (daemon_to_end > 0) {
        (void)kill(daemon_to_end, SIGTERM);
    }
}

static void start_daemon(struct bench *bench)
{
    char socket[128];
    const char *command[] = { bench->program, socket, "--log-level=error", "--workers=1",
        "--credits=1024", "--jobs-max=8192", "--flows-small=8", "--flows-bulk=1",
        "--flows-ring=2000", "--worker-memory-bytes=8GiB", "--channels-bytes=8GiB", NULL };
    char *spawned[sizeof(command) / sizeof(command[0])];
    struct rmx_client *client = NULL;
    struct timespec nap = { .tv_nsec = START_WAIT_NS };
    int error;

    (void)snprintf(bench->socket, sizeof(bench->socket), "%s/s", bench->dir);
    (void)snprintf(socket, sizeof(socket), "--socket=%s", bench->socket);
    memcpy(spawned, command, sizeof(command)); /* typed as posix_spawn(3) wants it */
    error = posix_spawn(&bench->daemon, bench->program, NULL, NULL, spawned, environ);
    if (error != 0) {
        rmx_process_die(bench->program, strerrordesc_np(error));
    }
    daemon_to_end = bench->daemon;
    (void)atexit(end_daemon);
    for (int i = 0; i < START_TRIES && client == NULL; i++) {
        error = rmx_open(&client, bench->socket);
        if (error < 0) {
            (void)nanosleep(&nap, NULL);
        }
    }
    if (client == NULL) {
        rmx_process_die(bench->program, strerrordesc_np(-error));
    }
    rmx_close(&client);
}

/* Once the worker has worked, so that it is told from the spare: away from its core. */
static void leave_core(struct bench *bench)
{
    bench->worker = rmx_process_worker(bench->daemon);
    rmx_process_bind(
        0, rmx_process_core(bench->worker) == 0 ? (int)sysconf(_SC_NPROCESSORS_ONLN) - 1 : 0);
}

static void stop_daemon(struct bench *bench)
{
    int status = -1;

    daemon_to_end = 0;
    (void)kill(bench->daemon, SIGTERM);
    if (waitpid(bench->daemon, &status, 0) != bench->daemon || status != 0) {
        rmx_process_die(bench->program, "it did not end well");
    }
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

    (void)snprintf(path, sizeof(path), "%s/clip.ts", bench->dir);
    rmx_process_ffmpeg((const char *const[]){ "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25",
        "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", CLIP_SECONDS, "-c:v",
        "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g",
        "25", "-b:v", "1300k", "-minrate", "1300k", "-maxrate", "1300k", "-bufsize", "650k",
        "-nal-hrd", "cbr", "-c:a", "aac", "-b:a", "96k", path, NULL });
    clip = rmx_process_slurp(path, &size);
    cut_writes(bench, clip, size);
    (void)fprintf(stderr, "clip: %.2f Mb/s\n", (double)size * 8 / strtod(CLIP_SECONDS, NULL) / 1e6);
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

static void print_stretch(const char *name, size_t jobs, const struct stretch *stretch)
{
    const struct usage *used = &stretch->used;

    (void)fprintf(stderr, "%-8s %5zu  %-4s %8.1f %8.1f %8.1f %9.2f %9.2f %9.2f %7llu %9.2f %8.0f\n",
        name, jobs, kept_pace(stretch) ? "yes" : "NO", percent(used->worker_ns, used->at_ns),
        percent(used->daemon_ns, used->at_ns), percent(used->own_ns, used->at_ns),
        ms(&stretch->latency_ns, 0.5), ms(&stretch->latency_ns, 0.99), ms(&stretch->latency_ns, 1),
        (unsigned long long)stretch->missed, ms(&stretch->late_ns, 0.99),
        (double)stretch->anon_bytes_per_job / 1024);
    printf("  {\"what\": \"%s\", \"jobs\": %zu, \"kept_pace\": %s, \"missed_writes\": %llu,\n"
           "   \"fragments_due\": %llu, \"fragments_came\": %llu, \"worker_cpu_percent\": %.4g,"
           " \"daemon_cpu_percent\": %.4g,\n   \"own_cpu_percent\": %.4g,"
           " \"worker_anon_bytes_per_job\": %lld,\n   \"latency\": ",
        name, jobs, kept_pace(stretch) ? "true" : "false", (unsigned long long)stretch->missed,
        (unsigned long long)stretch->fragments_due, (unsigned long long)stretch->fragments_came,
        percent(used->worker_ns, used->at_ns), percent(used->daemon_ns, used->at_ns),
        percent(used->own_ns, used->at_ns), (long long)stretch->anon_bytes_per_job);
    rmx_histogram_print(&stretch->latency_ns, "us", 1e3, stdout);
    printf(",\n   \"own_lateness\": ");
    rmx_histogram_print(&stretch->late_ns, "us", 1e3, stdout);
    printf("},\n");
}

/* So many jobs at once. Returns whether they kept the pace. */
static bool try_jobs(struct bench *bench, size_t jobs)
{
    static struct rmx_herd herd;
    static struct stretch stretch;
    int64_t anon = (int64_t)rmx_process_anon_bytes(bench->worker);

    memset(&stretch, 0, sizeof(stretch));
    rmx_herd_open(&herd, &bench->plan, bench->socket, jobs);
    (void)rmx_herd_run(&herd, WARM_NS);
    run_stretch(bench, &herd, bench->seconds, &stretch);
    stretch.anon_bytes_per_job =
        ((int64_t)rmx_process_anon_bytes(bench->worker) - anon) / (int64_t)jobs;
    rmx_herd_close(&herd);
    print_stretch("paced", jobs, &stretch);
    return kept_pace(&stretch);
}

/* Two that stall among many, in turn with none. */
static void try_stalled(struct bench *bench, size_t jobs)
{
    static struct rmx_herd herd;
    static struct stretch stretch[2];

    for (int turn = 0; turn < STALL_TURNS; turn++) {
        bool stalls = turn % 2 == 1;

        rmx_herd_open(&herd, &bench->plan, bench->socket, jobs);
        (void)rmx_herd_run(&herd, WARM_NS);
        rmx_herd_stall(&herd, stalls, stalls);
        run_stretch(bench, &herd, bench->seconds, &stretch[stalls]);
        rmx_herd_close(&herd);
    }
    print_stretch("none", jobs, &stretch[0]);
    print_stretch("2 stall", jobs, &stretch[1]);
}

/* Jobs under way that get nothing and wait for nothing but that. */
static void try_idle(struct bench *bench, size_t jobs)
{
    static struct rmx_herd herd;
    struct timespec nap = { .tv_sec = (time_t)(IDLE_NS / 1000000000) };
    struct usage used;

    if (jobs > 0) {
        rmx_herd_open(&herd, &bench->plan, bench->socket, jobs);
        (void)rmx_herd_run(&herd, WARM_NS);
    }
    used = usage_now(bench);
    (void)nanosleep(&nap, NULL);
    used = usage_since(bench, used);
    (void)fprintf(stderr, "idle     %5zu  worker %.3f ms, daemon %.3f ms of CPU in %.1f s\n", jobs,
        (double)used.worker_ns / 1e6, (double)used.daemon_ns / 1e6, (double)used.at_ns / 1e9);
    printf("  {\"what\": \"idle\", \"jobs\": %zu, \"seconds\": %.3g, \"worker_cpu_ms\": %.4g, "
           "\"daemon_cpu_ms\": %.4g}%s\n",
        jobs, (double)used.at_ns / 1e9, (double)used.worker_ns / 1e6, (double)used.daemon_ns / 1e6,
        jobs > 0 ? "" : ",");
    if (jobs > 0) {
        rmx_herd_close(&herd);
    }
}

static bool parse(struct bench *bench, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "n:t:d:")) != -1) {
        if (option == 'n' && bench->steps < STEPS_MAX) {
            bench->step[bench->steps++] = strtoul(optarg, NULL, 10);
        } else if (option == 't') {
            bench->seconds = strtod(optarg, NULL);
        } else if (option == 'd') {
            bench->program = optarg;
        } else {
            return false;
        }
    }
    for (size_t i = 0; i < bench->steps; i++) {
        if (bench->step[i] < 2 || bench->step[i] > JOBS_MAX) {
            return false;
        }
    }
    return optind == argc && bench->seconds >= 1 && bench->seconds <= 50;
}

int rmx_bench_scale_run(int argc, char **argv)
{
    struct bench bench = {
        .seconds = 4, .program = RMX_BENCH_DAEMON, .dir = "/tmp/bench_scale.XXXXXX"
    };
    size_t kept = 0;

    if (!parse(&bench, argc, argv)) {
        (void)fprintf(stderr, "usage: rmx-bench scale [-n JOBS: 2 to 2000]... [-t SECONDS: 1 to 50]"
                              " [-d DAEMON]\n");
        return 2;
    }
    if (bench.steps == 0) {
        for (size_t jobs = 250; jobs <= 2000; jobs += 250) {
            bench.step[bench.steps++] = jobs;
        }
    }
    if (mkdtemp(bench.dir) == NULL) {
        rmx_process_die(bench.dir, strerrordesc_np(errno));
    }
    make_clip(&bench);
    start_daemon(&bench);
    (void)prctl(PR_SET_TIMERSLACK, 1);
    rmx_herd_learn(&bench.plan, bench.socket);
    leave_core(&bench);
    printf("{\n  \"bench\": \"scale\", \"seconds\": %.3g, \"stretches\": [\n", bench.seconds);
    (void)fprintf(stderr, "what      jobs  pace  worker%%  daemon%%     own%%    p50 ms    p99 ms"
                          "    max ms  missed  late p99  KiB/job\n");
    for (size_t tries = 0; kept < bench.steps && tries < TRIES; tries++) {
        while (kept < bench.steps && try_jobs(&bench, bench.step[kept])) {
            kept++;
            tries = 0;
        }
    }
    kept = kept > 0 ? bench.step[kept - 1] : 2;
    try_stalled(&bench, kept / 2 < 2 ? 2 : kept / 2);
    try_idle(&bench, 0);
    try_idle(&bench, kept);
    printf("  ],\n  \"jobs_that_kept_pace\": %zu\n}\n", kept);
    stop_daemon(&bench);
    (void)rmdir(bench.dir);
    free(bench.write_end);
    return 0;
}
