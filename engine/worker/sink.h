/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's output ring as AVIOContexts, one for each of its outputs. Worker process, the job's
 * fiber. Bytes are gathered in the reserved chunk itself, and each full chunk is offered at once.
 * Going back inside the chunk at hand rewrites it in place; any other jump, or a turn to another
 * output, begins a new chunk at its own offset.
 */
#ifndef RMX_ENGINE_WORKER_SINK_H
#define RMX_ENGINE_WORKER_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avio.h>

#include "engine/worker/avio.h"
#include "engine/worker/hold.h"
#include "ipc/job.h"
#include "ring/chunk.h"

struct rmx_sink;

/* What a muxer does where its output cannot be gone back in. */
enum rmx_sink_manner {
    RMX_SINK_TRIES = 0,   /* it tries, and does without */
    RMX_SINK_FORWARD = 1, /* it promises never to need that */
    RMX_SINK_BOXES = 2,   /* or'ed: it writes MP4 boxes, and their sizes after them: see hold.h */
};

struct rmx_sink_output {
    struct rmx_sink *sink;
    AVIOContext *context;
    uint16_t part;        /* its number */
    bool seekable;        /* the drain writes by offset */
    unsigned manner;      /* enum rmx_sink_manner */
    struct rmx_hold hold; /* not seekable, BOXES */
    uint64_t at;          /* where the muxer's next byte goes */
    uint64_t end;         /* one beyond the furthest byte sent on */
};

struct rmx_sink {
    struct rmx_avio *avio;
    struct rmx_chunk_ring ring; /* the producer's end */
    struct rmx_sink_output output[RMX_JOB_OUTPUTS_MAX];
    uint32_t outputs;
    uint16_t part;   /* which of the job's files is being written */
    uint64_t at;     /* where the next byte goes in the stream, or in that file */
    uint64_t end;    /* one beyond the furthest byte written */
    uint64_t total;  /* bytes written, of all files; what was written over counts once */
    bool gathering;  /* a chunk is reserved and has bytes */
    uint64_t start;  /* gathering: of the chunk's first byte, in the stream */
    uint32_t filled; /* gathering: bytes in it */
    uint32_t untold; /* chunks offered since the drain was last told */

    enum rmx_status ended; /* why the sink ended the job, for whoever is to know; OK: it did not */
    const char *why;       /* in a sentence */
};

/* ring: our end of an output ring nothing was put into. */
void rmx_sink_init(struct rmx_sink *sink, struct rmx_avio *avio, const struct rmx_chunk_ring *ring);

/* The first chunk is told of at once, as if it were half of the ring: somebody waits for it alone.
 * Before anything is written. */
void rmx_sink_hurry(struct rmx_sink *sink);

/* The next output, at least one, before anything is written. FORWARD: a muxer that wants to go back
 * all the same, where that cannot be, ends the job NEEDS_SEEKABLE_OUTPUT. BOXES: one that is larger
 * than is held ends it OVER_LIMIT. Returns 0 or -ENOMEM. */
int rmx_sink_add(struct rmx_sink *sink, bool seekable, unsigned manner);

/* What a hold's write returned, as libavformat is to be told; ends the job OVER_LIMIT if the box is
 * too large. */
int rmx_sink_judge_hold(struct rmx_sink *sink, int error);

/* Writes where the stream is. Returns size, or an AVERROR. */
int rmx_sink_write(struct rmx_sink *sink, const unsigned char *bytes, int size);

/* Begins one of several files, or begins it anew: what was in it is gone. Its name fits the
 * smallest chunk. What is written next goes there. Returns 0 or an AVERROR. */
int rmx_sink_begin_part(struct rmx_sink *sink, uint16_t part, const char *name);

/* Goes on with a file that was begun, which ends there at least. */
void rmx_sink_turn_to(struct rmx_sink *sink, uint16_t part, uint64_t at, uint64_t end);

/* The file is complete, `at` bytes long. Likewise; it may be begun anew. */
int rmx_sink_end_part(struct rmx_sink *sink, uint16_t part, uint64_t at);

/* A file that was complete is not wanted any more. Likewise. */
int rmx_sink_drop_part(struct rmx_sink *sink, uint16_t part);

/* The job is about to wait for a live input: what was gathered goes out, and the drain is told of
 * all it has not been told of yet. */
void rmx_sink_push(struct rmx_sink *sink);

/* The last chunk, and the mark that it is the last: the lane waits for it however the job went,
 * unless it stopped the job. Nothing more may be written. The drain is not told: the note that the
 * job is done follows. */
void rmx_sink_finish(struct rmx_sink *sink);

/* The same for an output ring that never had a sink. */
void rmx_sink_end_empty(struct rmx_chunk_ring *ring);

/* Accepts one that was zeroed or whose init failed. */
void rmx_sink_fini(struct rmx_sink *sink);

#endif
