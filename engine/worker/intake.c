/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One input of a job (see intake.h). Worker process, a job's fiber.
 */
#include "engine/worker/intake.h"

#include <errno.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mem.h>

#include "engine/worker/avshim.h"
#include "engine/worker/demux.h"
#include "engine/worker/range.h"
#include "engine/worker/verdict.h"
#include "ipc/several.h"

#define RETRIES_MAX 1000 /* of a demuxer that says "again" without having made a packet */

static bool seeks(const struct rmx_intake *intake)
{
    return intake->io->seekable & AVIO_SEEKABLE_NORMAL;
}

/* --- opening --------------------------------------------------------------------------------- */

/* Whoever goes to somewhere in the middle asks libavformat for the way. */
static bool may_be_native(const struct rmx_intake *intake, const struct rmx_job_spec *spec)
{
    const bool *seen = intake->whole.seen;

    return spec->inputs == 1 && !seen[RMX_EDIT_START] && !seen[RMX_EDIT_START_FROM_END];
}

static enum rmx_status open_demuxer(
    struct rmx_intake *intake, const struct rmx_job_spec *spec, struct rmx_words *words)
{
    bool live = spec->flags & RMX_JOB_LIVE;
    bool tapped = live || !seeks(intake);
    struct rmx_job_spec own;

    if (tapped && rmx_tap_init(&intake->tap, intake->io) < 0) {
        return RMX_STATUS_OVER_LIMIT;
    }
    AVIOContext *input = tapped ? intake->tap.context : intake->io;

    if (!live) {
        rmx_extent_begin(&intake->extent, input);
    }
    const struct rmx_demux_way way = {
        .input = input,
        .tap = tapped ? &intake->tap : NULL,
        .split = &intake->split,
        .ahead = &intake->ahead,
        .key = intake->whole.decryption_key,
        .native = may_be_native(intake, spec) ? &intake->native : NULL,
        .measured = intake->whole.seen[RMX_EDIT_START_FROM_END] || spec->outputs > 1,
    };

    rmx_several_take_input(spec, intake->number, &own);
    enum rmx_status status = rmx_demux_open(&intake->demuxer, &way, &own, words);

    if (intake->native) {
        intake->extent.samples_end = rmx_native_end(intake->native);
    }
    return status;
}

enum rmx_status rmx_intake_open(struct rmx_intake *intake, AVIOContext *io, unsigned number,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    const char *why;

    *intake = (struct rmx_intake){ .io = io, .number = number, .end_us = INT64_MAX };
    if (rmx_edit_gather(spec->edits, sizeof(spec->edits), (int)number, &intake->whole, &why) < 0) {
        rmx_words_say(words, "%s", why);
        return RMX_STATUS_BAD_OPTION;
    }
    if (seeks(intake)) { /* it may have been looked at before */
        (void)avio_seek(io, 0, SEEK_SET);
    }
    enum rmx_status status = open_demuxer(intake, spec, words);

    if (status == RMX_STATUS_OK && spec->kind == RMX_JOB_REMUX) {
        status = rmx_range_begin(&intake->whole, intake->demuxer, &intake->ahead, words);
    }
    return status;
}

int rmx_intake_begin(struct rmx_intake *intake)
{
    intake->end_us = rmx_range_end_us(&intake->whole, intake->demuxer);
    return rmx_timing_init(&intake->timing, intake->demuxer, &intake->whole);
}

/* --- reading --------------------------------------------------------------------------------- */

int rmx_intake_read(struct rmx_intake *intake, AVPacket *packet)
{
    int err = AVERROR(EAGAIN);

    for (int retry = 0; err == AVERROR(EAGAIN) && retry < RETRIES_MAX; retry++) {
        err = rmx_ahead_next(&intake->ahead, intake->demuxer, packet);
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

/* Of a stream that was not there when the output's header was written. ffmpeg says so in its log.
 */
static void say_too_late(const AVFormatContext *demuxer, unsigned source)
{
    const AVCodecParameters *parameters = demuxer->streams[source]->codecpar;

    if (parameters->codec_type == AVMEDIA_TYPE_VIDEO ||
        parameters->codec_type == AVMEDIA_TYPE_AUDIO) {
        rmx_words_warn(demuxer->opaque,
            "stream %u (%s) turned up when the output had begun: left out", source,
            avcodec_get_name(parameters->codec_id));
    }
}

int rmx_intake_correct(struct rmx_intake *intake, AVPacket *packet)
{
    unsigned source = (unsigned)packet->stream_index;

    rmx_extent_note(&intake->extent, intake->demuxer, packet);
    if (source >= intake->timing.count) {
        say_too_late(intake->demuxer, source);
        av_packet_unref(packet);
        return 0;
    }
    if (intake->demuxer->streams[source]->discard == AVDISCARD_ALL) {
        av_packet_unref(packet);
        return 0;
    }
    if (!intake->timing.streams[source].started) {
        int err = add_stream_side_data(packet, intake->demuxer->streams[source]);

        if (err < 0) {
            return err;
        }
    }
    rmx_timing_correct(&intake->timing, packet);
    rmx_timing_predict(&intake->timing, packet);
    return 1;
}

/* --- the end --------------------------------------------------------------------------------- */

/* Data that were there but went by before the index that names them was read. */
static bool needed_to_go_back(const struct rmx_intake *intake, bool live, enum rmx_status status)
{
    return status == RMX_STATUS_BAD_MEDIA && intake->demuxer && (live || !seeks(intake)) &&
           av_match_name("mov", intake->demuxer->iformat->name);
}

enum rmx_status rmx_intake_judge(struct rmx_intake *intake, const struct rmx_job_spec *spec,
    enum rmx_status status, bool finishable, struct rmx_words *words, uint64_t *bytes_expected)
{
    bool allowed = spec->flags & RMX_JOB_ALLOW_TRUNCATED;
    bool live = spec->flags & RMX_JOB_LIVE;
    int64_t end = rmx_extent_missing_end(&intake->extent, intake->demuxer, intake->io);

    if (intake->io->error < 0) {
        return rmx_verdict_input(intake->io->error, intake->io);
    }
    if (end > 0) {
        *bytes_expected = (uint64_t)end;
        return allowed && finishable ? RMX_STATUS_OK : RMX_STATUS_TRUNCATED;
    }
    if (needed_to_go_back(intake, live, status)) {
        rmx_words_say(words, "the index follows the samples it names: %s",
            live ? "a live job never goes back, so run it as one that is not live"
                 : "give a file, an input that can seek, or allow a spool");
        return RMX_STATUS_NEEDS_SEEKABLE_INPUT;
    }
    return status;
}

void rmx_intake_close(struct rmx_intake *intake)
{
    rmx_ahead_fini(&intake->ahead);
    rmx_timing_fini(&intake->timing);
    rmx_split_fini(&intake->split);
    avformat_close_input(&intake->demuxer);
    rmx_native_free(&intake->native);
    rmx_tap_fini(&intake->tap);
    av_freep(&intake->as);
    intake->done = true;
}
