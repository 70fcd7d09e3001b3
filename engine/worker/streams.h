/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which streams of the input go to the output, and in which order: ffmpeg's -map, or its own
 * choice where nothing is asked for. Worker process, a job's fiber. Does no I/O.
 */
#ifndef RMX_ENGINE_WORKER_STREAMS_H
#define RMX_ENGINE_WORKER_STREAMS_H

#include <libavformat/avformat.h>

#include "engine/worker/words.h"
#include "ipc/job.h"
#include "ipc/status.h"

#define RMX_STREAMS_MAX 1024 /* outputs of one job; each selection may name a stream again */

struct rmx_streams {
    unsigned *source; /* the input stream of each output stream */
    unsigned count;
};

/* Returns OK with at least one stream chosen, or NO_STREAMS, BAD_OPTION, OVER_LIMIT, UNSUPPORTED
 * with the reason in words. Unchosen streams are set to be skipped by the demuxer. */
enum rmx_status rmx_streams_choose(struct rmx_streams *streams, AVFormatContext *demuxer,
    const AVOutputFormat *muxer, const struct rmx_job_spec *spec, struct rmx_words *words);

void rmx_streams_fini(struct rmx_streams *streams);

#endif
