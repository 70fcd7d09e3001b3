/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A ring of chunks (see chunk.h). Runs in every process.
 */
#include "ring/chunk.h"

static bool is_geometry(uint32_t slots, uint32_t chunk_bytes)
{
    return slots != 0 && slots <= RMX_RING_SLOTS_MAX && (slots & (slots - 1)) == 0 &&
           chunk_bytes >= RMX_CHUNK_BYTES_MIN && chunk_bytes <= RMX_CHUNK_BYTES_MAX &&
           (chunk_bytes & (chunk_bytes - 1)) == 0;
}

static size_t round_up(size_t bytes)
{
    return (bytes + RMX_CHUNK_ALIGN - 1) / RMX_CHUNK_ALIGN * RMX_CHUNK_ALIGN;
}

/* Where the payload begins, from the ring's own beginning. */
static size_t payload_at(uint32_t slots)
{
    return round_up(rmx_ring_bytes(slots, sizeof(struct rmx_chunk_shm)));
}

size_t rmx_chunk_ring_bytes(uint32_t slots, uint32_t chunk_bytes)
{
    if (!is_geometry(slots, chunk_bytes)) {
        return 0;
    }
    return payload_at(slots) + round_up((size_t)slots * chunk_bytes);
}

/* NULL if there is no such ring in the region. */
static unsigned char *find(
    const struct rmx_region *region, uint64_t at, uint32_t slots, uint32_t chunk_bytes)
{
    size_t bytes = rmx_chunk_ring_bytes(slots, chunk_bytes);

    return bytes == 0 ? NULL : rmx_region_at(region, at, bytes, RMX_CHUNK_ALIGN);
}

int rmx_chunk_ring_init(const struct rmx_region *region, uint64_t at, uint32_t slots,
    uint32_t chunk_bytes, uint64_t first_count)
{
    unsigned char *base = find(region, at, slots, chunk_bytes);

    if (base == NULL) {
        return -EINVAL;
    }
    rmx_ring_init(base, slots, sizeof(struct rmx_chunk_shm), first_count);
    return 0;
}

int rmx_chunk_ring_attach(struct rmx_chunk_ring *ring, const struct rmx_region *region, uint64_t at,
    uint32_t slots, uint32_t chunk_bytes)
{
    unsigned char *base = find(region, at, slots, chunk_bytes);
    struct rmx_ring end;
    int error;

    if (base == NULL) {
        return -EINVAL;
    }
    error = rmx_ring_attach(&end, base, slots, sizeof(struct rmx_chunk_shm));
    rmx_assert(error == 0);
    *ring = (struct rmx_chunk_ring){
        .ring = end,
        .payload = base + payload_at(slots),
        .chunk_bytes = chunk_bytes,
    };
    return 0;
}

/* The one statement of what a descriptor may say, for our own and for a peer's. */
static bool is_sane(const struct rmx_chunk *chunk, uint32_t chunk_bytes)
{
    bool failed = (chunk->flags & RMX_CHUNK_ERROR) != 0;
    unsigned may_be_empty = RMX_CHUNK_END | RMX_CHUNK_PART_END | RMX_CHUNK_PART_GONE;
    bool ends = failed || (chunk->flags & may_be_empty) != 0;

    return (chunk->bytes > 0 || ends) && chunk->bytes <= chunk_bytes &&
           chunk->offset <= (uint64_t)INT64_MAX - chunk->bytes &&
           (chunk->flags & ~(unsigned int)RMX_CHUNK_FLAGS_ALL) == 0 &&
           (failed ? chunk->error < 0 && chunk->error >= -RMX_ERRNO_MAX : chunk->error == 0);
}

void rmx_chunk_fill(
    const struct rmx_chunk_ring *ring, uint32_t index, const struct rmx_chunk *chunk)
{
    struct rmx_chunk_shm *shm = rmx_ring_entry(&ring->ring, index);

    rmx_assert(is_sane(chunk, ring->chunk_bytes));
    *shm = (struct rmx_chunk_shm){
        .offset = chunk->offset,
        .bytes = chunk->bytes,
        .generation = chunk->generation,
        .part = chunk->part,
        .flags = chunk->flags,
        .error = chunk->error,
    };
}

int rmx_chunk_read(const struct rmx_chunk_ring *ring, uint32_t index, struct rmx_chunk *chunk)
{
    const struct rmx_chunk_shm *shm = rmx_ring_entry(&ring->ring, index);
    struct rmx_chunk copy = {
        .offset = RMX_READ_ONCE(shm->offset),
        .bytes = RMX_READ_ONCE(shm->bytes),
        .generation = RMX_READ_ONCE(shm->generation),
        .part = RMX_READ_ONCE(shm->part),
        .flags = RMX_READ_ONCE(shm->flags),
        .error = RMX_READ_ONCE(shm->error),
    };
    /* Seeks are counted modulo 2^32: what is less than half of that ahead was never asked for. */
    bool from_the_future = (int32_t)(copy.generation - ring->generation) > 0;

    if (!is_sane(&copy, ring->chunk_bytes) || from_the_future) {
        return -EBADMSG;
    }
    *chunk = copy;
    return 0;
}

uint32_t rmx_chunk_turn_to(struct rmx_chunk_ring *ring, uint16_t part, uint64_t offset)
{
    struct rmx_ring_shm *shm = ring->ring.shm;

    rmx_assert(offset <= INT64_MAX);
    /* Relaxed: the generation below carries them. */
    atomic_store_explicit(&shm->seek_part, part, memory_order_relaxed);
    atomic_store_explicit(&shm->seek_offset, offset, memory_order_relaxed);
    ring->part = part;
    ring->generation += 1;
    /* R3, pairs with A3: who sees this generation sees its place, or a later one. */
    atomic_store_explicit(&shm->seek_generation, ring->generation, memory_order_release);
    return ring->generation;
}

static uint32_t wanted_generation(const struct rmx_chunk_ring *ring)
{
    /* A3, pairs with R3: the place read after this is not older than the generation. */
    return atomic_load_explicit(&ring->ring.shm->seek_generation, memory_order_acquire);
}

int rmx_chunk_seek_due(struct rmx_chunk_ring *ring, uint64_t *offset, uint32_t *generation)
{
    uint32_t wanted = wanted_generation(ring);
    uint64_t target;
    uint32_t part;

    if (wanted == ring->generation) {
        return 0;
    }
    /* Relaxed, both: ordered by the load of the generation. */
    target = atomic_load_explicit(&ring->ring.shm->seek_offset, memory_order_relaxed);
    part = atomic_load_explicit(&ring->ring.shm->seek_part, memory_order_relaxed);
    if (target > INT64_MAX || part > UINT16_MAX) {
        return -EBADMSG;
    }
    ring->generation = wanted;
    ring->part = (uint16_t)part;
    *offset = target;
    *generation = wanted;
    return 1;
}

/* The second look of a producer that has asked. */
static bool no_seek_is_due(struct rmx_chunk_ring *ring)
{
    if (wanted_generation(ring) == ring->generation) {
        return true;
    }
    rmx_ring_withdraw(&ring->ring.shm->producer_asks);
    return false;
}

bool rmx_chunk_room_ask(struct rmx_chunk_ring *ring)
{
    return rmx_ring_producer_ask(&ring->ring) && no_seek_is_due(ring);
}

bool rmx_chunk_seek_ask(struct rmx_chunk_ring *ring)
{
    rmx_ring_ask(&ring->ring.shm->producer_asks);
    return no_seek_is_due(ring);
}
