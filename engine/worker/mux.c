/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Opens, feeds and finishes the output. Worker process, a job's fiber.
 */
#include "engine/worker/mux.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/mem.h>
#include <libavutil/opt.h>

#include "engine/worker/filters.h"
#include "engine/worker/foreword.h"
#include "engine/worker/guard.h"
#include "engine/worker/metadata.h"
#include "engine/worker/options.h"
#include "engine/worker/range.h"
#include "engine/worker/retouch.h"
#include "engine/worker/target.h"
#include "engine/worker/track.h"
#include "engine/worker/verdict.h"
#include "ipc/format.h"
#include "ring/base.h"

#define LATE_US INT64_C(10000000) /* so far a packet may lie behind others in the file */

/* --- streams --------------------------------------------------------------------------------- */

static int add_tracks(
    struct rmx_mux *mux, const struct rmx_streams_pool *pool, const struct rmx_streams *streams)
{
    mux->tracks = av_calloc(streams->count, sizeof(*mux->tracks));
    if (!mux->tracks) {
        return AVERROR(ENOMEM);
    }
    for (unsigned slot = 0; slot < streams->count; slot++) {
        const struct rmx_source *source = &streams->source[slot];
        const AVStream *from = pool->demuxers[source->input]->streams[source->stream];
        AVStream *to = avformat_new_stream(mux->context, NULL);

        if (!to) {
            return AVERROR(ENOMEM);
        }
        mux->tracks[slot] = (struct rmx_mux_track){
            .stream = to,
            .from = from->time_base,
            .last_dts = AV_NOPTS_VALUE,
            .last_samples = AV_NOPTS_VALUE,
            .input = source->input,
            .source = source->stream,
        };
        mux->count = slot + 1;
        int err = rmx_track_copy(to, from, mux->context->oformat, !mux->whole.strip_streams);

        if (err < 0) {
            return err;
        }
    }
    return 0;
}

/* What the job asks for takes the place of what ffmpeg would choose. */
static enum rmx_status edit_tracks(struct rmx_mux *mux, const struct rmx_streams_pool *pool,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    enum rmx_status status = rmx_retouch_streams(mux->context, spec, words);

    if (!mux->whole.seen[RMX_EDIT_DISPOSITION]) {
        rmx_metadata_mark_defaults(mux->context);
    }
    for (unsigned slot = 0; slot < mux->count && status == RMX_STATUS_OK; slot++) {
        struct rmx_mux_track *track = &mux->tracks[slot];

        status = rmx_subtitle_open(&track->subtitle, mux->context, track->stream,
            pool->demuxers[track->input]->streams[track->source], spec, words);
        status = status != RMX_STATUS_OK
                     ? status
                     : rmx_filters_open(&track->edit, mux->context, track->stream, spec, words);
    }
    return status;
}

/* --- opening --------------------------------------------------------------------------------- */

enum rmx_status rmx_mux_open(struct rmx_mux *mux, const struct rmx_outlet *outlet, unsigned output,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    const char *why;

    mux->io = outlet->io[output];
    mux->end_us = INT64_MAX;
    mux->live = spec->flags & RMX_JOB_LIVE;
    if (rmx_edit_gather(spec->edits, sizeof(spec->edits), RMX_EDIT_JOB, &mux->whole, &why) < 0) {
        rmx_words_say(words, "%s", why);
        return RMX_STATUS_BAD_OPTION;
    }
    return rmx_target_open(&mux->context, outlet, output, spec, words);
}

/* What is known before any packet, as ffmpeg tells its muxers. */
static void note_range(struct rmx_mux *mux)
{
    AVFormatContext *context = mux->context;

    context->output_ts_offset += mux->whole.output_offset_us;
    context->flags |= mux->whole.shortest ? AVFMT_FLAG_SHORTEST : 0;
    if (mux->whole.duration_us != INT64_MAX && !mux->whole.copyts) {
        context->duration = mux->whole.duration_us;
    }
}

enum rmx_status rmx_mux_add_streams(struct rmx_mux *mux, const struct rmx_streams_pool *pool,
    const struct rmx_streams *streams, const struct rmx_job_spec *spec, struct rmx_words *words)
{
    int err = add_tracks(mux, pool, streams);

    if (err < 0) {
        return rmx_verdict_output(err, mux->io);
    }
    enum rmx_status status = edit_tracks(mux, pool, spec, words);

    if (status == RMX_STATUS_OK) {
        status = rmx_guard_streams(mux->context, words);
    }
    if (status != RMX_STATUS_OK) {
        return status;
    }
    note_range(mux);
    mux->plain = rmx_fragmenter_serves(spec, pool->demuxers[0]);
    mux->needs_bytes = rmx_guard_wants_bytes(mux->context);
    rmx_foreword_delay(mux->context);
    mux->needs_pts = (mux->context->oformat->flags & AVFMT_NOFILE) ||
                     rmx_options_has_flag(mux->context, "movflags", "cmaf") ||
                     rmx_options_has_flag(mux->context, "movflags", "negative_cts_offsets");
    err = rmx_cuts_begin(&mux->cuts, mux->context, spec);
    if (err >= 0 && mux->live) {
        err = rmx_spill_begin(&mux->spill, mux->context, &mux->pace, &mux->cuts, spec);
    }
    return err < 0 ? rmx_verdict_output(err, mux->io) : RMX_STATUS_OK;
}

