/* SPDX-License-Identifier: BSD-2-Clause
 *
 * All outputs of a job (see outputs.h). Worker process, a job's fiber.
 */
#include "engine/worker/outputs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/mem.h>

#include "engine/worker/adts.h"
#include "engine/worker/live.h"
#include "engine/worker/target.h"
#include "engine/worker/verdict.h"
#include "ipc/several.h"

/* --- which one ------------------------------------------------------------------------------- */

/* Passes status on; one that is not OK is about this output. */
static enum rmx_status blame(struct rmx_outputs *outputs, unsigned output, enum rmx_status status)
{
    struct rmx_words *words = outputs->words;
    char text[sizeof(words->text)];

    if (status == RMX_STATUS_OK) {
        return status;
    }
    outputs->failed = output;
    if (outputs->count > 1) {
        memcpy(text, words->text, sizeof(text));
        rmx_words_say(words, "output %u (%s): %s", output, outputs->all[output].spec.format, text);
    }
    return status;
}

enum rmx_status rmx_outputs_judge(struct rmx_outputs *outputs, int averror)
{
    enum rmx_status status = rmx_verdict_output(averror, outputs->all[outputs->failed].mux.io);

    rmx_words_default(outputs->words, averror);
    return blame(outputs, outputs->failed, status);
}

/* --- before the first packet ----------------------------------------------------------------- */

enum rmx_status rmx_outputs_open(struct rmx_outputs *outputs, const struct rmx_outlet *outlet,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    enum rmx_status status = RMX_STATUS_OK;
    const char *why;

    *outputs = (struct rmx_outputs){ .words = words };
    outputs->all = av_calloc(spec->outputs, sizeof(*outputs->all));
    if (!outputs->all) {
        return RMX_STATUS_OVER_LIMIT;
    }
    outputs->count = spec->outputs;
    for (unsigned slot = 0; slot < outputs->count && status == RMX_STATUS_OK; slot++) {
        struct rmx_output *output = &outputs->all[slot];
        int refused = rmx_several_take_output(spec, slot, &output->spec, &why);

        if (refused != 0) {
            rmx_words_say(words, "%s", why);
            return (enum rmx_status)refused;
        }
        status = rmx_mux_open(&output->mux, outlet, slot, &output->spec, words);
        status = blame(outputs, slot, status);
    }
    return status;
}

/* A live job does not wait for streams that were announced and then sent nothing. */
static enum rmx_status leave_out_silent(struct rmx_output *output, const struct rmx_intake *intake)
{
    rmx_live_leave_out(&output->streams, intake->demuxer, &intake->ahead, output->mux.context);
    return output->streams.count > 0 ? RMX_STATUS_OK : RMX_STATUS_NO_STREAMS;
}

static enum rmx_status choose(struct rmx_outputs *outputs, struct rmx_output *output,
    const struct rmx_inputs *inputs, const struct rmx_streams_pool *pool)
{
    const AVOutputFormat *container = rmx_target_container(output->mux.context);
    enum rmx_status status =
        rmx_streams_choose(&output->streams, pool, container, &output->spec, outputs->words);

    if (status == RMX_STATUS_OK && output->mux.live) {
        status = leave_out_silent(output, &inputs->all[0]);
    }
    if (status != RMX_STATUS_OK) {
        return status;
    }
    return rmx_mux_add_streams(&output->mux, pool, &output->streams, &output->spec, outputs->words);
}

enum rmx_status rmx_outputs_choose(struct rmx_outputs *outputs, struct rmx_inputs *inputs)
{
    enum rmx_status status = RMX_STATUS_OK;
    struct rmx_streams_pool pool;

    rmx_inputs_pool(inputs, &pool);
    for (unsigned slot = 0; slot < outputs->count && status == RMX_STATUS_OK; slot++) {
        status = choose(outputs, &outputs->all[slot], inputs, &pool);
        status = blame(outputs, slot, status);
    }
    for (unsigned input = 0; input < pool.count; input++) {
        rmx_streams_skip(pool.demuxers[input]);
    }
    for (unsigned slot = 0; slot < outputs->count && status == RMX_STATUS_OK; slot++) {
        rmx_streams_want(&outputs->all[slot].streams, &pool);
    }
    return status;
}

static enum rmx_status begin(struct rmx_outputs *outputs, unsigned slot, struct rmx_inputs *inputs)
{
    struct rmx_output *output = &outputs->all[slot];
    unsigned opened = inputs->joined ? 1 : inputs->count;
    int err = 0;

    for (unsigned input = 0; input < opened && err >= 0; input++) {
        err = rmx_adts_prime(&output->mux, &inputs->all[input]);
    }
    if (err >= 0) {
        enum rmx_status status = rmx_mux_add_tags(&output->mux, rmx_inputs_tagged(inputs),
            rmx_inputs_chaptered(inputs), &output->spec, outputs->words);

        if (status != RMX_STATUS_OK) {
            return blame(outputs, slot, status);
        }
        err = rmx_mux_write_header(&output->mux);
    }
    outputs->failed = slot;
    return err < 0 ? rmx_outputs_judge(outputs, err) : RMX_STATUS_OK;
}

