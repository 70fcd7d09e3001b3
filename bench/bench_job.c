/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a job costs its caller: a small clip, a medium and a large file, from MP4 to several
 * containers, through rings and from file to file; one at a time, as many at once as are given,
 * and by the clock; beside ffmpeg, libavformat in process, and whatever else does the same, in
 * turn. 400 MB of media and twice that of output lie in --dir.
 *
 *     rmx-bench job [--trials N] [--ms MS] [--dir DIR]      prints JSON
 *
 * One at a time is measured with a daemon that has one worker, as is the large file; many at once,
 * with a worker for each core.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/frame.h"
#include "bench/job_cross.h"
#include "bench/job_load.h"
#include "bench/job_means.h"
#include "bench/process.h"
#include "bench/rounds.h"
#include "ring/base.h"

#define WARM_JOBS    500u
#define BATCH        40u
#define US           1e3
#define SECONDS      1e9
#define WAYS_MAX     24
#define PAIR_BYTES   ((size_t)560 << 10) /* two rings of the usual size, and what is beside them */
#define WARM_AT_ONCE 64u
#define NAME_BYTES   64
#define JOB_NS       UINT64_C(1000000)
#define OPEN_NS_MIN  UINT64_C(50000000)

static const struct rmx_job_target targets[] = {
    { "fmp4", "mp4", "+frag_keyframe+empty_moov+default_base_moof" },
    { "mpegts", "mpegts", NULL },
    { "matroska", "matroska", NULL },
    { "flv", "flv", NULL },
    { "mp4", "mp4", NULL },
};

enum target { FMP4, TS, MATROSKA, FLV, MP4, TARGETS };

struct bench {
    struct rmx_frame frame;
    struct rmx_job_scene scene;
    struct rmx_job_media small;
    struct rmx_job_media medium;
    struct rmx_job_media large;
    uint32_t cores;
};

/* Some ways to do a thing, those that can be had here. */
struct group {
    struct rmx_job_way way[WAYS_MAX];
    struct rmx_entrant entrant[WAYS_MAX];
    char name[WAYS_MAX][NAME_BYTES];
    size_t count;
};

/* --- groups ------------------------------------------------------------------------------------
 */

/* Adds an entrant, "small.fmp4.ring". */
static struct rmx_job_way *add(struct bench *bench, struct group *group,
    const struct rmx_job_media *media, enum target target, enum rmx_job_means means)
{
    size_t at = group->count;

    if (bench->scene.lacks[means] != NULL) {
        return NULL;
    }
    rmx_assert(at < WAYS_MAX);
    group->count++;
    group->way[at] = (struct rmx_job_way){
        .means = means,
        .scene = &bench->scene,
        .media = media,
        .target = &targets[target],
        .unit_ns = media == &bench->large ? SECONDS : US,
        .batch = media == &bench->small ? BATCH : 1,
    };
    (void)snprintf(group->name[at], NAME_BYTES, "%s.%s.%s", media->name, targets[target].name,
        rmx_job_means_name[means]);
    group->entrant[at] = (struct rmx_entrant){
        .run = rmx_job_means_run,
        .user = &group->way[at],
        .samples = { .name = group->name[at], .unit = media == &bench->large ? "s" : "us" },
    };
    return &group->way[at];
}

static void run(struct bench *bench, struct group *group, uint32_t trials)
{
    const struct rmx_rounds rounds = {
        .entrants = group->entrant, .count = group->count, .warm_ups = 1
    };

    rmx_rounds_run(&rounds, trials);
    for (size_t i = 0; i < group->count; i++) {
        struct rmx_samples *samples = &group->entrant[i].samples;

        rmx_frame_measure(&bench->frame, samples);
        rmx_frame_say(&bench->frame, "%-34s %10.4g %s", samples->name,
            rmx_samples_percentile(samples, 0.5), samples->unit);
    }
}

static const struct rmx_samples *find(
    const struct group *group, enum target target, enum rmx_job_means means)
{
    for (size_t i = 0; i < group->count; i++) {
        if (group->way[i].target == &targets[target] && group->way[i].means == means) {
            return &group->entrant[i].samples;
        }
    }
    return NULL;
}

