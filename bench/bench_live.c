/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Live streams. From packet in to packet out: through a warm job over client rings, and through
 * ffmpeg -fflags nobuffer -flush_packets 1 over pipes, in turn, the same bytes at the same pace
 * (live_trial.h). And how many streams there may be at once (live_herd.h).
 *
 *     rmx-bench live [--trials N] [--ms MS] [--way WAY] [--part PART] [--streams MAX]
 *
 * Prints JSON; a table on standard error. Private daemons with one worker each, bound to one core;
 * ffmpeg is bound to the same core, and this program, which writes and reads, to another. ringmux
 * three times: both ends sleep between packets; the caller polls; both poll.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/frame.h"
#include "bench/live_control.h"
#include "bench/live_herd.h"
#include "bench/live_trial.h"
#include "bench/process.h"

#define WARM_JOBS 500
#define ROW_RATE  50 /* packets a second; the rows are of all ways at it */

/* Longer than any wait between two packets here; and not so long that a worker with nothing to do
 * is in ffmpeg's way. */
#define CALLER_SPIN_NS UINT64_C(100000000)
#define WORKER_SPIN    "--spin=100ms"

enum side {
    RINGMUX,     /* both ends sleep */
    POLLING,     /* the caller polls */
    ALL_POLLING, /* the worker too */
    FFMPEG,
    SIDES,
};

static const char *const side_names[SIDES] = { "ringmux", "caller_polls", "both_poll", "ffmpeg" };

struct way {
    const char *name;
    const char *clip;
    enum rmx_cut_format input;
    enum rmx_cut_format output;
    struct rmx_live_way told;
};

#define PER_PACKET "frag_every_frame+empty_moov+default_base_moof"

