/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Describes an input as `ffprobe -show_programs -show_streams -show_chapters -show_format -of json`
 * does, but for the file's name, which nobody here knows. Worker process, a job's fiber. Writes to
 * the job's output only.
 */
#ifndef RMX_ENGINE_WORKER_PROBE_H
#define RMX_ENGINE_WORKER_PROBE_H

#include <stdbool.h>

#include "engine/worker/intake.h"

/* keyframes: with a list of them, for which the input is read to its end, in the words of
 * `ffprobe -show_packets`. Returns 0, AVERROR of the output, or *input_error: AVERROR of the input,
 * of which all that could be read is written; else 0. */
int rmx_probe_write(
    struct rmx_intake *intake, bool keyframes, AVIOContext *output, int *input_error);

#endif
