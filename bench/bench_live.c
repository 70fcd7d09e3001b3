/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From packet in to packet out of a live stream: through a warm job over client rings, and through
 * ffmpeg -fflags nobuffer -flush_packets 1 over pipes, in turn, the same bytes at the same pace.
 *
 *     rmx-bench live [-n TRIALS] [-t SECONDS] [-r RATE]... [-w WAY]
 *
 * Prints JSON; a table on standard error. Default: 3 trials of 2 s each at 25, 50 and 1000 packets
 * a second, for each of the ways below; private daemons with one worker each, bound to one core;
 * ffmpeg is bound to the same core, and this program, which writes and reads, to another. About 4
 * minutes. ringmux three times: both ends sleep between packets; the caller polls; both poll.
 *
 * Which write a packet belongs to. The input is cut so that each write ends with the last byte of
 * one packet (an FLV tag with its size behind it; of a TS the last transport packet of a PES
 * packet). A packet that came out (an FLV tag, a fragment, a PES packet) is the one with the same
 * number, counted from the end of its stream. "own": the time from before the write of the packet
 * itself until the read that brought its last byte has returned; the ratio compares that. A TS does
 * not say where a picture ends: a demuxer must see the next one begin, or see how the multiplexer
 * fills up its last packet. So "next" tells how long after the write of the stream's next packet it
 * came: 0 where nobody waited for that one. Both are the same for both sides.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/cut.h"
#include "bench/histogram.h"
#include "bench/live_peer.h"
#include "bench/process.h"
#include "bench/samples.h"

#define RATES_MAX    4
#define WARM_JOBS    500
#define WARM_PACKETS 250u /* written as fast as they are taken, before the pace begins */
#define PACED_WARM   20u  /* and these at the pace, not counted */
#define LAST_PACKETS 3u   /* of a stream: they come out because it ended */
#define OUTPUT_MAX   (64u << 20)
#define READS_MAX    400000u
#define END_NS       UINT64_C(10000000000)

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

/* What came out: the bytes, and when the first `end` of them had come. */
struct heard {
    unsigned char *bytes;
    size_t size;
    struct {
        uint64_t end;
        uint64_t ns;
    } * read;
    size_t reads;
};

struct bench {
    struct rmx_client *client;
    struct rmx_client *polling; /* of a daemon whose worker polls */
    int core;                   /* the workers', and ffmpeg's */
    char dir[64];
    const char *only;
    long trials;
    double seconds;
    double rate[RATES_MAX];
    size_t rates;
    struct heard heard;
};

struct cell {
    struct rmx_histogram own;
    struct rmx_histogram next;
};

/* One trial: a clip, cut into what is written at once. */
struct trial {
    const struct way *way;
    const unsigned char *clip;
    struct rmx_cut in;
    size_t count;       /* of the packets, those that are written */
    uint64_t *wrote_ns; /* when the write of each began */
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

/* --- one trial -------------------------------------------------------------------------------- */

/* Reads all there is. Returns false at the end. */
static bool listen(struct rmx_live_peer *peer, struct heard *heard)
{
    ptrdiff_t n = 1;

    while (n > 0) {
        if (heard->size == OUTPUT_MAX || heard->reads == READS_MAX) {
            rmx_process_die("trial", "more output than room; a shorter one, please");
        }
        n = rmx_live_peer_read(peer, heard->bytes + heard->size, OUTPUT_MAX - heard->size);
        if (n > 0) {
            heard->size += (size_t)n;
            heard->read[heard->reads].end = heard->size;
            heard->read[heard->reads++].ns = rmx_samples_now_ns();
        }
    }
    return n == 0;
}

/* Writes one packet with what comes before it. */
static void speak(
    struct rmx_live_peer *peer, struct trial *trial, size_t number, struct heard *heard)
{
    uint64_t at = number == 0 ? 0 : trial->in.packet[number - 1].end;
    uint64_t end = trial->in.packet[number].end;

    trial->wrote_ns[number] = rmx_samples_now_ns();
    for (;;) {
        at += rmx_live_peer_write(peer, trial->clip + at, end - at);
        if (at == end) {
            return;
        }
        (void)listen(peer, heard);
        rmx_live_peer_wait(peer, rmx_samples_now_ns() + 1000000);
    }
}

static void run_trial(
    struct rmx_live_peer *peer, struct trial *trial, double rate, struct heard *heard)
{
    uint64_t gap = (uint64_t)(1e9 / rate);
    uint64_t until;
    uint64_t due;

