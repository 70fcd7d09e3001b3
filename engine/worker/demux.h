/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Opens the input: recognises its container among those a byte stream can safely be, and finds out
 * what its streams are. Worker process, a job's fiber. Never lets libavformat open anything.
 */
#ifndef RMX_ENGINE_WORKER_DEMUX_H
#define RMX_ENGINE_WORKER_DEMUX_H

#include <stdbool.h>

#include <libavformat/avformat.h>

#include "engine/worker/ahead.h"
#include "engine/worker/native.h"
#include "engine/worker/split.h"
#include "engine/worker/tap.h"
#include "engine/worker/words.h"
#include "ipc/job.h"
#include "ipc/status.h"

/* What an input is read with and through. */
struct rmx_demux_way {
    AVIOContext *input;
    struct rmx_tap *tap;     /* what input reads; NULL where input seeks */
    struct rmx_split *split; /* a live job reads its packets through it */
    struct rmx_ahead *ahead; /* packets that had to be read to know the streams: they come first */
    const char *key;         /* to decrypt it with, in hexadecimal digits; NULL = none */
    struct rmx_native **native; /* what reads a plain MP4 instead of libavformat, to be freed after
                                 * the demuxer; NULL = libavformat reads all */
    bool measured;              /* no short cut may leave out how long it is */
};

/* On OK *demuxer is the caller's, to be closed with avformat_close_input(), which leaves input
 * alone. Else BAD_MEDIA, BAD_OPTION (no such input format), UNSUPPORTED (a format that is not for
 * byte streams), OVER_LIMIT, NEEDS_SEEKABLE_INPUT, CANCELLED or INPUT_IO, with the reason in
 * words. */
enum rmx_status rmx_demux_open(AVFormatContext **demuxer, const struct rmx_demux_way *way,
    const struct rmx_job_spec *spec, struct rmx_words *words);

#endif
