/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tests of ring/chunk.h: descriptors, payload, seeks; both ends on one thread.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "ring/chunk.h"

#define SLOTS       2u
#define CHUNK_BYTES 512u
#define AT          RMX_CHUNK_ALIGN /* not at the region's beginning */

#define EACH(index, table)                                                                         \
    size_t index = 0;                                                                              \
    (index) < sizeof(table) / sizeof((table)[0]);                                                  \
    (index)++

static struct rmx_region region = RMX_REGION_INIT;
static struct rmx_chunk_ring producer;
static struct rmx_chunk_ring consumer;

static void begin_anew(void)
{
    cr_assert_eq(rmx_chunk_ring_init(&region, AT, SLOTS, CHUNK_BYTES, UINT64_MAX), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&producer, &region, AT, SLOTS, CHUNK_BYTES), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&consumer, &region, AT, SLOTS, CHUNK_BYTES), 0);
}

static void start(void)
{
    size_t bytes = AT + rmx_chunk_ring_bytes(SLOTS, CHUNK_BYTES);

    cr_assert_eq(rmx_region_create(&region, "test", bytes, 0), 0);
    begin_anew();
}

static void stop(void)
{
    rmx_region_fini(&region);
}

TestSuite(chunk, .init = start, .fini = stop);

static void offer(const struct rmx_chunk *chunk)
{
    rmx_chunk_fill(&producer, 0, chunk);
    rmx_ring_publish(&producer.ring, 1);
}

static void look(void)
{
    uint32_t ready = 0;

    cr_assert_eq(rmx_ring_peek(&consumer.ring, &ready), 0);
    cr_assert_geq(ready, 1);
}

Test(chunk, arrives_as_it_was_filled)
{
    struct rmx_chunk sent = { .offset = INT64_MAX - 512,
        .bytes = 512,
        .part = UINT16_MAX,
        .flags = RMX_CHUNK_END | RMX_CHUNK_ERROR | RMX_CHUNK_FLUSH,
        .error = -EIO };
    struct rmx_chunk got = { 0 };

    memset(rmx_chunk_payload(&producer, 0), 0xA5, CHUNK_BYTES);
    offer(&sent);
    look();

    cr_assert_eq(rmx_chunk_read(&consumer, 0, &got), 0);
    cr_assert_eq(got.offset, sent.offset);
    cr_assert_eq(got.bytes, sent.bytes);
    cr_assert_eq(got.generation, 0);
    cr_assert_eq(got.part, sent.part);
    cr_assert_eq(got.flags, sent.flags);
    cr_assert_eq(got.error, sent.error);
    cr_assert_eq(rmx_chunk_payload(&consumer, 0)[CHUNK_BYTES - 1], 0xA5);
}

Test(chunk, payloads_lie_in_their_slots_on_whole_pages)
{
    unsigned char *first = rmx_chunk_payload(&producer, 1); /* counts start at 2^64 - 1 */
    unsigned char *second = rmx_chunk_payload(&producer, 0);

    cr_assert_eq((uintptr_t)first % RMX_CHUNK_ALIGN, 0);
    cr_assert_eq(second, first + CHUNK_BYTES);
    cr_assert_leq(second + CHUNK_BYTES, (unsigned char *)region.base + region.size);
}

Test(chunk, takes_the_documented_geometries_only)
{
    static const struct {
        uint32_t slots, chunk_bytes;
        size_t bytes;
    } rows[] = {
        { 1, 512, 4096 + 4096 },
        { 128, 4096, 8192 + 128 * 4096 },
        { 65536, 1u << 20, 2101248 + ((size_t)65536 << 20) },
        { 0, 512, 0 },
        { 3, 512, 0 },
        { 131072, 512, 0 },
        { 1, 0, 0 },
        { 1, 256, 0 },
        { 1, 513, 0 },
        { 1, 1u << 21, 0 },
        { UINT32_MAX, UINT32_MAX, 0 },
    };

    for (EACH(i, rows)) {
        struct rmx_chunk_ring ring = { .chunk_bytes = 77 };

        cr_assert_eq(rmx_chunk_ring_bytes(rows[i].slots, rows[i].chunk_bytes), rows[i].bytes);
        if (rows[i].bytes == 0) {
            cr_assert_eq(
                rmx_chunk_ring_attach(&ring, &region, 0, rows[i].slots, rows[i].chunk_bytes),
                -EINVAL);
            cr_assert_eq(
                rmx_chunk_ring_init(&region, 0, rows[i].slots, rows[i].chunk_bytes, 0), -EINVAL);
            cr_assert_eq(ring.chunk_bytes, 77, "untouched on failure");
        }
    }
}

