/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job: open the input, choose streams, open the output, copy packets, finish. Worker process,
 * the job's fiber. Never opens, names or sees a file, a socket or a ring.
 */
#include "engine/worker/remux.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mem.h>

#include "engine/worker/adts.h"
#include "engine/worker/ahead.h"
#include "engine/worker/avshim.h"
#include "engine/worker/charset.h"
#include "engine/worker/demux.h"
#include "engine/worker/extent.h"
#include "engine/worker/live.h"
#include "engine/worker/mux.h"
#include "engine/worker/probe.h"
#include "engine/worker/purse.h"
#include "engine/worker/range.h"
#include "engine/worker/streams.h"
#include "engine/worker/timing.h"
#include "engine/worker/verdict.h"
#include "engine/worker/warm.h"
#include "engine/worker/words.h"
#include "ipc/format.h"
#include "ipc/status.h"

#define ERRNO_MAX   4095
#define RETRIES_MAX 1000 /* of a demuxer that says "again" without having made a packet */

/* Owns all of a job but its two I/O contexts. */
struct remux {
    const struct rmx_job_spec *spec;
    struct rmx_job_result *result;
    AVIOContext *input;
    const struct rmx_outlet *outlet;
    AVIOContext *output; /* the outlet's */
    struct rmx_words words;
    struct rmx_extent extent;
    AVFormatContext *demuxer;
    struct rmx_streams streams;
    struct rmx_timing timing;
    struct rmx_mux mux;
    struct rmx_ahead ahead;
    struct rmx_tap tap; /* a live job's, or one's whose input cannot seek */
    struct rmx_split split;
    AVPacket *packet;
    bool past_end;  /* the rest of the input is not wanted */
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

static enum rmx_status open_input(struct remux *remux)
{
    bool tapped = is_live(remux) || !(remux->input->seekable & AVIO_SEEKABLE_NORMAL);

    if (tapped && rmx_tap_init(&remux->tap, remux->input) < 0) {
        return RMX_STATUS_OVER_LIMIT;
    }
    AVIOContext *input = tapped ? remux->tap.context : remux->input;

    if (!is_live(remux)) {
        rmx_extent_begin(&remux->extent, input);
    }
    const struct rmx_demux_way way = {
        .input = input,
        .tap = tapped ? &remux->tap : NULL,
        .split = &remux->split,
        .ahead = &remux->ahead,
        .measured = remux->mux.whole.seen[RMX_EDIT_START_FROM_END],
    };

    return rmx_demux_open(&remux->demuxer, &way, remux->spec, &remux->words);
}

/* A live job does not wait for streams that were announced and then sent nothing. */
static enum rmx_status leave_out_silent(struct remux *remux)
{
    rmx_live_leave_out(&remux->streams, remux->demuxer, &remux->ahead, remux->mux.context);
    return remux->streams.count > 0 ? RMX_STATUS_OK : RMX_STATUS_NO_STREAMS;
}

static enum rmx_status choose_streams(struct remux *remux)
{
    enum rmx_status status = rmx_streams_choose(
        &remux->streams, remux->demuxer, remux->mux.context->oformat, remux->spec, &remux->words);

    if (status == RMX_STATUS_OK && is_live(remux)) {
        status = leave_out_silent(remux);
    }
    if (status != RMX_STATUS_OK) {
        return status;
    }
    return rmx_mux_add_streams(
        &remux->mux, remux->demuxer, &remux->streams, remux->spec, &remux->words);
}

static enum rmx_status write_header(struct remux *remux)
{
    int err = rmx_timing_init(&remux->timing, remux->demuxer, &remux->mux.whole);

