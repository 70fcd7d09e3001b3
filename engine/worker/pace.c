/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The last look at a packet's times. Worker process, a job's fiber. Does no I/O.
 *
 * What the muxer of MP4 takes a sample to last is the way from where it put the sample to where it
 * puts the next one, or to where the packet says that the sample ends. A fragment's first sample it
 * puts where the last one of the fragment before ended, by that one's word; of a live job, where
 * the sample says.
 */
#include "engine/worker/pace.h"

#include <errno.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/avstring.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>

#include "engine/worker/kept.h"
#include "engine/worker/options.h"
#include "engine/worker/streams.h"
#include "engine/worker/words.h"

struct rmx_pace_track {
    bool started;
    int64_t first;
    int64_t dts;    /* of the packet before */
    int64_t gap;    /* before that one */
    int64_t shift;  /* the first packet's pts - dts: where dts may become pts */
    int64_t end;    /* of the packet before, at the latest */
    int64_t floor;  /* the muxer may have put a fragment's first sample there */
    unsigned since; /* packets since that fragment began */
    int64_t given;  /* packets in all, */
    int64_t taken;  /* and those that have left the muxer's queue */
    int64_t shown;  /* pts + duration, at the latest */
};

/* --- what kind of muxer ---------------------------------------------------------------------- */

static bool makes_fragments(const AVFormatContext *muxer)
{
    return rmx_options_has_flag(muxer, "movflags", "empty_moov") ||
           rmx_options_has_flag(muxer, "movflags", "frag_keyframe") ||
           rmx_options_has_flag(muxer, "movflags", "frag_every_frame") ||
           rmx_options_is_set(muxer, "frag_duration") || rmx_options_is_set(muxer, "frag_size");
}

static bool is_heard(const AVStream *stream)
{
    return stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO ||
           stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
}

static bool has_time_code(const AVFormatContext *muxer)
{
    bool found = av_dict_get(muxer->metadata, "timecode", NULL, 0) != NULL;

    for (unsigned slot = 0; slot < muxer->nb_streams; slot++) {
        found |= av_dict_get(muxer->streams[slot]->metadata, "timecode", NULL, 0) != NULL;
    }
    return found && rmx_options_is_set(muxer, "write_tmcd");
}

int rmx_pace_init(struct rmx_pace *pace, const AVFormatContext *muxer, bool queues)
{
    const char *name = muxer->oformat->name;
    bool mp4 = av_match_name(name, "mp4,mov,ipod,3gp,3g2,f4v,psp,ismv");

    *pace = (struct rmx_pace){
        .muxer = muxer,
        .fragments = mp4 ? makes_fragments(muxer) : av_match_name(name, "hls,dash"),
        .segments = strcmp(name, "dash") == 0,
        .queues = mp4 && queues,
        .from_zero = mp4 && muxer->avoid_negative_ts == AVFMT_AVOID_NEG_TS_MAKE_ZERO,
        .edits = mp4 && rmx_options_is_set(muxer, "use_editlist"),
        .time_code = mp4 && has_time_code(muxer),
    };
    if (!pace->fragments && !pace->time_code) {
        return 0;
    }
    pace->tracks = av_calloc(muxer->nb_streams, sizeof(*pace->tracks));
    for (unsigned slot = 0; slot < muxer->nb_streams; slot++) {
        pace->unheard += is_heard(muxer->streams[slot]);
    }
    return pace->tracks ? 0 : AVERROR(ENOMEM);
}

void rmx_pace_fini(struct rmx_pace *pace)
{
    av_freep(&pace->tracks);
}

/* --- where the first samples go -------------------------------------------------------------- */

/* The muxer moves all times so that its first packet comes at zero. From its queue that is the
 * earliest of those at hand when every track has one, or when it has waited for long enough. */
static void find_base(struct rmx_pace *pace, const AVPacket *packet, const AVStream *stream)
{
    AVRational unit = stream->time_base;

    if (pace->base_unit.den != 0) {
        int64_t span_us = av_sat_sub64(av_rescale_q(packet->dts, unit, AV_TIME_BASE_Q),
            av_rescale_q(pace->base, pace->base_unit, AV_TIME_BASE_Q));

        pace->begun |= span_us > pace->muxer->max_interleave_delta;
    }
    if (pace->begun) {
        return;
    }
    if (pace->base_unit.den == 0 ||
        av_compare_ts(packet->dts, unit, pace->base, pace->base_unit) < 0) {
        pace->base = packet->dts;
        pace->base_unit = unit;
    }
    pace->begun = !pace->queues || pace->unheard == 0;
}

