/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job: open the inputs, choose streams, open the outputs, copy packets, finish. Worker process,
 * the job's fiber. Never opens, names or sees a file, a socket or a ring.
 */
#include "engine/worker/remux.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <libavutil/mem.h>

#include "engine/worker/charset.h"
#include "engine/worker/inputs.h"
#include "engine/worker/kept.h"
#include "engine/worker/outputs.h"
#include "engine/worker/probe.h"
#include "engine/worker/purse.h"
#include "engine/worker/verdict.h"
#include "engine/worker/warm.h"
#include "engine/worker/words.h"
#include "ipc/status.h"

#define ERRNO_MAX 4095

/* Owns all of a job but its I/O contexts. */
struct remux {
    const struct rmx_job_spec *spec;
    struct rmx_job_result *result;
    const struct rmx_inlet *inlet;
    const struct rmx_outlet *outlet;
    struct rmx_words words;
    struct rmx_kept kept;
    struct rmx_inputs inputs;
    struct rmx_outputs outputs;
    AVPacket *packet;
    int idle_error; /* AVERROR: of what was written while the input had nothing */
};

static void breathe_not(void)
{
}

void (*rmx_remux_breathe)(void) = breathe_not;

void rmx_remux_init_process(size_t alloc_max_bytes)
{
    /* Our heap knows whose piece was too large; libavutil would leave us to guess. */
    av_max_alloc(rmx_purse_init_process(alloc_max_bytes) ? INT_MAX : alloc_max_bytes);
    rmx_words_init_process();
    rmx_charset_init_process();
    rmx_warm_init_process();
}

/* --- the steps ------------------------------------------------------------------------------- */

static bool is_live(const struct remux *remux)
{
    return remux->spec->flags & RMX_JOB_LIVE;
}

/* A live job's packets go out at once, but for those it began with: they come in the order they
 * were sent in, and are put right first. */
static int send_out(struct remux *remux)
{
    bool in_order = rmx_ahead_empty(&remux->inputs.all[0].ahead);
    int err = in_order ? rmx_outputs_release(&remux->outputs) : 0;

    if (remux->outlet->push) {
        remux->outlet->push(remux->outlet->owner);
    } else {
        rmx_outputs_flush(&remux->outputs);
    }
    return err;
}

/* While the input has nothing: what has waited for long enough. */
static uint64_t release_due(void *stage)
{
    struct remux *remux = stage;

    if (remux->idle_error >= 0) {
        remux->idle_error = rmx_outputs_release(&remux->outputs);
        rmx_outputs_flush(&remux->outputs);
    }
    int64_t due_us = remux->idle_error < 0 ? 0 : rmx_outputs_due_us(&remux->outputs);

    return (uint64_t)due_us * 1000;
}

/* From when packets are held back by the clock, and no longer than there is a muxer to give them
 * to. */
static void offer_release(struct remux *remux, bool offered)
{
    struct rmx_idle *idle = remux->outlet->idle;

    if (idle && remux->spec->interleave_us > 0) {
        *idle = (struct rmx_idle){ .release = offered ? release_due : NULL, .stage = remux };
    }
}

/* --- packets --------------------------------------------------------------------------------- */

static enum rmx_status judge_input(
    struct remux *remux, struct rmx_intake *intake, enum rmx_status status)
{
    bool begun = rmx_outputs_begun(&remux->outputs);

    status = rmx_intake_judge(
        intake, remux->spec, status, begun, &remux->words, &remux->result->bytes_expected);
    return rmx_inputs_blame(&remux->inputs, intake->number, status);
}

/* A muxer may refuse half a packet: then the input is at fault, not the container, and the muxer's
 * words would mislead. */
static enum rmx_status judge_packet(struct remux *remux, struct rmx_intake *intake, int err)
{
    enum rmx_status status = rmx_outputs_judge(&remux->outputs, err);

    if (status == RMX_STATUS_UNSUPPORTED && intake->extent.torn) {
        rmx_words_say(&remux->words, "a packet ends before it should");
        return judge_input(remux, intake, RMX_STATUS_BAD_MEDIA);
    }
    return status;
}

/* A demuxer's error ends the outputs, too, but what was copied until then is kept, as ffmpeg keeps
 * it. */
static enum rmx_status judge_read(struct remux *remux, struct rmx_intake *intake, int err)
{
    rmx_words_default(&remux->words, err);
    enum rmx_status status = rmx_verdict_input(err, intake->io);

