/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files in the page cache through a lane's own code (engine/feed, engine/drain) into and out of a
 * bulk ring, beside pread and pwrite of the same bytes into and out of the same memory.
 *
 *     rmx-bench file [--trials N] [--mib N] [--dir DIR]      prints JSON; about 10 s
 *
 * One thread; a consumer, and a producer, that cost nothing. Each run writes a new unnamed file.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/frame.h"
#include "bench/process.h"
#include "bench/rounds.h"
#include "engine/drain.h"
#include "engine/feed.h"
#include "ring/base.h"

#define RING_BYTES     (4u << 20)
#define CHUNK_BYTES    65536u
#define SLOTS          (RING_BYTES / CHUNK_BYTES)
#define READ_BYTES     (256u << 10) /* as a lane's reads */
#define COALESCE_BYTES (1u << 20)
#define DEPTH          8
#define TURN_NS        1000000
#define WARM_UPS       2

enum { FILE_IN, PREAD, FILE_OUT, PWRITE, ENTRANTS };

struct bench {
    struct rmx_loop loop;
    struct rmx_stats stats;
    struct rmx_region region;
    unsigned char *payload; /* all of the ring's, one after the other */
    const char *dir;
    int input;
    uint64_t bytes;
};

static void ignore_feed(struct rmx_feed *feed)
{
    (void)feed;
}

static void ignore_drain(struct rmx_drain *drain)
{
    (void)drain;
}

static int temporary(const struct bench *bench)
{
    int fd = open(bench->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        rmx_process_die(bench->dir, strerrordesc_np(errno));
    }
    return fd;
}

/* GB/s. */
static double rate(const struct bench *bench, uint64_t began_ns)
{
    return (double)bench->bytes / (double)(rmx_samples_now_ns() - began_ns);
}

static void attach(struct rmx_chunk_ring *ring, const struct bench *bench)
{
    rmx_assert(rmx_chunk_ring_attach(ring, &bench->region, 0, SLOTS, CHUNK_BYTES) == 0);
}

static void turn(struct bench *bench)
{
    rmx_assert(rmx_loop_turn(&bench->loop, TURN_NS) >= 0);
}

/* Takes what is ready at once; returns whether the stream has ended. */
static bool consume(struct rmx_chunk_ring *ring)
{
    bool ended = false;

    while (rmx_ring_peek_one(&ring->ring) == 1) {
        struct rmx_chunk chunk;

        rmx_assert(rmx_chunk_read(ring, 0, &chunk) == 0);
        rmx_assert((chunk.flags & RMX_CHUNK_ERROR) == 0);
        ended = (chunk.flags & RMX_CHUNK_END) != 0;
        rmx_ring_release(&ring->ring, 1);
    }
    return ended;
}

static double file_in(void *user)
{
    static struct rmx_feed feed;
    struct bench *bench = user;
    struct rmx_file file = RMX_FILE_INIT;
    const struct rmx_files files = { &file, 1 };
    int fd = fcntl(bench->input, F_DUPFD_CLOEXEC, 0);
    struct rmx_chunk_ring producer;
    struct rmx_chunk_ring consumer;
    uint64_t began;

    rmx_assert(rmx_chunk_ring_init(&bench->region, 0, SLOTS, CHUNK_BYTES, 0) == 0);
    attach(&producer, bench);
    attach(&consumer, bench);
    rmx_assert(lseek(bench->input, 0, SEEK_SET) == 0);
    began = rmx_samples_now_ns();
    rmx_assert(rmx_file_take_input(&file, &fd) == 0);
    rmx_feed_init(&feed, &bench->loop, &bench->stats, &files, &producer, DEPTH);
    feed.moved = ignore_feed;
    rmx_feed_pump(&feed);
    while (!consume(&consumer)) {
        if (rmx_ring_producer_asked(&consumer.ring) || feed.more) {
            rmx_feed_pump(&feed);
        }
        if (rmx_ring_peek_one(&consumer.ring) == 0) {
            turn(bench);
        }
    }
    while (!rmx_feed_idle(&feed)) {
        turn(bench);
    }
    rmx_file_fini(&file);
    rmx_assert(feed.bytes == bench->bytes);
    return rate(bench, began);
}

static double by_pread(void *user)
{
    const struct bench *bench = user;
    uint64_t began = rmx_samples_now_ns();

    for (uint64_t at = 0; at < bench->bytes; at += READ_BYTES) {
        rmx_assert(pread(bench->input, bench->payload + at % RING_BYTES, READ_BYTES, (off_t)at) ==
                   READ_BYTES);
    }
    return rate(bench, began);
}

/* Gives what there is room for. */
static void produce(struct rmx_chunk_ring *ring, uint64_t *given, uint64_t bytes)
{
    while (*given < bytes && rmx_ring_reserve_one(&ring->ring) == 1) {
        const struct rmx_chunk chunk = { .offset = *given,
            .bytes = CHUNK_BYTES,
            .flags = *given + CHUNK_BYTES == bytes ? RMX_CHUNK_END : 0 };

        rmx_chunk_fill(ring, 0, &chunk);
        rmx_ring_publish(&ring->ring, 1);
        *given += CHUNK_BYTES;
    }
}

