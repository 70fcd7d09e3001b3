/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Describes an input as `ffprobe -show_format -show_streams -of json` does, but for the file's
 * name, which nobody here knows. Worker process, a job's fiber. Writes to the job's output only.
 */
#ifndef RMX_ENGINE_WORKER_PROBE_H
#define RMX_ENGINE_WORKER_PROBE_H

#include <libavformat/avformat.h>

/* Returns 0 or AVERROR. */
int rmx_probe_write(AVFormatContext *demuxer, AVIOContext *output);

#endif
