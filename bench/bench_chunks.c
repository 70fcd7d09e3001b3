/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a chunk's size costs between two processes: 1 to 256 KiB through a chunk ring with mail and
 * bells, as a client and a worker have them in a channel, beside the same through a pipe.
 *
 *     rmx-bench chunks [--trials N] [--ms MS] [--ring-kib N] [--spin-us N] [--slow-mb-s N]
 *
 * Prints JSON. Default: 7 trials of 60 ms for each cell, a ring (and a pipe) of 1 MiB, 50 us of
 * polling before a sleep, as a worker does by default; about 12 s. What users measured of what they
 * have, for comparison: 16 KiB 982 MB/s, p95 12.4 ms; 4 KiB 957, 8.9 ms; 1 KiB 863, 5.2 ms.
 *
 * A chunk's way begins when the producer has it at hand, before it waits for room, and ends when
 * the consumer has copied it out; so it holds the time in which the ring ahead of it drains. Each
 * load is tried twice: both sides as fast as they can, and a consumer that takes no more than
 * SLOW_MB_S. Calls are counted where they are made, by both sides together; wakes are the writes
 * that woke a sleeper. Ring and pipe take turns, so that all meet the same machine.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/chunk_end.h"
#include "bench/command.h"
#include "bench/core.h"
#include "bench/frame.h"
#include "bench/histogram.h"
#include "bench/process.h"
#include "bench/samples.h"
#include "ring/base.h"

#define CHUNK_BYTES_MAX (256u << 10)
#define PROBES          2000u
#define MIB             1048576.0

enum kind { RING, PIPE, KINDS };
enum load { FULL, SLOW, LOADS };

static const char *const kind_names[KINDS] = { "ring", "pipe" };
static const char *const load_names[LOADS] = { "full_speed", "slow_consumer" };
static const uint32_t sizes[] = { 1024, 4096, 16384, 32768, 65536, 262144 };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* What the producer and the consumer of one trial tell: in memory that both have. */
struct told {
    struct rmx_histogram way_ns;
    uint64_t bytes;
    uint64_t ended_ns;
    uint64_t calls[2];
    uint64_t wakes[2];
    uint64_t chunks;
    _Alignas(RMX_LINE) _Atomic uint32_t ping;
    _Alignas(RMX_LINE) _Atomic uint32_t pong;
};

struct bench {
    struct rmx_region region;
    struct told *told;
    uint64_t trial_ns;
    uint64_t spin_ns;
    uint64_t slow_bytes_per_ms;
    uint32_t ring_bytes;
    uint32_t chunk_bytes; /* of this trial */
    enum load load;
    int bell[2]; /* eventfds: the producer's, the consumer's */
    int pipe[2];
};

/* What a cell of the table adds up to over its trials. */
struct cell {
    struct rmx_samples mb_s;
    struct rmx_histogram way_ns;
    double mib;
    double seconds;
    double calls;
    double wakes;
    double chunks;
};

static struct cell cells[LOADS][KINDS][SIZES];
static unsigned char source[4 * CHUNK_BYTES_MAX];

/* --- the ways --------------------------------------------------------------------------------- */

/* A chunk carries when it was at hand; 0 ends the trial. */
static void stamp(unsigned char *chunk, uint64_t began)
{
    memcpy(chunk, &began, sizeof(began));
}

/* Returns false at the end of the trial. */
static bool took(struct bench *bench, const unsigned char *chunk)
{
    uint64_t now = rmx_samples_now_ns();
    uint64_t began;

    memcpy(&began, chunk, sizeof(began));
    if (began == 0) {
        bench->told->ended_ns = now;
        return false;
    }
    rmx_histogram_add(&bench->told->way_ns, now - began);
    bench->told->bytes += bench->chunk_bytes;
    if (bench->load == SLOW) {
        uint64_t until = now + bench->chunk_bytes * UINT64_C(1000000) / bench->slow_bytes_per_ms;

        while (rmx_samples_now_ns() < until) {
            rmx_base_pause();
        }
    }
    return true;
}