static double file_out(void *user)
{
    static struct rmx_drain drain;
    struct bench *bench = user;
    struct rmx_drain_pace pace = { .coalesce_bytes = COALESCE_BYTES };
    struct rmx_file file = RMX_FILE_INIT;
    const struct rmx_drain_to to = { .files = { &file, 1 } };
    int fd = temporary(bench);
    struct rmx_chunk_ring producer;
    struct rmx_chunk_ring consumer;
    uint64_t given = 0;
    uint64_t began;
    double result;

    rmx_assert(rmx_chunk_ring_init(&bench->region, 0, SLOTS, CHUNK_BYTES, 0) == 0);
    attach(&producer, bench);
    attach(&consumer, bench);
    began = rmx_samples_now_ns();
    rmx_assert(rmx_file_take_output(&file, &fd) == 0);
    rmx_drain_init(&drain, &bench->loop, &bench->stats, &pace, &to, &consumer);
    drain.moved = ignore_drain;
    while (!drain.ended) {
        produce(&producer, &given, bench->bytes);
        if (rmx_drain_rests(&drain)) {
            rmx_drain_pump(&drain);
        }
        turn(bench);
        if (drain.error < 0) {
            rmx_process_die(bench->dir, strerrordesc_np(-drain.error));
        }
    }
    result = rate(bench, began);
    rmx_file_fini(&file);
    return result;
}

static double by_pwrite(void *user)
{
    const struct bench *bench = user;
    int fd = temporary(bench);
    uint64_t began = rmx_samples_now_ns();
    double result;

    for (uint64_t at = 0; at < bench->bytes; at += READ_BYTES) {
        if (pwrite(fd, bench->payload + at % RING_BYTES, READ_BYTES, (off_t)at) != READ_BYTES) {
            rmx_process_die(bench->dir, strerrordesc_np(errno));
        }
    }
    result = rate(bench, began);
    (void)close(fd);
    return result;
}

static void make(struct bench *bench)
{
    const char *remedy = "";
    struct rmx_chunk_ring ring;

    (void)signal(SIGPIPE, SIG_IGN);
    if (rmx_loop_init(&bench->loop, 64, &remedy) < 0) {
        rmx_process_die("io_uring", remedy);
    }
    rmx_assert(rmx_region_create(
                   &bench->region, "rmx-bench", rmx_chunk_ring_bytes(SLOTS, CHUNK_BYTES), 0) == 0);
    rmx_assert(rmx_region_prefault(&bench->region) == 0);
    rmx_assert(rmx_chunk_ring_init(&bench->region, 0, SLOTS, CHUNK_BYTES, 0) == 0);
    attach(&ring, bench);
    bench->payload = rmx_chunk_payload(&ring, 0);
    memset(bench->payload, 1, RING_BYTES);
    bench->input = temporary(bench);
    for (uint64_t at = 0; at < bench->bytes; at += RING_BYTES) {
        if (pwrite(bench->input, bench->payload, RING_BYTES, (off_t)at) != RING_BYTES) {
            rmx_process_die(bench->dir, strerrordesc_np(errno));
        }
    }
}

int rmx_bench_file_run(int argc, char **argv)
{
    static struct rmx_frame_option options[] = {
        { .name = "mib", .text = "of the file", .value = 64, .min = 8, .max = 4096 },
        { .name = "dir", .text = "on the file system to measure", .word = "/var/tmp" },
        { .name = NULL },
    };
    static const struct rmx_frame_plan plan = {
        .name = "file", .options = options, .trials = 31, .quick_trials = 9, .ms = 1, .quick_ms = 1
    };
    static struct rmx_entrant entrants[ENTRANTS] = {
        [FILE_IN] = { .run = file_in, .samples = { .name = "file_in", .unit = "GB/s" } },
        [PREAD] = { .run = by_pread, .samples = { .name = "pread", .unit = "GB/s" } },
        [FILE_OUT] = { .run = file_out, .samples = { .name = "file_out", .unit = "GB/s" } },
        [PWRITE] = { .run = by_pwrite, .samples = { .name = "pwrite", .unit = "GB/s" } },
    };
    static struct bench bench = { .region = RMX_REGION_INIT };
    const struct rmx_rounds rounds = {
        .entrants = entrants, .count = ENTRANTS, .warm_ups = WARM_UPS, .user = &bench
    };
    struct rmx_frame frame;

    rmx_frame_begin(&frame, &plan, argc, argv);
    bench.dir = rmx_frame_option(&frame, "dir")->word;
    bench.bytes = frame.tiny ? 8u << 20 : (uint64_t)rmx_frame_option(&frame, "mib")->value << 20;
    bench.bytes = bench.bytes / RING_BYTES * RING_BYTES;
    make(&bench);
    rmx_rounds_run(&rounds, frame.trials);
    for (size_t i = 0; i < ENTRANTS; i++) {
        rmx_frame_measure(&frame, &entrants[i].samples);
    }
    rmx_rounds_row(
        &frame, RMX_AIM_file_in, &entrants[FILE_IN].samples, &entrants[PREAD].samples, NULL);
    rmx_rounds_row(
        &frame, RMX_AIM_file_out, &entrants[FILE_OUT].samples, &entrants[PWRITE].samples, NULL);
    rmx_loop_fini(&bench.loop);
    return rmx_frame_end(&frame);
}
