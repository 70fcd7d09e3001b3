/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One end of a ring with one producer and one consumer. Each end runs on one thread of one process;
 * a process may hold both. Must never trust a shared word: counts are read once and checked against
 * private ones; a count that cannot be is -EBADMSG and ends the peer's session, not our process.
 * Only a published count that is too small passes for an older batch's: nothing is ready then, as
 * from a peer that does nothing.
 *
 * The producer reserves, writes entries, publishes; the consumer peeks, reads entries, releases.
 * Counts are free-running 64-bit numbers. All four work on batches: reserve and peek look at the
 * peer's line each time. Their _one forms look again only when the last look is used up.
 *
 * Where the consumer looks (layout.h has the rows): in the row of the first entry it has not seen.
 * What it has seen ends where a batch ended, so that entry is the first of the next batch, and that
 * batch's row is where the producer says so. A word that an older batch left there is a count, too:
 * if it says more than what we have seen, that is so.
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

#define RMX_RING_SLOTS_MAX 65536u
#define RMX_ROW_WHOLE      (UINT32_C(1) << 20) /* a share of it is exact for each slot */

/* How far ahead the consumer fetches rows into its cache. Items of 8 bytes, one by one: 0 rows 270,
 * 1 to 4 rows 300 M/s. A producer that fetches its rows ahead is slower, 165 M/s. */
#define RMX_RING_ROWS_AHEAD 2

/* Where an entry lies: in which row, as the how-manieth of how many of it. */
struct rmx_place {
    struct rmx_row_shm *row;
    uint32_t index;
    uint32_t end;
};

struct rmx_ring {
    struct rmx_ring_shm *shm;
    struct rmx_row_shm *rows;
    struct rmx_row_shm *last; /* of the rows; there may be fewer entries in it */
    uint32_t slots;           /* a power of two */
    uint32_t entry_bytes;     /* a multiple of 8 */
    uint32_t row_entries;     /* entries of a row, */
    uint32_t last_entries;    /* and of the last */
    uint32_t row_share;       /* 1 / row_entries, of RMX_ROW_WHOLE */
    struct rmx_place place;   /* of the cursor */
    uint64_t cursor;          /* our own count: published or released */
    uint64_t seen;            /* the peer's count when we last looked; it never goes back */
    uint64_t told;            /* consumer: of the cursor, what the producer can know */
};

/* Head and rows. The geometry must be one that rmx_ring_attach() takes. */
size_t rmx_ring_bytes(uint32_t slots, uint32_t entry_bytes);

/* Makes an empty ring at `at`, before either end attaches; the geometry must be one that
 * rmx_ring_attach() takes. Both counts start at first_count: 0, but for tests that want to see them
 * wrap. Memory that is all zero is an empty ring with counts of 0. */
void rmx_ring_init(void *at, uint32_t slots, uint32_t entry_bytes, uint64_t first_count);

/* Takes one end of the ring at `at`, which has rmx_ring_bytes() bytes. The consumer may attach
 * late, but before anything was released; the producer before it has published anything. Returns 0,
 * or -EINVAL: slots is not a power of two up to RMX_RING_SLOTS_MAX, entry_bytes is not a multiple
 * of 8 up to RMX_RING_ENTRY_BYTES_MAX, or `at` is not aligned to RMX_LINE. */
int rmx_ring_attach(struct rmx_ring *ring, void *at, uint32_t slots, uint32_t entry_bytes);

/* Which slot the entry `index` places after our cursor lies in. */
static inline uint32_t rmx_ring_slot(const struct rmx_ring *ring, uint32_t index)
{
    rmx_assert(index < ring->slots);
    return (uint32_t)(ring->cursor + index) & (ring->slots - 1);
}

/* Where the entry of this count lies. */
static inline struct rmx_place rmx_ring_place(const struct rmx_ring *ring, uint64_t count)
{
    uint32_t slot = (uint32_t)count & (ring->slots - 1);
    uint32_t row = (uint32_t)((uint64_t)slot * ring->row_share / RMX_ROW_WHOLE);

    return (struct rmx_place){
        .row = ring->rows + row,
        .index = slot - row * ring->row_entries,
        .end = ring->rows + row == ring->last ? ring->last_entries : ring->row_entries,
    };
}

/* The entry `index` places after our cursor: ours while index < room (producer) or ready
 * (consumer). */
static inline void *rmx_ring_entry(const struct rmx_ring *ring, uint32_t index)
{
    struct rmx_place place = ring->place;

    rmx_assert(index < ring->slots);
    place.index += index;
    if (place.index >= place.end) {
        place = rmx_ring_place(ring, ring->cursor + index);
    }
    return place.row->entries + (size_t)place.index * ring->entry_bytes;
}

