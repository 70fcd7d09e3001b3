/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Timestamps between demuxer and muxer: the steps ffmpeg takes for `-c copy`, one function each.
 * Worker process, a job's fiber. Does no I/O. Timestamps are hostile: all sums saturate.
 *
 *   correct   every packet read: unwrap, start at zero, repair jumps         (once per packet)
 *   predict   what the stream's next dts should be                           (once per packet)
 *   convert   into the output stream's time base, missing dts filled in      (once per output)
 *   settle    dts <= pts, and dts grows                                      (once per output)
 */
#ifndef RMX_ENGINE_WORKER_TIMING_H
#define RMX_ENGINE_WORKER_TIMING_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "ipc/edit.h"

/* One input stream; times in microseconds unless the name says otherwise. */
struct rmx_timing_stream {
    int64_t dts;          /* of the current packet, read or predicted */
    int64_t next_dts;     /* predicted; AV_NOPTS_VALUE before the first packet */
    AVRational framerate; /* as it was before the first packet */
    bool started;
    bool unwrapped; /* the 33-bit correction is done with */
};

struct rmx_timing {
    AVFormatContext *demuxer;
    struct rmx_timing_stream *streams;
    unsigned count;    /* streams known when the output was opened: later ones are ignored */
    int64_t ts_offset; /* added to every timestamp */
    int64_t last_ts;   /* dts of the last packet of any stream */
    bool copies;       /* timestamps stay as they are: nothing is shifted or repaired */
};

/* Call after the input's parameters are final. whole: where the job starts, and whether timestamps
 * are copied. Returns 0 or AVERROR(ENOMEM). */
int rmx_timing_init(
    struct rmx_timing *timing, AVFormatContext *demuxer, const struct rmx_edit_whole *whole);
void rmx_timing_fini(struct rmx_timing *timing);

void rmx_timing_correct(struct rmx_timing *timing, AVPacket *packet);
void rmx_timing_predict(struct rmx_timing *timing, const AVPacket *packet);

/* packet goes from its input stream's time base to that of to. *last_samples is
 * av_rescale_delta()'s memory, the output's of this input stream: AV_NOPTS_VALUE before the first
 * packet. */
void rmx_timing_convert(
    const struct rmx_timing *timing, AVPacket *packet, const AVStream *to, int64_t *last_samples);

/* *last_dts is the output stream's, AV_NOPTS_VALUE before its first packet. */
void rmx_timing_settle(AVPacket *packet, int muxer_flags, enum AVMediaType type, int64_t *last_dts);

#endif
