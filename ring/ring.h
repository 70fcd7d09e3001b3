/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One end of a ring with one producer and one consumer. Each end runs on one thread of one process;
 * a process may hold both. Must never trust a shared word: counts are read once and checked against
 * private ones; a count that cannot be is -EBADMSG and ends the peer's session, not our process.
 *
 * The producer reserves, writes entries, publishes; the consumer peeks, reads entries, releases.
 * Counts are free-running 64-bit numbers. All four work on batches: reserve and peek look at the
 * peer's line each time. Their _one forms look again only when the last look is used up.
 *
 * Sleeping without losing a wake-up. Who wants to sleep arms its bell (bell.h), sets its ask word,
 * then looks at the ring once more. The other side moves its count, then takes the ask word, once
 * per batch, and rings if it was set:
 *
 *     sleeper                            waker
 *     arm the bell                       publish (or release)
 *     exchange(ask, 1)       A4 R5       exchange(ask, 0)       R4 A5
 *     look again                         was 1: ring the bell
 *     nothing: sleep
 *
 * Both are exchanges of one word, so one comes first in its modification order. If the waker's
 * does, the sleeper's reads what it wrote (or a later exchange, which carries it on): that is the
 * edge R4 -> A4, and the second look sees the count. If the sleeper's does, the waker reads its 1:
 * that is R5 -> A5, and the bell it rings is armed. There is no third case, hence no fence.
 *
 * R5 -> A5 is not there for form's sake. The count may be seen without any ask, by polling; without
 * the edge a waker that is late with its exchange could take an ask meant for the next count and
 * ring a bell not yet armed, and the next count would find no ask. tests/spin found that.
 *
 * The word must not be looked at with a plain load first "to save the exchange": that load may be
 * satisfied before the count is visible, both sides then see nothing, and the wake-up is lost. Nor
 * may it ever be reset with a plain store, which would cut the chain of exchanges.
 */
#ifndef RMX_RING_RING_H
#define RMX_RING_RING_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/base.h"
#include "ring/layout.h"

#define RMX_RING_SLOTS_MAX       65536u
#define RMX_RING_ENTRY_BYTES_MAX 128u

struct rmx_ring {
    struct rmx_ring_shm *shm;
    unsigned char *entries;
    uint32_t slots;       /* a power of two */
    uint32_t entry_bytes; /* a multiple of 8 */
    uint64_t cursor;      /* our own count: published or released */
    uint64_t seen;        /* the peer's count when we last looked; it never goes back */
};

/* Head and entries. The geometry must be one that rmx_ring_attach() takes. */
size_t rmx_ring_bytes(uint32_t slots, uint32_t entry_bytes);

/* Makes an empty ring at `at`, before either end attaches. Both counts start at first_count: 0, but
 * for tests that want to see them wrap. */
void rmx_ring_init(void *at, uint64_t first_count);

/* Takes one end of the ring at `at`, which has rmx_ring_bytes() bytes. The consumer may attach
 * late; the producer attaches before it has published anything. Returns 0, or -EINVAL: slots is not
 * a power of two up to RMX_RING_SLOTS_MAX, entry_bytes is not a multiple of 8 up to
 * RMX_RING_ENTRY_BYTES_MAX, or `at` is not aligned to RMX_LINE. */
int rmx_ring_attach(struct rmx_ring *ring, void *at, uint32_t slots, uint32_t entry_bytes);

/* Which slot the entry `index` places after our cursor lies in. */
static inline uint32_t rmx_ring_slot(const struct rmx_ring *ring, uint32_t index)
{
    rmx_assert(index < ring->slots);
    return (uint32_t)(ring->cursor + index) & (ring->slots - 1);
}

/* The entry `index` places after our cursor: ours while index < room (producer) or ready
 * (consumer). */
static inline void *rmx_ring_entry(const struct rmx_ring *ring, uint32_t index)
{
    return ring->entries + (size_t)rmx_ring_slot(ring, index) * ring->entry_bytes;
}

/* --- the producer's side ------------------------------------------------------------------- */

/* How many entries may be written now; only publishing makes it smaller. Returns 0, or -EBADMSG:
 * the consumer released what it never had, or went back. */
static inline int rmx_ring_reserve(struct rmx_ring *ring, uint32_t *room)
{
    /* A2, pairs with R2: once we see the count, the consumer is done reading those slots. */
    uint64_t released = atomic_load_explicit(&ring->shm->released, memory_order_acquire);

    if (released - ring->seen > ring->cursor - ring->seen) {
        return -EBADMSG;
    }
    ring->seen = released;
    *room = ring->slots - (uint32_t)(ring->cursor - released);
    return 0;
}