    if (err >= 0) {
        err = rmx_adts_prime(&remux->ahead, &remux->mux, remux->demuxer);
    }
    if (err >= 0) {
        enum rmx_status status = rmx_mux_add_tags(
            &remux->mux, remux->demuxer, &remux->timing, remux->spec, &remux->words);

        if (status != RMX_STATUS_OK) {
            return status;
        }
        err = rmx_mux_write_header(&remux->mux);
    }
    if (err < 0) {
        rmx_words_default(&remux->words, err);
        return rmx_verdict_output(err, remux->output);
    }
    return RMX_STATUS_OK;
}

/* Returns 0 with a packet, or AVERROR. */
static int read_packet(struct remux *remux)
{
    int err = AVERROR(EAGAIN);

    for (int retry = 0; err == AVERROR(EAGAIN) && retry < RETRIES_MAX; retry++) {
        err = rmx_ahead_next(&remux->ahead, remux->demuxer, remux->packet);
    }
    return err;
}

/* What belongs to the stream as a whole travels with its first packet; a display matrix does not,
 * since the container has its own place for it. */
static int add_stream_side_data(AVPacket *packet, const AVStream *stream)
{
    for (int slot = 0; slot < rmx_avshim_side_data_count(stream); slot++) {
        const AVPacketSideData *side = rmx_avshim_side_data(stream, slot);

        if (side->type == AV_PKT_DATA_DISPLAYMATRIX ||
            av_packet_get_side_data(packet, side->type, NULL)) {
            continue;
        }
        uint8_t *copy = av_packet_new_side_data(packet, side->type, side->size);

        if (!copy) {
            return AVERROR(ENOMEM);
        }
        memcpy(copy, side->data, side->size);
    }
    return 0;
}

static int copy_packet(struct remux *remux)
{
    AVPacket *packet = remux->packet;
    unsigned source = (unsigned)packet->stream_index;

    rmx_extent_note(&remux->extent, remux->demuxer, packet);
    if (source >= remux->timing.count ||
        remux->demuxer->streams[source]->discard == AVDISCARD_ALL) {
        av_packet_unref(packet);
        return 0;
    }
    remux->result->packets_in++;
    if (!remux->timing.streams[source].started) {
        int err = add_stream_side_data(packet, remux->demuxer->streams[source]);

        if (err < 0) {
            return err;
        }
    }
    rmx_timing_correct(&remux->timing, packet);
    rmx_timing_predict(&remux->timing, packet);
    int err = rmx_mux_write(&remux->mux, &remux->timing, packet);

    remux->past_end = rmx_mux_is_past_end(&remux->mux, remux->timing.streams[source].dts);
    return err;
}

/* A live job's packets go out at once, but for those it began with: they come in the order they
 * were sent in, and are put right first. */
static int send_out(struct remux *remux)
{
    int err = rmx_ahead_empty(&remux->ahead) ? rmx_mux_release(&remux->mux) : 0;

    if (remux->outlet->push) {
        remux->outlet->push(remux->outlet->owner);
    } else {
        avio_flush(remux->output);
    }
    return err;
}

/* While the input has nothing: what has waited for long enough. */
static uint64_t release_due(void *stage)
{
    struct remux *remux = stage;

    if (remux->idle_error >= 0) {
        remux->idle_error = rmx_mux_release(&remux->mux);
        avio_flush(remux->output);
    }
    int64_t due_us = remux->idle_error < 0 ? 0 : rmx_mux_due_us(&remux->mux);

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

/* A muxer may refuse half a packet: then the input is at fault, not the container, and the muxer's
 * words would mislead. */
static enum rmx_status judge_packet(struct remux *remux, int err)
{
    enum rmx_status status = rmx_verdict_output(err, remux->output);

    if (status == RMX_STATUS_UNSUPPORTED && remux->extent.torn) {
        rmx_words_say(&remux->words, "a packet ends before it should");
        return RMX_STATUS_BAD_MEDIA;
    }
    rmx_words_default(&remux->words, err);
    return status;
}

/* To the end of the input, or to the first error. A demuxer's error ends the output too, but what
 * was copied until then is kept, as ffmpeg keeps it. */
static enum rmx_status copy_packets(struct remux *remux)
{
    for (;;) {
        int err = read_packet(remux);

        if (remux->idle_error < 0) {
            return judge_packet(remux, remux->idle_error);
        }
        if (err == AVERROR_EOF) {
            return RMX_STATUS_OK;
        }
        if (err < 0) {
            rmx_words_default(&remux->words, err);
            return rmx_verdict_input(err, remux->input);
        }
        err = copy_packet(remux);
        if (err >= 0 && is_live(remux)) {
            err = send_out(remux);
            offer_release(remux, rmx_ahead_empty(&remux->ahead));
        }
        if (err < 0) {
            return judge_packet(remux, err);
        }
        if (remux->past_end) {
            return RMX_STATUS_OK;
        }
        rmx_remux_breathe();
    }
}

/* Writes what the muxer still holds. status is how copying ended; an error here is the worse one.
 */
static enum rmx_status finish(struct remux *remux, enum rmx_status status)
{
    int err = rmx_mux_finish(&remux->mux);

    avio_flush(remux->output);
    if (err >= 0) {
        err = remux->output->error;
    }
    if (err < 0) {
        rmx_words_default(&remux->words, err);
        return rmx_verdict_output(err, remux->output);
    }
    return status;
}

/* Data that were there but went by before the index that names them was read. */
static bool needed_to_go_back(const struct remux *remux, enum rmx_status status)
{
    return status == RMX_STATUS_BAD_MEDIA && remux->demuxer &&
           !(remux->input->seekable & AVIO_SEEKABLE_NORMAL) &&
           av_match_name("mov", remux->demuxer->iformat->name);
}

/* The input was read to its end, or to where it made no sense any more, or has nothing to read: was
 * that its real end? */
static enum rmx_status judge_end(struct remux *remux, enum rmx_status status)
{
    bool allowed = remux->spec->flags & RMX_JOB_ALLOW_TRUNCATED;
    int64_t end = rmx_extent_missing_end(&remux->extent, remux->demuxer, remux->input);

    if (remux->input->error < 0) {
        return rmx_verdict_input(remux->input->error, remux->input);
    }
    if (end > 0) {
        remux->result->bytes_expected = (uint64_t)end;
        return allowed && remux->mux.header_written ? RMX_STATUS_OK : RMX_STATUS_TRUNCATED;
    }
    if (needed_to_go_back(remux, status)) {
        rmx_words_say(&remux->words,
            "the index follows the samples it names: give a file, an input "
            "that can seek, or allow a spool");
        return RMX_STATUS_NEEDS_SEEKABLE_INPUT;
    }
    return status;
}

/* Where the input is at fault, what came out of it until then is still a whole file. */
static bool worth_finishing(enum rmx_status status)
{
    return status == RMX_STATUS_OK || status == RMX_STATUS_BAD_MEDIA ||
           status == RMX_STATUS_TRUNCATED || status == RMX_STATUS_INPUT_IO;
}

static enum rmx_status run_remux(struct remux *remux)
{
    enum rmx_status status = rmx_mux_open(&remux->mux, remux->outlet, remux->spec, &remux->words);

    if (status != RMX_STATUS_OK) { /* and nothing was read */
        return status;
    }
    status = open_input(remux);
    rmx_remux_breathe();
    if (status == RMX_STATUS_OK) {
        status = rmx_range_begin(&remux->mux.whole, remux->demuxer, &remux->ahead, &remux->words);
    }
    if (status == RMX_STATUS_OK) {
        status = choose_streams(remux);
    }
    if (status == RMX_STATUS_BAD_MEDIA || status == RMX_STATUS_NO_STREAMS) {
        return judge_end(remux, status);
    }
    if (status == RMX_STATUS_OK) {
        status = write_header(remux);
    }
    if (status != RMX_STATUS_OK) {
        return status;
    }
    rmx_remux_breathe();
    status = copy_packets(remux);
    offer_release(remux, false);
    if ((status == RMX_STATUS_OK && !remux->past_end) || status == RMX_STATUS_BAD_MEDIA) {
        status = judge_end(remux, status);
    }
    return worth_finishing(status) ? finish(remux, status) : status;
}

static enum rmx_status run_probe(struct remux *remux)
{
    enum rmx_status status = open_input(remux);

    if (status == RMX_STATUS_BAD_MEDIA) {
        return judge_end(remux, status);
    }
    if (status != RMX_STATUS_OK) {
        return status;
    }
    int err = rmx_probe_write(remux->demuxer, remux->output);

    return err < 0 ? rmx_verdict_output(err, remux->output) : RMX_STATUS_OK;
}

/* --- the job --------------------------------------------------------------------------------- */

static void close_all(struct remux *remux)
{
    av_packet_free(&remux->packet);
    rmx_ahead_fini(&remux->ahead);
    rmx_mux_fini(&remux->mux);
    rmx_timing_fini(&remux->timing);
    rmx_streams_fini(&remux->streams);
    rmx_split_fini(&remux->split);
    avformat_close_input(&remux->demuxer);
    rmx_tap_fini(&remux->tap);
}

static int32_t cause_of(enum rmx_status status, const struct remux *remux)
{
    int cause = 0;

    if (status == RMX_STATUS_INPUT_IO) {
        cause = remux->input->error;
    } else if (status == RMX_STATUS_OUTPUT_IO || status == RMX_STATUS_OUTPUT_FULL ||
               status == RMX_STATUS_OUTPUT_CLOSED) {
        cause = remux->output->error;
    }
    return cause < -ERRNO_MAX ? -EIO : cause; /* libavformat has codes of its own */
}

static void report(struct rmx_job_result *result, enum rmx_status status, const struct remux *remux)
{
    result->status = status;
    result->cause = cause_of(status, remux);
    result->packets_out = remux->mux.packets;
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
        .input = inlet->io[0],
        .outlet = outlet,
        .output = outlet->io[0],
    };
    enum rmx_status status = RMX_STATUS_OVER_LIMIT;

    result->packets_in = 0;
    result->packets_out = 0;
    result->bytes_expected = 0;
    remux.packet = av_packet_alloc();
    if (remux.packet) {
        status = spec->kind == RMX_JOB_PROBE ? run_probe(&remux) : run_remux(&remux);
    }
    report(result, status, &remux);
    close_all(&remux);
}