static void row(struct bench *bench, enum rmx_aim_name name, const struct group *group,
    enum target target, const enum rmx_job_means means[2])
{
    const struct rmx_samples *ours = find(group, target, means[0]);
    const struct rmx_samples *peer = find(group, target, means[1]);

    if (peer == NULL) {
        rmx_frame_miss(&bench->frame, name, bench->scene.lacks[means[1]]);
        return;
    }
    rmx_rounds_row(&bench->frame, name, ours, peer, NULL);
}

struct told {
    enum rmx_aim_name name;
    enum target target;
    enum rmx_job_means means[2];
};

static void rows(
    struct bench *bench, const struct group *group, const struct told *told, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        row(bench, told[i].name, group, told[i].target, told[i].means);
    }
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- one at a time -----------------------------------------------------------------------------
 */

static void run_small(struct bench *bench)
{
    static const struct told told[] = {
        { RMX_AIM_small_inprocess, FMP4, { RMX_JOB_RING, RMX_JOB_LOOP } },
        { RMX_AIM_small_ffmpeg, FMP4, { RMX_JOB_RING, RMX_JOB_FFMPEG } },
        { RMX_AIM_small_go, FMP4, { RMX_JOB_RING, RMX_JOB_FORKS } },
        { RMX_AIM_small_pipes, FMP4, { RMX_JOB_RING, RMX_JOB_FFMPEG_PIPE } },
        { RMX_AIM_small_mkvmerge, MATROSKA, { RMX_JOB_FD, RMX_JOB_MKVMERGE } },
        { RMX_AIM_small_gst, MATROSKA, { RMX_JOB_FD, RMX_JOB_GST } },
    };
    static struct rmx_histogram first;
    static struct rmx_histogram last;
    static struct rmx_histogram ran;
    struct group group = { .count = 0 };
    struct rmx_job_way *ring = add(bench, &group, &bench->small, FMP4, RMX_JOB_RING);

    ring->first_ns = &first;
    ring->last_ns = &last;
    ring->run_ns = &ran;
    for (int means = RMX_JOB_RING_POLLS; means <= RMX_JOB_FORKS; means++) {
        (void)add(bench, &group, &bench->small, FMP4, (enum rmx_job_means)means);
    }
    (void)add(bench, &group, &bench->small, MATROSKA, RMX_JOB_FD);
    (void)add(bench, &group, &bench->small, MATROSKA, RMX_JOB_FFMPEG);
    (void)add(bench, &group, &bench->small, MATROSKA, RMX_JOB_MKVMERGE);
    (void)add(bench, &group, &bench->small, MATROSKA, RMX_JOB_GST);
    run(bench, &group, bench->frame.trials);
    rmx_frame_histogram(&bench->frame, "small.fmp4.ring.first_byte", "us", &first, US);
    rmx_frame_histogram(&bench->frame, "small.fmp4.ring.last_byte", "us", &last, US);
    rmx_frame_histogram(&bench->frame, "small.fmp4.ring.in_worker", "us", &ran, US);
    rows(bench, &group, told, COUNT(told));
}

/* Each container, from small to medium, without what is slow whatever the container. */
static void run_containers(struct bench *bench)
{
    static const enum rmx_job_means means[] = { RMX_JOB_RING, RMX_JOB_LOOP, RMX_JOB_FD,
        RMX_JOB_LOOP_FILE };
    struct rmx_job_media *const media[] = { &bench->small, &bench->medium };

    for (size_t size = 0; size < COUNT(media); size++) {
        struct group group = { .count = 0 };

        for (int target = size == 0 ? TS : FMP4; target < TARGETS; target++) {
            for (size_t i = target == MP4 ? 2 : 0; i < COUNT(means); i++) { /* MP4 goes back */
                (void)add(bench, &group, media[size], (enum target)target, means[i]);
            }
        }
        (void)add(bench, &group, media[size], FMP4, RMX_JOB_FFMPEG);
        run(bench, &group, bench->frame.trials / 2 + 1);
    }
}