enum rmx_status rmx_mux_add_tags(struct rmx_mux *mux, const struct rmx_intake *tagged,
    const struct rmx_intake *chaptered, const struct rmx_job_spec *spec, struct rmx_words *words)
{
    const struct rmx_edit_whole *whole = &mux->whole;
    bool part = whole->duration_us != INT64_MAX;
    const struct rmx_metadata_chapters chapters = {
        .ts_offset = chaptered ? chaptered->timing.ts_offset : 0,
        .duration_us = whole->copyts ? INT64_MAX : whole->duration_us,
        .tags = !whole->strip_chapters,
    };
    int err = 0;

    if (chaptered && !whole->seen[RMX_EDIT_MAP_CHAPTERS]) {
        err = rmx_metadata_copy_chapters(mux->context, chaptered->demuxer, &chapters);
    }
    if (err >= 0 && tagged && !whole->strip_file) {
        err = rmx_metadata_copy(mux->context, tagged->demuxer, part);
    }
    if (err >= 0) {
        err = rmx_cuts_set(mux->context, spec);
    }
    return err < 0 ? RMX_STATUS_OVER_LIMIT : rmx_retouch_tags(mux->context, spec, words);
}

int rmx_mux_write_header(struct rmx_mux *mux)
{
    int err = 0;

    for (unsigned slot = 0; slot < mux->count && err >= 0; slot++) {
        const struct rmx_subtitle *subtitle = mux->tracks[slot].subtitle;

        err = subtitle ? rmx_subtitle_sign(subtitle) : 0;
    }
    err = err < 0 ? err : avformat_write_header(mux->context, NULL);
    mux->header_written = err >= 0;
    if (err >= 0 && mux->plain) {
        mux->fragmenter = rmx_fragmenter_new(mux->context);
        err = mux->fragmenter ? 0 : AVERROR(ENOMEM);
    }
    return err < 0 ? err : rmx_pace_init(&mux->pace, mux->context, !mux->live);
}

/* --- packets --------------------------------------------------------------------------------- */

static int queue(struct rmx_mux *mux, AVPacket *packet)
{
    int err = rmx_pace_keep(&mux->pace, packet);

    err = err < 0 ? err : rmx_cuts_note(&mux->cuts, packet);
    if (err >= 0 && mux->fragmenter) {
        err = rmx_fragmenter_put(&mux->fragmenter, packet);
    } else if (err >= 0) {
        err = av_interleaved_write_frame(mux->context, packet);
        rmx_pace_note_written(&mux->pace);
    }
    return err;
}

static int give(struct rmx_mux *mux, struct rmx_mux_track *track, AVPacket *packet)
{
    if (mux->needs_bytes && packet->size == 0) {
        return 0;
    }
    rmx_timing_settle(packet, mux->context->oformat->flags, track->stream->codecpar->codec_type,
        &track->last_dts);
    if (mux->needs_pts &&
        (packet->pts == AV_NOPTS_VALUE || av_sat_sub64(packet->pts, packet->dts) > INT32_MAX)) {
        packet->pts = packet->dts; /* what it does itself in its other modes */
    }
    packet->stream_index = track->stream->index;
    mux->packets++;
    return mux->live ? rmx_spill_put(&mux->spill, packet) : queue(mux, packet);
}

/* Through a filter and on; packet NULL drains it. A packet the filter cannot read is left out, as
 * ffmpeg does. */
static int filter(struct rmx_mux *mux, struct rmx_mux_track *track, AVBSFContext *through,
    AVPacket *packet, int (*give_on)(struct rmx_mux *, struct rmx_mux_track *, AVPacket *))
{
    int got = av_bsf_send_packet(through, packet);

    if (got < 0) {
        return got == AVERROR(ENOMEM) ? got : 0;
    }
    AVPacket *filtered = av_packet_alloc();
    int err = filtered ? 0 : AVERROR(ENOMEM);

    while (err >= 0 && (got = av_bsf_receive_packet(through, filtered)) >= 0) {
        err = give_on(mux, track, filtered);
    }
    av_packet_free(&filtered);
    return err >= 0 && got == AVERROR(ENOMEM) ? got : err;
}

