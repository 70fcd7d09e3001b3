/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ADTS AAC where its AudioSpecificConfig must stand in the header, before the first packet: it is
 * made from the first packet, for which a few packets are read ahead. ffmpeg fails here. Worker
 * process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_ADTS_H
#define RMX_ENGINE_WORKER_ADTS_H

#include <libavformat/avformat.h>

#include "engine/worker/intake.h"
#include "engine/worker/mux.h"

/* Between rmx_mux_open() and rmx_mux_write_header(): gives each track of this input that needs it a
 * filter and its stream the configuration. Looks at the packets ahead first, then reads more, until
 * each ADTS stream has shown up. Without such a track it reads nothing. Returns 0 or AVERROR; an
 * input that ends or fails meanwhile is no error here: the next read tells. */
int rmx_adts_prime(struct rmx_mux *mux, struct rmx_intake *intake);

#endif
