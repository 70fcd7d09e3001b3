/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The muxer of an output, before it knows its streams: made, given its options, and asked whether
 * the output can take what it does. Worker process, a job's fiber. Never lets libavformat open
 * anything.
 */
#ifndef RMX_ENGINE_WORKER_TARGET_H
#define RMX_ENGINE_WORKER_TARGET_H

#include <libavformat/avformat.h>

#include "engine/worker/outlet.h"
#include "engine/worker/words.h"
#include "ipc/job.h"
#include "ipc/status.h"

/* spec is the output's own. Returns OK, or NEEDS_SEEKABLE_OUTPUT, BAD_OPTION, UNSUPPORTED,
 * OVER_LIMIT with the reason in words. *context is the caller's, even then, unless it is NULL. */
enum rmx_status rmx_target_open(AVFormatContext **context, const struct rmx_outlet *outlet,
    unsigned output, const struct rmx_job_spec *spec, struct rmx_words *words);

/* What the output is called: of several files, the one that names the others. The spec passed the
 * check. */
const char *rmx_target_name(const struct rmx_job_spec *spec);

/* The container that media end up in: the muxer's own, or of one that splits what its parts are.
 * NULL where neither their name nor an option tells it, or no job may have it. */
const AVOutputFormat *rmx_target_container(const AVFormatContext *context);

#endif