static void run_large(struct bench *bench)
{
    static const struct told told[] = {
        { RMX_AIM_large_fmp4_ffmpeg, FMP4, { RMX_JOB_FD, RMX_JOB_FFMPEG } },
        { RMX_AIM_large_ts_ffmpeg, TS, { RMX_JOB_FD, RMX_JOB_FFMPEG } },
        { RMX_AIM_large_fmp4_inprocess, FMP4, { RMX_JOB_FD, RMX_JOB_LOOP_FILE } },
        { RMX_AIM_large_ts_inprocess, TS, { RMX_JOB_FD, RMX_JOB_LOOP_FILE } },
        { RMX_AIM_large_fmp4_copy, FMP4, { RMX_JOB_FD, RMX_JOB_CP } },
        { RMX_AIM_large_ring, FMP4, { RMX_JOB_RING, RMX_JOB_MEMCPY } },
    };
    struct group group = { .count = 0 };

    for (size_t i = 0; i < COUNT(told); i++) {
        for (int which = 0; which < 2; which++) {
            if (find(&group, told[i].target, told[i].means[which]) == NULL) {
                (void)add(bench, &group, &bench->large, told[i].target, told[i].means[which]);
            }
        }
    }
    (void)add(bench, &group, &bench->large, FMP4, RMX_JOB_LOOP);
    run(bench, &group, bench->frame.trials / 3 + 1);
    rows(bench, &group, told, COUNT(told));
}

/* --- many at once ------------------------------------------------------------------------------
 */

#define STEPS 11 /* 1, 2, 4 ... 1024 */

struct load_group {
    struct rmx_job_load load[2 * STEPS + 3];
    struct rmx_entrant entrant[2 * STEPS + 3];
    char name[2 * STEPS + 3][NAME_BYTES];
    size_t count;
};

static struct rmx_entrant *add_load(
    struct bench *bench, struct load_group *group, enum rmx_job_means means, uint32_t concurrency)
{
    size_t at = group->count;

    if (bench->scene.lacks[means] != NULL) {
        return NULL;
    }
    group->count++;
    group->load[at] = (struct rmx_job_load){
        .way = { .means = means,
            .scene = &bench->scene,
            .media = &bench->small,
            .target = &targets[FMP4] },
        .concurrency = concurrency,
        .ns = bench->frame.ns,
    };
    (void)snprintf(
        group->name[at], NAME_BYTES, "saturation.%s.%u", rmx_job_means_name[means], concurrency);
    group->entrant[at] = (struct rmx_entrant){
        .run = rmx_job_load_closed,
        .user = &group->load[at],
        .samples = { .name = group->name[at], .unit = "jobs/s" },
    };
    return &group->entrant[at];
}

static uint32_t concurrency_of(const struct rmx_entrant *entrant)
{
    const struct rmx_job_load *load = entrant->user;

    return load->concurrency;
}

static void print_steps(
    struct bench *bench, const char *name, const struct rmx_entrant *steps, size_t count)
{
    struct rmx_frame_point points[STEPS];
    const struct rmx_frame_series series = {
        .name = name, .x = "jobs at once", .y = "jobs/s", .points = points, .count = count
    };

    for (size_t i = 0; i < count; i++) {
        struct rmx_spread spread = rmx_spread_of(&steps[i].samples, NULL);

        points[i] = (struct rmx_frame_point){ .x = concurrency_of(&steps[i]),
            .y = spread.median,
            .low = spread.low,
            .high = spread.high };
    }
    rmx_frame_series(&bench->frame, &series);
}

