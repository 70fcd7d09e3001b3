/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Both ends of a chunk ring and of a mailbox against a peer that writes whatever it likes into the
 * memory they share. The input is a list of steps, 4 bytes each:
 *
 *   deed 1 byte | where 1 byte | value 2 bytes
 *
 * A deed is a call, or a scribble over a shared word. If the first byte is odd, a thread scribbles
 * during the calls, too: what it finds need not come again. Whatever comes: a count is never more
 * than the ring has, a chunk taken is one that layout.h allows.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "ring/base.h"
#include "ring/chunk.h"
#include "ring/mail.h"
#include "ring/region.h"
#include "tests/dice.h"
#include "tests/fuzz_drive.h"

#define SLOTS       8u
#define CHUNK_BYTES 512u
#define MAIL_SLOTS  16u
#define STEP_BYTES  4u
#define PAGE_BYTES  4096u

static struct {
    struct rmx_region region;
    size_t mail_at;
    size_t mail_bytes;
    struct rmx_chunk_ring producer;
    struct rmx_chunk_ring consumer;
    struct rmx_mail sender;
    struct rmx_mail receiver;
    bool chunks_broken; /* an end said -EBADMSG: it is not used any more */
    bool room_broken;
    _Atomic bool scribbling;
} shared;

static void *scribble_on(void *argument)
{
    struct dice dice = { 1 };

    (void)argument;
    for (;;) {
        if (!atomic_load(&shared.scribbling)) {
            (void)sched_yield();
            continue;
        }
        size_t words = shared.region.size / sizeof(uint64_t);
        _Atomic uint64_t *word = (_Atomic uint64_t *)shared.region.base + dice_below(&dice, words);

        atomic_store_explicit(
            word, dice_roll(&dice) >> dice_below(&dice, 64), memory_order_relaxed);
    }
    return NULL;
}

static void start_scribbler(void)
{
    static bool started;
    pthread_t thread;

    if (!started) {
        started = true;
        rmx_assert(pthread_create(&thread, NULL, scribble_on, NULL) == 0);
    }
}

static void open_memory(void)
{
    size_t chunk_bytes = rmx_chunk_ring_bytes(SLOTS, CHUNK_BYTES);

    if (shared.region.base == NULL) {
        shared.region = (struct rmx_region)RMX_REGION_INIT;
        shared.mail_at = chunk_bytes;
        shared.mail_bytes = PAGE_BYTES;
        rmx_assert(rmx_mail_bytes(MAIL_SLOTS) <= PAGE_BYTES);
        rmx_assert(
            rmx_region_create(&shared.region, "fuzz", chunk_bytes + shared.mail_bytes, 0) == 0);
    }
}

/* The words that say something: the heads of both rings and their first rows, and the rows with
 * the chunks' descriptors. */
static void scribble(uint8_t where, uint16_t value)
{
    static const uint16_t heads[] = { 0, 128, 136, 144, 256, 384 };
    unsigned char *base = shared.region.base;
    uint64_t word = value & 0x8000 ? (uint64_t)(int64_t)(int16_t)value : value;

    if (where < 64) {
        size_t at = heads[where % 6] + (where & 32 ? shared.mail_at : 0);

        memcpy(base + at, &word, sizeof(word));
    } else {
        memcpy(
            base + sizeof(struct rmx_ring_shm) + (size_t)(where % 128) * 2, &value, sizeof(value));
    }
}

/* --- the calls -------------------------------------------------------------------------------- */

static void peek_and_read(uint8_t where)
{
    struct rmx_chunk_ring *ring = &shared.consumer;
    struct rmx_chunk chunk;
    uint32_t ready = SLOTS + 1;

    if (shared.chunks_broken || rmx_ring_peek(&ring->ring, &ready) < 0) {
        shared.chunks_broken = true;
        return;
    }
    rmx_assert(ready <= SLOTS);
    for (uint32_t i = 0; i < ready; i++) {
        if (rmx_chunk_read(ring, i, &chunk) == 0) {
            unsigned char copy[CHUNK_BYTES];

            rmx_assert(
                chunk.bytes <= CHUNK_BYTES && chunk.offset <= (uint64_t)INT64_MAX - chunk.bytes);
            rmx_assert((chunk.flags & ~(uint32_t)RMX_CHUNK_FLAGS_ALL) == 0);
            rmx_assert((chunk.error < 0) == ((chunk.flags & RMX_CHUNK_ERROR) != 0));
            memcpy(copy, rmx_chunk_payload(ring, i), chunk.bytes);
        }
    }
    rmx_ring_release(&ring->ring, where < ready ? where : ready);
}