    heard->size = 0;
    heard->reads = 0;
    for (size_t i = 0; i < WARM_PACKETS; i++) {
        speak(peer, trial, i, heard);
        (void)listen(peer, heard);
    }
    due = rmx_samples_now_ns() + 100000000; /* so that it is done with those */
    for (size_t i = WARM_PACKETS; i < trial->count; i++, due += gap) {
        do {
            (void)listen(peer, heard);
            rmx_live_peer_wait(peer, due);
        } while (rmx_samples_now_ns() < due);
        speak(peer, trial, i, heard);
    }
    until = due + END_NS;
    rmx_live_peer_wait(peer, due);
    rmx_live_peer_finish(peer);
    while (listen(peer, heard)) {
        rmx_live_peer_wait(peer, until);
        if (rmx_samples_now_ns() > until) {
            rmx_process_die("trial", "its output does not end");
        }
    }
    rmx_live_peer_close(peer);
}

/* --- what it tells ---------------------------------------------------------------------------- */

/* The numbers of one stream's packets, in order. Returns how many. */
static size_t packets_of(
    const struct rmx_cut *cut, size_t count, enum rmx_cut_stream stream, size_t *numbers)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        if (cut->packet[i].stream == stream) {
            numbers[found++] = i;
        }
    }
    return found;
}

static uint64_t heard_ns(const struct heard *heard, uint64_t end)
{
    size_t low = 0;
    size_t high = heard->reads;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (heard->read[middle].end < end) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return heard->read[low].ns;
}

static void judge_stream(struct trial *trial, const struct rmx_cut *out, const struct heard *heard,
    enum rmx_cut_stream stream, struct cell *cell)
{
    size_t *in_number = calloc(trial->count + out->count, sizeof(*in_number));
    size_t *out_number = in_number + trial->count;
    size_t in = packets_of(&trial->in, trial->count, stream, in_number);
    size_t came = packets_of(out, out->count, stream, out_number);

    for (size_t back = LAST_PACKETS + 1; back <= came && back <= in; back++) {
        size_t number = in_number[in - back];
        size_t next = in_number[in - back + 1];
        uint64_t end = out->packet[out_number[came - back]].end;
        uint64_t arrived = heard_ns(heard, end);
        uint64_t known = trial->wrote_ns[next];

        if (number < WARM_PACKETS + PACED_WARM) {
            break;
        }
        if (arrived < trial->wrote_ns[number]) {
            rmx_process_die(trial->way->name, "a packet came out before it went in");
        }
        rmx_histogram_add(&cell->own, arrived - trial->wrote_ns[number]);
        rmx_histogram_add(&cell->next, arrived > known ? arrived - known : 0);
    }
    free(in_number);
}

static void judge(struct trial *trial, const struct heard *heard, struct cell *cell)
{
    struct rmx_cut out = { .count = 0 };

    rmx_cut_find(&out, trial->way->output, heard->bytes, heard->size);
    for (int stream = 0; stream < RMX_CUT_STREAMS; stream++) {
        judge_stream(trial, &out, heard, (enum rmx_cut_stream)stream, cell);
    }
    rmx_cut_fini(&out);
}

static void run_side(
    struct bench *bench, struct trial *trial, double rate, enum side side, struct cell *cell)
{
    struct rmx_live_peer peer;

    if (side == FFMPEG) {
        rmx_live_peer_ffmpeg(&peer, bench->core, &trial->way->told);
    } else {
        struct rmx_client *client = side == ALL_POLLING ? bench->polling : bench->client;

        rmx_spin(client, side == RINGMUX ? 0 : CALLER_SPIN_NS);
        rmx_live_peer_ringmux(&peer, client, &trial->way->told);
        peer.polling = side != RINGMUX;
    }
    run_trial(&peer, trial, rate, &bench->heard);
    judge(trial, &bench->heard, cell);
}

static double p50_us(const struct rmx_histogram *histogram)
{
    return (double)rmx_histogram_percentile(histogram, 0.5) / 1e3;
}

static void print_cells(const struct way *way, double rate, const struct cell *cells, bool last)
{
    double ratio = p50_us(&cells[FFMPEG].own) / p50_us(&cells[RINGMUX].own);

    printf("  {\"way\": \"%s\", \"packets_per_s\": %.4g, \"ffmpeg_to_ringmux_p50\": %.4g",
        way->name, rate, ratio);
    for (int side = 0; side < SIDES; side++) {
        const struct rmx_histogram *own = &cells[side].own;

        printf(",\n   \"%s\": {\"own\": ", side_names[side]);
        rmx_histogram_print(own, "us", 1e3, stdout);
        printf(",\n    \"next\": ");
        rmx_histogram_print(&cells[side].next, "us", 1e3, stdout);
        printf("}");
        (void)fprintf(stderr, "%-23s %5.0f  %-15s %9.1f %9.1f %9.1f %9.1f   (next p50 %.1f)\n",
            way->name, rate, side_names[side], p50_us(own),
            (double)rmx_histogram_percentile(own, 0.99) / 1e3,
            (double)rmx_histogram_percentile(own, 0.9999) / 1e3, (double)own->max / 1e3,
            p50_us(&cells[side].next));
    }
    (void)fprintf(stderr, "%31s ffmpeg's p50 is %.1f times ringmux's\n", "", ratio);
    printf("}%s\n", last ? "" : ",");
}