static void start_track(struct rmx_pace *pace, struct rmx_pace_track *track, AVPacket *packet)
{
    const AVStream *stream = pace->muxer->streams[packet->stream_index];
    int64_t begin = packet->dts;

    pace->unheard -= is_heard(stream);
    find_base(pace, packet, stream);
    if (packet->pts != AV_NOPTS_VALUE && av_sat_sub64(packet->pts, packet->dts) > INT32_MAX / 4) {
        packet->pts = packet->dts;
    }
    if (pace->from_zero) {
        begin = av_rescale_q_rnd(pace->base, pace->base_unit, stream->time_base, AV_ROUND_DOWN);
        if (packet->dts < begin) {
            packet->pts = packet->pts == AV_NOPTS_VALUE
                              ? AV_NOPTS_VALUE
                              : av_sat_add64(packet->pts, av_sat_sub64(begin, packet->dts));
            packet->dts = begin;
        }
    }
    *track = (struct rmx_pace_track){
        .started = true,
        .first = packet->dts,
        .dts = begin,
        .shift = packet->pts == AV_NOPTS_VALUE ? 0 : FFMAX(packet->pts - packet->dts, 0),
        .floor = INT64_MIN,
        .shown = INT64_MIN,
    };
}

/* After the muxer has put the first sample of a fragment, the next may not come before it. */
static void keep_order(const struct rmx_pace_track *track, AVPacket *packet, const AVStream *stream)
{
    int64_t least = av_sat_add64(track->dts, is_heard(stream));

    if (track->since >= 1) {
        least = FFMAX(least, track->floor);
    }
    if (packet->dts < least) {
        packet->dts = least;
        packet->pts = FFMAX(packet->pts, least);
    }
}

/* --- how long samples last ------------------------------------------------------------------- */

/* As libavformat will have it. */
static int64_t duration_of(const AVPacket *packet, const AVStream *stream)
{
    const AVCodecParameters *parameters = stream->codecpar;
    AVRational rate = stream->avg_frame_rate;
    int64_t duration = FFMAX(packet->duration, 0);

    if (duration == 0 && parameters->codec_type == AVMEDIA_TYPE_VIDEO && rate.num > 0 &&
        rate.den > 0) {
        duration = av_rescale_q(1, av_inv_q(rate), stream->time_base);
    } else if (duration == 0 && parameters->codec_type == AVMEDIA_TYPE_AUDIO &&
               parameters->sample_rate > 0) {
        int samples = av_get_audio_frame_duration2(stream->codecpar, packet->size);

        duration =
            av_rescale_q(samples, (AVRational){ 1, parameters->sample_rate }, stream->time_base);
    }
    return FFMAX(duration, 0);
}

/* The way from one sample to the next, and from there to the one after it. What is too far away
 * comes next. Before a track's first packet there is none that it could last as long as. */
static void limit_sample(struct rmx_pace_track *track, AVPacket *packet, const AVStream *stream)
{
    int64_t limit = INT32_MAX - 2 - track->shift;
    int64_t gap = av_sat_sub64(packet->dts, track->dts);
    int64_t duration = duration_of(packet, stream);

    if (av_sat_add64(gap, track->gap) >= limit) {
        packet->dts = track->dts + 1;
        packet->pts = packet->dts;
        gap = 1;
    }
    if (duration > limit - gap) {
        duration = limit - gap;
        packet->duration = duration;
    }
    track->end = av_sat_add64(
        FFMAX(packet->dts, track->floor), track->given > 0 ? FFMAX(duration, gap) : duration);
    track->gap = FFMAX(gap, 0);
}

/* Each packet a segment may begin with ends later than all before it. */
static void lengthen_segment(struct rmx_pace_track *track, AVPacket *packet, const AVStream *stream)
{
    int64_t least = av_rescale_q_rnd(1, AV_TIME_BASE_Q, stream->time_base, AV_ROUND_UP);
    int64_t duration = duration_of(packet, stream);

    if (packet->pts == AV_NOPTS_VALUE || av_sat_sub64(packet->pts, packet->dts) > INT32_MAX / 4) {
        packet->pts = packet->dts;
    }
    int64_t end = av_sat_add64(packet->pts, duration);
    bool may_begin =
        (packet->flags & AV_PKT_FLAG_KEY) || stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;

    if (may_begin && (duration < least ||
                         (track->shown != INT64_MIN && end < av_sat_add64(track->shown, least)))) {
        packet->duration = FFMAX(duration, least);
        if (track->shown != INT64_MIN) {
            packet->duration = FFMAX(
                packet->duration, av_sat_sub64(av_sat_add64(track->shown, least), packet->pts));
        }
    }
    track->shown = FFMAX(track->shown, av_sat_add64(packet->pts, duration_of(packet, stream)));
}

static bool outlasts_time_code(
    const struct rmx_pace_track *track, const AVPacket *packet, const AVStream *stream)
{
    int64_t begin = av_sat_sub64(packet->dts, track->first);

    return stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
           av_sat_add64(begin, duration_of(packet, stream)) > INT32_MAX;
}

static struct rmx_lists *lists_of(const struct rmx_pace *pace)
{
    const struct rmx_words *words = pace->muxer->opaque;

