/* SPDX-License-Identifier: BSD-2-Clause
 *
 * CPU time: of a thousand small jobs, and of a gigabyte; all of daemon, workers and caller, beside
 * ffmpeg processes that do the same.
 *
 *     rmx-bench cost [--trials N] [--jobs N] [--mib N] [--dir DIR]      prints JSON; about a minute
 *
 * A trial is so many small clips one after the other and one large file, into /dev/null, then the
 * same by ffmpeg (fewer clips, and multiplied: a process is slow). The kernel's count: whoever else
 * is on the cores, it is not theirs.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/daemon.h"
#include "bench/frame.h"
#include "bench/growth_media.h"
#include "bench/process.h"
#include "bench/rounds.h"

#define WORKERS_MAX   16
#define FFMPEG_SHARE  100 /* of the small jobs it is given one in so many */
#define FFMPEG_FORMAT "-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-f", "mp4"

enum { SMALL, SMALL_FFMPEG, LARGE, LARGE_FFMPEG, ENTRANTS };

struct bench {
    struct rmx_client *client;
    struct rmx_growth_media media;
    uint32_t jobs;
};

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

/* RUSAGE_SELF, RUSAGE_CHILDREN. */
static double used_by(int who)
{
    struct rusage usage;

    (void)getrusage(who, &usage);
    return seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
}

/* The private daemon is our child, but counts as one only when it has ended. */
static double used_by_daemon(const struct bench *bench)
{
    pid_t daemon = (pid_t)rmx_daemon_pid(bench->client);
    pid_t workers[WORKERS_MAX];
    size_t count = rmx_process_workers(daemon, workers, WORKERS_MAX);
    uint64_t ns = rmx_process_cpu_ns(daemon);

    for (size_t i = 0; i < count; i++) {
        ns += rmx_process_cpu_ns(workers[i]);
    }
    return (double)ns / 1e9 + used_by(RUSAGE_SELF);
}

static void run_job(struct bench *bench, const char *path)
{
    struct rmx_result result;
    struct rmx_job job;

    rmx_job_init(&job);
    job.input = open(path, O_RDONLY | O_CLOEXEC);
    job.output = open("/dev/null", O_WRONLY | O_CLOEXEC);
    job.format = "fmp4";
    if (job.input < 0 || job.output < 0) {
        rmx_process_die(path, strerrordesc_np(errno));
    }
    rmx_daemon_run(bench->client, &job, &result);
    (void)close(job.input);
    (void)close(job.output);
}

/* All four: seconds a thousand jobs, or a gigabyte. */
static double small(void *user)
{
    struct bench *bench = user;
    double before = used_by_daemon(bench);

    for (uint32_t i = 0; i < bench->jobs; i++) {
        run_job(bench, bench->media.clip);
    }
    return (used_by_daemon(bench) - before) * 1000 / bench->jobs;
}

static double large(void *user)
{
    struct bench *bench = user;
    double before = used_by_daemon(bench);

    run_job(bench, bench->media.path);
    return (used_by_daemon(bench) - before) * 1e9 / (double)bench->media.bytes;
}

static void run_ffmpeg(const char *path)
{
    rmx_process_ffmpeg(
        (const char *const[]){ "-i", path, "-c", "copy", FFMPEG_FORMAT, "/dev/null", NULL });
}

static double small_ffmpeg(void *user)
{
    const struct bench *bench = user;
    uint32_t jobs = bench->jobs / FFMPEG_SHARE + 1;
    double before = used_by(RUSAGE_CHILDREN);

    for (uint32_t i = 0; i < jobs; i++) {
        run_ffmpeg(bench->media.clip);
    }
    return (used_by(RUSAGE_CHILDREN) - before) * 1000 / jobs;
}

static double large_ffmpeg(void *user)
{
    const struct bench *bench = user;
    double before = used_by(RUSAGE_CHILDREN);

    run_ffmpeg(bench->media.path);
    return (used_by(RUSAGE_CHILDREN) - before) * 1e9 / (double)bench->media.bytes;
}

int rmx_bench_cost_run(int argc, char **argv)
{
    static struct rmx_frame_option options[] = {
        { .name = "jobs", .text = "small ones of a trial", .value = 500, .min = 1, .max = 100000 },
        { .name = "mib", .text = "of the large file", .value = 400, .min = 1, .max = 4096 },
        { .name = "dir", .text = "has room for two such files", .word = "/var/tmp" },
        { .name = NULL },
    };
    static const struct rmx_frame_plan plan = {
        .name = "cost", .options = options, .trials = 7, .quick_trials = 3, .ms = 1, .quick_ms = 1
    };
    static const char *const settings[] = { "--log-level=error", "--workers=1", NULL };
    static struct rmx_entrant entrants[ENTRANTS] = {
        [SMALL] = { .run = small, .samples = { .name = "cpu_of_1000_small_jobs", .unit = "s" } },
        [SMALL_FFMPEG] = { .run = small_ffmpeg,
            .samples = { .name = "cpu_of_1000_ffmpeg", .unit = "s" } },
        [LARGE] = { .run = large, .samples = { .name = "cpu_of_a_gigabyte", .unit = "s" } },
        [LARGE_FFMPEG] = { .run = large_ffmpeg,
            .samples = { .name = "cpu_of_a_gigabyte_ffmpeg", .unit = "s" } },
    };
    static struct bench bench;
    const struct rmx_rounds rounds = {
        .entrants = entrants, .count = ENTRANTS, .warm_ups = 1, .user = &bench
    };
    struct rmx_frame frame;
    uint64_t mib;

    rmx_frame_begin(&frame, &plan, argc, argv);
    mib = (uint64_t)rmx_frame_option(&frame, "mib")->value;
    rmx_growth_media_make(&bench.media, rmx_frame_option(&frame, "dir")->word);
    (void)rmx_growth_media_bytes(&bench.media, frame.tiny    ? 1
                                               : frame.quick ? mib << 18
                                                             : mib << 20);
    bench.jobs = frame.tiny ? 2 : (uint32_t)rmx_frame_option(&frame, "jobs")->value;
    bench.client = rmx_daemon_private(settings);
    rmx_rounds_run(&rounds, frame.trials);
    for (size_t i = 0; i < ENTRANTS; i++) {
        rmx_frame_measure(&frame, &entrants[i].samples);
    }
    rmx_rounds_row(
        &frame, RMX_AIM_cpu_small, &entrants[SMALL].samples, &entrants[SMALL_FFMPEG].samples, NULL);
    rmx_rounds_row(
        &frame, RMX_AIM_cpu_large, &entrants[LARGE].samples, &entrants[LARGE_FFMPEG].samples, NULL);
    rmx_close(&bench.client);
    rmx_growth_media_end(&bench.media);
    return rmx_frame_end(&frame);
}
