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
    return sizeof(struct rmx_ring_shm) + (size_t)slots * entry_bytes;
}

void rmx_ring_init(void *at, uint64_t first_count)
{
    struct rmx_ring_shm *shm = at;

    rmx_assert((uintptr_t)at % RMX_LINE == 0);
    memset(shm, 0, sizeof(*shm));
    /* Relaxed: the message that hands the ring to its ends orders it. */
    atomic_store_explicit(&shm->published, first_count, memory_order_relaxed);
    atomic_store_explicit(&shm->released, first_count, memory_order_relaxed);
}

int rmx_ring_attach(struct rmx_ring *ring, void *at, uint32_t slots, uint32_t entry_bytes)
{
    struct rmx_ring_shm *shm = at;
    uint64_t count;

    if (!is_geometry(slots, entry_bytes) || (uintptr_t)at % RMX_LINE != 0) {
        return -EINVAL;
    }
    /* The consumer's own count; before the first publish it is the producer's as well. Relaxed, as
     * nothing is read on its strength. If it lies, we start out of step with the liar only. */
    count = atomic_load_explicit(&shm->released, memory_order_relaxed);
    *ring = (struct rmx_ring){
        .shm = shm,
        .entries = (unsigned char *)at + sizeof(*shm),
        .slots = slots,
        .entry_bytes = entry_bytes,
        .cursor = count,
        .seen = count,
    };
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
