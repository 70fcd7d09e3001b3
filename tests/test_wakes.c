/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whom a source and a sink wake, and when: nobody for nothing.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "engine/worker/sink.h"
#include "engine/worker/source.h"

#define CHUNK_BYTES 512u
#define SLOTS       16u

static struct {
    struct rmx_region region;
    struct rmx_chunk_ring far; /* the other end */
    struct rmx_avio avio;
    _Atomic uint32_t stop;
    bool late;
    unsigned told[RMX_NOTE_DONE + 1];
} test;

static void tell(void *owner, enum rmx_note_kind kind)
{
    (void)owner;
    test.told[kind]++;
}

static void sleep_never(void *owner, enum rmx_flow_wait what, uint64_t until_ns)
{
    (void)owner;
    (void)what;
    (void)until_ns;
    cr_assert_fail("there is no need to wait");
}

static uint64_t starve(void *owner)
{
    (void)owner;
    return 0;
}

static struct rmx_chunk_ring make_ring(void)
{
    struct rmx_chunk_ring ring;

    test.region = (struct rmx_region)RMX_REGION_INIT;
    cr_assert_eq(
        rmx_region_create(&test.region, "test", rmx_chunk_ring_bytes(SLOTS, CHUNK_BYTES), 0), 0);
    cr_assert_eq(rmx_chunk_ring_init(&test.region, 0, SLOTS, CHUNK_BYTES, 0), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&test.far, &test.region, 0, SLOTS, CHUNK_BYTES), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&ring, &test.region, 0, SLOTS, CHUNK_BYTES), 0);
    test.avio =
        (struct rmx_avio){ &test.stop, &test.late, sleep_never, starve, tell, NULL, 0, 0, 0, 0 };
    return ring;
}

/* So many full chunks, the last with these flags; then the feed asks to be told. */
static void feed(uint32_t chunks, uint16_t flags)
{
    for (uint32_t i = 0; i < chunks; i++) {
        struct rmx_chunk chunk = {
            .offset = (uint64_t)i * CHUNK_BYTES,
            .bytes = CHUNK_BYTES,
            .generation = test.far.generation,
            .flags = i + 1 == chunks ? flags : 0,
        };

        cr_assert_eq(rmx_ring_reserve_one(&test.far.ring), 1);
        rmx_chunk_fill(&test.far, 0, &chunk);
        rmx_ring_publish(&test.far.ring, 1);
    }
    rmx_ring_ask(&test.far.ring.shm->producer_asks);
}

static void read_all(struct rmx_source *source, uint32_t chunks)
{
    unsigned char bytes[SLOTS * CHUNK_BYTES];

    cr_assert_eq(avio_read(source->input[0].context, bytes, (int)(chunks * CHUNK_BYTES)),
        (int)(chunks * CHUNK_BYTES));
}

Test(source_wakes, a_feed_that_gave_all_hears_of_no_room)
{
    struct rmx_chunk_ring ring = make_ring();
    struct rmx_source source;

    rmx_source_init(&source, &test.avio, &ring, false);
    cr_assert_eq(rmx_source_add(&source, SLOTS * CHUNK_BYTES, true), 0);
    feed(SLOTS, RMX_CHUNK_END);
    read_all(&source, SLOTS);
    cr_assert_eq(avio_r8(source.input[0].context), 0);
    cr_assert(avio_feof(source.input[0].context));
    cr_assert_eq(test.told[RMX_NOTE_INPUT], 0);
    rmx_source_fini(&source);
    rmx_region_fini(&test.region);
}

Test(source_wakes, a_feed_that_has_more_hears_of_room)
{
    struct rmx_chunk_ring ring = make_ring();
    struct rmx_source source;

    rmx_source_init(&source, &test.avio, &ring, false);
    cr_assert_eq(rmx_source_add(&source, RMX_SOURCE_SIZE_UNKNOWN, false), 0);
    feed(SLOTS, 0);
    read_all(&source, SLOTS - 1);
    cr_assert_eq(test.told[RMX_NOTE_INPUT], 1);
    rmx_source_fini(&source);
    rmx_region_fini(&test.region);
}

/* Writes so many chunks to a drain that waits. */
static void expect_told(bool hurried, uint32_t chunks, unsigned times)
{
    static const unsigned char bytes[SLOTS * CHUNK_BYTES];
    struct rmx_chunk_ring ring = make_ring();
    struct rmx_sink sink;

    rmx_sink_init(&sink, &test.avio, &ring);
    if (hurried) {
        rmx_sink_hurry(&sink);
    }
    cr_assert(rmx_ring_consumer_ask(&test.far.ring));
    cr_assert_eq(
        rmx_sink_write(&sink, bytes, (int)(chunks * CHUNK_BYTES)), (int)(chunks * CHUNK_BYTES));
    cr_assert_eq(test.told[RMX_NOTE_OUTPUT], times);
    rmx_sink_fini(&sink);
    rmx_region_fini(&test.region);
}

Test(sink_wakes, a_drain_hears_of_half_a_ring)
{
    expect_told(false, SLOTS / 4, 0);
}

Test(sink_wakes, a_drain_that_is_in_a_hurry_hears_of_the_first_chunk)
{
    expect_told(true, 2, 1);
}
