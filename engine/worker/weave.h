/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Puts the packets of several tracks into one order, by time, without waiting for a track longer
 * than it was told: what a live job has in place of libavformat's interleaving, which waits 10 s.
 * Worker process, a job's fiber. Bounded: past a number of bytes the oldest is due.
 */
#ifndef RMX_ENGINE_WORKER_WEAVE_H
#define RMX_ENGINE_WORKER_WEAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libavcodec/packet.h>

#define RMX_WEAVE_BYTES_MAX    ((size_t)32 << 20)
#define RMX_WEAVE_PACKET_BYTES ((size_t)512) /* so much is an empty packet */

struct rmx_weave_strand; /* a packet that waits */

struct rmx_weave {
    struct rmx_weave_strand *first; /* by dts */
    struct rmx_weave_strand *last;
    unsigned *waiting; /* packets of each track */
    unsigned tracks;
    unsigned absent; /* tracks without one */
    int64_t newest_us;
    int64_t limit_us; /* of media time, and of time */
    size_t bytes;
    bool holding; /* nothing is due: more is at hand already */
};

/* Returns 0 or AVERROR(ENOMEM). */
int rmx_weave_init(struct rmx_weave *weave, unsigned tracks, uint32_t limit_us);

/* Moves the packet in; its dts is in units of base. Returns 0 or AVERROR(ENOMEM). */
int rmx_weave_put(struct rmx_weave *weave, AVPacket *packet, AVRational base);

/* Moves the next packet that need not wait any more out. all: none need wait. Returns 1, or 0 when
 * there is none. */
int rmx_weave_take(struct rmx_weave *weave, AVPacket *packet, bool all);

/* By av_gettime_relative(): when rmx_weave_take() will have one though nothing more is put in. 0 =
 * never. */
int64_t rmx_weave_due_us(const struct rmx_weave *weave);

/* Accepts one that was zeroed. */
void rmx_weave_fini(struct rmx_weave *weave);

#endif
