/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job of the libavformat stage whose output needs to be known before it is written: it runs
 * twice, first for nobody (see preview.h). The input is read twice then, and the output written
 * once, strictly forward: byte for byte the file that going back would have made. Worker process,
 * the job's fiber.
 *
 * So an MP4 or MOV gets its index in front without being moved, and goes into a pipe. All inputs
 * have to seek, and there is one output; where a pass follows that moves the index, or a repetition
 * tells nothing (ipc/repeat.h), the job runs once.
 */
#ifndef RMX_ENGINE_WORKER_REHEARSAL_H
#define RMX_ENGINE_WORKER_REHEARSAL_H

#include "engine/worker/inlet.h"
#include "engine/worker/outlet.h"
#include "ipc/job.h"

/* As rmx_remux_run(), and also: a rehearsal that fails is the job's end, with nothing written. The
 * job ends INPUT_IO if its input was another when it was read again; what was written by then is
 * no whole file. */
void rmx_rehearsal_run(const struct rmx_job_spec *spec, const struct rmx_inlet *inlet,
    const struct rmx_outlet *outlet, struct rmx_job_result *result);

#endif