static void fini(struct rmx_chunk_end *end, struct told *told)
{
    told->calls[end->role] = end->calls;
    told->wakes[end->role] = end->wakes;
    rmx_chunk_end_fini(end);
}

static void attach(
    struct rmx_chunk_end *end, const struct bench *bench, enum rmx_chunk_end_role role)
{
    rmx_chunk_end_attach(end, &bench->region, role, bench->bell,
        bench->ring_bytes / bench->chunk_bytes, bench->chunk_bytes);
    end->spin_ns = bench->spin_ns;
}

static void put_ring(struct bench *bench, struct rmx_chunk_end *end, uint64_t began, uint64_t count)
{
    unsigned char *room = rmx_chunk_end_room(end);

    memcpy(room, source + count % 4 * CHUNK_BYTES_MAX, bench->chunk_bytes);
    stamp(room, began);
    rmx_chunk_end_publish(end, bench->chunk_bytes);
}

static void produce_ring(struct bench *bench)
{
    uint64_t now = rmx_samples_now_ns();
    uint64_t until = now + bench->trial_ns;
    uint64_t count = 0;
    struct rmx_chunk_end end;

    attach(&end, bench, RMX_CHUNK_PRODUCER);
    for (; now < until; now = rmx_samples_now_ns()) {
        put_ring(bench, &end, now, count++);
    }
    put_ring(bench, &end, 0, count);
    bench->told->chunks = count;
    fini(&end, bench->told);
}

static void consume_ring(struct bench *bench)
{
    static unsigned char sink[CHUNK_BYTES_MAX];
    struct rmx_chunk_end end;
    bool more = true;

    attach(&end, bench, RMX_CHUNK_CONSUMER);
    while (more) {
        uint32_t bytes = 0;
        const unsigned char *chunk = rmx_chunk_end_next(&end, &bytes);

        memcpy(sink, chunk, bytes);
        rmx_chunk_end_release(&end);
        more = took(bench, sink);
    }
    fini(&end, bench->told);
}

static void put_pipe(struct bench *bench, uint64_t began, uint64_t count)
{
    unsigned char *chunk = source + count % 4 * CHUNK_BYTES_MAX;

    stamp(chunk, began);
    for (size_t sent = 0; sent < bench->chunk_bytes;) {
        ssize_t n = write(bench->pipe[1], chunk + sent, bench->chunk_bytes - sent);

        rmx_assert(n > 0);
        bench->told->calls[0]++;
        sent += (size_t)n;
    }
}

static void produce_pipe(struct bench *bench)
{
    uint64_t now = rmx_samples_now_ns();
    uint64_t until = now + bench->trial_ns;
    uint64_t count = 0;

    for (; now < until; now = rmx_samples_now_ns()) {
        put_pipe(bench, now, count++);
    }
    put_pipe(bench, 0, count);
    bench->told->chunks = count;
}

static void consume_pipe(struct bench *bench)
{
    static unsigned char sink[CHUNK_BYTES_MAX];
    bool more = true;

    while (more) {
        for (size_t taken = 0; taken < bench->chunk_bytes;) {
            ssize_t n = read(bench->pipe[0], sink + taken, bench->chunk_bytes - taken);

            rmx_assert(n > 0);
            bench->told->calls[1]++;
            taken += (size_t)n;
        }
        more = took(bench, sink);
    }
}

/* --- the trials ------------------------------------------------------------------------------- */

static void answer_line(struct told *told)
{
    for (uint32_t i = 1; i <= PROBES; i++) {
        while (atomic_load_explicit(&told->ping, memory_order_acquire) != i) {
            rmx_base_pause();
        }
        atomic_store_explicit(&told->pong, i, memory_order_release);
    }
}

