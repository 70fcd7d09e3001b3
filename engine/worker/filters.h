/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The bitstream filters a job names for its streams, made and set up as ffmpeg's -bsf does. Worker
 * process, a job's fiber. Makes none that ipc/filter.def does not allow.
 */
#ifndef RMX_ENGINE_WORKER_FILTERS_H
#define RMX_ENGINE_WORKER_FILTERS_H

#include <stdbool.h>

#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>

#include "engine/worker/words.h"
#include "ipc/job.h"
#include "ipc/status.h"

/* What the job's edits say for this stream of muxer: *filter stays NULL if that is nothing, else it
 * is the caller's. The stream takes on what comes out of it. Returns OK, BAD_OPTION, UNSUPPORTED
 * (not for this codec) or OVER_LIMIT, with the reason in words. */
enum rmx_status rmx_filters_open(AVBSFContext **filter, AVFormatContext *muxer, AVStream *stream,
    const struct rmx_job_spec *spec, struct rmx_words *words);

/* What came out of such a filter, an expression's result maybe, as muxers bear it: with a dts, as
 * some abort without, 31 years from zero at most, and no duration below zero. base: of its times;
 * last_dts: the stream's, or AV_NOPTS_VALUE. */
void rmx_filters_tame(AVPacket *packet, AVRational base, int64_t last_dts);

#endif
