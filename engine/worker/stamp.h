/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The times of a live input's packets, as libavformat would have them: of what was taken apart by
 * parsers here, and of pictures that come without a dts. Worker process, a job's fiber. Does no
 * I/O.
 */
#ifndef RMX_ENGINE_WORKER_STAMP_H
#define RMX_ENGINE_WORKER_STAMP_H

#include "engine/worker/split.h"

/* How long a picture lasts, of which its parser said so many repeats. Call for each. */
int64_t rmx_stamp_duration(
    struct rmx_split_stream *state, const AVPacket *packet, int repeats, AVRational base);

/* Of what the stream's parser has just found. */
void rmx_stamp_picture(struct rmx_split_stream *state, AVPacket *packet, AVRational base);
void rmx_stamp_sound(struct rmx_split_stream *state, AVPacket *packet, const AVStream *stream);

/* See rmx_split_order(). */
void rmx_stamp_order(struct rmx_split_stream *state, AVPacket *packet);

#endif