/* Returns jobs a second, through rings, at the best of the steps. */
static double run_closed(struct bench *bench)
{
    struct load_group group = { .count = 0 };
    const struct rmx_rounds rounds = { .entrants = group.entrant, .warm_ups = 1 };
    struct rmx_rounds all = rounds;
    uint32_t stride = bench->frame.quick ? 2 : 1; /* 1, 4, 16 ... 1024 */
    size_t steps = bench->frame.tiny ? 2 : (STEPS + stride - 1) / stride;
    struct rmx_entrant *ffmpeg;
    struct rmx_entrant *go;
    struct rmx_entrant *loop;
    size_t best[2] = { 0, steps };

    for (int means = 0; means < 2; means++) {
        for (size_t i = 0; i < steps; i++) {
            (void)add_load(
                bench, &group, means == 0 ? RMX_JOB_RING : RMX_JOB_FD, 1u << (i * stride));
        }
    }
    ffmpeg = add_load(bench, &group, RMX_JOB_FFMPEG, bench->cores * 2);
    go = add_load(bench, &group, RMX_JOB_FORKS, RMX_RIVALS_FORKS_SLOTS);
    loop = add_load(bench, &group, RMX_JOB_LOOP, bench->cores);
    all.count = group.count;
    rmx_rounds_run(&all, bench->frame.trials / 3 + 1);
    for (size_t i = 0; i < group.count; i++) {
        double rate = rmx_spread_of(&group.entrant[i].samples, NULL).median;

        rmx_frame_measure(&bench->frame, &group.entrant[i].samples);
        rmx_frame_say(&bench->frame, "%-34s %10.4g jobs/s", group.name[i], rate);
        for (int means = 0; means < 2; means++) {
            if (i / steps == (size_t)means &&
                rate > rmx_spread_of(&group.entrant[best[means]].samples, NULL).median) {
                best[means] = i;
            }
        }
    }
    print_steps(bench, "saturation_ring", group.entrant, steps);
    print_steps(bench, "saturation_fd", group.entrant + steps, steps);

    struct rmx_spread ours = rmx_spread_of(&group.entrant[best[0]].samples, NULL);
    const struct rmx_frame_row told = { .ours = ours.median, .low = ours.low, .high = ours.high };

    rmx_frame_row(&bench->frame, RMX_AIM_saturation, &told);
    rmx_rounds_row(&bench->frame, RMX_AIM_saturation_ffmpeg, &group.entrant[best[0]].samples,
        &ffmpeg->samples, NULL);
    if (go != NULL) {
        rmx_rounds_row(&bench->frame, RMX_AIM_saturation_go, &group.entrant[best[0]].samples,
            &go->samples, NULL);
    } else {
        rmx_frame_miss(&bench->frame, RMX_AIM_saturation_go, bench->scene.lacks[RMX_JOB_FORKS]);
    }
    if (loop != NULL) {
        rmx_rounds_row(&bench->frame, RMX_AIM_saturation_inprocess, &group.entrant[best[0]].samples,
            &loop->samples, NULL);
    } else {
        rmx_frame_miss(
            &bench->frame, RMX_AIM_saturation_inprocess, bench->scene.lacks[RMX_JOB_LOOP]);
    }
    return ours.median;
}

static void run_open(struct bench *bench, double rate)
{
    static struct rmx_job_load_open seen;
    const struct rmx_job_way way = {
        .means = RMX_JOB_RING,
        .scene = &bench->scene,
        .media = &bench->small,
        .target = &targets[FMP4],
    };
    struct rmx_frame_row told[2] = { { .ours = 0 } };
    char note[64];

    for (uint32_t i = 0; i < bench->frame.trials; i++) {
        rmx_job_load_open(&way, rate, bench->frame.ns > OPEN_NS_MIN ? bench->frame.ns : OPEN_NS_MIN,
            i + 1, &seen);
    }
    rmx_frame_histogram(&bench->frame, "half_load.first_byte", "us", &seen.first, US);
    rmx_frame_histogram(&bench->frame, "half_load.last_byte", "us", &seen.last, US);
    rmx_frame_histogram(&bench->frame, "half_load.own_lateness", "us", &seen.late, US);
    (void)snprintf(
        note, sizeof(note), "%.0f jobs/s; %llu not sent", rate, (unsigned long long)seen.refused);
    told[0].ours = (double)rmx_histogram_percentile(&seen.first, 0.5) / US;
    told[1].ours = (double)rmx_histogram_percentile(&seen.first, 0.99) / US;
    told[0].note = told[1].note = note;
    rmx_frame_row(&bench->frame, RMX_AIM_first_byte_p50, &told[0]);
    rmx_frame_row(&bench->frame, RMX_AIM_first_byte_p99, &told[1]);
}

/* --- all ---------------------------------------------------------------------------------------
 */

