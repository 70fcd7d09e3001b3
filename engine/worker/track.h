/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An output stream made after an input stream, as ffmpeg does for `-c copy`. Worker process, a
 * job's fiber. Does no I/O.
 */
#ifndef RMX_ENGINE_WORKER_TRACK_H
#define RMX_ENGINE_WORKER_TRACK_H

#include <stdbool.h>

#include <libavformat/avformat.h>

/* Gives `to`, a new stream of a muxer, all that it takes on from the input's: parameters, times,
 * disposition, side data and, if tags is set, its tags. Returns 0 or AVERROR. */
int rmx_track_copy(AVStream *to, const AVStream *from, const AVOutputFormat *muxer, bool tags);

#endif
