/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a ring costs: small items per second, one by one and in batches; 64 KiB chunks copied in and
 * out, by ring size, beside one core's memcpy and a pipe; round trips, beside a bare cache line's.
 *
 *     rmx-bench ring [TRIALS]          prints JSON; 15 trials by default, about 6 s
 *
 * Two threads on two cores (one, if there is only one), every measure once per trial, so that what
 * the machine does to one it does to its neighbour: compare ratios, not figures of different runs.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/core.h"
#include "bench/samples.h"
#include "ring/base.h"
#include "ring/chunk.h"
#include "ring/mail.h"

#define ITEMS        1000000u
#define ITEM_SLOTS   1024u
#define CHUNK_BYTES  65536ul
#define CHUNKS       2048u /* 128 MiB a trial */
#define ROUND_TRIPS  10000u
#define ARENA_BYTES  (40u << 20)
#define REPLY_AT     (1u << 20)
#define SOURCE_BYTES (4 * CHUNK_BYTES) /* stays in the second-level cache */

/* Both ends of what two threads share in one measure. */
struct pair {
    struct rmx_region region;
    uint32_t batch; /* items per publish */
    uint32_t slots; /* of the chunk ring */
    int pipe[2];    /* what a pipe does instead */
    pthread_barrier_t go;
    void (*far)(struct pair *pair); /* the other thread's part */
    _Alignas(RMX_LINE) _Atomic uint32_t ping;
    _Alignas(RMX_LINE) _Atomic uint32_t pong;
};

static unsigned char source[SOURCE_BYTES];
static unsigned char sink[SOURCE_BYTES];

static void *run_far(void *user)
{
    struct pair *pair = user;

    rmx_core_pin(sysconf(_SC_NPROCESSORS_ONLN) - 1);
    pthread_barrier_wait(&pair->go);
    pair->far(pair);
    return NULL;
}

/* Runs both parts at once; returns how long it took until both were done. */
static double run_pair(struct pair *pair, void (*far)(struct pair *), void (*near)(struct pair *))
{
    pthread_t thread;
    uint64_t began;

    pair->far = far;
    rmx_assert(pthread_create(&thread, NULL, run_far, pair) == 0);
    pthread_barrier_wait(&pair->go);
    began = rmx_samples_now_ns();
    near(pair);
    pthread_join(thread, NULL);
    return (double)(rmx_samples_now_ns() - began);
}

/* --- items ----------------------------------------------------------------------------------- */

static void make_mail(struct pair *pair, uint64_t at)
{
    rmx_assert(rmx_mail_init(&pair->region, at, ITEM_SLOTS, 0) == 0);
}

static void attach(struct pair *pair, uint64_t at, struct rmx_mail *mail)
{
    rmx_assert(rmx_mail_attach(mail, &pair->region, at, ITEM_SLOTS) == 0);
}

static void send_items(struct pair *pair)
{
    struct rmx_mail mail;

    attach(pair, 0, &mail);
    for (uint32_t sent = 0; sent < ITEMS;) {
        uint32_t room = ITEM_SLOTS - (uint32_t)(mail.ring.cursor - mail.ring.seen);

        if (room < pair->batch) {
            rmx_assert(rmx_ring_reserve(&mail.ring, &room) == 0);
        }
        if (room < pair->batch) {
            rmx_core_relax();
            continue;
        }
        for (uint32_t i = 0; i < pair->batch; i++) {
            struct rmx_note_shm *note = rmx_ring_entry(&mail.ring, i);

            note->value = sent + i;
        }
        rmx_ring_publish(&mail.ring, pair->batch);
        sent += pair->batch;
    }
}

static void take_items(struct pair *pair)
{
    struct rmx_mail mail;

    attach(pair, 0, &mail);
    for (uint32_t taken = 0; taken < ITEMS;) {
        uint32_t ready = (uint32_t)(mail.ring.seen - mail.ring.cursor);

        if (ready < pair->batch) {
            rmx_assert(rmx_ring_peek(&mail.ring, &ready) == 0);
        }
        if (ready < pair->batch) {
            rmx_core_relax();
            continue;
        }
        for (uint32_t i = 0; i < pair->batch; i++) {
            const struct rmx_note_shm *note = rmx_ring_entry(&mail.ring, i);

            rmx_assert(note->value == taken + i);
        }
        rmx_ring_release(&mail.ring, pair->batch);
        taken += pair->batch;
    }
}

static double items_per_us(struct pair *pair, uint32_t batch)
{
    pair->batch = batch;
    make_mail(pair, 0);
    return ITEMS * 1e3 / run_pair(pair, send_items, take_items);
}

/* --- chunks ---------------------------------------------------------------------------------- */