/* A daemon of our own, warm. */
static void start(struct bench *bench, uint32_t workers)
{
    char count[32];
    const char *const settings[] = { "--log-level=error", count, "--credits=1024",
        "--overload-cpu=0", "--overload-queue=0", "--overload-rings=0", "--jobs-max=8192",
        "--channel-bytes=1GiB", "--channels-bytes=4GiB", NULL };
    const struct rmx_private_options options = { .daemon = RMX_BENCH_DAEMON, .settings = settings };
    struct rmx_job_way way = {
        .means = RMX_JOB_FD,
        .scene = &bench->scene,
        .media = &bench->small,
        .target = &targets[FMP4],
        .unit_ns = US,
        .batch = bench->frame.tiny ? 1 : WARM_JOBS,
    };
    int error;

    (void)snprintf(count, sizeof(count), "--workers=%u", workers);
    error = rmx_open_private(&bench->scene.client, &options);
    if (error >= 0 && workers > 1) { /* a channel to each worker, room in all of them for all */
        error = rmx_memory(
            bench->scene.client, (RMX_JOB_LOAD_MAX / workers + WARM_AT_ONCE) * PAIR_BYTES);
    }
    if (error < 0) {
        rmx_process_die("private daemon", strerrordesc_np(-error));
    }
    (void)rmx_job_means_run(&way);
    way.means = RMX_JOB_RING;
    (void)rmx_job_means_run(&way);
    if (workers > 1) { /* so that the client has all its channels */
        struct rmx_job_load load = {
            .way = way, .concurrency = WARM_AT_ONCE, .ns = bench->frame.ns
        };

        (void)rmx_job_load_closed(&load);
    }
}

static void make_media(struct bench *bench)
{
    bool tiny = bench->frame.tiny;

    bench->small.name = "small";
    bench->medium.name = "medium";
    bench->large.name = "large";
    rmx_job_means_make(&bench->scene, &bench->small, 150000);
    rmx_job_means_make(&bench->scene, &bench->medium, tiny ? 300000 : 15000000);
    rmx_job_means_make(&bench->scene, &bench->large, tiny ? 600000 : 400000000);
}

int rmx_bench_job_run(int argc, char **argv)
{
    static struct rmx_frame_option options[] = {
        { .name = "dir", .text = "where media and outputs lie", .word = "/tmp" },
        { .name = "part",
            .text = "only this: small, containers, large, load or crossed",
            .word = "" },
        { .name = NULL },
    };
    static const struct rmx_frame_plan plan = { .name = "job",
        .options = options,
        .trials = 21,
        .quick_trials = 5,
        .ms = 400,
        .quick_ms = 150 };
    static struct bench bench;
    const char *part;

    rmx_frame_begin(&bench.frame, &plan, argc, argv);
    part = rmx_frame_option(&bench.frame, "part")->word;
    bench.cores = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    rmx_job_means_init(&bench.scene, rmx_frame_option(&bench.frame, "dir")->word,
        bench.frame.tiny ? (size_t)16 << 20 : (size_t)512 << 20);
    make_media(&bench);
    (void)prctl(PR_SET_TIMERSLACK, 1);
    start(&bench, 1);
    if (part[0] == '\0' || strcmp(part, "small") == 0) {
        run_small(&bench);
    }
    if (part[0] == '\0' || strcmp(part, "containers") == 0) {
        run_containers(&bench);
    }
    if (part[0] == '\0' || strcmp(part, "large") == 0) {
        run_large(&bench);
    }
    rmx_close(&bench.scene.client);
    if (part[0] == '\0' || strcmp(part, "load") == 0) {
        start(&bench, bench.cores);
        run_open(&bench, run_closed(&bench) / 2);
        rmx_close(&bench.scene.client);
    }
    if (part[0] == '\0' || strcmp(part, "crossed") == 0) {
        const struct rmx_job_cross cross = { &bench.frame, &bench.scene, &bench.small,
            &bench.medium, targets, bench.frame.tiny ? 1 : TARGETS };

        start(&bench, bench.cores);
        rmx_job_cross_run(&cross);
        rmx_close(&bench.scene.client);
    }
    rmx_job_means_unmake(&bench.small);
    rmx_job_means_unmake(&bench.medium);
    rmx_job_means_unmake(&bench.large);
    rmx_job_means_fini(&bench.scene);
    return rmx_frame_end(&bench.frame);
}
