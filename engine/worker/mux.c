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
#include "engine/worker/metadata.h"
#include "engine/worker/options.h"
#include "engine/worker/range.h"
#include "engine/worker/retouch.h"
#include "engine/worker/track.h"
#include "engine/worker/verdict.h"
#include "ipc/format.h"
#include "ring/base.h"

#define URL_BYTES    64
#define LATE_US      INT64_C(10000000) /* so far a packet may lie behind others in the file */
#define MUX_DELAY_US 700000 /* ffmpeg's -muxdelay: MPEG-TS starts 2 x 0.7 s after its clock */

/* --- files ----------------------------------------------------------------------------------- */

/* Muxers of several files rename and delete by name where a name is a file's: of this protocol,
 * which nobody has, they leave that be. The slash is for those that look for a folder. */
#define URL_HEAD "part:/"

static int open_file(
    AVFormatContext *context, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    const struct rmx_words *words = context->opaque;
    const struct rmx_outlet *outlet = words->outlet;
    size_t head = strlen(URL_HEAD);

    (void)options;
    if (!outlet->open_part || !(flags & AVIO_FLAG_WRITE) || (flags & AVIO_FLAG_READ) ||
        strncmp(url, URL_HEAD, head) != 0) {
        return AVERROR(EACCES);
    }
    return outlet->open_part(outlet->owner, url + head, io);
}

static int close_file(AVFormatContext *context, AVIOContext *io)
{
    const struct rmx_words *words = context->opaque;
    const struct rmx_outlet *outlet = words->outlet;

    rmx_assert(outlet->close_part); /* who opened it */
    return outlet->close_part(outlet->owner, io);
}

/* --- streams --------------------------------------------------------------------------------- */

