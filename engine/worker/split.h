/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reads the packets of a live input as libavformat would give them, but earlier. Its parser of
 * MPEG-TS pictures holds each until the next one begins; here a PES packet that is one picture goes
 * on as it is, and all else is split into frames as ever. Matroska has no dts; here it is made from
 * the pts and the reorder depth, which libavformat would ask a decoder for. Worker process, a job's
 * fiber.
 *
 * No PES packet says that its picture goes on in the next one. So it goes on only where the next
 * one is known not to go on with it (packing.h): that one was seen to begin, or each so far began
 * with a picture. Else it waits for the next one; and the first that is not one picture hands the
 * stream over to the parser, with all that waits.
 */
#ifndef RMX_ENGINE_WORKER_SPLIT_H
#define RMX_ENGINE_WORKER_SPLIT_H

#include <stdbool.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "engine/worker/renew.h"

#define RMX_SPLIT_REORDER_MAX 16 /* H.264's and H.265's own limit */

struct rmx_split_stream {
    enum AVCodecID opened_for;    /* a stream's codec may come out with its first packet */
    AVCodecParserContext *parser; /* NULL: packets go on as they are */
    AVCodecContext *codec;        /* what the parser finds out */
    bool loose;                   /* the parser finds where pictures begin and end */
    AVPacket *held;               /* a picture, unless the next PES packet goes on with it */
    unsigned checked;             /* pictures that went on as they came */
    int repeats;                  /* what the parser said of them all; -1 = not always the same */
    bool plain;                   /* H.264 that needs no parser any more */
    int64_t last_ts;              /* dts of the packet before */
    AVRational lasts;             /* of sound: that packet, in seconds; 0 = not known */
    int64_t pts[RMX_SPLIT_REORDER_MAX + 1]; /* the newest ones, least first: see order */
    unsigned reorder;                       /* how many a picture can be behind */
    bool order;                             /* dts is made here */
    bool ordering;                          /* and has been before */
};

struct rmx_split {
    AVFormatContext *demuxer;
    struct rmx_split_stream *streams;
    unsigned count;
    bool parses;    /* else libavformat does */
    bool raw_sound; /* has no times but those counted here */
    const struct rmx_tap *tap;
    AVPacket *raw;          /* being taken apart */
    AVPacket *next;         /* came, but what was held goes first */
    int at;                 /* the first byte of it that is still to come */
    struct rmx_renew renew; /* of MP4 */
    unsigned ended;         /* at the end of the input: streams that gave up their last frame */
};

/* Call when the demuxer is open and before anything is read. tap, or NULL: what it reads. Returns 0
 * or AVERROR(ENOMEM). */
int rmx_split_begin(struct rmx_split *split, AVFormatContext *demuxer, struct rmx_tap *tap);

/* As av_read_frame(). */
int rmx_split_read(struct rmx_split *split, AVPacket *packet);

/* From now on the stream's dts is made from its pts. */
void rmx_split_order(struct rmx_split *split, unsigned stream, unsigned reorder);

/* MPEG-TS: sound by its table, of a kind which that does not say; the first packet tells.
 * libavformat would ask for several. */
bool rmx_split_is_unnamed(const AVStream *stream);

/* Takes the half-made and the empty. */
void rmx_split_fini(struct rmx_split *split);

#endif