/* Is there room for one entry? Returns 1, 0 or -EBADMSG. */
static inline int rmx_ring_reserve_one(struct rmx_ring *ring)
{
    uint32_t room = ring->slots - (uint32_t)(ring->cursor - ring->seen);

    if (room == 0 && rmx_ring_reserve(ring, &room) < 0) {
        return -EBADMSG;
    }
    return room > 0;
}

/* Offers the first n of the reserved entries to the consumer. */
static inline void rmx_ring_publish(struct rmx_ring *ring, uint32_t n)
{
    rmx_assert(ring->cursor + n - ring->seen <= ring->slots);
    ring->cursor += n;
    /* R1, pairs with A1: the bytes written above are visible before the count that offers them. */
    atomic_store_explicit(&ring->shm->published, ring->cursor, memory_order_release);
}

/* After publishing, once per batch: true if the consumer asked to be woken, which is now up to the
 * caller. */
static inline bool rmx_ring_consumer_asked(struct rmx_ring *ring)
{
    /* R4, pairs with A4: a consumer that asks after this sees what we published before it.
     * A5, pairs with R5: one that has asked has armed its bell, and we shall find it armed. */
    return atomic_exchange_explicit(&ring->shm->consumer_asks, 0, memory_order_acq_rel) != 0;
}

/* No room: may the producer sleep for it? True: it has asked, there still is none, and the consumer
 * will wake it. False: look again, there is room or -EBADMSG. */
bool rmx_ring_producer_ask(struct rmx_ring *ring);

/* --- the consumer's side ------------------------------------------------------------------- */

/* How many entries may be read now; only releasing makes it smaller. Returns 0, or -EBADMSG: the
 * producer published more than the ring holds, or went back. */
static inline int rmx_ring_peek(struct rmx_ring *ring, uint32_t *ready)
{
    /* A1, pairs with R1: once we see the count, we see the bytes it offers. */
    uint64_t published = atomic_load_explicit(&ring->shm->published, memory_order_acquire);

    if (published - ring->seen > ring->cursor + ring->slots - ring->seen) {
        return -EBADMSG;
    }
    ring->seen = published;
    *ready = (uint32_t)(published - ring->cursor);
    return 0;
}

/* Is there an entry to read? Returns 1, 0 or -EBADMSG. */
static inline int rmx_ring_peek_one(struct rmx_ring *ring)
{
    uint32_t ready = (uint32_t)(ring->seen - ring->cursor);

    if (ready == 0 && rmx_ring_peek(ring, &ready) < 0) {
        return -EBADMSG;
    }
    return ready > 0;
}

/* Gives the first n of the entries seen back to the producer, who may overwrite them at once. */
static inline void rmx_ring_release(struct rmx_ring *ring, uint32_t n)
{
    rmx_assert(n <= ring->seen - ring->cursor);
    ring->cursor += n;
    /* R2, pairs with A2: our reads of the slots are over before the count that gives them back. */
    atomic_store_explicit(&ring->shm->released, ring->cursor, memory_order_release);
}

/* After releasing (or seeking), once per batch: true if the producer asked to be woken, which is
 * now up to the caller. */
static inline bool rmx_ring_producer_asked(struct rmx_ring *ring)
{
    /* R4, pairs with A4: a producer that asks after this sees what we released before it.
     * A5, pairs with R5: one that has asked has armed its bell, and we shall find it armed. */
    return atomic_exchange_explicit(&ring->shm->producer_asks, 0, memory_order_acq_rel) != 0;
}

/* Nothing to read: may the consumer sleep for it? True: it has asked, there still is nothing, and
 * the producer will wake it. False: look again, there is an entry or -EBADMSG. */
bool rmx_ring_consumer_ask(struct rmx_ring *ring);

/* --- the ask word itself, for rings that wait for more than a count ------------------------- */

/* Sets it. The caller looks at everything it waits for afterwards. */
static inline void rmx_ring_ask(_Atomic uint32_t *word)
{
    /* A4, pairs with R4: what the waker did before it last took the word is visible to our look.
     * R5, pairs with A5: the bell we armed before this is armed for who takes the word. */
    (void)atomic_exchange_explicit(word, 1, memory_order_acq_rel);
}

/* Takes it back, since the look found something. An exchange, so that the chain holds; relaxed,
 * because it tells nobody anything. */
static inline void rmx_ring_withdraw(_Atomic uint32_t *word)
{
    (void)atomic_exchange_explicit(word, 0, memory_order_relaxed);
}

#endif
