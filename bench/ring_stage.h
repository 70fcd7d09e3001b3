/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the parts of rmx-bench ring play on: the rings, in the region both ends see, and what a
 * measurement is about. In shared memory itself, so that the far end knows it, too.
 */
#ifndef RMX_BENCH_RING_STAGE_H
#define RMX_BENCH_RING_STAGE_H

#include <stdatomic.h>
#include <stdint.h>

#include "bench/histogram.h"
#include "bench/pair.h"
#include "bench/rounds.h"

/* Where things lie in the region: there and back of each kind of ring. */
enum rmx_stage_place {
    RMX_STAGE_OURS = 0,
    RMX_STAGE_REFERENCE = 128 << 10,
    RMX_STAGE_CK = 256 << 10,
    RMX_STAGE_BACK = 64 << 10, /* behind any of these: the way back */
    RMX_STAGE_BELLS = 384 << 10,
    RMX_STAGE_CHUNKS = 1 << 20,
    RMX_STAGE_BYTES = 40 << 20
};

#define RMX_STAGE_SLOTS 1024u

struct rmx_ring_stage {
    struct rmx_region region;
    uint32_t items;
    uint32_t batch; /* items a publish */
    uint32_t trips;
    uint32_t slots;       /* of the chunk ring */
    uint32_t chunk_bytes; /* of a chunk of it */
    uint32_t chunks;
    uint64_t spin_ns;  /* how long an end polls before it sleeps */
    int bell[2];       /* eventfds: the near end's, the far end's */
    uint64_t pause_ns; /* between two publishes at half load */
    uint64_t publishes;
    uint64_t calls;                        /* system calls of them */
    _Alignas(64) _Atomic uint32_t word[2]; /* of the raw futex */
    uint64_t sent_ns;                      /* the futex's message */
    struct rmx_histogram woken_ns;
    struct rmx_histogram one_way_ns;
    struct rmx_pair pair; /* the near end's */
};

/* The entrants of each group; *count is how many. Each takes the stage as its user. */
struct rmx_entrant *rmx_ring_items(size_t *count);
struct rmx_entrant *rmx_ring_sleepers(size_t *count);
struct rmx_entrant *rmx_ring_chunks(size_t *count);

enum {
    RMX_ITEMS_OURS,
    RMX_ITEMS_BATCH,
    RMX_ITEMS_REFERENCE,
    RMX_TRIP_OURS,
    RMX_TRIP_REFERENCE,
    RMX_ITEMS_CK,
    RMX_TRIP_CK
};
enum {
    RMX_WAKE_OURS,
    RMX_WAKE_FUTEX,
    RMX_SLEEP_OURS,
    RMX_SLEEP_FUTEX,
    RMX_SLEEP_ADAPTIVE,
    RMX_SLEEP_QUIET
};
enum { RMX_CHUNKS_BULK, RMX_CHUNKS_SMALL, RMX_CHUNKS_MEMCPY };

/* GB/s of chunks of this size through the bulk ring. */
double rmx_ring_chunks_of(struct rmx_ring_stage *stage, uint32_t chunk_bytes);

/* One message after the other, each sent when the last one has arrived: into one_way_ns. */
void rmx_ring_one_way(struct rmx_ring_stage *stage);

#endif
