/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Chunks copied into a ring and out of it, beside one core that copies them. See ring_stage.h.
 */
#include <string.h>

#include "bench/core.h"
#include "bench/ring_stage.h"
#include "ring/base.h"
#include "ring/chunk.h"

#define SOURCE_BYTES  (4u << 20)
#define HOT_BYTES     (256u << 10) /* stays in the second-level cache */
#define TRIAL_BYTES   (16u << 20)
#define CHUNK_BYTES   65536u
#define BULK_BYTES    (4u << 20)
#define SMALL_BYTES   (256u << 10)
#define PLACES(bytes) (HOT_BYTES > (bytes) ? HOT_BYTES / (bytes) : 1)

static unsigned char source[SOURCE_BYTES];
static unsigned char sink[SOURCE_BYTES];

static void attach(struct rmx_chunk_ring *ring, const struct rmx_ring_stage *stage)
{
    rmx_assert(rmx_chunk_ring_attach(
                   ring, &stage->region, RMX_STAGE_CHUNKS, stage->slots, stage->chunk_bytes) == 0);
}

static void send_chunks(void *user)
{
    const struct rmx_ring_stage *stage = user;
    const uint32_t places = PLACES(stage->chunk_bytes);
    struct rmx_chunk_ring ring;

    attach(&ring, stage);
    for (uint32_t sent = 0; sent < stage->chunks; sent++) {
        const struct rmx_chunk chunk = { .offset = (uint64_t)sent * stage->chunk_bytes,
            .bytes = stage->chunk_bytes };

        while (rmx_ring_reserve_one(&ring.ring) == 0) {
            rmx_base_pause();
        }
        memcpy(rmx_chunk_payload(&ring, 0), source + (size_t)(sent % places) * chunk.bytes,
            chunk.bytes);
        rmx_chunk_fill(&ring, 0, &chunk);
        rmx_ring_publish(&ring.ring, 1);
    }
}

static void take_chunks(void *user)
{
    const struct rmx_ring_stage *stage = user;
    const uint32_t places = PLACES(stage->chunk_bytes);
    struct rmx_chunk_ring ring;

    attach(&ring, stage);
    for (uint32_t taken = 0; taken < stage->chunks; taken++) {
        struct rmx_chunk chunk;

        while (rmx_ring_peek_one(&ring.ring) == 0) {
            rmx_base_pause();
        }
        rmx_assert(rmx_chunk_read(&ring, 0, &chunk) == 0);
        memcpy(sink + (size_t)(taken % places) * chunk.bytes, rmx_chunk_payload(&ring, 0),
            chunk.bytes);
        rmx_ring_release(&ring.ring, 1);
    }
}

/* GB/s, that is bytes/ns. */
static double run(struct rmx_ring_stage *stage, uint32_t ring_bytes, uint32_t chunk_bytes)
{
    stage->chunk_bytes = chunk_bytes;
    stage->slots = ring_bytes / chunk_bytes;
    stage->chunks = TRIAL_BYTES / chunk_bytes;
    rmx_assert(
        rmx_chunk_ring_init(&stage->region, RMX_STAGE_CHUNKS, stage->slots, chunk_bytes, 0) == 0);
    return TRIAL_BYTES / rmx_pair_run(&stage->pair, take_chunks, send_chunks);
}

double rmx_ring_chunks_of(struct rmx_ring_stage *stage, uint32_t chunk_bytes)
{
    return run(stage, BULK_BYTES, chunk_bytes);
}

static double bulk(void *user)
{
    return run(user, BULK_BYTES, CHUNK_BYTES);
}

static double small(void *user)
{
    return run(user, SMALL_BYTES, CHUNK_BYTES);
}

static double hot_memcpy(void *user)
{
    uint64_t began = rmx_samples_now_ns();

    (void)user;
    for (uint32_t i = 0; i < TRIAL_BYTES / CHUNK_BYTES; i++) {
        size_t place = (size_t)(i % PLACES(CHUNK_BYTES)) * CHUNK_BYTES;

        memcpy(sink + place, source + place, CHUNK_BYTES);
        __asm__ volatile("" ::: "memory");
    }
    return TRIAL_BYTES / (double)(rmx_samples_now_ns() - began);
}

struct rmx_entrant *rmx_ring_chunks(size_t *count)
{
    static struct rmx_entrant entrants[] = {
        [RMX_CHUNKS_BULK] = { .run = bulk,
            .samples = { .name = "chunks_4MiB_ring", .unit = "GB/s" } },
        [RMX_CHUNKS_SMALL] = { .run = small,
            .samples = { .name = "chunks_256KiB_ring", .unit = "GB/s" } },
        [RMX_CHUNKS_MEMCPY] = { .run = hot_memcpy,
            .samples = { .name = "memcpy_one_core", .unit = "GB/s" } },
    };

    memset(source, 1, sizeof(source));
    memset(sink, 1, sizeof(sink));
    *count = sizeof(entrants) / sizeof(entrants[0]);
    return entrants;
}
