/* SPDX-License-Identifier: BSD-2-Clause
 *
 * All outputs of a job: what is done to one is done to each, in their order. Where there are
 * several, the words about one that failed name it. Worker process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_OUTPUTS_H
#define RMX_ENGINE_WORKER_OUTPUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/worker/inputs.h"
#include "engine/worker/mux.h"

struct rmx_output {
    struct rmx_job_spec spec; /* its own: ipc/several.h */
    struct rmx_streams streams;
    struct rmx_mux mux;
};

struct rmx_outputs {
    struct rmx_output *all;
    unsigned count;
    unsigned failed; /* which of them the last error is about */
    struct rmx_words *words;
};

/* Of all below that return a status it is OK or the first output's that failed, with the reason in
 * words; of those that return an int, 0 or AVERROR. What is half made, fini frees. */
enum rmx_status rmx_outputs_open(struct rmx_outputs *outputs, const struct rmx_outlet *outlet,
    const struct rmx_job_spec *spec, struct rmx_words *words);

/* Chooses the streams of each, and has the demuxers skip all others. */
enum rmx_status rmx_outputs_choose(struct rmx_outputs *outputs, struct rmx_inputs *inputs);

/* The headers. */
enum rmx_status rmx_outputs_begin(struct rmx_outputs *outputs, struct rmx_inputs *inputs);

/* Gives all of them the packet; leaves it empty. */
int rmx_outputs_write(
    struct rmx_outputs *outputs, const struct rmx_intake *intake, AVPacket *packet);

bool rmx_outputs_are_past_end(
    const struct rmx_outputs *outputs, const struct rmx_intake *intake, int64_t dts_us);

/* This input, as tracks count them, has no more packets; or, ended false, it has after all. */
void rmx_outputs_end_input(struct rmx_outputs *outputs, unsigned input, bool ended);

/* Sets *input to the one that ffmpeg would read from next: whose track is furthest behind. False:
 * none is wanted any more. */
bool rmx_outputs_find_last(const struct rmx_outputs *outputs, unsigned *input);

/* Live: see rmx_mux_release() and rmx_mux_due_us(). */
int rmx_outputs_release(struct rmx_outputs *outputs);
int64_t rmx_outputs_due_us(const struct rmx_outputs *outputs);

void rmx_outputs_flush(struct rmx_outputs *outputs);

int rmx_outputs_finish(struct rmx_outputs *outputs);

/* What an error of a call above means. */
enum rmx_status rmx_outputs_judge(struct rmx_outputs *outputs, int averror);

bool rmx_outputs_begun(const struct rmx_outputs *outputs);
uint64_t rmx_outputs_packets(const struct rmx_outputs *outputs);

/* The first error of a context below them; 0 = none. */
int rmx_outputs_error(const struct rmx_outputs *outputs);

/* Takes the half-made and the empty. */
void rmx_outputs_fini(struct rmx_outputs *outputs);

#endif