Test(chunk, ring_must_lie_inside_the_region_on_whole_pages)
{
    static const uint64_t places[] = { AT + 128, 2 * AT, UINT64_MAX - 4095, UINT64_MAX,
        UINT64_C(1) << 63 };

    for (EACH(i, places)) {
        struct rmx_chunk_ring ring = { .chunk_bytes = 77 };

        cr_assert_eq(rmx_chunk_ring_attach(&ring, &region, places[i], SLOTS, CHUNK_BYTES), -EINVAL);
        cr_assert_eq(rmx_chunk_ring_init(&region, places[i], SLOTS, CHUNK_BYTES, 0), -EINVAL);
        cr_assert_eq(ring.chunk_bytes, 77, "untouched on failure");
    }
}

Test(chunk, initialising_forgets_the_last_users_descriptors)
{
    struct rmx_chunk chunk = { .offset = 4711, .bytes = 1 };
    struct rmx_chunk_shm *shm = rmx_ring_entry(&producer.ring, 0);

    offer(&chunk);
    cr_assert_eq(rmx_chunk_ring_init(&region, AT, SLOTS, CHUNK_BYTES, 0), 0);
    cr_assert_eq(shm->offset, 0);
}

/* Every field, lying: what is refused, and just beside it what is not. */
Test(chunk, descriptor_that_lies_is_refused)
{
    static const struct {
        struct rmx_chunk_shm shm;
        int result;
    } rows[] = {
        { { .bytes = CHUNK_BYTES }, 0 }, { { .bytes = CHUNK_BYTES + 1 }, -EBADMSG },
        { { .bytes = UINT32_MAX }, -EBADMSG },
        { { .bytes = 0 }, -EBADMSG }, /* nothing, and then more */
        { { .flags = RMX_CHUNK_FLUSH }, -EBADMSG }, { { .flags = RMX_CHUNK_NAME }, -EBADMSG },
        { { .offset = INT64_MAX, .flags = RMX_CHUNK_END }, 0 },
        { { .offset = INT64_MAX - 1, .bytes = 1 }, 0 },
        { { .offset = INT64_MAX - 1, .bytes = 2 }, -EBADMSG },
        { { .offset = (uint64_t)INT64_MAX + 1, .flags = RMX_CHUNK_END }, -EBADMSG },
        { { .offset = UINT64_MAX, .bytes = 1 }, -EBADMSG },
        { { .bytes = 1, .flags = RMX_CHUNK_NAME }, 0 },
        { { .bytes = 1, .flags = RMX_CHUNK_END | RMX_CHUNK_FLUSH }, 0 },
        { { .flags = RMX_CHUNK_PART_END }, 0 }, { { .flags = RMX_CHUNK_PART_GONE }, 0 },
        { { .bytes = 1, .flags = 1u << 6 }, -EBADMSG },
        { { .bytes = 1, .flags = 1u << 15 }, -EBADMSG },
        { { .flags = RMX_CHUNK_ERROR, .error = -1 }, 0 },
        { { .flags = RMX_CHUNK_ERROR, .error = -4095 }, 0 },
        { { .flags = RMX_CHUNK_ERROR, .error = 0 }, -EBADMSG },
        { { .flags = RMX_CHUNK_ERROR, .error = EIO }, -EBADMSG },
        { { .flags = RMX_CHUNK_ERROR, .error = -4096 }, -EBADMSG },
        { { .flags = RMX_CHUNK_ERROR, .error = INT32_MIN }, -EBADMSG },
        { { .bytes = 1, .error = -5 }, -EBADMSG }, { { .bytes = 1, .generation = 3 }, 0 },
        { { .bytes = 1, .generation = 4 }, -EBADMSG },
        { { .bytes = 1, .generation = UINT32_MAX }, 0 }, /* before the wrap: old, to be dropped */
    };
    struct rmx_chunk_shm *shm = rmx_ring_entry(&consumer.ring, 0);

    rmx_ring_publish(&producer.ring, 1);
    look();
    consumer.generation = 3;
    for (EACH(i, rows)) {
        struct rmx_chunk got = { .part = 77 };

        *shm = rows[i].shm;
        cr_assert_eq(rmx_chunk_read(&consumer, 0, &got), rows[i].result, "row %zu", i);
        cr_assert_eq(got.part, rows[i].result == 0 ? 0 : 77, "untouched on failure");
    }
}