static void run_way(struct bench *bench, const struct way *way, bool last)
{
    struct trial trial = { .way = way };
    char path[96];
    size_t size;
    unsigned char *clip;

    (void)snprintf(path, sizeof(path), "%s/%s", bench->dir, way->clip);
    clip = rmx_process_slurp(path, &size);
    trial.clip = clip;
    rmx_cut_find(&trial.in, way->input, clip, size);
    trial.wrote_ns = calloc(trial.in.count, sizeof(*trial.wrote_ns));
    for (size_t rate = 0; rate < bench->rates; rate++) {
        struct cell *cells = calloc(SIDES, sizeof(*cells));
        double paced = bench->rate[rate] * bench->seconds;

        trial.count = WARM_PACKETS + PACED_WARM + LAST_PACKETS + (size_t)paced;
        trial.count = trial.count < trial.in.count ? trial.count : trial.in.count;
        for (long i = 0; i < bench->trials * SIDES; i++) {
            run_side(bench, &trial, bench->rate[rate], (enum side)(i % SIDES), &cells[i % SIDES]);
        }
        print_cells(way, bench->rate[rate], cells, last && rate + 1 == bench->rates);
        free(cells);
    }
    rmx_cut_fini(&trial.in);
    free(trial.wrote_ns);
    free(clip);
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

/* Returns the core of its worker. */
static int start_daemon(struct rmx_client **client, const char *spin)
{
    const char *const settings[] = { "--log-level=error", "--workers=1", spin, NULL };
    struct rmx_private_options options = { .daemon = RMX_BENCH_DAEMON, .settings = settings };
    int error = rmx_open_private(client, &options);

    if (error < 0) {
        rmx_process_die("daemon", strerrordesc_np(-error));
    }
    warm_up(*client);
    return rmx_process_core(rmx_process_worker((pid_t)rmx_daemon_pid(*client)));
}

static void start_daemons(struct bench *bench)
{
    bench->core = start_daemon(&bench->client, "--spin=auto");
    if (start_daemon(&bench->polling, WORKER_SPIN) != bench->core) {
        rmx_process_die("daemons", "their workers are on different cores");
    }
    rmx_process_bind(0, bench->core == 0 ? (int)sysconf(_SC_NPROCESSORS_ONLN) - 1 : 0);
    (void)prctl(PR_SET_TIMERSLACK, 1); /* the pace, not the waits, hangs on it */
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: rmx-bench live [-n TRIALS] [-t SECONDS] [-r RATE]... [-w WAY]\n");
    return 2;
}

static bool parse(struct bench *bench, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "n:t:r:w:")) != -1) {
        if (option == 'n') {
            bench->trials = strtol(optarg, NULL, 10);
        } else if (option == 't') {
            bench->seconds = strtod(optarg, NULL);
        } else if (option == 'r' && bench->rates < RATES_MAX) {
            bench->rate[bench->rates++] = strtod(optarg, NULL);
        } else if (option == 'w') {
            bench->only = optarg;
        } else {
            return false;
        }
    }
    for (size_t i = 0; i < bench->rates; i++) {
        if (!(bench->rate[i] >= 1 && bench->rate[i] <= 1e6)) {
            return false;
        }
    }
    return optind == argc && bench->trials >= 1 && bench->seconds > 0 && bench->seconds <= 600;
}

int rmx_bench_live_run(int argc, char **argv)
{
    struct bench bench = { .trials = 3, .seconds = 2, .only = "", .dir = "/tmp/bench_live.XXXXXX" };
    size_t left = 0;

    if (!parse(&bench, argc, argv)) {
        return usage();
    }
    if (bench.rates == 0) {
        bench.rate[bench.rates++] = 25;
        bench.rate[bench.rates++] = 50;
        bench.rate[bench.rates++] = 1000;
    }
    bench.heard.bytes = malloc(OUTPUT_MAX);
    bench.heard.read = calloc(READS_MAX, sizeof(*bench.heard.read));
    if (mkdtemp(bench.dir) == NULL || bench.heard.bytes == NULL || bench.heard.read == NULL) {
        rmx_process_die(bench.dir, "cannot be made");
    }
    make_clips(&bench);
    start_daemons(&bench);
    (void)fprintf(stderr,
        "way                      rate  side               p50 us    p99 us  p99.99 us"
        "  max us\n");
    printf("{\n  \"bench\": \"live\", \"trials\": %ld, \"seconds\": %.3g, \"ways\": [\n",
        bench.trials, bench.seconds);
    for (size_t i = 0; i < WAYS; i++) {
        left += strstr(ways[i].name, bench.only) != NULL;
    }
    for (size_t i = 0; i < WAYS; i++) {
        if (strstr(ways[i].name, bench.only) != NULL) {
            run_way(&bench, &ways[i], --left == 0);
        }
    }
    printf("  ]\n}\n");
    rmx_close(&bench.client);
    rmx_close(&bench.polling);
    remove_clips(&bench);
    free(bench.heard.bytes);
    free(bench.heard.read);
    return 0;
}
