/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Finding out what the streams of a live input are, by no more packets than say it: parameter sets
 * and headers are read as they come by, and a frame is decoded only where they do not say it: the
 * true rate of some AAC, pictures of old codecs. Worker process, a job's fiber.
 *
 * A stream that was announced is waited for, but not for long: silent, it is left out.
 *
 * What a job holds does not grow while it runs: of fragmented MP4, of which libavformat's demuxer
 * keeps an index entry for each sample, several demuxers read their share, see renew.h.
 */
#ifndef RMX_ENGINE_WORKER_LIVE_H
#define RMX_ENGINE_WORKER_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "engine/worker/ahead.h"
#include "engine/worker/split.h"
#include "engine/worker/streams.h"

/* No packet for so long, while others have some: silent. By the clock, since a fragment of an MP4
 * may hold seconds of one stream before the next; by the media it is ten times as long, for an
 * input that comes faster than it plays. */
#define RMX_LIVE_SILENT_US 500000

/* Packets for so long, by clock or media, but none that says what they are. */
#define RMX_LIVE_PATIENCE_US 15000000

/* Between the making of the demuxer's context and its opening: how much it may read before it must
 * know its streams. Returns which kinds of streams the input's first bytes promise, for the look.
 */
unsigned rmx_live_prepare(AVFormatContext *demuxer, const AVInputFormat *format);

struct rmx_live_look {
    unsigned kinds;     /* as rmx_live_prepare() returned them */
    uint32_t silent_us; /* at least how long to wait for a silent stream */
};

/* Instead of avformat_find_stream_info(), and with its return values. tap, or NULL: what demuxer
 * reads. Packets read go ahead. */
int rmx_live_find_streams(AVFormatContext *demuxer, struct rmx_ahead *ahead,
    struct rmx_split *split, struct rmx_tap *tap, const struct rmx_live_look *how);

/* Takes streams nothing is known of out of those chosen, and those of which the muxer needs a
 * packet, but none is ahead; and says so. */
void rmx_live_leave_out(struct rmx_streams *streams, const AVFormatContext *demuxer,
    const struct rmx_ahead *ahead, const AVFormatContext *muxer);

#endif
