/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where an output that is split into parts is cut: at its chapters. Worker process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_CUTS_H
#define RMX_ENGINE_WORKER_CUTS_H

#include <libavformat/avformat.h>

#include "ipc/job.h"

/* The job's value for segment_times that is no time. */
#define RMX_CUTS_AT_CHAPTERS "chapters"

/* Tells the muxer, which has its chapters and no header yet, if the job asks for that. Returns 0 or
 * AVERROR. */
int rmx_cuts_set(AVFormatContext *muxer, const struct rmx_job_spec *spec);

#endif