/* How far apart the two cores are now; and both processes run once it returns. */
static double ask_line_ns(struct told *told)
{
    uint64_t began = 0;

    for (uint32_t i = 1; i <= PROBES; i++) {
        began = i == 2 ? rmx_samples_now_ns() : began;
        atomic_store_explicit(&told->ping, i, memory_order_release);
        while (atomic_load_explicit(&told->pong, memory_order_acquire) != i) {
            rmx_base_pause();
        }
    }
    return (double)(rmx_samples_now_ns() - began) / (PROBES - 1);
}

static void run_trial(struct bench *bench, enum kind kind, struct cell *cell, double *line_ns)
{
    struct told *told = bench->told;
    uint64_t began;
    int status = -1;
    pid_t child;

    memset(told, 0, sizeof(*told));
    rmx_chunk_end_make(&bench->region, bench->ring_bytes / bench->chunk_bytes, bench->chunk_bytes);
    child = fork();
    rmx_assert(child >= 0);
    if (child == 0) {
        rmx_core_pin(sysconf(_SC_NPROCESSORS_ONLN) - 1);
        answer_line(told);
        (kind == RING ? consume_ring : consume_pipe)(bench);
        _exit(0);
    }
    *line_ns = ask_line_ns(told);
    began = rmx_samples_now_ns();
    (kind == RING ? produce_ring : produce_pipe)(bench);
    rmx_assert(waitpid(child, &status, 0) == child && status == 0);
    cell->seconds += (double)(told->ended_ns - began) / 1e9;
    cell->mib += (double)told->bytes / MIB;
    cell->calls += (double)(told->calls[0] + told->calls[1]);
    cell->wakes += (double)(told->wakes[0] + told->wakes[1]);
    cell->chunks += (double)told->chunks;
    rmx_histogram_merge(&cell->way_ns, &told->way_ns);
    rmx_samples_add(&cell->mb_s, (double)told->bytes * 1e3 / (double)(told->ended_ns - began));
}

static void run_trials(struct bench *bench, uint32_t trials, struct rmx_samples *line)
{
    for (uint32_t trial = 0; trial < trials; trial++) {
        for (size_t size = 0; size < SIZES; size++) {
            for (int cell = 0; cell < LOADS * KINDS; cell++) {
                double line_ns = 0;

                bench->chunk_bytes = sizes[size];
                bench->load = (enum load)(cell / KINDS);
                run_trial(bench, (enum kind)(cell % KINDS), &cells[bench->load][cell % KINDS][size],
                    &line_ns);
                rmx_samples_add(line, line_ns);
            }
        }
    }
}

/* What a series shows of a cell. */
enum shown { MB_S, WAY_P50, WAY_P99, CALLS, WAKES, SHOWN };

static const struct {
    const char *name;
    const char *y;
} shown[SHOWN] = {
    [MB_S] = { "throughput", "MB/s" },
    [WAY_P50] = { "way_p50", "a chunk's way, p50, us" },
    [WAY_P99] = { "way_p99", "a chunk's way, p99, us" },
    [CALLS] = { "calls", "system calls for each MiB" },
    [WAKES] = { "wakes", "wake-ups for each MiB" },
};

static struct rmx_frame_point point_of(struct cell *cell, uint32_t size, enum shown what)
{
    struct rmx_frame_point point = { .x = size };

    switch (what) {
    case MB_S:
        point.y = rmx_samples_percentile(&cell->mb_s, 0.5);
        point.low = rmx_samples_percentile(&cell->mb_s, 0);
        point.high = rmx_samples_percentile(&cell->mb_s, 1);
        return point;
    case WAY_P50:
    case WAY_P99:
        point.y = (double)rmx_histogram_percentile(&cell->way_ns, what == WAY_P50 ? 0.5 : 0.99);
        point.y /= 1e3;
        break;
    case CALLS:
        point.y = cell->calls / cell->mib;
        break;
    case WAKES:
        point.y = cell->wakes / cell->mib;
        break;
    case SHOWN:
        break;
    }
    point.low = point.y;
    point.high = point.y;
    return point;
}