static const struct way ways[] = {
    { "flv_to_flv", "v.flv", RMX_CUT_FLV, RMX_CUT_FLV, { "flv", "flv", "flv", NULL, 0, 0 } },
    { "flv_to_fmp4_per_packet", "v.flv", RMX_CUT_FLV, RMX_CUT_FMP4,
        { "flv", "mp4", "fmp4", PER_PACKET, RMX_FRAGMENT_PACKET, 0 } },
    { "ts_to_ts", "v.ts", RMX_CUT_TS, RMX_CUT_TS, { "mpegts", "mpegts", "mpegts", NULL, 0, 0 } },
    { "ts_to_fmp4_per_packet", "v.ts", RMX_CUT_TS, RMX_CUT_FMP4,
        { "mpegts", "mp4", "fmp4", PER_PACKET, RMX_FRAGMENT_PACKET, 0 } },
    { "flv_to_flv_with_audio", "av.flv", RMX_CUT_FLV, RMX_CUT_FLV,
        { "flv", "flv", "flv", NULL, 0, 0 } },
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

struct bench {
    struct rmx_frame frame;
    struct rmx_client *client;
    struct rmx_client *polling; /* of a daemon whose worker polls */
    int core;                   /* the workers', and ffmpeg's */
    char dir[64];
    struct rmx_histogram row[SIDES]; /* of all ways at ROW_RATE */
    struct rmx_live_control control; /* likewise, in turn with them */
};

/* --- the media -------------------------------------------------------------------------------- */

#define SOURCE "testsrc2=size=640x360:rate=25:duration=10"
#define TONE   "sine=frequency=440:sample_rate=48000:duration=10"

/* Ten seconds as an encoder for live streams makes them, then again and again. */
static void make_clips(const struct bench *bench)
{
    char coded[96];
    char clip[96];

    (void)snprintf(coded, sizeof(coded), "%s/coded.mp4", bench->dir);
    rmx_process_ffmpeg((const char *const[]){ "-f", "lavfi", "-i", SOURCE, "-f", "lavfi", "-i",
        TONE, "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-pix_fmt",
        "yuv420p", "-g", "50", "-b:v", "500k", "-c:a", "aac", "-b:a", "64k", coded, NULL });
    for (size_t i = 0; i < WAYS; i++) {
        bool audio = ways[i].clip[0] == 'a';

        (void)snprintf(clip, sizeof(clip), "%s/%s", bench->dir, ways[i].clip);
        if (access(clip, R_OK) < 0) {
            rmx_process_ffmpeg((const char *const[]){ "-stream_loop", "20", "-i", coded, "-c",
                "copy", audio ? "-sn" : "-an", clip, NULL });
        }
    }
    (void)unlink(coded);
}

static void remove_clips(const struct bench *bench)
{
    char clip[96];

    for (size_t i = 0; i < WAYS; i++) {
        (void)snprintf(clip, sizeof(clip), "%s/%s", bench->dir, ways[i].clip);
        (void)unlink(clip);
    }
    (void)rmdir(bench->dir);
}

/* --- packet in to packet out ------------------------------------------------------------------ */

static void run_side(struct bench *bench, struct rmx_live_trial *trial, const struct way *way,
    double rate, enum side side, struct rmx_live_cell *cell)
{
    double packets = rate * (double)bench->frame.ns / 1e9;
    struct rmx_live_peer peer;

    if (side == FFMPEG) {
        rmx_live_peer_ffmpeg(&peer, bench->core, &way->told);
    } else {
        struct rmx_client *client = side == ALL_POLLING ? bench->polling : bench->client;

        rmx_spin(client, side == RINGMUX ? 0 : CALLER_SPIN_NS);
        rmx_live_peer_ringmux(&peer, client, &way->told);
        peer.polling = side != RINGMUX;
    }
    rmx_live_trial_run(trial, &peer, rate, packets < 1 ? 1 : (size_t)packets, cell);
}

static void run_control(struct bench *bench)
{
    double exchanges = ROW_RATE * (double)bench->frame.ns / 1e9;

    rmx_live_control_run(
        &bench->control, bench->core, ROW_RATE, exchanges < 2 ? 1 : (size_t)exchanges / 2);
}

static double us(const struct rmx_histogram *histogram, double part)
{
    return (double)rmx_histogram_percentile(histogram, part) / 1e3;
}

static void tell(
    struct bench *bench, const struct way *way, double rate, const struct rmx_live_cell *cells)
{
    char name[96];

    for (int side = 0; side < SIDES; side++) {
        (void)snprintf(name, sizeof(name), "live.%s.%.0f.%s", way->name, rate, side_names[side]);
        rmx_frame_histogram(&bench->frame, name, "us", &cells[side].own, 1e3);
        rmx_frame_say(&bench->frame, "%-50s p50 %9.1f  p99 %9.1f  max %9.1f us", name,
            us(&cells[side].own, 0.5), us(&cells[side].own, 0.99), us(&cells[side].own, 1));
        (void)snprintf(
            name, sizeof(name), "live.%s.%.0f.%s.next", way->name, rate, side_names[side]);
        rmx_frame_histogram(&bench->frame, name, "us", &cells[side].next, 1e3);
        if (rate == ROW_RATE) {
            rmx_histogram_merge(&bench->row[side], &cells[side].own);
        }
    }
}

static void run_way(struct bench *bench, const struct way *way)
{
    static const double rates[] = { ROW_RATE, 25, 1000 };
    size_t count = bench->frame.quick ? 1 : sizeof(rates) / sizeof(rates[0]);
    struct rmx_live_trial trial = { .name = way->name, .output = way->output };
    char path[96];
    size_t size;
    unsigned char *clip;

    (void)snprintf(path, sizeof(path), "%s/%s", bench->dir, way->clip);
    clip = rmx_process_slurp(path, &size);
    rmx_live_trial_init(&trial, clip, size, way->input);
    for (size_t i = 0; i < count; i++) {
        struct rmx_live_cell *cells = calloc(SIDES, sizeof(*cells));

        for (uint32_t turn = 0; turn < bench->frame.trials * SIDES; turn++) {
            run_side(bench, &trial, way, rates[i], (enum side)(turn % SIDES), &cells[turn % SIDES]);
            if (rates[i] == ROW_RATE && turn % SIDES == ALL_POLLING) {
                run_control(bench);
            }
        }
        tell(bench, way, rates[i], cells);
        free(cells);
    }
    rmx_live_trial_fini(&trial);
    free(clip);
}

static void tell_control(struct bench *bench)
{
    const struct {
        const char *name;
        const struct rmx_histogram *histogram;
    } kinds[] = {
        { "live.control.word", &bench->control.bare },
        { "live.control.word_and_memory", &bench->control.touching },
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        rmx_frame_histogram(&bench->frame, kinds[i].name, "us", kinds[i].histogram, 1e3);
        rmx_frame_say(&bench->frame, "%-50s p50 %9.1f  p99 %9.1f  max %9.1f us", kinds[i].name,
            us(kinds[i].histogram, 0.5), us(kinds[i].histogram, 0.99), us(kinds[i].histogram, 1));
    }
}

static void tell_rows(struct bench *bench)
{
    static const struct {
        enum rmx_aim_name name;
        double part;
        enum side peer;
    } rows[] = {
        { RMX_AIM_live_p50, 0.5, SIDES },
        { RMX_AIM_live_p99, 0.99, SIDES },
        { RMX_AIM_live_p50_ffmpeg, 0.5, FFMPEG },
        { RMX_AIM_live_p99_ffmpeg, 0.99, FFMPEG },
    };
    char note[224];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rmx_frame_row row = {
            .ours = us(&bench->row[ALL_POLLING], rows[i].part),
            .peer = rows[i].peer < SIDES ? us(&bench->row[rows[i].peer], rows[i].part) : 0,
            .note = note,
        };

        (void)snprintf(note, sizeof(note),
            "%d packets/s, caller and worker poll; both asleep %.4g us, caller polls %.4g us; the "
            "bare machine, two threads and a word: %.3g us, %.3g us if one reads %u KiB",
            ROW_RATE, us(&bench->row[RINGMUX], rows[i].part),
            us(&bench->row[POLLING], rows[i].part), us(&bench->control.bare, rows[i].part),
            us(&bench->control.touching, rows[i].part), RMX_LIVE_CONTROL_TOUCHED >> 10);
        rmx_frame_row(&bench->frame, rows[i].name, &row);
    }
}

