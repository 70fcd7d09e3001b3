/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The ring we compare with: a queue of one producer and one consumer as Erik Rigtorp published it
 * (github.com/rigtorp/SPSCQueue), written anew from his description. Each side's index lies on a
 * line of its own, beside it on another what that side last saw of the other one's, so that it
 * looks again only when the queue seems full or empty; any capacity, one slot of it always free.
 * No batches, no wake-ups, no distrust. For benchmarks alone.
 */
#ifndef RMX_BENCH_REFERENCE_H
#define RMX_BENCH_REFERENCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RMX_REFERENCE_LINE     64
#define RMX_REFERENCE_CAPACITY 1025u /* 1024 usable, as many as the others have */

struct rmx_reference {
    _Alignas(RMX_REFERENCE_LINE) _Atomic uint64_t written;
    _Alignas(RMX_REFERENCE_LINE) uint64_t read_seen; /* the producer's */
    _Alignas(RMX_REFERENCE_LINE) _Atomic uint64_t read;
    _Alignas(RMX_REFERENCE_LINE) uint64_t written_seen; /* the consumer's */
    _Alignas(RMX_REFERENCE_LINE) uint64_t items[RMX_REFERENCE_CAPACITY];
};

static inline uint64_t rmx_reference_after(uint64_t index)
{
    return index + 1 == RMX_REFERENCE_CAPACITY ? 0 : index + 1;
}

static inline bool rmx_reference_push(struct rmx_reference *ring, uint64_t item)
{
    uint64_t at = atomic_load_explicit(&ring->written, memory_order_relaxed);
    uint64_t after = rmx_reference_after(at);

    if (after == ring->read_seen) {
        ring->read_seen = atomic_load_explicit(&ring->read, memory_order_acquire);
        if (after == ring->read_seen) {
            return false;
        }
    }
    ring->items[at] = item;
    atomic_store_explicit(&ring->written, after, memory_order_release);
    return true;
}

static inline bool rmx_reference_pop(struct rmx_reference *ring, uint64_t *item)
{
    uint64_t at = atomic_load_explicit(&ring->read, memory_order_relaxed);

    if (at == ring->written_seen) {
        ring->written_seen = atomic_load_explicit(&ring->written, memory_order_acquire);
        if (at == ring->written_seen) {
            return false;
        }
    }
    *item = ring->items[at];
    atomic_store_explicit(&ring->read, rmx_reference_after(at), memory_order_release);
    return true;
}

#endif
