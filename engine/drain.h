/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The chunks of a job's output ring -> its output descriptor. One write is in flight at a time, and
 * takes all chunks that follow each other, so that what arrives meanwhile is coalesced; a muxer
 * that goes back to patch is therefore always in order. Runs on the lane's thread. Must never look
 * at the bytes it moves, nor believe a descriptor's words unchecked.
 */
#ifndef RMX_ENGINE_DRAIN_H
#define RMX_ENGINE_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/file.h"
#include "engine/loop.h"
#include "ipc/stats.h"
#include "ring/chunk.h"

#define RMX_DRAIN_CHUNKS_MAX 64u /* in one write; below IOV_MAX */

/* What all drains of a lane share. */
struct rmx_drain_pace {
    uint32_t coalesce_bytes; /* no write is larger, but for a single chunk, or half a ring */
    uint64_t not_before_ns;  /* a write in place was slow: none until then */
};

struct rmx_drain {
    struct rmx_op op;
    struct rmx_loop *loop;
    struct rmx_stats *stats;
    struct rmx_drain_pace *pace;
    const struct rmx_file *file;
    struct rmx_chunk_ring ring;
    void (*moved)(struct rmx_drain *drain); /* from a completion: it released, ended or broke */
    int (*may_grow)(struct rmx_drain *drain, uint64_t end); /* asked before a write that ends there:
                                                               0 or a -errno; NULL = it may */
    void *owner;
    uint32_t coalesce_bytes; /* no write is larger, but for a single chunk */
    uint32_t chunks;         /* chunks the write in flight takes; 0 = none */
    uint32_t iovec_first;    /* the first that is not written whole */
    uint32_t iovecs;
    uint64_t offset;   /* where the write in flight goes */
    uint64_t position; /* a stream's: bytes written so far */
    uint64_t bytes;    /* written */
    uint64_t end;      /* the furthest that anything was written to, also after a stop */
    bool end_taken;    /* the write in flight carries the last chunk */
    bool ended;        /* the last chunk is written: nothing comes after it */
    bool stopped;
    bool more;    /* pump again soon: what could be done at once was too much for one turn */
    bool corrupt; /* the worker broke the ring */
    int error;    /* -errno of the write that failed; chunks are thrown away from then on */
    struct rmx_op cancel;
    struct iovec iovec[RMX_DRAIN_CHUNKS_MAX];
};

/* ring is our end of an empty output ring; file stays the caller's and outlives the drain. */
void rmx_drain_init(struct rmx_drain *drain, struct rmx_loop *loop, struct rmx_stats *stats,
    struct rmx_drain_pace *pace, const struct rmx_file *file, const struct rmx_chunk_ring *ring);

/* Does what can be done now: starts a write, or asks for a wake. */
void rmx_drain_pump(struct rmx_drain *drain);

/* Starts nothing more and cancels what is in flight; rmx_drain_idle() tells when that is over. */
void rmx_drain_stop(struct rmx_drain *drain);

/* No operation of ours is in the kernel: ring and file may go. */
static inline bool rmx_drain_idle(const struct rmx_drain *drain)
{
    return !drain->op.busy && !drain->cancel.busy;
}

#endif
