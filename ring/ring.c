/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One end of a ring: what is not hot (see ring.h). Runs in every process.
 */
#include "ring/ring.h"

#include <string.h>

static bool is_power_of_two(uint32_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

static bool is_geometry(uint32_t slots, uint32_t entry_bytes)
{
    return is_power_of_two(slots) && slots <= RMX_RING_SLOTS_MAX && entry_bytes != 0 &&
           entry_bytes % 8 == 0 && entry_bytes <= RMX_RING_ENTRY_BYTES_MAX;
}

size_t rmx_ring_bytes(uint32_t slots, uint32_t entry_bytes)
{
    rmx_assert(is_geometry(slots, entry_bytes));
    return RMX_RING_BYTES((size_t)slots, entry_bytes);
}

void rmx_ring_init(void *at, uint32_t slots, uint32_t entry_bytes, uint64_t first_count)
{
    struct rmx_ring_shm *shm = at;
    struct rmx_row_shm *rows = (struct rmx_row_shm *)(shm + 1);

    rmx_assert((uintptr_t)at % RMX_LINE == 0);
    memset(at, 0, rmx_ring_bytes(slots, entry_bytes));
    /* Relaxed: the message that hands the ring to its ends orders it. */
    atomic_store_explicit(&shm->released, first_count, memory_order_relaxed);
    for (uint32_t i = 0; i < RMX_RING_ROWS(slots, entry_bytes); i++) {
        atomic_store_explicit(&rows[i].offered, first_count, memory_order_relaxed);
    }
}

int rmx_ring_attach(struct rmx_ring *ring, void *at, uint32_t slots, uint32_t entry_bytes)
{
    struct rmx_ring_shm *shm = at;
    struct rmx_row_shm *rows = (struct rmx_row_shm *)(shm + 1);
    uint32_t row_entries;
    uint32_t last;
    uint64_t count;

    if (!is_geometry(slots, entry_bytes) || (uintptr_t)at % RMX_LINE != 0) {
        return -EINVAL;
    }
    row_entries = (uint32_t)RMX_ROW_ENTRIES(entry_bytes);
    last = (uint32_t)RMX_RING_ROWS(slots, entry_bytes) - 1;
    /* The consumer's own count; before the first publish it is the producer's as well. Relaxed, as
     * nothing is read on its strength. If it lies, we start out of step with the liar only. */
    count = atomic_load_explicit(&shm->released, memory_order_relaxed);
    *ring = (struct rmx_ring){
        .shm = shm,
        .rows = rows,
        .slots = slots,
        .entry_bytes = entry_bytes,
        .last = rows + last,
        .row_entries = row_entries,
        .last_entries = slots - last * row_entries,
        .row_share = RMX_ROW_WHOLE / row_entries + 1,
        .cursor = count,
        .seen = count,
        .told = count,
    };
    ring->place = rmx_ring_place(ring, count);
    return 0;
}

bool rmx_ring_producer_ask(struct rmx_ring *ring)
{
    uint32_t room = 0;

    rmx_ring_ask(&ring->shm->producer_asks);
    if (rmx_ring_reserve(ring, &room) == 0 && room == 0) {
        return true;
    }
    rmx_ring_withdraw(&ring->shm->producer_asks);
    return false;
}

bool rmx_ring_consumer_ask(struct rmx_ring *ring)
{
    uint32_t ready = 0;

    rmx_ring_ask(&ring->shm->consumer_asks);
    if (rmx_ring_peek(ring, &ready) == 0 && ready == 0) {
        return true;
    }
    rmx_ring_withdraw(&ring->shm->consumer_asks);
    return false;
}
