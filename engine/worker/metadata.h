/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What goes from input to output besides packets: tags, chapters, dispositions. Worker process, a
 * job's fiber. Does no I/O.
 */
#ifndef RMX_ENGINE_WORKER_METADATA_H
#define RMX_ENGINE_WORKER_METADATA_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

/* All return 0 or AVERROR(ENOMEM). */

/* The file's tags, less those that were only true of the input, as its duration is when this is a
 * part of it. */
int rmx_metadata_copy(AVFormatContext *muxer, const AVFormatContext *demuxer, bool part);

/* Which chapters, and what of them. */
struct rmx_metadata_chapters {
    int64_t ts_offset;   /* microseconds: they are moved by it as the packets are */
    int64_t duration_us; /* of the output; INT64_MAX = all */
    bool tags;
};

int rmx_metadata_copy_chapters(AVFormatContext *muxer, const AVFormatContext *demuxer,
    const struct rmx_metadata_chapters *which);

/* Where a kind of media has several streams and none is the default, the first becomes it. Call
 * when every output stream has its input's disposition. */
void rmx_metadata_mark_defaults(AVFormatContext *muxer);

#endif
