/* SPDX-License-Identifier: BSD-2-Clause
 *
 * All inputs of a job (see inputs.h). Worker process, a job's fiber.
 */
#include "engine/worker/inputs.h"

#include <errno.h>
#include <string.h>

#include <libavutil/mem.h>

#include "engine/worker/remux.h"
#include "engine/worker/verdict.h"
#include "ipc/several.h"

enum rmx_status rmx_inputs_blame(struct rmx_inputs *inputs, unsigned input, enum rmx_status status)
{
    struct rmx_words *words = inputs->words;
    char text[sizeof(words->text)];

    if (status == RMX_STATUS_OK) {
        return status;
    }
    if (inputs->count > 1 && strncmp(words->text, "input ", 6) != 0) {
        memcpy(text, words->text, sizeof(text));
        rmx_words_say(words, "input %u: %s", input, text);
    }
    inputs->at = input;
    return status;
}

static bool seeks(const struct rmx_inputs *inputs, unsigned input)
{
    return inputs->inlet->io[input]->seekable & AVIO_SEEKABLE_NORMAL;
}

static enum rmx_status open_one(struct rmx_inputs *inputs, unsigned input)
{
    enum rmx_status status = rmx_intake_open(
        &inputs->all[input], inputs->inlet->io[input], input, inputs->spec, inputs->words);

    rmx_remux_breathe();
    return rmx_inputs_blame(inputs, input, status);
}

enum rmx_status rmx_inputs_open(struct rmx_inputs *inputs, const struct rmx_inlet *inlet,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    enum rmx_status status = RMX_STATUS_OK;

    *inputs = (struct rmx_inputs){ .spec = spec, .inlet = inlet, .words = words };
    inputs->joined = spec->inputs > 1 && rmx_several_are_joined(spec);
    inputs->all = av_calloc(spec->inputs, sizeof(*inputs->all));
    if (!inputs->all) {
        return RMX_STATUS_OVER_LIMIT;
    }
    inputs->count = spec->inputs;
    for (unsigned slot = 0; slot < inputs->count && status == RMX_STATUS_OK; slot++) {
        if (inputs->count > 1 && !inputs->joined && !seeks(inputs, slot)) {
            rmx_words_say(words, "inputs are merged by turns: each must be able to seek");
            return rmx_inputs_blame(inputs, slot, RMX_STATUS_NEEDS_SEEKABLE_INPUT);
        }
        if (slot == 0 || !inputs->joined) {
            status = open_one(inputs, slot);
        }
    }
    return status;
}

/* --- one after another ----------------------------------------------------------------------- */

/* Opens the next one where it begins, as far as that can be said of it alone. */
static enum rmx_status open_next(struct rmx_inputs *inputs, unsigned input)
{
    struct rmx_intake *intake = &inputs->all[input];
    enum rmx_status status = open_one(inputs, input);

    if (status == RMX_STATUS_OK) {
        status = rmx_join_fit(&inputs->join, intake, inputs->words);
    }
    return status;
}

/* Before anything is written. Whoever cannot be read twice is looked at when its turn comes. */
static enum rmx_status look_at_all(struct rmx_inputs *inputs)
{
    enum rmx_status status = RMX_STATUS_OK;
    bool all_seek = true;

    for (unsigned slot = 0; slot < inputs->count; slot++) {
        all_seek = all_seek && seeks(inputs, slot);
    }
    for (unsigned slot = 1; slot < inputs->count && all_seek && status == RMX_STATUS_OK; slot++) {
        status = open_next(inputs, slot);
        if (status == RMX_STATUS_OK) {
            rmx_intake_close(&inputs->all[slot]);
        }
    }
    return status;
}

enum rmx_status rmx_inputs_begin(struct rmx_inputs *inputs)
{
    unsigned opened = inputs->joined ? 1 : inputs->count;

    for (unsigned slot = 0; slot < opened; slot++) {
        if (rmx_intake_begin(&inputs->all[slot]) < 0) {
            return RMX_STATUS_OVER_LIMIT;
        }
    }
    if (!inputs->joined) {
        return RMX_STATUS_OK;
    }
    if (rmx_join_begin(&inputs->join, &inputs->all[0]) < 0) {
        return RMX_STATUS_OVER_LIMIT;
    }
    return look_at_all(inputs);
}

enum rmx_status rmx_inputs_advance(struct rmx_inputs *inputs, bool *more)
{
    unsigned next = inputs->at + 1;

    rmx_intake_close(&inputs->all[inputs->at]);
    *more = next < inputs->count;
    if (!*more) {
        return RMX_STATUS_OK;
    }
    enum rmx_status status = open_next(inputs, next);

    inputs->at = next;
    if (status != RMX_STATUS_OK) {
        return status;
    }
    int err = rmx_intake_begin(&inputs->all[next]);

    if (err >= 0) {
        err = rmx_join_continue(&inputs->join, &inputs->all[next]);
    }
    return err < 0 ? RMX_STATUS_OVER_LIMIT : RMX_STATUS_OK;
}

/* --- what others want to know ---------------------------------------------------------------- */

void rmx_inputs_pool(const struct rmx_inputs *inputs, struct rmx_streams_pool *pool)
{
    *pool = (struct rmx_streams_pool){ .count = inputs->joined ? 1 : inputs->count };
    for (unsigned slot = 0; slot < pool->count; slot++) {
        pool->demuxers[slot] = inputs->all[slot].demuxer;
    }
}

const struct rmx_intake *rmx_inputs_tagged(const struct rmx_inputs *inputs)
{
    return inputs->joined ? NULL : &inputs->all[0];
}

const struct rmx_intake *rmx_inputs_chaptered(const struct rmx_inputs *inputs)
{
    for (unsigned slot = 0; slot < inputs->count && !inputs->joined; slot++) {
        if (inputs->all[slot].demuxer->nb_chapters > 0) {
            return &inputs->all[slot];
        }
    }
    return NULL;
}

int rmx_inputs_error(const struct rmx_inputs *inputs)
{
    int error = 0;

    for (unsigned slot = 0; slot < inputs->count && error == 0; slot++) {
        error = inputs->inlet->io[slot]->error;
    }
    return error;
}

void rmx_inputs_fini(struct rmx_inputs *inputs)
{
    for (unsigned slot = 0; slot < inputs->count; slot++) {
        rmx_intake_close(&inputs->all[slot]);
    }
    rmx_join_fini(&inputs->join);
    av_freep(&inputs->all);
    inputs->count = 0;
}
