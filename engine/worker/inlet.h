/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where a job's inputs come from, as the libavformat stage sees them. Worker process, a job's
 * fiber.
 */
#ifndef RMX_ENGINE_WORKER_INLET_H
#define RMX_ENGINE_WORKER_INLET_H

#include <libavformat/avio.h>

#include "ipc/job.h"

/* The first spec->inputs of them; each says whether it can seek. Where they share one ring, reading
 * from another than the last is a seek: whoever takes turns takes large ones. Those that cannot
 * seek are read one after another, never again. */
struct rmx_inlet {
    AVIOContext *io[RMX_JOB_INPUTS_MAX];
};

#endif
