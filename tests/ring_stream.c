/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A producer and a consumer that use all of ring/ at once (see ring_stream.h). Test code.
 */
#include "tests/ring_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK_SLOTS 4u
#define MAIL_SLOTS  1u
#define CHUNK_BYTES 512u
#define SLEEP_MS    20000 /* only a lost wake-up sleeps that long */
#define NOTE_STOP   1u
#define NOTE_IDLE   2u /* says nothing: fills the mailbox */

#define check(cond)                                                                                \
    ((cond) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond), _exit(1)))

/* Where things lie in the region: two bells, the mail, the chunks. */
#define BELLS_AT  0u
#define MAIL_AT   (STREAM_ROLES * sizeof(struct rmx_bell_shm))
#define CHUNKS_AT RMX_CHUNK_ALIGN

static uint32_t next_random(struct stream_end *end)
{
    end->random = end->random * 1664525u + 1013904223u;
    return end->random >> 8;
}

/* The stream's byte at an offset. */
static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)((offset * UINT64_C(0x9E3779B97F4A7C15)) >> 56);
}

void stream_create(struct rmx_region *region, uint64_t first_count)
{
    size_t bytes = CHUNKS_AT + rmx_chunk_ring_bytes(CHUNK_SLOTS, CHUNK_BYTES);

    check(MAIL_AT + rmx_mail_bytes(MAIL_SLOTS) <= CHUNKS_AT);
    check(rmx_region_create(region, "rmx-test-stream", bytes, 0) == 0);
    check(rmx_mail_init(region, MAIL_AT, MAIL_SLOTS, first_count) == 0);
    check(rmx_chunk_ring_init(region, CHUNKS_AT, CHUNK_SLOTS, CHUNK_BYTES, first_count) == 0);
}

static struct rmx_bell bell_of(
    const struct rmx_region *region, enum stream_role role, const int bells[STREAM_ROLES])
{
    struct rmx_bell_shm *shm =
        rmx_region_at(region, BELLS_AT, STREAM_ROLES * sizeof(*shm), RMX_LINE);

    check(shm != NULL);
    return (struct rmx_bell){ .shm = &shm[role], .fd = bells[role] };
}

void stream_attach(struct stream_end *end, const struct rmx_region *region, enum stream_role role,
    const int bells[STREAM_ROLES])
{
    enum stream_role other = role == STREAM_PRODUCER ? STREAM_CONSUMER : STREAM_PRODUCER;

    *end = (struct stream_end){
        .own = bell_of(region, role, bells),
        .peer = bell_of(region, other, bells),
        .random = (uint32_t)role + 1,
    };
    check(rmx_mail_attach(&end->mail, region, MAIL_AT, MAIL_SLOTS) == 0);
    check(rmx_chunk_ring_attach(&end->chunks, region, CHUNKS_AT, CHUNK_SLOTS, CHUNK_BYTES) == 0);
}

/* The sleep itself; the bell is armed and every ring has been asked. */
static void sleep_until_rung(struct stream_end *end)
{
    struct pollfd wait = { .fd = end->own.fd, .events = POLLIN };
    int ready;

    do {
        ready = poll(&wait, 1, SLEEP_MS);
    } while (ready < 0 && errno == EINTR);
    check(ready == 1); /* else: a lost wake-up */
    end->sleeps += 1;
}

static void wake_up(struct stream_end *end)
{
    rmx_bell_disarm(&end->own);
    (void)rmx_bell_hear(&end->own);
}

/* --- the producer ---------------------------------------------------------------------------- */

struct source {
    uint64_t offset;
    uint32_t generation;
    bool ended;
};

static void fill_one(struct stream_end *end, uint32_t index, struct source *source)
{
    uint64_t left = STREAM_BYTES - source->offset;
    uint32_t bytes = 1 + next_random(end) % CHUNK_BYTES;
    unsigned char *payload = rmx_chunk_payload(&end->chunks, index);
    struct rmx_chunk chunk = { .offset = source->offset, .generation = source->generation };

    chunk.bytes = bytes < left ? bytes : (uint32_t)left;
    source->ended = chunk.bytes == left;
    chunk.flags = source->ended ? RMX_CHUNK_END : 0;
    for (uint32_t i = 0; i < chunk.bytes; i++) {
        payload[i] = byte_at(source->offset + i);
    }
    rmx_chunk_fill(&end->chunks, index, &chunk);
    source->offset += chunk.bytes;
}

static uint32_t fill_some(struct stream_end *end, struct source *source)
{
    uint32_t room = 0;
    uint32_t filled = 0;

    check(rmx_ring_reserve(&end->chunks.ring, &room) == 0);
    while (filled < room && !source->ended) {
        fill_one(end, filled, source);
        filled += 1;
    }
    if (filled > 0) {
        rmx_ring_publish(&end->chunks.ring, filled);
        if (rmx_ring_consumer_asked(&end->chunks.ring)) {
            (void)rmx_bell_ring(&end->peer);
        }
    }
    return filled;
}