static int give_through_ours(struct rmx_mux *mux, struct rmx_mux_track *track, AVPacket *packet)
{
    return track->filter ? filter(mux, track, track->filter, packet, give)
                         : give(mux, track, packet);
}

static int give_edited(struct rmx_mux *mux, struct rmx_mux_track *track, AVPacket *packet)
{
    rmx_filters_tame(packet, track->stream->time_base, track->last_dts);
    return give_through_ours(mux, track, packet);
}

static int give_through_all(struct rmx_mux *mux, struct rmx_mux_track *track, AVPacket *packet)
{
    return track->edit ? filter(mux, track, track->edit, packet, give_edited)
                       : give_through_ours(mux, track, packet);
}

/* Where ffmpeg's -shortest ends all others: as long as the one that ended first lasted. */
static void end_track(struct rmx_mux *mux, struct rmx_mux_track *track)
{
    int64_t lasted_us = av_rescale_q(track->lasted, track->stream->time_base, AV_TIME_BASE_Q);

    if (!track->ended && mux->whole.shortest) {
        mux->end_us = FFMIN(mux->end_us, lasted_us);
    }
    track->ended = true;
}

static int64_t end_of(const struct rmx_mux *mux, const struct rmx_intake *intake)
{
    return FFMIN(mux->end_us, intake->end_us);
}

/* packet is the track's own and is left empty. last_samples: of its input stream. */
static int write_to_track(struct rmx_mux *mux, struct rmx_mux_track *track,
    const struct rmx_intake *intake, AVPacket *packet, int64_t *last_samples)
{
    if (!track->started && !track->subtitle && !(packet->flags & AV_PKT_FLAG_KEY)) {
        return 0;
    }
    if (intake->timing.streams[packet->stream_index].dts >= end_of(mux, intake)) {
        end_track(mux, track);
        return 0;
    }
    track->started = true;
    if (track->subtitle) {
        const AVStream *from = intake->demuxer->streams[packet->stream_index];

        av_packet_rescale_ts(packet, from->time_base, track->from);
        int got = rmx_subtitle_convert(track->subtitle, packet);

        return got > 0 ? give_through_all(mux, track, packet) : got;
    }
    rmx_timing_convert(&intake->timing, packet, track->stream, last_samples);
    track->lasted = av_sat_add64(track->lasted, packet->duration);
    return give_through_all(mux, track, packet);
}

/* A track that may have more to say before the end. One that speaks seldom may never reach it, nor
 * one of a live job that has fallen silent; of a file, all pictures may come before all sound. */
static bool is_waited_for(const struct rmx_mux *mux, const struct rmx_mux_track *track)
{
    enum AVMediaType type = track->stream->codecpar->codec_type;

    return !track->ended && !mux->live &&
           (type == AVMEDIA_TYPE_VIDEO || type == AVMEDIA_TYPE_AUDIO);
}

/* The number of the input as tracks have it. */
static unsigned number_of(const struct rmx_intake *intake)
{
    return intake->as ? 0 : intake->number;
}

bool rmx_mux_is_past_end(const struct rmx_mux *mux, const struct rmx_intake *intake, int64_t dts_us)
{
    int64_t end_us = end_of(mux, intake);
    unsigned unended = 0;

    if (end_us == INT64_MAX) {
        return false;
    }
    for (unsigned slot = 0; slot < mux->count; slot++) {
        const struct rmx_mux_track *track = &mux->tracks[slot];

        if (track->input == number_of(intake)) {
            if (is_waited_for(mux, track)) {
                return false;
            }
            unended += !track->ended;
        }
    }
    return unended == 0 || dts_us >= av_sat_add64(end_us, LATE_US);
}

void rmx_mux_end_input(struct rmx_mux *mux, unsigned input)
{
    for (unsigned slot = 0; slot < mux->count; slot++) {
        if (mux->tracks[slot].input == input) {
            end_track(mux, &mux->tracks[slot]);
        }
    }
}

void rmx_mux_resume_input(struct rmx_mux *mux, unsigned input)
{
    for (unsigned slot = 0; slot < mux->count; slot++) {
        mux->tracks[slot].ended &= mux->tracks[slot].input != input;
    }
}

const struct rmx_mux_track *rmx_mux_find_last(const struct rmx_mux *mux, int64_t *dts_us)
{
    const struct rmx_mux_track *last = NULL;

    for (unsigned slot = 0; slot < mux->count; slot++) {
        const struct rmx_mux_track *track = &mux->tracks[slot];
        int64_t at_us =
            track->last_dts == AV_NOPTS_VALUE
                ? INT64_MIN
                : av_rescale_q(track->last_dts, track->stream->time_base, AV_TIME_BASE_Q);

        if (!track->ended && (!last || at_us < *dts_us)) {
            last = track;
            *dts_us = at_us;
        }
    }
    return last;
}