static void print_series(struct rmx_frame *frame, enum load load, enum kind kind, enum shown what)
{
    struct rmx_frame_point points[SIZES];
    char group[64];
    const struct rmx_frame_series series = { .name = kind_names[kind],
        .group = group,
        .x = "chunk, bytes",
        .y = shown[what].y,
        .points = points,
        .count = SIZES };

    (void)snprintf(group, sizeof(group), "chunks_%s_%s", load_names[load], shown[what].name);
    for (size_t i = 0; i < SIZES; i++) {
        points[i] = point_of(&cells[load][kind][i], sizes[i], what);
    }
    rmx_frame_series(frame, &series);
}

static void print(struct rmx_frame *frame, struct rmx_samples *line)
{
    for (int load = 0; load < LOADS; load++) {
        for (int what = 0; what < SHOWN; what++) {
            for (int kind = 0; kind < KINDS; kind++) {
                print_series(frame, (enum load)load, (enum kind)kind, (enum shown)what);
            }
        }
    }
    rmx_frame_measure(frame, line);
}

static void make_bench(struct bench *bench)
{
    size_t ring = rmx_chunk_ring_bytes(bench->ring_bytes / sizes[0], sizes[0]);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    ring = (RMX_CHUNK_END_RING_AT + ring + page - 1) / page * page;
    rmx_assert(rmx_region_create(&bench->region, "bench_chunks", ring, 0) == 0);
    rmx_assert(rmx_region_prefault(&bench->region) == 0);
    bench->told = mmap(NULL, sizeof(*bench->told), PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    rmx_assert(bench->told != MAP_FAILED && pipe(bench->pipe) == 0);
    (void)fcntl(bench->pipe[0], F_SETPIPE_SZ, (int)bench->ring_bytes); /* or as it is */
    for (int i = 0; i < 2; i++) {
        bench->bell[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        rmx_assert(bench->bell[i] >= 0);
    }
}

int rmx_bench_chunks_run(int argc, char **argv)
{
    static struct rmx_frame_option options[] = {
        { .name = "ring-kib", .text = "a power of two", .value = 1024, .min = 512, .max = 65536 },
        { .name = "spin-us", .text = "of polling before a sleep", .value = 50, .max = 1000000 },
        { .name = "slow-mb-s",
            .text = "of a slow consumer",
            .value = 250,
            .min = 1,
            .max = 100000 },
        { .name = NULL },
    };
    static const struct rmx_frame_plan plan = { .name = "chunks",
        .options = options,
        .trials = 7,
        .quick_trials = 2,
        .ms = 60,
        .quick_ms = 20 };
    struct bench bench = { .region = RMX_REGION_INIT };
    struct rmx_samples line = { .name = "cache_line_round_trip", .unit = "ns" };
    struct rmx_frame frame;
    uint32_t kib;

    rmx_frame_begin(&frame, &plan, argc, argv);
    kib = (uint32_t)rmx_frame_option(&frame, "ring-kib")->value;
    if ((kib & (kib - 1)) != 0) {
        rmx_process_die("--ring-kib", "must be a power of two");
    }
    bench.trial_ns = frame.ns;
    bench.ring_bytes = kib << 10;
    bench.spin_ns = (uint64_t)rmx_frame_option(&frame, "spin-us")->value * 1000;
    bench.slow_bytes_per_ms = (uint64_t)rmx_frame_option(&frame, "slow-mb-s")->value * 1000;
    rmx_core_pin(0);
    memset(source, 1, sizeof(source));
    for (size_t i = 0; i < (size_t)LOADS * KINDS * SIZES; i++) {
        (&cells[0][0][0])[i].mb_s = (struct rmx_samples){ .name = "throughput", .unit = "MB/s" };
    }
    make_bench(&bench);
    run_trials(&bench, frame.trials, &line);
    print(&frame, &line);
    rmx_region_fini(&bench.region);
    return rmx_frame_end(&frame);
}
