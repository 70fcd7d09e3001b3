/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's input descriptors -> the chunks of its input ring, of one at a time: a seek says which.
 * Several reads are in flight on a file, one on a stream; chunks are published in order. Runs on
 * the lane's thread. Must never look at the bytes it moves.
 *
 * Read-ahead starts small and doubles while the worker reads on; a seek starts it again. A file
 * that fits into the ring is read at once. A worker that sleeps for more and gives nothing back
 * looks for something further on: it gets more, up to all of the ring.
 */
#ifndef RMX_ENGINE_FEED_H
#define RMX_ENGINE_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/file.h"
#include "engine/limits.h"
#include "engine/loop.h"
#include "ipc/job.h"
#include "ipc/stats.h"
#include "ring/chunk.h"

struct rmx_feed;

struct rmx_read {
    struct rmx_op op;
    struct rmx_op cancel;
    unsigned char *to; /* its slots' payload, in the ring */
    uint64_t offset;   /* in the stream, of its first byte */
    uint32_t bytes;    /* wanted */
    uint32_t got;
    uint32_t slots; /* reserved for it, from the end of the read before it */
    int error;
    bool done;
    bool end;   /* the stream ends with its last byte */
    bool stale; /* a seek or an end came before it: drop it */
};

struct rmx_feed {
    struct rmx_loop *loop;
    struct rmx_stats *stats;
    struct rmx_files files;
    const struct rmx_file *file; /* the one of them it is at */
    uint32_t begun;              /* bits: those it was at */
    struct rmx_chunk_ring ring;
    void (*moved)(struct rmx_feed *feed); /* from a completion: it published, ended or broke */
    void *owner;
    uint64_t at;       /* the stream offset the next read starts at */
    uint64_t released; /* the consumer's count when we last looked */
    uint32_t window;   /* slots that may be filled ahead of the consumer */
    uint32_t depth;    /* of a file's */
    uint32_t first;    /* the oldest of the reads in flight */
    uint32_t count;    /* reads in flight, in stream order from `first` */
    uint32_t taken;    /* slots reserved for them */
    bool took;         /* a read has come back with bytes, an end or an error: of a stream, that can
                          be had no more, though it was not published */
    bool ended;        /* END or ERROR is published for this generation */
    bool stopped;
    bool more;        /* pump again soon: what could be done at once was too much for one turn */
    bool corrupt;     /* the worker broke the ring */
    int error;        /* -errno of the first failed read; 0 = none */
    uint64_t bytes;   /* published */
    uint32_t cancels; /* under way */
    struct rmx_read reads[RMX_READ_DEPTH_MAX];
};

/* ring is our end of an empty input ring; files are 1 to RMX_JOB_INPUTS_MAX, which stay the
 * caller's and outlive the feed. */
void rmx_feed_init(struct rmx_feed *feed, struct rmx_loop *loop, struct rmx_stats *stats,
    const struct rmx_files *files, const struct rmx_chunk_ring *ring, uint32_t depth);

/* Does what can be done now: follows a seek, starts reads, asks for a wake. */
void rmx_feed_pump(struct rmx_feed *feed);

/* Starts nothing more and cancels what is in flight; rmx_feed_idle() tells when that is over. */
void rmx_feed_stop(struct rmx_feed *feed);

/* No operation of ours is in the kernel: ring and file may go. */
static inline bool rmx_feed_idle(const struct rmx_feed *feed)
{
    return feed->count == 0 && feed->cancels == 0;
}

#endif
