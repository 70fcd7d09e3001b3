/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's input ring as AVIOContexts, one for each of its inputs. Worker process, the job's fiber.
 * libavformat never sees the ring's memory: each byte is copied out once, since its producer may
 * change it at any time.
 *
 * A seek costs nothing until the next read; what was received already, or is about to be, is
 * skipped instead of asked for again. To read another input than the last is such a seek: what the
 * feed had read ahead is lost, so one of several inputs is read in large pieces. One that cannot
 * seek is turned away from at its end only, and never turned back to.
 */
#ifndef RMX_ENGINE_WORKER_SOURCE_H
#define RMX_ENGINE_WORKER_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avio.h>

#include "engine/worker/avio.h"
#include "ipc/job.h"
#include "ring/chunk.h"

#define RMX_SOURCE_SIZE_UNKNOWN UINT64_MAX

struct rmx_source;

struct rmx_source_input {
    struct rmx_source *source;
    AVIOContext *context;
    uint16_t part;   /* its number */
    uint64_t size;   /* or RMX_SOURCE_SIZE_UNKNOWN */
    uint64_t at;     /* the next byte libavformat reads */
    uint64_t earned; /* of it: the job's purse knows that they are there */
};

struct rmx_source {
    struct rmx_avio *avio;
    struct rmx_source_input input[RMX_JOB_INPUTS_MAX];
    uint32_t inputs;
    struct rmx_source_input *now; /* the one that is read */
    bool several;                 /* there is more than one */

    /* NULL, or asked once, when libavformat wants the first byte: false = it gets none, and avio
     * says why. Its owner is avio's. */
    bool (*admit)(void *owner);
    struct rmx_chunk_ring ring; /* the consumer's end */
    uint64_t next;              /* where the next chunk of this generation begins */
    struct rmx_chunk held;      /* holding: being read, not yet released */
    bool holding;
    uint32_t untold; /* chunks given back since the feed was last told */
    bool ended;      /* nothing comes after `next` */
    int error;       /* ended: -errno; 0 = the end of the stream */
    uint64_t bytes;  /* handed to libavformat */
};

/* ring: our end of an input ring nothing was taken from. several: there will be more than one
 * input. */
void rmx_source_init(struct rmx_source *source, struct rmx_avio *avio,
    const struct rmx_chunk_ring *ring, bool several);

/* The next input, at least one, before anything is read. Returns 0 or -ENOMEM. */
int rmx_source_add(struct rmx_source *source, uint64_t size, bool seekable);

/* The input last added has so many bytes, for certain: its job has earned them before it read them.
 */
void rmx_source_expect(struct rmx_source *source, uint64_t bytes);

/* The bytes at hand, of the only input: sets *bytes to those from `at` on, in the ring's memory,
 * whose producer may change them at any time: for who moves them and does not look. Waits until
 * there is one. Returns how many, or an AVERROR: EOF, EXIT, or that of an input that failed. */
int rmx_source_hold(struct rmx_source *source, const unsigned char **bytes);

/* Moves on by n of the bytes at hand; *bytes is void. */
void rmx_source_advance(struct rmx_source *source, uint32_t n);

/* Copies bytes of the first input's head, from offset `at` on, and takes none of them: before the
 * first read only. Waits until there are `wanted`, the stream ends, or the ring is full. Returns
 * how many it copied, 0 at once for what no such ring holds, or an AVERROR. */
int rmx_source_peek(struct rmx_source *source, uint64_t at, void *bytes, uint32_t wanted);

/* Accepts one that was zeroed or whose init failed. */
void rmx_source_fini(struct rmx_source *source);

#endif
