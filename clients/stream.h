/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job's rings from the client's side: we write its input and read its output. Runs in the
 * client process, each end on one thread at a time; never waits and tells nobody, both of which are
 * the caller's. What the worker wrote is read once, checked, then used.
 */
#ifndef RMX_CLIENTS_STREAM_H
#define RMX_CLIENTS_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clients/conduit.h"
#include "clients/ringmux.h"
#include "ipc/job.h"
#include "ring/chunk.h"

/* The end we write. */
struct rmx_stream_in {
    struct rmx_job_ring place; /* slots 0: the job has none */
    struct rmx_chunk_ring ring;
    _Atomic uint64_t at; /* offset of the next byte; others may read it */
    uint64_t size;       /* or RMX_SIZE_UNKNOWN */
    bool seekable;
    bool reserved; /* the caller has room in hand */
    bool ended;    /* END or ERROR is published, for this generation */
};

/* The end we read. */
struct rmx_stream_out {
    struct rmx_job_ring place; /* slots 0: the job has none */
    struct rmx_chunk_ring ring;
    _Atomic uint64_t bytes; /* given back; others may read it */
    bool positional;
    bool parts;
    bool holding; /* the caller has the chunk `held` in hand */
    bool ended;   /* it was the last */
    bool failed;  /* it was the last, and the job failed */
    struct rmx_chunk held;
    uint32_t taken;     /* of its bytes, by rmx_read() */
    uint32_t untold;    /* chunks given back since the worker was last told */
    uint64_t read_at;   /* where rmx_read() goes on, */
    uint16_t read_part; /* and in which file */
    uint64_t next;      /* where the chunk after it begins */
    uint16_t part;
};

/* A job with rings. All but what says otherwise is for who holds the client's lock. */
struct rmx_stream {
    struct rmx_conduit *channel; /* NULL = there is none in this place */
    struct rmx_stream_in in;
    struct rmx_stream_out out;
    bool in_closed; /* the caller finished or aborted it */
    bool over;      /* the job has ended: the worker does nothing more */
    bool broken;    /* the worker broke a ring: the job was cancelled */
    int lost;       /* it ended with its line: what that was lost to; else 0 */
    bool awaited;   /* its result waits: its sink is to get more, or a source or sink is in use */
    bool pumping;   /* a thread serves source and sink */
    bool again;     /* there was news meanwhile */
    bool ready;     /* who said -EAGAIN can go on */
    bool has_source;
    bool has_sink;
    uint32_t wants; /* enum rmx_event_kind: calls that returned -EAGAIN */
    struct rmx_source source;
    struct rmx_sink sink;

    /* While pumping, in, out and these belong to the thread that pumps, lock or not. They are apart
     * from the others, since a compiler may read neighbours together. */
    bool out_closed;   /* read to its end, or dropped: the ring is not looked at any more */
    bool cut;          /* a job that ended well left its output without an end */
    bool source_rests; /* it said -EAGAIN */
    bool sink_rests;
    int out_why;      /* what calls on a closed output return */
    int source_error; /* why it broke, until that could be told */
    int sink_error;   /* why it took no more */
};

/* The shape of a ring of this size; chunk_bytes 0 is a sixteenth of it. */
struct rmx_job_ring rmx_stream_shape(uint32_t ring_bytes, uint32_t chunk_bytes);

/* --- input -------------------------------------------------------------------------------- */

/* Follows a seek if one is due. Returns 1 if there was one, with *offset; 0; or -EBADMSG: this
 * input does not go back, and the worker was told. */
int rmx_stream_follow(struct rmx_stream_in *in, uint64_t *offset);

/* Room for one chunk. Returns 0, -EAGAIN or -EBADMSG. */
int rmx_stream_reserve(struct rmx_stream_in *in, void **to, size_t *bytes);

/* Offers the first bytes of that room, at most all; they are the last ones if `end`, or if the
 * input broke with `error`. Returns true if the worker asked to be told. */
bool rmx_stream_commit(struct rmx_stream_in *in, size_t bytes, bool end, int error);

/* May we wait for room? Then the worker will tell, and about a seek too. False: look again. */
bool rmx_stream_ask_room(struct rmx_stream_in *in);

/* With nothing to offer: may we wait for a seek? Likewise. */
bool rmx_stream_ask_seek(struct rmx_stream_in *in);

/* --- output ------------------------------------------------------------------------------- */

/* The next piece, or what rmx_stream_read() left of it. Returns 1; 0 at the end; -ECANCELED: the
 * worker says that the job failed; -EAGAIN; or -EBADMSG. */
int rmx_stream_peek(struct rmx_stream_out *out, struct rmx_piece *piece);

/* Gives the piece in hand back. Returns true if the worker asked to be told: it is not woken for
 * each, but for a part of the ring, or when there is nothing more to read. */
bool rmx_stream_release(struct rmx_stream_out *out);

/* May we wait for a chunk? Then the worker will tell. False: look again. */
bool rmx_stream_ask_chunk(struct rmx_stream_out *out);

#endif
