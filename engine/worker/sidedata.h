/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A stream's side data as ffprobe shows it: rotation, stereo, light levels, Dolby Vision. Worker
 * process, a job's fiber. Writes to the job's output only.
 */
#ifndef RMX_ENGINE_WORKER_SIDEDATA_H
#define RMX_ENGINE_WORKER_SIDEDATA_H

#include <libavformat/avformat.h>

#include "engine/worker/json.h"

/* The member "side_data_list", or nothing where the stream has none. */
void rmx_sidedata_write(struct rmx_json *json, const AVStream *stream);

#endif