Test(chunk, filling_more_than_a_chunk_is_our_bug, .signal = SIGABRT)
{
    offer(&(struct rmx_chunk){ .bytes = CHUNK_BYTES + 1 });
}

Test(chunk, filling_nothing_before_the_end_is_our_bug, .signal = SIGABRT)
{
    offer(&(struct rmx_chunk){ .flags = RMX_CHUNK_FLUSH });
}

Test(chunk, filling_an_error_without_its_number_is_our_bug, .signal = SIGABRT)
{
    offer(&(struct rmx_chunk){ .flags = RMX_CHUNK_ERROR });
}

/* --- seeking --------------------------------------------------------------------------------- */

Test(chunk, seek_is_due_once_with_its_offset)
{
    uint64_t offset = 7;
    uint32_t generation = 7;

    cr_assert_eq(rmx_chunk_seek_due(&producer, &offset, &generation), 0);
    cr_assert(offset == 7 && generation == 7, "untouched");
    cr_assert_eq(rmx_chunk_seek(&consumer, INT64_MAX), 1);
    cr_assert_eq(rmx_chunk_seek_due(&producer, &offset, &generation), 1);
    cr_assert(offset == INT64_MAX && generation == 1);
    cr_assert_eq(producer.generation, 1);
    cr_assert_eq(rmx_chunk_seek_due(&producer, &offset, &generation), 0);
}

Test(chunk, two_seeks_in_a_row_are_one)
{
    uint64_t offset = 0;
    uint32_t generation = 0;

    (void)rmx_chunk_seek(&consumer, 1000);
    cr_assert_eq(rmx_chunk_seek(&consumer, 2000), 2);
    cr_assert_eq(rmx_chunk_seek_due(&producer, &offset, &generation), 1);
    cr_assert(offset == 2000 && generation == 2);
}

/* The producer read the first generation, then the second seek's offset. */
Test(chunk, torn_seek_yields_chunks_that_are_dropped_and_is_then_repaired)
{
    struct rmx_ring_shm *shm = consumer.ring.shm;
    struct rmx_chunk chunk = { .bytes = 1 };
    uint64_t offset = 0;
    uint32_t generation = 0;

    (void)rmx_chunk_seek(&consumer, 1000);
    atomic_store(&shm->seek_offset, 2000); /* the second seek, half done */
    cr_assert_eq(rmx_chunk_seek_due(&producer, &offset, &generation), 1);
    cr_assert(offset == 2000 && generation == 1);
    chunk.offset = offset;
    chunk.generation = generation;
    offer(&chunk);
    cr_assert_eq(rmx_chunk_seek(&consumer, 2000), 2); /* the other half */

    look();
    cr_assert_eq(rmx_chunk_read(&consumer, 0, &chunk), 0);
    cr_assert_neq(chunk.generation, consumer.generation, "dropped");
    cr_assert_eq(rmx_chunk_seek_due(&producer, &offset, &generation), 1);
    cr_assert(offset == 2000 && generation == 2);
}

Test(chunk, generations_wrap)
{
    uint64_t offset = 0;
    uint32_t generation = 0;
    struct rmx_chunk chunk = { .bytes = 1, .generation = UINT32_MAX };

    consumer.generation = UINT32_MAX;
    producer.generation = UINT32_MAX;
    offer(&chunk);
    look();
    cr_assert_eq(rmx_chunk_seek(&consumer, 5), 0);
    cr_assert_eq(rmx_chunk_seek_due(&producer, &offset, &generation), 1);
    cr_assert_eq(generation, 0);
    cr_assert_eq(rmx_chunk_read(&consumer, 0, &chunk), 0, "old, not from the future");
}