static void send_chunks(struct pair *pair)
{
    struct rmx_chunk_ring ring;

    rmx_assert(rmx_chunk_ring_attach(&ring, &pair->region, 0, pair->slots, CHUNK_BYTES) == 0);
    for (uint32_t sent = 0; sent < CHUNKS;) {
        struct rmx_chunk chunk = { .offset = (uint64_t)sent * CHUNK_BYTES, .bytes = CHUNK_BYTES };

        if (rmx_ring_reserve_one(&ring.ring) == 0) {
            rmx_core_relax();
            continue;
        }
        memcpy(rmx_chunk_payload(&ring, 0), source + (sent % 4) * CHUNK_BYTES, CHUNK_BYTES);
        rmx_chunk_fill(&ring, 0, &chunk);
        rmx_ring_publish(&ring.ring, 1);
        sent++;
    }
}

static void take_chunks(struct pair *pair)
{
    struct rmx_chunk_ring ring;

    rmx_assert(rmx_chunk_ring_attach(&ring, &pair->region, 0, pair->slots, CHUNK_BYTES) == 0);
    for (uint32_t taken = 0; taken < CHUNKS;) {
        struct rmx_chunk chunk;

        if (rmx_ring_peek_one(&ring.ring) == 0) {
            rmx_core_relax();
            continue;
        }
        rmx_assert(rmx_chunk_read(&ring, 0, &chunk) == 0);
        memcpy(sink + (taken % 4) * CHUNK_BYTES, rmx_chunk_payload(&ring, 0), chunk.bytes);
        rmx_ring_release(&ring.ring, 1);
        taken++;
    }
}

/* GB/s, that is bytes/ns. */
static double chunks_per_ns(struct pair *pair, uint32_t ring_bytes)
{
    pair->slots = ring_bytes / (uint32_t)CHUNK_BYTES;
    rmx_assert(rmx_chunk_ring_init(&pair->region, 0, pair->slots, CHUNK_BYTES, 0) == 0);
    return (double)CHUNKS * CHUNK_BYTES / run_pair(pair, send_chunks, take_chunks);
}

static void send_pipe(struct pair *pair)
{
    for (size_t sent = 0; sent < (size_t)CHUNKS * CHUNK_BYTES;) {
        ssize_t n = write(pair->pipe[1], source, CHUNK_BYTES);

        rmx_assert(n > 0);
        sent += (size_t)n;
    }
}

static void take_pipe(struct pair *pair)
{
    for (size_t taken = 0; taken < (size_t)CHUNKS * CHUNK_BYTES;) {
        ssize_t n = read(pair->pipe[0], sink, CHUNK_BYTES);

        rmx_assert(n > 0);
        taken += (size_t)n;
    }
}

static double pipe_bytes_per_ns(struct pair *pair)
{
    return (double)CHUNKS * CHUNK_BYTES / run_pair(pair, send_pipe, take_pipe);
}

static double memcpy_bytes_per_ns(void)
{
    uint64_t began = rmx_samples_now_ns();

    for (uint32_t i = 0; i < CHUNKS; i++) {
        memcpy(sink + (i % 4) * CHUNK_BYTES, source + (i % 4) * CHUNK_BYTES, CHUNK_BYTES);
        __asm__ volatile("" ::: "memory");
    }
    return (double)CHUNKS * CHUNK_BYTES / (double)(rmx_samples_now_ns() - began);
}

/* --- round trips ----------------------------------------------------------------------------- */

static void pass(struct rmx_mail *to, uint64_t value)
{
    struct rmx_note note = { .value = value };

    rmx_assert(rmx_mail_post(to, &note) == 0);
}

static void await(struct rmx_mail *from, uint64_t value)
{
    struct rmx_note note = { .value = 0 };

    while (rmx_mail_take(from, &note) == 0) {
        rmx_core_relax();
    }
    rmx_assert(note.value == value);
}

static void answer(struct pair *pair)
{
    struct rmx_mail from;
    struct rmx_mail to;

    attach(pair, 0, &from);
    attach(pair, REPLY_AT, &to);
    for (uint32_t i = 0; i < ROUND_TRIPS; i++) {
        await(&from, i);
        pass(&to, i);
    }
}

static void ask(struct pair *pair)
{
    struct rmx_mail to;
    struct rmx_mail from;

    attach(pair, 0, &to);
    attach(pair, REPLY_AT, &from);
    for (uint32_t i = 0; i < ROUND_TRIPS; i++) {
        pass(&to, i);
        await(&from, i);
    }
}

static double mail_round_trip_ns(struct pair *pair)
{
    make_mail(pair, 0);
    make_mail(pair, REPLY_AT);
    return run_pair(pair, answer, ask) / ROUND_TRIPS;
}

static void answer_line(struct pair *pair)
{
    for (uint32_t i = 1; i <= ROUND_TRIPS; i++) {
        while (atomic_load_explicit(&pair->ping, memory_order_acquire) != i) {
            rmx_core_relax();
        }
        atomic_store_explicit(&pair->pong, i, memory_order_release);
    }
}

static void ask_line(struct pair *pair)
{
    for (uint32_t i = 1; i <= ROUND_TRIPS; i++) {
        atomic_store_explicit(&pair->ping, i, memory_order_release);
        while (atomic_load_explicit(&pair->pong, memory_order_acquire) != i) {
            rmx_core_relax();
        }
    }
}