/* --- all of it -------------------------------------------------------------------------------- */

/* So that the worker is told from the spare by the time it has taken. */
static void warm_up(struct rmx_client *client)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;

    job.kind = RMX_NOOP;
    for (int i = 0; i < WARM_JOBS; i++) {
        if (rmx_submit(client, &job, 1, NULL) != 1 || rmx_wait(client, &result, 1, 10000) != 1) {
            rmx_process_die("empty job", "it did not end");
        }
    }
}

/* Returns its worker. */
static pid_t start_daemon(struct rmx_client **client, const char *spin)
{
    const char *const settings[] = { "--log-level=error", "--workers=1", spin, NULL };
    struct rmx_private_options options = { .daemon = RMX_BENCH_DAEMON, .settings = settings };
    int error = rmx_open_private(client, &options);

    if (error < 0) {
        rmx_process_die("daemon", strerrordesc_np(-error));
    }
    warm_up(*client);
    return rmx_process_worker((pid_t)rmx_daemon_pid(*client));
}

static void start_daemons(struct bench *bench)
{
    pid_t polling;

    bench->core = rmx_process_core(start_daemon(&bench->client, "--spin=auto"));
    polling = start_daemon(&bench->polling, WORKER_SPIN);
    if (rmx_process_core(polling) != bench->core) { /* it found that one busier */
        rmx_process_bind(polling, bench->core);
    }
    rmx_process_bind(0, bench->core == 0 ? (int)sysconf(_SC_NPROCESSORS_ONLN) - 1 : 0);
    (void)prctl(PR_SET_TIMERSLACK, 1); /* the pace, not the waits, hangs on it */
}

static void run_ways(struct bench *bench, const char *only)
{
    make_clips(bench);
    start_daemons(bench);
    for (size_t i = 0; i < WAYS; i++) {
        if (strstr(ways[i].name, only) != NULL && (i == 0 || !bench->frame.tiny)) {
            run_way(bench, &ways[i]);
        }
    }
    tell_control(bench);
    tell_rows(bench);
    rmx_close(&bench->client);
    rmx_close(&bench->polling);
    remove_clips(bench);
}

int rmx_bench_live_run(int argc, char **argv)
{
    static struct rmx_frame_option options[] = {
        { .name = "way", .text = "only ways whose name has this: flv_to, ts_to...", .word = "" },
        { .name = "part", .text = "only this: packets or streams; both", .word = "" },
        { .name = "streams",
            .text = "most at once",
            .value = 4096,
            .min = 2,
            .max = RMX_LIVE_HERD_MAX },
        { .name = NULL },
    };
    static const struct rmx_frame_plan plan = { .name = "live",
        .options = options,
        .trials = 3,
        .quick_trials = 1,
        .ms = 2000,
        .quick_ms = 1500 };
    static struct bench bench = { .dir = "/tmp/bench_live.XXXXXX" };
    const char *part;

    rmx_frame_begin(&bench.frame, &plan, argc, argv);
    part = rmx_frame_option(&bench.frame, "part")->word;
    if (mkdtemp(bench.dir) == NULL) {
        rmx_process_die(bench.dir, "cannot be made");
    }
    if (strcmp(part, "streams") != 0) {
        run_ways(&bench, rmx_frame_option(&bench.frame, "way")->word);
    } else {
        (void)rmdir(bench.dir);
    }
    if (strcmp(part, "packets") != 0) {
        rmx_live_herd_run(&bench.frame, (size_t)rmx_frame_option(&bench.frame, "streams")->value);
    }
    return rmx_frame_end(&bench.frame);
}
