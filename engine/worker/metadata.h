/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What goes from input to output besides packets: tags, chapters, dispositions. Worker process, a
 * job's fiber. Does no I/O.
 */
#ifndef RMX_ENGINE_WORKER_METADATA_H
#define RMX_ENGINE_WORKER_METADATA_H

#include <libavformat/avformat.h>

/* All return 0 or AVERROR(ENOMEM). */

/* The file's tags, less those that were only true of the input. */
int rmx_metadata_copy(AVFormatContext *muxer, const AVFormatContext *demuxer);

/* Chapters, moved by ts_offset (microseconds) as the packets are. */
int rmx_metadata_copy_chapters(
    AVFormatContext *muxer, const AVFormatContext *demuxer, int64_t ts_offset);

/* Where a kind of media has several streams and none is the default, the first becomes it. Call
 * when every output stream has its input's disposition. */
void rmx_metadata_mark_defaults(AVFormatContext *muxer);

#endif
