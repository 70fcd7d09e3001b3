/* SPDX-License-Identifier: BSD-2-Clause
 *
 * All inputs of a job: side by side, all of them open, or one after another, of which the first is
 * open when the streams are chosen and then each when its turn comes. Where there are several, the
 * words about one that failed name it. Worker process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_INPUTS_H
#define RMX_ENGINE_WORKER_INPUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/worker/inlet.h"
#include "engine/worker/intake.h"
#include "engine/worker/join.h"
#include "engine/worker/streams.h"

struct rmx_inputs {
    const struct rmx_job_spec *spec;
    const struct rmx_inlet *inlet;
    struct rmx_words *words;
    struct rmx_intake *all;
    unsigned count;
    bool joined;
    unsigned at; /* joined: the one whose turn it is; else the one that failed, if one did */
    struct rmx_join join;
};

/* All below return OK or what went wrong with input `at`, with the reason in words. What is half
 * made, fini frees. */
enum rmx_status rmx_inputs_open(struct rmx_inputs *inputs, const struct rmx_inlet *inlet,
    const struct rmx_job_spec *spec, struct rmx_words *words);

/* When the streams are chosen: makes ready for reading. Joined inputs that can all seek are looked
 * at now, to see if they fit. */
enum rmx_status rmx_inputs_begin(struct rmx_inputs *inputs);

/* Joined: closes the input that ended and opens the next. *more is false after the last one. */
enum rmx_status rmx_inputs_advance(struct rmx_inputs *inputs, bool *more);

/* Passes on a status that is about this input, and has the words name it. */
enum rmx_status rmx_inputs_blame(struct rmx_inputs *inputs, unsigned input, enum rmx_status status);

/* What there is to choose streams from. */
void rmx_inputs_pool(const struct rmx_inputs *inputs, struct rmx_streams_pool *pool);

/* Whose tags the output takes, and whose chapters: the first that has some. Joined inputs give
 * none, as in ffmpeg: NULL. */
const struct rmx_intake *rmx_inputs_tagged(const struct rmx_inputs *inputs);
const struct rmx_intake *rmx_inputs_chaptered(const struct rmx_inputs *inputs);

/* The first error of a context below them; 0 = none. */
int rmx_inputs_error(const struct rmx_inputs *inputs);

/* Takes the half-made and the empty. */
void rmx_inputs_fini(struct rmx_inputs *inputs);

#endif