static double line_round_trip_ns(struct pair *pair)
{
    atomic_store(&pair->ping, 0);
    atomic_store(&pair->pong, 0);
    return run_pair(pair, answer_line, ask_line) / ROUND_TRIPS;
}

/* --- all of it ------------------------------------------------------------------------------- */

enum measure {
    LINE_RTT,
    MAIL_RTT,
    RTT_RATIO,
    ITEMS_1,
    ITEMS_8,
    ITEMS_32,
    CHUNKS_SMALL,
    CHUNKS_BULK,
    CHUNKS_HUGE,
    MEMCPY,
    PIPE,
    BULK_TO_MEMCPY,
    BULK_TO_SMALL,
    BULK_TO_PIPE,
    MEASURES,
};

static struct rmx_samples measured[MEASURES] = {
    [LINE_RTT] = { .name = "cache_line_round_trip", .unit = "ns" },
    [MAIL_RTT] = { .name = "mail_round_trip", .unit = "ns" },
    [RTT_RATIO] = { .name = "mail_to_cache_line_round_trip", .unit = "ratio" },
    [ITEMS_1] = { .name = "items_one_by_one", .unit = "M/s" },
    [ITEMS_8] = { .name = "items_by_8", .unit = "M/s" },
    [ITEMS_32] = { .name = "items_by_32", .unit = "M/s" },
    [CHUNKS_SMALL] = { .name = "chunks_256KiB_ring", .unit = "GB/s" },
    [CHUNKS_BULK] = { .name = "chunks_4MiB_ring", .unit = "GB/s" },
    [CHUNKS_HUGE] = { .name = "chunks_32MiB_ring", .unit = "GB/s" },
    [MEMCPY] = { .name = "memcpy_one_core", .unit = "GB/s" },
    [PIPE] = { .name = "pipe", .unit = "GB/s" },
    [BULK_TO_MEMCPY] = { .name = "4MiB_ring_to_memcpy", .unit = "ratio" },
    [BULK_TO_SMALL] = { .name = "4MiB_ring_to_256KiB_ring", .unit = "ratio" },
    [BULK_TO_PIPE] = { .name = "4MiB_ring_to_pipe", .unit = "ratio" },
};

static void measure_once(struct pair *pair)
{
    double value[MEASURES];

    value[LINE_RTT] = line_round_trip_ns(pair);
    value[MAIL_RTT] = mail_round_trip_ns(pair);
    value[ITEMS_1] = items_per_us(pair, 1);
    value[ITEMS_8] = items_per_us(pair, 8);
    value[ITEMS_32] = items_per_us(pair, 32);
    value[CHUNKS_SMALL] = chunks_per_ns(pair, 256u << 10);
    value[CHUNKS_BULK] = chunks_per_ns(pair, 4u << 20);
    value[CHUNKS_HUGE] = chunks_per_ns(pair, 32u << 20);
    value[MEMCPY] = memcpy_bytes_per_ns();
    value[PIPE] = pipe_bytes_per_ns(pair);
    value[RTT_RATIO] = value[MAIL_RTT] / value[LINE_RTT];
    value[BULK_TO_MEMCPY] = value[CHUNKS_BULK] / value[MEMCPY];
    value[BULK_TO_SMALL] = value[CHUNKS_BULK] / value[CHUNKS_SMALL];
    value[BULK_TO_PIPE] = value[CHUNKS_BULK] / value[PIPE];
    for (size_t i = 0; i < MEASURES; i++) {
        rmx_samples_add(&measured[i], value[i]);
    }
}

int rmx_bench_ring_run(int argc, char **argv)
{
    static struct pair pair = { .region = RMX_REGION_INIT };
    long trials = argc > 1 ? strtol(argv[1], NULL, 10) : 15;

    if (trials < 1 || trials > 1000) {
        (void)fprintf(stderr, "usage: rmx-bench ring [TRIALS: 1 to 1000]\n");
        return 2;
    }
    rmx_core_pin(0);
    memset(source, 1, sizeof(source));
    rmx_assert(rmx_region_create(&pair.region, "bench_ring", ARENA_BYTES, 0) == 0);
    rmx_assert(rmx_region_prefault(&pair.region) == 0);
    rmx_assert(pipe(pair.pipe) == 0 && pthread_barrier_init(&pair.go, NULL, 2) == 0);
    for (long i = 0; i < trials; i++) {
        measure_once(&pair);
    }
    printf("{\n  \"bench\": \"ring\", \"trials\": %ld, \"cpus\": %ld,\n", trials,
        sysconf(_SC_NPROCESSORS_ONLN));
    for (size_t i = 0; i < MEASURES; i++) {
        rmx_samples_print(&measured[i], i + 1 < MEASURES ? "," : "");
    }
    printf("}\n");
    rmx_region_fini(&pair.region);
    return 0;
}