static void reserve_and_fill(uint8_t where, uint16_t value)
{
    struct rmx_chunk_ring *ring = &shared.producer;
    uint32_t room = SLOTS + 1;

    if (shared.room_broken || rmx_ring_reserve(&ring->ring, &room) < 0) {
        shared.room_broken = true;
        return;
    }
    rmx_assert(room <= SLOTS);
    uint32_t count = where < room ? where : room;
    for (uint32_t i = 0; i < count; i++) {
        const struct rmx_chunk chunk = { .offset = value,
            .bytes = 1 + value % CHUNK_BYTES,
            .generation = ring->generation,
            .flags = value & RMX_CHUNK_END };

        memset(rmx_chunk_payload(ring, i), where, chunk.bytes);
        rmx_chunk_fill(ring, i, &chunk);
    }
    rmx_ring_publish(&ring->ring, count);
}

static void look_for_seek(void)
{
    uint64_t offset = UINT64_MAX;
    uint32_t generation;
    int due = rmx_chunk_seek_due(&shared.producer, &offset, &generation);

    rmx_assert(due <= 0 || offset <= INT64_MAX);
    (void)rmx_chunk_room_ask(&shared.producer);
    (void)rmx_chunk_seek_ask(&shared.producer);
}

static void take_mail(void)
{
    struct rmx_note note;
    int taken = 1;

    for (uint32_t i = 0; i <= MAIL_SLOTS && taken == 1; i++) {
        taken = rmx_mail_take(&shared.receiver, &note);
    }
}

static void act(uint8_t deed, uint8_t where, uint16_t value)
{
    const struct rmx_note note = { .kind = where, .flow = value, .value = value };

    switch (deed % 8) {
    case 0:
    case 1:
        scribble(where, value);
        break;
    case 2:
        peek_and_read(where % (SLOTS + 1));
        break;
    case 3:
        reserve_and_fill(where % (SLOTS + 1), value);
        break;
    case 4:
        (void)rmx_chunk_seek(&shared.consumer, value);
        (void)rmx_ring_producer_asked(&shared.consumer.ring);
        break;
    case 5:
        look_for_seek();
        break;
    case 6:
        (void)rmx_mail_post(&shared.sender, &note);
        (void)rmx_ring_consumer_asked(&shared.sender.ring);
        break;
    default:
        take_mail();
        (void)rmx_ring_consumer_ask(&shared.consumer.ring);
        (void)rmx_ring_producer_ask(&shared.producer.ring);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_memory();
    rmx_assert(rmx_chunk_ring_init(&shared.region, 0, SLOTS, CHUNK_BYTES, 0) == 0);
    rmx_assert(rmx_chunk_ring_attach(&shared.producer, &shared.region, 0, SLOTS, CHUNK_BYTES) == 0);
    rmx_assert(rmx_chunk_ring_attach(&shared.consumer, &shared.region, 0, SLOTS, CHUNK_BYTES) == 0);
    rmx_assert(rmx_mail_init(&shared.region, shared.mail_at, MAIL_SLOTS, 0) == 0);
    rmx_assert(rmx_mail_attach(&shared.sender, &shared.region, shared.mail_at, MAIL_SLOTS) == 0);
    rmx_assert(rmx_mail_attach(&shared.receiver, &shared.region, shared.mail_at, MAIL_SLOTS) == 0);
    shared.chunks_broken = false;
    shared.room_broken = false;
    if (size > 0 && data[0] & 1) {
        start_scribbler();
        atomic_store(&shared.scribbling, true);
    }
    for (size_t at = 1; size - at >= STEP_BYTES && at < size; at += STEP_BYTES) {
        act(data[at], data[at + 1], (uint16_t)(data[at + 2] | data[at + 3] << 8));
    }
    atomic_store(&shared.scribbling, false);
    return 0;
}

/* --- the seeds -------------------------------------------------------------------------------- */

/* Chunks go through, mail goes through; from the third on a word in eight is a lie. */
size_t fuzz_seed(unsigned n, uint8_t *data)
{
    struct dice dice = { n };
    size_t size = 1;

    data[0] = n % 16 == 15; /* with the thread */
    for (unsigned step = 0; step < 64; step++) {
        static const uint8_t deeds[] = { 3, 2, 6, 7, 3, 5, 2, 4 };
        bool lies = n % 16 > 2 && dice_one_in(&dice, 8);

        data[size++] = lies ? 0 : deeds[step % 8];
        data[size++] = (uint8_t)(lies ? dice_roll(&dice) : 1 + n % 4);
        data[size++] = (uint8_t)(lies ? dice_roll(&dice) : step);
        data[size++] = 0;
    }
    return size;
}