    return words && words->kept ? &words->kept->lists : NULL;
}

int rmx_pace_keep(struct rmx_pace *pace, AVPacket *packet)
{
    const AVStream *stream = pace->muxer->streams[packet->stream_index];

    if (!pace->tracks) {
        return 0;
    }
    struct rmx_pace_track *track = &pace->tracks[packet->stream_index];

    if (packet->dts == AV_NOPTS_VALUE) { /* more than its units can say */
        packet->dts = track->started ? av_sat_add64(track->dts, 1) : 0;
        packet->pts = packet->dts;
    }
    if (!track->started) {
        start_track(pace, track, packet);
    } else {
        keep_order(track, packet, stream);
    }
    if (pace->segments) {
        lengthen_segment(track, packet, stream);
    }
    if (pace->fragments) {
        limit_sample(track, packet, stream);
    }
    if (lists_of(pace)) {
        rmx_lists_note(lists_of(pace), pace->muxer, packet, duration_of(packet, stream));
    }
    track->dts = packet->dts;
    track->since++;
    track->given++;
    if (!pace->time_code || !outlasts_time_code(track, packet, stream)) {
        return 0;
    }
    rmx_words_say(pace->muxer->opaque,
        "a time code in %s cannot be as long as this: leave it out (write_tmcd=0)",
        pace->muxer->oformat->name);
    return AVERROR(EOVERFLOW);
}

static int64_t taken_of(const struct rmx_pace *pace, unsigned slot)
{
    return pace->muxer->streams[slot]->nb_frames;
}

/* Packets that left the muxer's queue since it was last asked. */
static int64_t count_taken(const struct rmx_pace *pace)
{
    int64_t count = 0;

    for (unsigned slot = 0; slot < pace->muxer->nb_streams; slot++) {
        count += taken_of(pace, slot) - pace->tracks[slot].taken;
    }
    return count;
}

static int64_t dts_us_of(const struct rmx_pace *pace, unsigned slot)
{
    return av_rescale_q(
        pace->tracks[slot].dts, pace->muxer->streams[slot]->time_base, AV_TIME_BASE_Q);
}

/* Has its last packet left the muxer's queue since it was last asked? */
static bool is_emptied(const struct rmx_pace *pace, unsigned slot)
{
    const struct rmx_pace_track *track = &pace->tracks[slot];
    int64_t taken = taken_of(pace, slot);

    return taken != track->taken && taken == track->given;
}

/* From its last packet to the latest one that the queue was given: no more than for what packets
 * are given up though a track has none. */
static bool is_near(const struct rmx_pace *pace, unsigned slot)
{
    int64_t latest_us = INT64_MIN;
    int64_t own_us = dts_us_of(pace, slot);

    for (unsigned other = 0; other < pace->muxer->nb_streams; other++) {
        if (pace->tracks[other].started) {
            latest_us = FFMAX(latest_us, dts_us_of(pace, other));
        }
    }
    return av_sat_sub64(latest_us, own_us) < pace->muxer->max_interleave_delta;
}

/* Was the last packet that the queue gave up the last of this track? A queue gives up no more once
 * a track of pictures or sound has none. */
static bool is_last(const struct rmx_pace *pace, unsigned slot)
{
    return is_emptied(pace, slot) &&
           (count_taken(pace) == 1 ||
               (is_heard(pace->muxer->streams[slot]) && is_near(pace, slot)));
}

/* A fragment ends with the packet that is too much for it. A track with packets in the queue begins
 * the next one where the first of them says; and so does the one whose last packet was given up
 * last, as it was in the queue until then. */
void rmx_pace_note_written(struct rmx_pace *pace)
{
    bool last[RMX_STREAMS_MAX];

    if (!pace->tracks || !pace->queues || !pace->fragments) {
        return;
    }
    int64_t written = avio_tell(pace->muxer->pb);
    bool ended = written != pace->written;

    pace->written = written;
    for (unsigned slot = 0; slot < pace->muxer->nb_streams; slot++) {
        last[slot] = is_last(pace, slot);
    }
    for (unsigned slot = 0; slot < pace->muxer->nb_streams; slot++) {
        struct rmx_pace_track *track = &pace->tracks[slot];
        int64_t taken = taken_of(pace, slot);

        if (ended && track->started && !last[slot] && taken == track->given) {
            track->floor = av_sat_add64(track->end, 1);
            track->since = 0;
        }
        track->taken = taken;
    }
}

bool rmx_pace_is_exact(const struct rmx_pace *pace)
{
    return pace->tracks && pace->fragments && !pace->queues &&
           (pace->unheard == 0 || (pace->from_zero && !pace->edits));
}

bool rmx_pace_end(const struct rmx_pace *pace)
{
    if (lists_of(pace)) {
        lists_of(pace)->ending = true;
    }
    return !pace->segments || !pace->tracks || pace->muxer->streams[0]->nb_frames > 0;
}
