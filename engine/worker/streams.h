/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which streams of the inputs go to an output, and in which order: ffmpeg's -map, or its own choice
 * where nothing is asked for. Worker process, a job's fiber. Does no I/O.
 */
#ifndef RMX_ENGINE_WORKER_STREAMS_H
#define RMX_ENGINE_WORKER_STREAMS_H

#include <libavformat/avformat.h>

#include "engine/worker/words.h"
#include "ipc/job.h"
#include "ipc/status.h"

#define RMX_STREAMS_MAX 1024 /* of one output; each selection may name a stream again */

struct rmx_source {
    unsigned input;
    unsigned stream;
};

struct rmx_streams {
    struct rmx_source *source; /* of each output stream */
    unsigned count;
};

/* What there is to choose from: inputs that are joined are one, the first. */
struct rmx_streams_pool {
    AVFormatContext *demuxers[RMX_JOB_INPUTS_MAX];
    unsigned count;
};

/* Returns OK with at least one stream chosen, or NO_STREAMS, BAD_OPTION, OVER_LIMIT, UNSUPPORTED
 * with the reason in words. */
enum rmx_status rmx_streams_choose(struct rmx_streams *streams, const struct rmx_streams_pool *pool,
    const AVOutputFormat *muxer, const struct rmx_job_spec *spec, struct rmx_words *words);

/* Sets all streams to be skipped by the demuxer: first of all. */
void rmx_streams_skip(AVFormatContext *demuxer);

/* But not those that were chosen: then, for each output. */
void rmx_streams_want(const struct rmx_streams *streams, const struct rmx_streams_pool *pool);

void rmx_streams_fini(struct rmx_streams *streams);

#endif