static struct rmx_mux_track *next_track(
    struct rmx_mux *mux, const struct rmx_mux_track *after, unsigned input, unsigned source)
{
    struct rmx_mux_track *end = mux->tracks + mux->count;
    struct rmx_mux_track *track = after ? mux->tracks + (after - mux->tracks) + 1 : mux->tracks;

    while (track < end && (track->source != source || track->input != input)) {
        track++;
    }
    return track < end ? track : NULL;
}

/* The stream's number as tracks have it. */
static unsigned source_of(const struct rmx_intake *intake, const AVPacket *packet)
{
    return (unsigned)(intake->as ? intake->as[packet->stream_index] : packet->stream_index);
}

int rmx_mux_write(struct rmx_mux *mux, const struct rmx_intake *intake, AVPacket *packet)
{
    unsigned input = number_of(intake);
    unsigned source = source_of(intake, packet);
    struct rmx_mux_track *first = next_track(mux, NULL, input, source);
    struct rmx_mux_track *track = first;
    int err = 0;

    while (track && err >= 0) {
        struct rmx_mux_track *next = next_track(mux, track, input, source);

        if (!next) {
            err = write_to_track(mux, track, intake, packet, &first->last_samples);
        } else {
            AVPacket *copy = av_packet_clone(packet);

            err = copy ? write_to_track(mux, track, intake, copy, &first->last_samples)
                       : AVERROR(ENOMEM);
            av_packet_free(&copy);
        }
        track = next;
    }
    av_packet_unref(packet);
    return err;
}

int rmx_mux_release(struct rmx_mux *mux)
{
    return rmx_spill_release(&mux->spill, false);
}

int64_t rmx_mux_due_us(const struct rmx_mux *mux)
{
    return rmx_weave_due_us(&mux->spill.weave);
}

static int drain(struct rmx_mux *mux, struct rmx_mux_track *track)
{
    int err = track->edit ? filter(mux, track, track->edit, NULL, give_edited) : 0;

    return err >= 0 && track->filter ? filter(mux, track, track->filter, NULL, give) : err;
}

/* What DASH has of a stream is known only when nothing of it waits. */
static int empty_queue(struct rmx_mux *mux)
{
    return mux->pace.segments && !mux->live ? av_interleaved_write_frame(mux->context, NULL) : 0;
}

int rmx_mux_finish(struct rmx_mux *mux)
{
    int err = 0;

    for (unsigned slot = 0; slot < mux->count && err >= 0; slot++) {
        err = drain(mux, &mux->tracks[slot]);
    }
    if (err >= 0 && mux->live) {
        err = rmx_spill_release(&mux->spill, true);
    }
    if (rmx_foreword_is_due(mux->context)) {
        if (err >= 0 && !mux->live) {
            err = av_interleaved_write_frame(mux->context, NULL);
        }
        err = err < 0 ? err : rmx_foreword_write(mux->context);
        if (err < 0) { /* the trailer would write half of it */
            return err;
        }
    }
    int flushed = empty_queue(mux);

    err = err < 0 ? err : flushed;
    if (!rmx_pace_end(&mux->pace)) {
        return err < 0 ? err : AVERROR_INVALIDDATA;
    }
    bool reserved = rmx_options_is_set(mux->context, "reserve_index_space"); /* it forgets */
    int trailer =
        mux->fragmenter ? rmx_fragmenter_finish(mux->fragmenter) : av_write_trailer(mux->context);

    mux->finished = true;
    if (trailer == AVERROR(EINVAL) && reserved) {
        rmx_words_say(mux->context->opaque,
            "reserve_index_space: the index needs more than that: give more, or leave it out");
    }
    return err < 0 ? err : trailer;
}

/* A muxer of several files lets go of the one it was at in its trailer only. */
static void abandon(struct rmx_mux *mux)
{
    if (!mux->header_written || mux->finished || !(mux->context->oformat->flags & AVFMT_NOFILE)) {
        return;
    }
    (void)empty_queue(mux);
    if (rmx_pace_end(&mux->pace)) {
        (void)av_write_trailer(mux->context);
    }
}

void rmx_mux_fini(struct rmx_mux *mux)
{
    abandon(mux);
    for (unsigned slot = 0; slot < mux->count; slot++) {
        rmx_subtitle_free(&mux->tracks[slot].subtitle);
        av_bsf_free(&mux->tracks[slot].edit);
        av_bsf_free(&mux->tracks[slot].filter);
    }
    av_freep(&mux->tracks);
    rmx_spill_fini(&mux->spill);
    rmx_fragmenter_free(&mux->fragmenter);
    rmx_pace_fini(&mux->pace);
    avformat_free_context(mux->context);
    mux->context = NULL;
    mux->count = 0;
}