static int add_tracks(
    struct rmx_mux *mux, const AVFormatContext *demuxer, const struct rmx_streams *streams)
{
    mux->tracks = av_calloc(streams->count, sizeof(*mux->tracks));
    if (!mux->tracks) {
        return AVERROR(ENOMEM);
    }
    for (unsigned slot = 0; slot < streams->count; slot++) {
        const AVStream *from = demuxer->streams[streams->source[slot]];
        AVStream *to = avformat_new_stream(mux->context, NULL);

        if (!to) {
            return AVERROR(ENOMEM);
        }
        mux->tracks[slot] = (struct rmx_mux_track){
            .stream = to, .last_dts = AV_NOPTS_VALUE, .source = streams->source[slot]
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
static enum rmx_status edit_tracks(struct rmx_mux *mux, const AVFormatContext *demuxer,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    enum rmx_status status = rmx_retouch_streams(mux->context, spec, words);

    if (!mux->whole.seen[RMX_EDIT_DISPOSITION]) {
        rmx_metadata_mark_defaults(mux->context);
    }
    for (unsigned slot = 0; slot < mux->count && status == RMX_STATUS_OK; slot++) {
        struct rmx_mux_track *track = &mux->tracks[slot];

        status = rmx_subtitle_open(&track->subtitle, mux->context, track->stream,
            demuxer->streams[track->source], spec, words);
        status = status != RMX_STATUS_OK
                     ? status
                     : rmx_filters_open(&track->edit, mux->context, track->stream, spec, words);
    }
    return status;
}

/* --- the context ----------------------------------------------------------------------------- */

static AVFormatContext *new_context(const struct rmx_format *format,
    const struct rmx_outlet *outlet, bool bitexact, struct rmx_words *words)
{
    AVFormatContext *context = NULL;
    char url[URL_BYTES];

    snprintf(url, sizeof(url), URL_HEAD "%s", format->index);
    if (avformat_alloc_output_context2(&context, NULL, format->muxer, url) < 0) {
        return NULL;
    }
    if (!*format->index) {
        context->pb = outlet->io[0];
    }
    words->outlet = outlet;
    context->io_open = open_file;
    context->io_close2 = close_file;
    context->max_delay = MUX_DELAY_US;
    context->flush_packets = 0; /* the output decides when a chunk is full */
    context->flags |= AVFMT_FLAG_CUSTOM_IO | (bitexact ? AVFMT_FLAG_BITEXACT : 0);
    rmx_words_attach(words, context);
    return context;
}

/* With movflags or a fragment duration, even plain mp4 goes strictly forward. */
static bool goes_back(const AVFormatContext *context, const struct rmx_format *format)
{
    static const char *const forward[] = { "empty_moov", "frag_keyframe", "frag_every_frame",
        "delay_moov", "dash", "cmaf" };

    for (size_t slot = 0; slot < sizeof(forward) / sizeof(*forward); slot++) {
        if (rmx_options_has_flag(context, "movflags", forward[slot])) {
            return false;
        }
    }
    return format->patch == RMX_PATCH_ALWAYS;
}

/* Can the output take what the muxer does? Says what to do if not. */
static enum rmx_status check_output(const struct rmx_mux *mux, const struct rmx_format *format,
    const struct rmx_outlet *outlet, const struct rmx_job_spec *spec, struct rmx_words *words)
{
    if (*format->index && !outlet->open_part) {
        rmx_words_say(words,
            "%s is several files: its output must be a ring that takes parts (RMX_PARTS)",
            format->name);
        return RMX_STATUS_UNSUPPORTED;
    }
    if (mux->live && goes_back(mux->context, format)) {
        rmx_words_say(words,
            "%s is finished at its end, so it cannot be live: use fmp4, mpegts, flv or matroska",
            format->name);
        return RMX_STATUS_UNSUPPORTED;
    }
    if (rmx_job_wants_faststart(spec) && !outlet->spooled) {
        rmx_words_say(words, "faststart writes the output twice: use fmp4, which has its index in "
                             "front, or allow a spool");
        return RMX_STATUS_NEEDS_SEEKABLE_OUTPUT;
    }
    if (!(outlet->io[0]->seekable & AVIO_SEEKABLE_NORMAL) && goes_back(mux->context, format)) {
        rmx_words_say(words,
            "%s is patched at its end: use fmp4, mpegts or matroska, give a file or a positional "
            "sink, or allow a spool",
            format->name);
        return RMX_STATUS_NEEDS_SEEKABLE_OUTPUT;
    }
    return RMX_STATUS_OK;
}

/* --- opening --------------------------------------------------------------------------------- */

enum rmx_status rmx_mux_open(struct rmx_mux *mux, const struct rmx_outlet *outlet,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    const struct rmx_format *format = rmx_format_find(spec->format);
    const char *why;

    mux->end_us = INT64_MAX;
    if (rmx_edit_gather(spec->edits, sizeof(spec->edits), RMX_EDIT_JOB, &mux->whole, &why) < 0) {
        rmx_words_say(words, "%s", why);
        return RMX_STATUS_BAD_OPTION;
    }
    if (!av_guess_format(format->muxer, NULL, NULL)) {
        rmx_words_say(words, "this libavformat has no muxer '%s'", format->muxer);
        return RMX_STATUS_UNSUPPORTED;
    }
    mux->context = new_context(format, outlet, spec->flags & RMX_JOB_BITEXACT, words);
    if (!mux->context) {
        return RMX_STATUS_OVER_LIMIT;
    }
    mux->live = spec->flags & RMX_JOB_LIVE;
    if (mux->live) {
        rmx_spill_set_options(mux->context);
    }
    enum rmx_status status = rmx_options_apply(mux->context, format->options, spec, words);

    return status == RMX_STATUS_OK ? check_output(mux, format, outlet, spec, words) : status;
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

enum rmx_status rmx_mux_add_streams(struct rmx_mux *mux, const AVFormatContext *demuxer,
    const struct rmx_streams *streams, const struct rmx_job_spec *spec, struct rmx_words *words)
{
    int err = add_tracks(mux, demuxer, streams);

    if (err < 0) {
        return rmx_verdict_output(err, words->outlet->io[0]);
    }
    enum rmx_status status = edit_tracks(mux, demuxer, spec, words);

    if (status != RMX_STATUS_OK) {
        return status;
    }
    note_range(mux);
    mux->end_us = rmx_range_end_us(&mux->whole, demuxer);
    rmx_foreword_delay(mux->context);
    mux->needs_pts = (mux->context->oformat->flags & AVFMT_NOFILE) ||
                     rmx_options_has_flag(mux->context, "movflags", "cmaf") ||
                     rmx_options_has_flag(mux->context, "movflags", "negative_cts_offsets");
    err = mux->live ? rmx_spill_begin(&mux->spill, mux->context, &mux->pace, spec) : 0;
    return err < 0 ? rmx_verdict_output(err, words->outlet->io[0]) : RMX_STATUS_OK;
}

enum rmx_status rmx_mux_add_tags(struct rmx_mux *mux, const AVFormatContext *demuxer,
    const struct rmx_timing *timing, const struct rmx_job_spec *spec, struct rmx_words *words)
{
    const struct rmx_edit_whole *whole = &mux->whole;
    bool part = whole->duration_us != INT64_MAX;
    const struct rmx_metadata_chapters chapters = {
        .ts_offset = timing->ts_offset,
        .duration_us = whole->copyts ? INT64_MAX : whole->duration_us,
        .tags = !whole->strip_chapters,
    };
    int err = 0;

    if (!whole->seen[RMX_EDIT_MAP_CHAPTERS]) {
        err = rmx_metadata_copy_chapters(mux->context, demuxer, &chapters);
    }
    if (err >= 0 && !whole->strip_file) {
        err = rmx_metadata_copy(mux->context, demuxer, part);
    }
    return err < 0 ? RMX_STATUS_OVER_LIMIT : rmx_retouch_tags(mux->context, spec, words);
}

int rmx_mux_write_header(struct rmx_mux *mux)
{
    int err = avformat_write_header(mux->context, NULL);

    mux->header_written = err >= 0;
    return err < 0 ? err : rmx_pace_init(&mux->pace, mux->context, !mux->live);
}

/* --- packets --------------------------------------------------------------------------------- */

static int queue(struct rmx_mux *mux, AVPacket *packet)
{
    int err = rmx_pace_keep(&mux->pace, packet);

    if (err >= 0) {
        err = av_interleaved_write_frame(mux->context, packet);
        rmx_pace_note_written(&mux->pace);
    }
    return err;
}

static int give(struct rmx_mux *mux, struct rmx_mux_track *track, AVPacket *packet)
{
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

/* Is this packet, whose dts is that, past the end of the range? */
static bool is_past(struct rmx_mux *mux, struct rmx_mux_track *track, int64_t dts_us)
{
    bool ended = dts_us >= mux->end_us;

    track->ended |= ended;
    if (ended && mux->whole.shortest) {
        mux->end_us = INT64_MIN; /* and the others end where they are */
    }
    return ended;
}

/* packet is the track's own and is left empty. */
static int write_to_track(
    struct rmx_mux *mux, struct rmx_mux_track *track, struct rmx_timing *timing, AVPacket *packet)
{
    if (!track->started && !track->subtitle && !(packet->flags & AV_PKT_FLAG_KEY)) {
        return 0;
    }
    if (mux->end_us != INT64_MAX &&
        is_past(mux, track, timing->streams[packet->stream_index].dts)) {
        return 0;
    }
    track->started = true;
    if (track->subtitle) {
        int got = rmx_subtitle_convert(track->subtitle, packet);

        return got > 0 ? give_through_all(mux, track, packet) : got;
    }
    rmx_timing_convert(timing, packet, track->stream);
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

bool rmx_mux_is_past_end(const struct rmx_mux *mux, int64_t dts_us)
{
    unsigned ended = 0;

    if (mux->end_us == INT64_MAX) {
        return false;
    }
    for (unsigned slot = 0; slot < mux->count; slot++) {
        if (is_waited_for(mux, &mux->tracks[slot])) {
            return false;
        }
        ended += mux->tracks[slot].ended;
    }
    return ended == mux->count || dts_us >= av_sat_add64(mux->end_us, LATE_US);
}

static struct rmx_mux_track *next_track(
    struct rmx_mux *mux, const struct rmx_mux_track *after, unsigned source)
{
    struct rmx_mux_track *end = mux->tracks + mux->count;
    struct rmx_mux_track *track = after ? mux->tracks + (after - mux->tracks) + 1 : mux->tracks;

    while (track < end && track->source != source) {
        track++;
    }
    return track < end ? track : NULL;
}

int rmx_mux_write(struct rmx_mux *mux, struct rmx_timing *timing, AVPacket *packet)
{
    unsigned source = (unsigned)packet->stream_index;
    struct rmx_mux_track *track = next_track(mux, NULL, source);
    int err = 0;

    while (track && err >= 0) {
        struct rmx_mux_track *next = next_track(mux, track, source);

        if (!next) {
            err = write_to_track(mux, track, timing, packet);
        } else {
            AVPacket *copy = av_packet_clone(packet);

            err = copy ? write_to_track(mux, track, timing, copy) : AVERROR(ENOMEM);
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
    if (!rmx_pace_may_finish(&mux->pace)) {
        return err < 0 ? err : AVERROR_INVALIDDATA;
    }
    int trailer = av_write_trailer(mux->context);

    mux->finished = true;
    return err < 0 ? err : trailer;
}

/* A muxer of several files lets go of the one it was at in its trailer only. */
static void abandon(struct rmx_mux *mux)
{
    if (mux->header_written && !mux->finished && mux->context->oformat->flags & AVFMT_NOFILE &&
        rmx_pace_may_finish(&mux->pace)) {
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
    rmx_pace_fini(&mux->pace);
    avformat_free_context(mux->context);
    mux->context = NULL;
    mux->count = 0;
}