    return status == RMX_STATUS_BAD_MEDIA
               ? judge_input(remux, intake, status)
               : rmx_inputs_blame(&remux->inputs, intake->number, status);
}

/* The one to read from next; NULL: all has been read that is wanted. */
static struct rmx_intake *next_intake(struct remux *remux)
{
    struct rmx_inputs *inputs = &remux->inputs;
    unsigned input = inputs->joined ? inputs->at : 0;

    if (inputs->count > 1 && !inputs->joined && !rmx_outputs_find_last(&remux->outputs, &input)) {
        return NULL;
    }
    return inputs->all[input].done ? NULL : &inputs->all[input];
}

/* Nothing more is wanted of an input. Others may be joined to it. */
static enum rmx_status leave_input(struct remux *remux, struct rmx_intake *intake)
{
    bool more = false;
    enum rmx_status status = RMX_STATUS_OK;

    intake->done = true;
    if (remux->inputs.joined) {
        status = rmx_inputs_advance(&remux->inputs, &more);
        rmx_remux_breathe();
    }
    rmx_outputs_end_input(&remux->outputs, intake->as ? 0 : intake->number, !more);
    return status;
}

static int copy_packet(struct remux *remux, struct rmx_intake *intake, bool *past_end)
{
    AVPacket *packet = remux->packet;
    int64_t dts_us = 0;
    int err = rmx_intake_correct(intake, packet);

    if (err <= 0) {
        return err;
    }
    remux->result->packets_in++;
    dts_us = intake->timing.streams[packet->stream_index].dts;
    if (remux->inputs.joined) {
        rmx_join_note(&remux->inputs.join, intake, packet);
    }
    err = rmx_outputs_write(&remux->outputs, intake, packet);
    *past_end = rmx_outputs_are_past_end(&remux->outputs, intake, dts_us);
    if (err >= 0 && is_live(remux)) {
        err = send_out(remux);
        offer_release(remux, rmx_ahead_empty(&intake->ahead));
    }
    return err;
}

/* One packet, or the end of an input. */
static enum rmx_status copy_next(struct remux *remux, struct rmx_intake *intake)
{
    bool past_end = false;
    int err = rmx_intake_read(intake, remux->packet);

    if (remux->idle_error < 0) {
        return judge_packet(remux, intake, remux->idle_error);
    }
    if (err == AVERROR_EOF) {
        enum rmx_status status = judge_input(remux, intake, RMX_STATUS_OK);

        return status == RMX_STATUS_OK ? leave_input(remux, intake) : status;
    }
    if (err < 0) {
        enum rmx_status status = judge_read(remux, intake, err);

        return status == RMX_STATUS_OK ? leave_input(remux, intake) : status; /* no more of it */
    }
    err = copy_packet(remux, intake, &past_end);
    if (err < 0) {
        return judge_packet(remux, intake, err);
    }
    return past_end ? leave_input(remux, intake) : RMX_STATUS_OK;
}

/* To the end of the inputs, or to the first error. */
static enum rmx_status copy_packets(struct remux *remux)
{
    enum rmx_status status = RMX_STATUS_OK;
    struct rmx_intake *intake = next_intake(remux);

    while (intake && status == RMX_STATUS_OK) {
        status = copy_next(remux, intake);
        intake = next_intake(remux);
        rmx_remux_breathe();
    }
    return status;
}

/* --- from beginning to end ------------------------------------------------------------------- */

/* Writes what the muxers still hold. status is how copying ended; an error here is the worse one.
 */
static enum rmx_status finish(struct remux *remux, enum rmx_status status)
{
    int err = rmx_outputs_finish(&remux->outputs);

    return err < 0 ? rmx_outputs_judge(&remux->outputs, err) : status;
}

/* Where the input is at fault, what came out of it until then is still a whole file. */
static bool worth_finishing(enum rmx_status status)
{
    return status == RMX_STATUS_OK || status == RMX_STATUS_BAD_MEDIA ||
           status == RMX_STATUS_TRUNCATED || status == RMX_STATUS_INPUT_IO;
}

/* Up to the headers. */
static enum rmx_status begin(struct remux *remux)
{
    enum rmx_status status =
        rmx_inputs_open(&remux->inputs, remux->inlet, remux->spec, &remux->words);