enum rmx_status rmx_outputs_begin(struct rmx_outputs *outputs, struct rmx_inputs *inputs)
{
    enum rmx_status status = RMX_STATUS_OK;

    for (unsigned slot = 0; slot < outputs->count && status == RMX_STATUS_OK; slot++) {
        status = begin(outputs, slot, inputs);
    }
    return status;
}

/* --- packets --------------------------------------------------------------------------------- */

int rmx_outputs_write(
    struct rmx_outputs *outputs, const struct rmx_intake *intake, AVPacket *packet)
{
    int err = 0;

    for (unsigned slot = 0; slot + 1 < outputs->count && err >= 0; slot++) {
        AVPacket *copy = av_packet_clone(packet);

        outputs->failed = slot;
        err = copy ? rmx_mux_write(&outputs->all[slot].mux, intake, copy) : AVERROR(ENOMEM);
        av_packet_free(&copy);
    }
    if (err >= 0) {
        outputs->failed = outputs->count - 1;
        err = rmx_mux_write(&outputs->all[outputs->failed].mux, intake, packet);
    }
    av_packet_unref(packet);
    return err;
}

bool rmx_outputs_are_past_end(
    const struct rmx_outputs *outputs, const struct rmx_intake *intake, int64_t dts_us)
{
    bool past = true;

    for (unsigned slot = 0; slot < outputs->count; slot++) {
        past = past && rmx_mux_is_past_end(&outputs->all[slot].mux, intake, dts_us);
    }
    return past;
}

void rmx_outputs_end_input(struct rmx_outputs *outputs, unsigned input, bool ended)
{
    for (unsigned slot = 0; slot < outputs->count; slot++) {
        if (ended) {
            rmx_mux_end_input(&outputs->all[slot].mux, input);
        } else {
            rmx_mux_resume_input(&outputs->all[slot].mux, input);
        }
    }
}

bool rmx_outputs_find_last(const struct rmx_outputs *outputs, unsigned *input)
{
    int64_t least_us = INT64_MAX;
    bool found = false;

    for (unsigned slot = 0; slot < outputs->count; slot++) {
        int64_t at_us = INT64_MAX;
        const struct rmx_mux_track *track = rmx_mux_find_last(&outputs->all[slot].mux, &at_us);

        if (track && (!found || at_us < least_us)) {
            *input = track->input;
            least_us = at_us;
            found = true;
        }
    }
    return found;
}

/* Until one fails. */
static int for_each(struct rmx_outputs *outputs, int (*step)(struct rmx_mux *mux))
{
    int err = 0;

    for (unsigned slot = 0; slot < outputs->count && err >= 0; slot++) {
        outputs->failed = slot;
        err = step(&outputs->all[slot].mux);
    }
    return err;
}

int rmx_outputs_release(struct rmx_outputs *outputs)
{
    return for_each(outputs, rmx_mux_release);
}

int64_t rmx_outputs_due_us(const struct rmx_outputs *outputs)
{
    int64_t first_us = 0;

    for (unsigned slot = 0; slot < outputs->count; slot++) {
        int64_t due_us = rmx_mux_due_us(&outputs->all[slot].mux);

        if (due_us != 0 && (first_us == 0 || due_us < first_us)) {
            first_us = due_us;
        }
    }
    return first_us;
}

void rmx_outputs_flush(struct rmx_outputs *outputs)
{
    for (unsigned slot = 0; slot < outputs->count; slot++) {
        avio_flush(outputs->all[slot].mux.io);
    }
}

static int finish(struct rmx_mux *mux)
{
    int err = rmx_mux_finish(mux);

    avio_flush(mux->io);
    return err < 0 ? err : FFMIN(mux->io->error, 0);
}

int rmx_outputs_finish(struct rmx_outputs *outputs)
{
    return for_each(outputs, finish);
}

/* --- the end --------------------------------------------------------------------------------- */

bool rmx_outputs_begun(const struct rmx_outputs *outputs)
{
    bool begun = outputs->count > 0;

    for (unsigned slot = 0; slot < outputs->count; slot++) {
        begun = begun && outputs->all[slot].mux.header_written;
    }
    return begun;
}

uint64_t rmx_outputs_packets(const struct rmx_outputs *outputs)
{
    uint64_t packets = 0;

    for (unsigned slot = 0; slot < outputs->count; slot++) {
        packets += outputs->all[slot].mux.packets;
    }
    return packets;
}

int rmx_outputs_error(const struct rmx_outputs *outputs)
{
    int error = 0;

    for (unsigned slot = 0; slot < outputs->count && error == 0; slot++) {
        const AVIOContext *io = outputs->all[slot].mux.io;

        error = io ? io->error : 0;
    }
    return error;
}

void rmx_outputs_fini(struct rmx_outputs *outputs)
{
    for (unsigned slot = 0; slot < outputs->count; slot++) {
        rmx_mux_fini(&outputs->all[slot].mux);
        rmx_streams_fini(&outputs->all[slot].streams);
    }
    av_freep(&outputs->all);
    outputs->count = 0;
}
