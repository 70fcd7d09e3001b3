/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The last look at a packet's times before a muxer gets them. libavformat's muxers trust theirs:
 * the one of MP4 aborts the process over a sample in a fragment that would last longer than an int
 * can say, or end before it begins; the one of DASH divides by how long a segment is. Here such a
 * packet gets times the muxer can take. All others are left as they are. Worker process, a job's
 * fiber. Does no I/O.
 */
#ifndef RMX_ENGINE_WORKER_PACE_H
#define RMX_ENGINE_WORKER_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

struct rmx_pace_track; /* times in the output stream's units */

struct rmx_pace {
    const AVFormatContext *muxer;
    struct rmx_pace_track *tracks; /* NULL: this muxer takes all there is */
    unsigned unheard;              /* tracks of pictures and sound without a packet so far */
    bool fragments;                /* MP4 */
    bool segments;                 /* DASH */
    bool queues;                   /* the muxer has packets in hand when it ends a fragment */
    bool from_zero;                /* a track's first sample begins where the first of all does */
    bool edits;                    /* where a track begins is said in the header */
    bool time_code;                /* is one sample as long as all pictures together */
    bool begun;                    /* the muxer has written a packet, or may have */
    int64_t base;                  /* the first one's dts, in units of base_unit */
    AVRational base_unit;          /* 0/0 before that */
    int64_t written;               /* bytes, when a fragment was last seen to end */
};

/* Call after the header was written. muxer has words (words.h). queues: packets are given to
 * av_interleaved_write_frame(). Returns 0 or AVERROR(ENOMEM). */
int rmx_pace_init(struct rmx_pace *pace, const AVFormatContext *muxer, bool queues);

/* Mends the packet's times. Returns 0, or AVERROR(EOVERFLOW) where nothing can be mended: the
 * output has become longer than its time code can say. */
int rmx_pace_keep(struct rmx_pace *pace, AVPacket *packet);

/* Live MP4: may each fragment from now on begin where its first packet says, and not where the one
 * before ended by its own word? Tracks that have not begun would do so too, which is true of those
 * that begin with zero only. */
bool rmx_pace_is_exact(const struct rmx_pace *pace);

/* After each packet: has it ended a fragment? */
void rmx_pace_note_written(struct rmx_pace *pace);

/* No packet comes any more, and none is in libavformat's queue: lists that are written from now
 * on are the last (lists.h). Can the output be finished? Not DASH whose first stream had no packet
 * that the muxer, and the filters in front of it, took: it would divide by how long that is. */
bool rmx_pace_end(const struct rmx_pace *pace);

/* Accepts one that was zeroed. */
void rmx_pace_fini(struct rmx_pace *pace);

#endif