    if (status == RMX_STATUS_OK) {
        status = rmx_outputs_choose(&remux->outputs, &remux->inputs);
    }
    if (status == RMX_STATUS_BAD_MEDIA || status == RMX_STATUS_NO_STREAMS) {
        return judge_input(remux, &remux->inputs.all[remux->inputs.at], status);
    }
    if (status == RMX_STATUS_OK) {
        status = rmx_inputs_begin(&remux->inputs);
    }
    return status == RMX_STATUS_OK ? rmx_outputs_begin(&remux->outputs, &remux->inputs) : status;
}

static enum rmx_status run_remux(struct remux *remux)
{
    enum rmx_status status =
        rmx_outputs_open(&remux->outputs, remux->outlet, remux->spec, &remux->words);

    if (status != RMX_STATUS_OK) { /* and nothing was read */
        return status;
    }
    status = begin(remux);
    if (status != RMX_STATUS_OK) {
        return status;
    }
    rmx_remux_breathe();
    status = copy_packets(remux);
    offer_release(remux, false);
    return worth_finishing(status) ? finish(remux, status) : status;
}

static enum rmx_status run_probe(struct remux *remux)
{
    enum rmx_status status =
        rmx_inputs_open(&remux->inputs, remux->inlet, remux->spec, &remux->words);
    AVIOContext *output = remux->outlet->io[0];

    if (status == RMX_STATUS_BAD_MEDIA) {
        return judge_input(remux, &remux->inputs.all[0], status);
    }
    if (status != RMX_STATUS_OK) {
        return status;
    }
    bool keyframes = remux->spec->flags & RMX_JOB_KEYFRAMES;
    struct rmx_intake *intake = &remux->inputs.all[0];
    int input_error = 0;
    int err = rmx_probe_write(intake, keyframes, output, &input_error);

    if (err < 0) {
        return rmx_verdict_output(err, output);
    }
    if (input_error < 0) {
        return judge_read(remux, intake, input_error);
    }
    return keyframes ? judge_input(remux, intake, RMX_STATUS_OK) : RMX_STATUS_OK;
}

/* --- the job --------------------------------------------------------------------------------- */

static void close_all(struct remux *remux)
{
    av_packet_free(&remux->packet);
    rmx_outputs_fini(&remux->outputs);
    rmx_inputs_fini(&remux->inputs);
}

static int32_t cause_of(enum rmx_status status, const struct remux *remux)
{
    int cause = 0;

    if (status == RMX_STATUS_INPUT_IO) {
        cause = rmx_inputs_error(&remux->inputs);
    } else if (status == RMX_STATUS_OUTPUT_IO || status == RMX_STATUS_OUTPUT_FULL ||
               status == RMX_STATUS_OUTPUT_CLOSED) {
        cause = remux->spec->kind == RMX_JOB_PROBE ? remux->outlet->io[0]->error
                                                   : rmx_outputs_error(&remux->outputs);
    }
    return cause < -ERRNO_MAX ? -EIO : cause; /* libavformat has codes of its own */
}

static void report(struct rmx_job_result *result, enum rmx_status status, const struct remux *remux)
{
    result->status = status;
    result->cause = cause_of(status, remux);
    result->packets_out = rmx_outputs_packets(&remux->outputs);
    bool warned = status == RMX_STATUS_OK && remux->words.warning[0];
    const char *text = warned ? remux->words.warning : remux->words.text;

    memset(result->text, 0, sizeof(result->text));
    memcpy(result->text, text, strlen(text));
}

void rmx_remux_run(const struct rmx_job_spec *spec, const struct rmx_inlet *inlet,
    const struct rmx_outlet *outlet, struct rmx_job_result *result)
{
    struct remux remux = {
        .spec = spec,
        .result = result,
        .inlet = inlet,
        .outlet = outlet,
    };
    enum rmx_status status = RMX_STATUS_OVER_LIMIT;

    result->packets_in = 0;
    result->packets_out = 0;
    result->bytes_expected = 0;
    remux.words.kept = &remux.kept;
    remux.packet = av_packet_alloc();
    if (remux.packet) {
        status = spec->kind == RMX_JOB_PROBE ? run_probe(&remux) : run_remux(&remux);
    }
    report(result, status, &remux);
    close_all(&remux);
    rmx_kept_fini(&remux.kept);
}