Test(chunk, seek_to_an_offset_no_stream_has_is_refused)
{
    struct rmx_ring_shm *shm = consumer.ring.shm;
    uint64_t offset = 7;
    uint32_t generation = 7;

    atomic_store(&shm->seek_offset, (uint64_t)INT64_MAX + 1);
    atomic_store(&shm->seek_generation, 99);
    cr_assert_eq(rmx_chunk_seek_due(&producer, &offset, &generation), -EBADMSG);
    cr_assert(offset == 7 && generation == 7, "untouched on failure");
    cr_assert_eq(producer.generation, 0, "and still due");
}

Test(chunk, seeking_where_no_stream_goes_is_our_bug, .signal = SIGABRT)
{
    (void)rmx_chunk_seek(&consumer, (uint64_t)INT64_MAX + 1);
}

/* --- sleeping -------------------------------------------------------------------------------- */

Test(chunk, producer_at_the_end_sleeps_until_a_seek)
{
    cr_assert(rmx_chunk_seek_ask(&producer), "though there is room");
    (void)rmx_chunk_seek(&consumer, 0);
    cr_assert(rmx_ring_producer_asked(&consumer.ring));
    cr_assert_not(rmx_chunk_seek_ask(&producer), "a seek is due");
    cr_assert_not(rmx_ring_producer_asked(&consumer.ring), "the ask is withdrawn");
}

Test(chunk, producer_of_a_full_ring_sleeps_until_room_or_a_seek)
{
    cr_assert_not(rmx_chunk_room_ask(&producer), "there is room");
    rmx_ring_publish(&producer.ring, SLOTS);
    cr_assert(rmx_chunk_room_ask(&producer));
    (void)rmx_chunk_seek(&consumer, 0);
    cr_assert(rmx_ring_producer_asked(&consumer.ring));
    cr_assert_not(rmx_chunk_room_ask(&producer), "a seek is due");
    cr_assert_not(rmx_ring_producer_asked(&consumer.ring), "the ask is withdrawn");
}

/* --- a peer that writes anything anywhere ----------------------------------------------------- */

static uint64_t next_random(void)
{
    static uint64_t state = 1;

    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return state >> 11;
}

/* Changes one word of the head or of the descriptors, often by little. */
static void corrupt_one_word(void)
{
    size_t words = rmx_ring_bytes(SLOTS, sizeof(struct rmx_chunk_shm)) / 8;
    _Atomic uint64_t *word = (_Atomic uint64_t *)consumer.ring.shm + next_random() % words;
    uint64_t was = atomic_load(word);

    atomic_store(word, next_random() % 2 == 0 ? was + next_random() % 9 - 4 : next_random() << 11);
}

/* Both return false when the peer was found out. */
static bool produce_one(void)
{
    uint64_t offset = 0;
    uint32_t generation = 0;
    uint32_t room = 0;

    if (rmx_chunk_seek_due(&producer, &offset, &generation) < 0 ||
        rmx_ring_reserve(&producer.ring, &room) < 0) {
        return false;
    }
    cr_assert(room <= SLOTS && offset <= INT64_MAX);
    if (room > 0) {
        offer(&(struct rmx_chunk){
            .offset = offset, .generation = generation, .flags = RMX_CHUNK_END });
    }
    (void)rmx_ring_consumer_asked(&producer.ring);
    (void)rmx_chunk_room_ask(&producer);
    return true;
}

static bool consume_all(void)
{
    struct rmx_chunk chunk;
    uint32_t ready = 0;

    if (rmx_ring_peek(&consumer.ring, &ready) < 0) {
        return false;
    }
    cr_assert_leq(ready, SLOTS);
    for (uint32_t i = 0; i < ready; i++) {
        if (rmx_chunk_read(&consumer, i, &chunk) < 0) {
            return false;
        }
        cr_assert(chunk.bytes <= CHUNK_BYTES && chunk.offset + chunk.bytes <= INT64_MAX);
    }
    rmx_ring_release(&consumer.ring, ready);
    (void)rmx_ring_producer_asked(&consumer.ring);
    (void)rmx_ring_consumer_ask(&consumer.ring);
    (void)rmx_chunk_seek(&consumer, next_random() % 1000);
    return true;
}

Test(chunk, peer_that_writes_anything_anywhere_is_found_out_and_hurts_nobody)
{
    uint32_t found_out = 0;

    for (uint32_t i = 0; i < 200000; i++) {
        corrupt_one_word();
        if (!produce_one() || !consume_all()) {
            found_out += 1;
            begin_anew();
        }
    }
    cr_assert_gt(found_out, 1000);
}