/* For who works on batches: the entries at *place, of which *run lie side by side; *place is then
 * the next row's beginning. It begins as a copy of ring->place, the cursor's; whoever goes on past
 * room or ready finds entries that are not his. */
static inline void *rmx_ring_run(
    const struct rmx_ring *ring, struct rmx_place *place, uint32_t *run)
{
    unsigned char *entries = place->row->entries + (size_t)place->index * ring->entry_bytes;

    *run = place->end - place->index;
    place->row = place->row == ring->last ? ring->rows : place->row + 1;
    place->index = 0;
    place->end = place->row == ring->last ? ring->last_entries : ring->row_entries;
    return entries;
}

/* Ours alone, for publish and release. */
static inline void rmx_ring_advance(struct rmx_ring *ring, uint32_t n)
{
    ring->cursor += n;
    ring->place.index += n;
    if (ring->place.index >= ring->place.end) {
        ring->place = rmx_ring_place(ring, ring->cursor);
    }
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
    struct rmx_row_shm *row = ring->place.row;

    rmx_assert(ring->cursor + n - ring->seen <= ring->slots);
    rmx_ring_advance(ring, n);
    /* R1, pairs with A1: the bytes written above are visible before the count that offers them. */
    atomic_store_explicit(&row->offered, ring->cursor, memory_order_release);
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

/* Ours alone, for what follows: lets the producer know what we are done with, */
static inline void rmx_ring_tell(struct rmx_ring *ring)
{
    ring->told = ring->cursor;
    /* R2, pairs with A2: our reads of the slots are over before the count that gives them back. */
    atomic_store_explicit(&ring->shm->released, ring->cursor, memory_order_release);
}

/* and is done with n more. */
static inline void rmx_ring_pass(struct rmx_ring *ring, uint32_t n)
{
    struct rmx_row_shm *row = ring->place.row;

    rmx_assert(n <= ring->seen - ring->cursor);
    rmx_ring_advance(ring, n);
    if (ring->place.row != row && ring->last - ring->place.row >= RMX_RING_ROWS_AHEAD) {
        __builtin_prefetch(ring->place.row + RMX_RING_ROWS_AHEAD);
    }
}

/* How many entries may be read now; only releasing makes it smaller. Looks no further once there
 * are `enough`: who takes batches does not reach for the row that is just being written. Returns 0,
 * or -EBADMSG: the producer published more than the ring holds. */
static inline int rmx_ring_peek_for(struct rmx_ring *ring, uint32_t enough, uint32_t *ready)
{
    uint64_t seen = ring->seen;
    struct rmx_place place = ring->place;

    while ((uint32_t)(seen - ring->cursor) < enough) {
        if (seen != ring->cursor) {
            place = rmx_ring_place(ring, seen);
        }
        /* A1, pairs with R1: once we see the count, we see the bytes it offers. */
        uint64_t offered = atomic_load_explicit(&place.row->offered, memory_order_acquire);
        uint64_t news = offered - seen;

        if (news == 0 || news > INT64_MAX) {
            break; /* an older batch's word: there is nothing yet */
        }
        if (news > ring->slots - (seen - ring->cursor)) {
            return -EBADMSG;
        }
        seen = offered;
    }
    ring->seen = seen;
    *ready = (uint32_t)(seen - ring->cursor);
    if (*ready == 0 && ring->told != ring->cursor) {
        rmx_ring_tell(ring);
    }
    return 0;
}

/* The same, of all there are. */
static inline int rmx_ring_peek(struct rmx_ring *ring, uint32_t *ready)
{
    return rmx_ring_peek_for(ring, ring->slots, ready);
}

/* Is there an entry to read? Returns 1, 0 or -EBADMSG. */
static inline int rmx_ring_peek_one(struct rmx_ring *ring)
{
    uint32_t ready = (uint32_t)(ring->seen - ring->cursor);

    if (ready == 0 && rmx_ring_peek_for(ring, 1, &ready) < 0) {
        return -EBADMSG;
    }
    return ready > 0;
}

/* Gives the first n of the entries seen back to the producer, who may overwrite them at once. */
static inline void rmx_ring_release(struct rmx_ring *ring, uint32_t n)
{
    rmx_ring_pass(ring, n);
    rmx_ring_tell(ring);
}

/* Gives one back, and lets the producer know of a row's entries together: later, that is, but no
 * later than when the ring is found empty or rmx_ring_producer_asked() is called. */
static inline void rmx_ring_release_one(struct rmx_ring *ring)
{
    rmx_ring_pass(ring, 1);
    if (ring->place.index == 0) {
        rmx_ring_tell(ring);
    }
}

/* After releasing (or seeking), once per batch: true if the producer asked to be woken, which is
 * now up to the caller. */
static inline bool rmx_ring_producer_asked(struct rmx_ring *ring)
{
    if (ring->told != ring->cursor) {
        rmx_ring_tell(ring);
    }
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
