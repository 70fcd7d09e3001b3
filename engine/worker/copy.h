/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Moves a job's bytes as they are: into the spool before the job, out of the spool after it. Worker
 * process, the job's fiber. From one ring's memory to the other's, looking at as little as it can.
 *
 * Both set result's status and text; a stop, a failed input or a broken ring leaves its reason in
 * the two ends' rmx_avio, which overrides the status. The caller finishes the sink.
 */
#ifndef RMX_ENGINE_WORKER_COPY_H
#define RMX_ENGINE_WORKER_COPY_H

#include "engine/worker/sink.h"
#include "engine/worker/source.h"
#include "ipc/job.h"

/* Copies all of the input if a job would have to go back in it (see index.h). Else it copies
 * nothing and leaves the input ring as it is: OK, and source->bytes is 0. */
void rmx_copy_spool(
    struct rmx_source *source, struct rmx_sink *sink, struct rmx_job_result *result);

/* Copies a finished file, strictly forward. Where the job wants an MP4's or MOV's index in front,
 * it goes there. OK; OVER_LIMIT: the index is too large to be held; UNSUPPORTED: its positions
 * would not fit any more; or INTERNAL: it is broken. */
void rmx_copy_deliver(const struct rmx_job_spec *spec, struct rmx_source *source,
    struct rmx_sink *sink, struct rmx_job_result *result);

#endif
