/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inputs one after another in one output, as ffmpeg's concat demuxer has them: which stream goes on
 * where, whether it can, and when. Worker process, a job's fiber.
 *
 * An input begins where the one before ended, by its packets and not by its header: as early as it
 * can without that a stream of pictures or sound has two packets for one moment. All its streams
 * move together, so what was in step stays in step.
 */
#ifndef RMX_ENGINE_WORKER_JOIN_H
#define RMX_ENGINE_WORKER_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "engine/worker/intake.h"
#include "engine/worker/words.h"
#include "ipc/status.h"

struct rmx_join_stream; /* of the first input */

struct rmx_join {
    struct rmx_join_stream *streams;
    unsigned count;
};

/* The first input, whose streams are chosen. Returns 0 or AVERROR(ENOMEM). */
int rmx_join_begin(struct rmx_join *join, const struct rmx_intake *first);

/* Finds each chosen stream's continuation in another input, which is open, and has the demuxer skip
 * all else. Returns OK, UNSUPPORTED with the first difference in words, or OVER_LIMIT. */
enum rmx_status rmx_join_fit(
    const struct rmx_join *join, struct rmx_intake *next, struct rmx_words *words);

/* Each packet that is written, corrected. */
void rmx_join_note(struct rmx_join *join, const struct rmx_intake *intake, const AVPacket *packet);

/* Moves an input that fits to where what was noted ends. Reads ahead to see how its streams begin.
 * Returns 0 or AVERROR(ENOMEM). */
int rmx_join_continue(struct rmx_join *join, struct rmx_intake *next);

/* Accepts one that was zeroed. */
void rmx_join_fini(struct rmx_join *join);

#endif
