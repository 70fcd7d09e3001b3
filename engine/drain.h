/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The chunks of a job's output ring -> its output descriptors. A write
 * takes all chunks that follow each other, so that what arrives meanwhile is coalesced. One is in
 * flight, and to a file a second one, of what lies right behind the first: a muxer that goes back
 * to patch is therefore always in order. Runs on the lane's thread. Must never look at the bytes it
 * moves, nor believe a descriptor's words unchecked.
 *
 * Of several outputs, one that is slow holds up the others, and the job; unless the job may drop
 * it: then it is given so long for a write, and after that, or an error, its chunks are thrown
 * away.
 */
#ifndef RMX_ENGINE_DRAIN_H
#define RMX_ENGINE_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/file.h"
#include "engine/loop.h"
#include "ipc/job.h"
#include "ipc/stats.h"
#include "ring/chunk.h"

#define RMX_DRAIN_CHUNKS_MAX 64u /* in one write; below IOV_MAX */
#define RMX_DRAIN_WRITES_MAX 2u

/* What all drains of a lane share. */
struct rmx_drain_pace {
    uint32_t coalesce_bytes; /* no write is larger, but for a single chunk, or half a ring */
    uint64_t not_before_ns;  /* a write in place was slow: none until then */
};

/* Where the chunks go. */
struct rmx_drain_to {
    struct rmx_files files; /* 1 to RMX_JOB_OUTPUTS_MAX, by part; the caller's, and outlive us */
    uint32_t may_drop;      /* bits: the job goes on without them */
    uint64_t patience_ns;   /* with each write of those */
};

/* One of them. */
struct rmx_drain_output {
    uint64_t position; /* a stream's: bytes written so far */
    uint64_t end;      /* the furthest that anything was written to, also after a stop */
    int error;         /* -errno for which it was dropped, or ended the job; -ETIME: it was slow;
                          0 = none */
};

/* Chunks that lie side by side in their output, on their way there. */
struct rmx_drain_write {
    struct rmx_op op;
    struct rmx_op cancel;
    struct rmx_drain *drain;
    uint32_t chunks;      /* of the ring, given back when it is over */
    uint32_t iovec_first; /* the first that is not written whole */
    uint32_t iovecs;
    uint64_t offset;    /* where what is left of it goes */
    uint64_t end;       /* and where it ends */
    uint32_t uncounted; /* bytes written while the one before it was not over, or behind a gap */
    bool end_taken;     /* it carries the last chunk */
    bool over; /* written, or failed: the one before it is not, or its chunks would be free */
    struct iovec iovec[RMX_DRAIN_CHUNKS_MAX];
};

struct rmx_drain {
    struct rmx_loop *loop;
    struct rmx_stats *stats;
    struct rmx_drain_pace *pace;
    struct rmx_drain_to to;
    struct rmx_drain_output output[RMX_JOB_OUTPUTS_MAX];
    const struct rmx_file *file; /* of the writes in flight, or the last one */
    uint32_t part;               /* likewise */
    struct rmx_chunk_ring ring;
    void (*moved)(struct rmx_drain *drain); /* from a completion: it released, ended or broke */
    void (*watch)(struct rmx_drain *drain); /* rmx_drain_due_ns() is another */
    int (*may_grow)(struct rmx_drain *drain, uint64_t end); /* asked before a write that ends there:
                                                               0 or a -errno; NULL = it may */
    void *owner;
    uint32_t coalesce_bytes; /* no write is larger, but for a single chunk */
    uint32_t writes;         /* in flight, or over behind one that is not */
    uint32_t oldest;         /* the first of them in write[], which is a ring */
    uint64_t since_ns;       /* when it was started, if it must not take too long */
    uint64_t bytes;          /* written, up to the first gap */
    bool gap;                /* a write ended short: what was written behind it does not count; a
                                output that may be dropped has one write at a time */
    bool ended;              /* the last chunk is written: nothing comes after it */
    bool stopped;
    bool more;    /* pump again soon: what could be done at once was too much for one turn */
    bool corrupt; /* the worker broke the ring */
    int error;    /* -errno of the write that failed, of an output that the job cannot do without;
                     chunks are thrown away from then on */
    struct rmx_drain_write write[RMX_DRAIN_WRITES_MAX];
};

/* ring is our end of an empty output ring. */
void rmx_drain_init(struct rmx_drain *drain, struct rmx_loop *loop, struct rmx_stats *stats,
    struct rmx_drain_pace *pace, const struct rmx_drain_to *to, const struct rmx_chunk_ring *ring);

/* Does what can be done now: starts writes, or asks for a wake while there is none. */
void rmx_drain_pump(struct rmx_drain *drain);

/* When it is to be looked at; UINT64_MAX = not. */
uint64_t rmx_drain_due_ns(const struct rmx_drain *drain);

/* It is `now`: drops an output that was too slow. */
void rmx_drain_check_time(struct rmx_drain *drain, uint64_t now);

/* Are there outputs, and have all been dropped? */
bool rmx_drain_is_deserted(const struct rmx_drain *drain);

/* Starts nothing more and cancels what is in flight; rmx_drain_idle() tells when that is over. */
void rmx_drain_stop(struct rmx_drain *drain);

/* Is nothing being written? */
static inline bool rmx_drain_rests(const struct rmx_drain *drain)
{
    return drain->writes == 0;
}

/* No operation of ours is in the kernel: ring and file may go. */
static inline bool rmx_drain_idle(const struct rmx_drain *drain)
{
    return drain->writes == 0 && !drain->write[0].cancel.busy && !drain->write[1].cancel.busy;
}

#endif
