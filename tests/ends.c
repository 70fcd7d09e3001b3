/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The two ends of a job, without a process around them. See ends.h.
 */
#include "tests/ends.h"

#include <stdlib.h>
#include <string.h>

#include "ring/region.h"

#define SLEEPS_MAX 1000000u /* then the job waits for what will never come */

struct ends ends;

static struct {
    struct rmx_region region;
    struct rmx_chunk_ring feed;
    struct rmx_chunk_ring drain;
    const unsigned char *bytes;
    size_t at;
    bool done;
    uint64_t next; /* of the output */
} far;

static void feed_one(void)
{
    size_t left = ends.fed_bytes - far.at;
    uint32_t bytes = left < ends.feed_bytes_max ? (uint32_t)left : ends.feed_bytes_max;
    struct rmx_chunk chunk = {
        .offset = far.at + (ends.lie ? 1 : 0),
        .bytes = bytes,
        .generation = far.feed.generation,
        .flags = bytes == left && !ends.endless ? RMX_CHUNK_END : 0,
    };

    if (bytes > 0) {
        memcpy(rmx_chunk_payload(&far.feed, 0), far.bytes + far.at, bytes);
    }
    rmx_chunk_fill(&far.feed, 0, &chunk);
    rmx_ring_publish(&far.feed.ring, 1);
    far.at += bytes;
    far.done = bytes == left;
}

static void feed(void)
{
    uint64_t offset;
    uint32_t generation;

    if (rmx_chunk_seek_due(&far.feed, &offset, &generation) == 1) {
        ends.seeks++;
        far.at = offset > ends.fed_bytes ? ends.fed_bytes : offset;
        far.done = false;
    }
    while (!far.done && rmx_ring_reserve_one(&far.feed.ring) == 1) {
        feed_one();
    }
}

static void keep(const struct rmx_chunk *chunk, const unsigned char *payload)
{
    struct ends_part *part = &ends.parts[chunk->part % ENDS_PARTS];
    size_t end = chunk->offset + chunk->bytes;

    if (ends.forgetful) {
        return;
    }
    rmx_assert(chunk->part < ENDS_PARTS);
    if (chunk->flags & RMX_CHUNK_NAME) {
        rmx_assert(chunk->bytes < sizeof(part->name));
        memcpy(part->name, payload, chunk->bytes);
        part->name[chunk->bytes] = 0;
        part->begun++;
        part->size = 0;
        far.next = 0;
        return;
    }
    if (end > part->size) {
        part->bytes = realloc(part->bytes, end);
        rmx_assert(part->bytes != NULL);
        part->size = end;
    }
    if (chunk->bytes > 0) {
        memcpy(part->bytes + chunk->offset, payload, chunk->bytes);
    }
    part->ended += (chunk->flags & RMX_CHUNK_PART_END) != 0;
    part->gone += (chunk->flags & RMX_CHUNK_PART_GONE) != 0;
    ends.in_order = ends.in_order && (chunk->offset == far.next || chunk->bytes == 0);
    far.next = end;
}

static void drain(void)
{
    while (rmx_ring_peek_one(&far.drain.ring) == 1) {
        struct rmx_chunk chunk;

        rmx_assert(rmx_chunk_read(&far.drain, 0, &chunk) == 0);
        keep(&chunk, rmx_chunk_payload(&far.drain, 0));
        ends.ended = (chunk.flags & RMX_CHUNK_END) != 0;
        ends.chunks++;
        if (ends.chunks == ends.stop_after_chunks) {
            atomic_store(&ends.stop, RMX_STATUS_CANCELLED);
        }
        rmx_ring_release(&far.drain.ring, 1);
    }
}

static void sleep_well(void *owner, enum rmx_flow_wait what, uint64_t until_ns)
{
    bool dry = far.done;

    (void)owner;
    (void)what;
    (void)until_ns;
    ends.sleeps++;
    rmx_assert(ends.sleeps < SLEEPS_MAX);
    feed();
    drain();
    if (dry && far.done && ends.endless) {
        atomic_store(&ends.stop, RMX_STATUS_CANCELLED); /* nothing more will ever come */
    }
}

static void tell(void *owner, enum rmx_note_kind kind)
{
    (void)owner;
    (void)kind;
}

static uint64_t starve(void *owner)
{
    (void)owner;
    return 0;
}

void ends_open(const void *bytes, size_t size, bool seekable, uint32_t slots, uint32_t chunk_bytes)
{
    size_t ring_bytes = rmx_chunk_ring_bytes(slots, chunk_bytes);
    struct rmx_chunk_ring in;
    struct rmx_chunk_ring out;

    ends = (struct ends){
        .avio = { .stop = &ends.stop,
            .late = &ends.late,
            .sleep = sleep_well,
            .tell = tell,
            .starve = starve },
        .in_order = true,
        .fed_bytes = size,
        .feed_bytes_max = chunk_bytes,
    };
    far.region = (struct rmx_region)RMX_REGION_INIT;
    rmx_assert(rmx_region_create(&far.region, "test", 2 * ring_bytes, 0) == 0);
    for (uint64_t at = 0; at <= ring_bytes; at += ring_bytes) {
        rmx_assert(rmx_chunk_ring_init(&far.region, at, slots, chunk_bytes, 0) == 0);
    }
    rmx_assert(rmx_chunk_ring_attach(&far.feed, &far.region, 0, slots, chunk_bytes) == 0);
    rmx_assert(rmx_chunk_ring_attach(&in, &far.region, 0, slots, chunk_bytes) == 0);
    rmx_assert(rmx_chunk_ring_attach(&far.drain, &far.region, ring_bytes, slots, chunk_bytes) == 0);
    rmx_assert(rmx_chunk_ring_attach(&out, &far.region, ring_bytes, slots, chunk_bytes) == 0);
    far.bytes = bytes;
    far.at = 0;
    far.next = 0;
    far.done = false;
    rmx_source_init(&ends.source, &ends.avio, &in, false);
    rmx_assert(
        rmx_source_add(&ends.source, seekable ? size : RMX_SOURCE_SIZE_UNKNOWN, seekable) == 0);
    rmx_sink_init(&ends.sink, &ends.avio, &out);
    rmx_assert(rmx_sink_add(&ends.sink, false, RMX_SINK_FORWARD) == 0);
}

void ends_finish(void)
{
    rmx_sink_finish(&ends.sink);
    drain();
}

void ends_close(void)
{
    rmx_sink_fini(&ends.sink);
    rmx_source_fini(&ends.source);
    for (size_t i = 0; i < ENDS_PARTS; i++) {
        free(ends.parts[i].bytes);
    }
    rmx_region_fini(&far.region);
}
