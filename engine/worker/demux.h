/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Opens the input: recognises its container among those a byte stream can safely be, and finds out
 * what its streams are. Worker process, a job's fiber. Never lets libavformat open anything.
 */
#ifndef RMX_ENGINE_WORKER_DEMUX_H
#define RMX_ENGINE_WORKER_DEMUX_H

#include <libavformat/avformat.h>

#include "engine/worker/ahead.h"
#include "engine/worker/split.h"
#include "engine/worker/tap.h"
#include "engine/worker/words.h"
#include "ipc/job.h"
#include "ipc/status.h"

#define RMX_DEMUX_STREAMS_MAX 512

/* On OK *demuxer is the caller's, to be closed with avformat_close_input(), which leaves input
 * alone. Else BAD_MEDIA, BAD_OPTION (no such input format), UNSUPPORTED (a format that is not for
 * byte streams), OVER_LIMIT, NEEDS_SEEKABLE_INPUT, CANCELLED or INPUT_IO, with the reason in
 * words. Packets that had to be read to know the streams are put ahead: they come first. A live job
 * reads them, and all others, through split. tap is what input reads, or NULL where input seeks. */
enum rmx_status rmx_demux_open(AVFormatContext **demuxer, struct rmx_ahead *ahead,
    struct rmx_split *split, const struct rmx_job_spec *spec, struct rmx_tap *tap,
    AVIOContext *input, struct rmx_words *words);

#endif