static bool is_told_to_stop(struct stream_end *end)
{
    struct rmx_note note = { .kind = NOTE_IDLE };
    bool stop = false;

    while (rmx_mail_take(&end->mail, &note) == 1) {
        stop = stop || note.kind == NOTE_STOP;
    }
    if (rmx_ring_producer_asked(&end->mail.ring)) {
        (void)rmx_bell_ring(&end->peer);
    }
    return stop;
}

static void sleep_of_producer(struct stream_end *end, const struct source *source)
{
    rmx_bell_arm(&end->own);
    if (rmx_ring_consumer_ask(&end->mail.ring) &&
        (source->ended ? rmx_chunk_seek_ask(&end->chunks) : rmx_chunk_room_ask(&end->chunks))) {
        sleep_until_rung(end);
    }
    wake_up(end);
}

void stream_produce(struct stream_end *end)
{
    struct source source = { .offset = 0 };

    while (!is_told_to_stop(end)) {
        if (rmx_chunk_seek_due(&end->chunks, &source.offset, &source.generation) == 1) {
            check(source.offset <= STREAM_BYTES);
            source.ended = false;
        }
        if (fill_some(end, &source) == 0) {
            sleep_of_producer(end, &source);
        }
    }
}

/* --- the consumer ---------------------------------------------------------------------------- */

struct sink {
    uint64_t offset; /* expected next */
    bool ended;
};

static void drink_one(struct stream_end *end, uint32_t index, struct sink *sink)
{
    const unsigned char *payload = rmx_chunk_payload(&end->chunks, index);
    struct rmx_chunk chunk;

    check(rmx_chunk_read(&end->chunks, index, &chunk) == 0);
    if (chunk.generation != end->chunks.generation) {
        return;
    }
    check(chunk.offset == sink->offset);
    for (uint32_t i = 0; i < chunk.bytes; i++) {
        check(payload[i] == byte_at(chunk.offset + i));
    }
    sink->offset += chunk.bytes;
    sink->ended = chunk.flags == RMX_CHUNK_END;
    check(sink->ended == (sink->offset == STREAM_BYTES));
}

static uint32_t drink_some(struct stream_end *end, struct sink *sink)
{
    uint32_t ready = 0;

    check(rmx_ring_peek(&end->chunks.ring, &ready) == 0);
    for (uint32_t i = 0; i < ready; i++) {
        drink_one(end, i, sink);
    }
    if (ready > 0) {
        rmx_ring_release(&end->chunks.ring, ready);
    }
    return ready;
}

static void wake_producer(struct stream_end *end)
{
    if (rmx_ring_producer_asked(&end->chunks.ring)) {
        (void)rmx_bell_ring(&end->peer);
    }
}

static void seek_to(struct stream_end *end, struct sink *sink, uint64_t offset)
{
    (void)rmx_chunk_seek(&end->chunks, offset);
    *sink = (struct sink){ .offset = offset };
    wake_producer(end);
}

/* Reads until the end, or until `chunks` looks found something. */
static void drink(struct stream_end *end, struct sink *sink, uint32_t looks)
{
    while (looks > 0 && !sink->ended) {
        if (drink_some(end, sink) > 0) {
            wake_producer(end);
            looks -= 1;
            continue;
        }
        rmx_bell_arm(&end->own);
        if (rmx_ring_consumer_ask(&end->chunks.ring)) {
            sleep_until_rung(end);
        }
        wake_up(end);
    }
}

/* The mailbox has one slot, so this sleeps for room as well. */
static void post(struct stream_end *end, uint32_t kind)
{
    struct rmx_note note = { .kind = kind };

    while (rmx_mail_post(&end->mail, &note) == -EAGAIN) {
        rmx_bell_arm(&end->own);
        if (rmx_ring_producer_ask(&end->mail.ring)) {
            sleep_until_rung(end);
        }
        wake_up(end);
    }
    if (rmx_ring_consumer_asked(&end->mail.ring)) {
        (void)rmx_bell_ring(&end->peer);
    }
}

void stream_consume(struct stream_end *end, uint32_t seeks)
{
    struct sink sink = { .offset = 0 };

    for (uint32_t i = 0; i < seeks; i++) {
        drink(end, &sink, next_random(end) % 8); /* 0: two seeks in a row */
        seek_to(end, &sink, next_random(end) % (STREAM_BYTES + 1));
        post(end, NOTE_IDLE);
    }
    seek_to(end, &sink, 0);
    drink(end, &sink, UINT32_MAX);
    check(sink.offset == STREAM_BYTES);
    post(end, NOTE_STOP);
}
