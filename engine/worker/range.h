/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A part of the input: where reading begins, as ffmpeg's -ss before the input with -c copy, and
 * where writing ends, as its -t. Worker process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_RANGE_H
#define RMX_ENGINE_WORKER_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "engine/worker/ahead.h"
#include "engine/worker/words.h"
#include "ipc/edit.h"
#include "ipc/status.h"

/* Goes to the key frame at or before the start: seeks where the input can, else reads until there
 * and leaves what counts in ahead. Call when the streams are known, before any is chosen. Returns
 * OK, UNSUPPORTED (it cannot be sought in, or its end is not known), OVER_LIMIT (a key frame comes
 * too seldom to wait for the next one), or as rmx_verdict_input(), with the reason in words. An
 * input that ends before the start is no error. Sets the start where it was given from the end. */
enum rmx_status rmx_range_begin(struct rmx_edit_whole *whole, AVFormatContext *demuxer,
    struct rmx_ahead *ahead, struct rmx_words *words);

/* What is decoded (dts) from this time on, in microseconds of corrected time, is not written;
 * INT64_MAX = all is. */
int64_t rmx_range_end_us(const struct rmx_edit_whole *whole, const AVFormatContext *demuxer);

#endif
