/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Timestamps between demuxer and muxer. Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/timing.h"

#include <libavcodec/avcodec.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>

#define JUMP_US   ((int64_t)10 * AV_TIME_BASE)        /* more than this is a discontinuity */
#define ABSURD_US ((int64_t)30 * 3600 * AV_TIME_BASE) /* more than this is a broken timestamp */

/* The output starts at zero where the job starts, whatever the input starts at. */
static int64_t first_offset(const AVFormatContext *demuxer, const struct rmx_edit_whole *whole)
{
    int64_t start = demuxer->start_time == AV_NOPTS_VALUE ? 0 : demuxer->start_time;

    int64_t first = whole->copyts ? 0 : av_sat_add64(start, whole->start_us);

    return av_sat_sub64(whole->input_offset_us, first);
}

int rmx_timing_init(
    struct rmx_timing *timing, AVFormatContext *demuxer, const struct rmx_edit_whole *whole)
{
    struct rmx_timing_stream *streams = av_calloc(demuxer->nb_streams, sizeof(*streams));

    if (!streams && demuxer->nb_streams > 0) {
        return AVERROR(ENOMEM);
    }
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        streams[slot].next_dts = AV_NOPTS_VALUE;
        streams[slot].framerate = demuxer->streams[slot]->avg_frame_rate;
    }
    *timing = (struct rmx_timing){
        .demuxer = demuxer,
        .streams = streams,
        .count = demuxer->nb_streams,
        .ts_offset = first_offset(demuxer, whole),
        .copies = whole->copyts,
    };
    return 0;
}

void rmx_timing_fini(struct rmx_timing *timing)
{
    av_freep(&timing->streams);
}

static void shift(AVPacket *packet, int64_t by)
{
    if (packet->dts != AV_NOPTS_VALUE) {
        packet->dts = av_sat_add64(packet->dts, by);
    }
    if (packet->pts != AV_NOPTS_VALUE) {
        packet->pts = av_sat_add64(packet->pts, by);
    }
}

static bool may_jump(const struct rmx_timing *timing)
{
    return timing->demuxer->iformat->flags & AVFMT_TS_DISCONT;
}

static bool is_far(int64_t delta, int64_t limit)
{
    return delta < -limit || delta > limit;
}

static int64_t microseconds(int64_t ts, AVRational base)
{
    return av_rescale_q_rnd(ts, base, AV_TIME_BASE_Q, AV_ROUND_NEAR_INF | AV_ROUND_PASS_MINMAX);
}

/* The demuxer's start time counts streams nobody selected; the output should start with one that
 * somebody did. Only known once the selection is, hence at the first packet. */
static void start_with_selected(struct rmx_timing *timing)
{
    const AVFormatContext *demuxer = timing->demuxer;
    int64_t start = INT64_MAX;

    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        const AVStream *stream = demuxer->streams[slot];

        if (stream->discard != AVDISCARD_ALL && stream->start_time != AV_NOPTS_VALUE) {
            start =
                FFMIN(start, av_rescale_q(stream->start_time, stream->time_base, AV_TIME_BASE_Q));
        }
    }
    if (start > demuxer->start_time) {
        timing->ts_offset = -start;
    }
}

/* A counter of 33 bits may pass zero between the first packets: a timestamp half a round after the
 * start is really one before it. Goes on until a packet needs no correction. */
static void unwrap(struct rmx_timing *timing, const AVStream *stream, AVPacket *packet)
{
    struct rmx_timing_stream *state = &timing->streams[stream->index];
    int64_t start_us = timing->demuxer->start_time;

    if (state->unwrapped || start_us == AV_NOPTS_VALUE || stream->pts_wrap_bits >= 64) {
        return;
    }
    if (state->next_dts == AV_NOPTS_VALUE && timing->ts_offset == -start_us && may_jump(timing)) {
        start_with_selected(timing);
    }
    uint64_t round = 1ULL << stream->pts_wrap_bits;
    int64_t start = av_rescale_q(start_us, AV_TIME_BASE_Q, stream->time_base);
    int64_t limit = (int64_t)((uint64_t)start + round / 2);

    state->unwrapped = true;
    if ((int64_t)((uint64_t)start + round) <= start) {
        return;
    }
    if (packet->dts != AV_NOPTS_VALUE && packet->dts > limit) {
        packet->dts = (int64_t)((uint64_t)packet->dts - round);
        state->unwrapped = false;
    }
    if (packet->pts != AV_NOPTS_VALUE && packet->pts > limit) {
        packet->pts = (int64_t)((uint64_t)packet->pts - round);
        state->unwrapped = false;
    }
}

/* The clock jumped: everything from here on is shifted so that this packet comes when expected. */
static void absorb_jump(
    struct rmx_timing *timing, const AVStream *stream, AVPacket *packet, int64_t delta)
{
    timing->ts_offset = av_sat_sub64(timing->ts_offset, delta);
    shift(packet, av_sat_sub64(0, av_rescale_q(delta, AV_TIME_BASE_Q, stream->time_base)));
}

/* A stream's first packet is far from what other streams are at. */
static void join_streams(struct rmx_timing *timing, const AVStream *stream, AVPacket *packet)
{
    int64_t dts = microseconds(packet->dts, stream->time_base);

    if (dts == AV_NOPTS_VALUE || timing->streams[stream->index].next_dts != AV_NOPTS_VALUE) {
        return;
    }
    int64_t delta = av_sat_sub64(dts, timing->last_ts);

    if (!timing->copies && may_jump(timing) && timing->last_ts != AV_NOPTS_VALUE &&
        is_far(delta, JUMP_US)) {
        absorb_jump(timing, stream, packet, delta);
    }
}

/* Formats without discontinuities: a timestamp a day away is an error in the file. It is dropped,
 * and predicted instead. */
static void drop_absurd(const struct rmx_timing_stream *state, AVRational base, AVPacket *packet)
{
    int64_t dts = microseconds(packet->dts, base);

    if (is_far(av_sat_sub64(dts, state->next_dts), ABSURD_US)) {
        packet->dts = AV_NOPTS_VALUE;
    }
    if (packet->pts == AV_NOPTS_VALUE) {
        return;
    }
    int64_t pts = av_rescale_q(packet->pts, base, AV_TIME_BASE_Q);

    if (is_far(av_sat_sub64(pts, state->next_dts), ABSURD_US)) {
        packet->pts = AV_NOPTS_VALUE;
    }
}

static int64_t distance(int64_t a, int64_t b)
{
    int64_t delta = av_sat_sub64(a, b);

    return delta < 0 ? av_sat_sub64(0, delta) : delta;
}

/* Has a counter gone round? Then the next round fits ten times better than this one. */
static bool has_wrapped(
    const struct rmx_timing *timing, const AVStream *stream, const AVPacket *packet, int64_t dts)
{
    int64_t next = timing->streams[stream->index].next_dts;

    if (!may_jump(timing) || stream->pts_wrap_bits >= 60) {
        return false;
    }
    int64_t later = microseconds(
        av_sat_add64(packet->dts, INT64_C(1) << stream->pts_wrap_bits), stream->time_base);

    return distance(later, next) < distance(dts, next) / 10;
}

/* Within a stream: far from the prediction, or clearly going back. */
static void join_packets(struct rmx_timing *timing, const AVStream *stream, AVPacket *packet)
{
    const struct rmx_timing_stream *state = &timing->streams[stream->index];
    int64_t dts = microseconds(packet->dts, stream->time_base);

    if (dts == AV_NOPTS_VALUE || state->next_dts == AV_NOPTS_VALUE) {
        return;
    }
    if (timing->copies && !has_wrapped(timing, stream, packet, dts)) {
        return;
    }
    if (!may_jump(timing)) {
        drop_absurd(state, stream->time_base, packet);
        return;
    }
    int64_t delta = av_sat_sub64(dts, state->next_dts);

    if (is_far(delta, JUMP_US) || av_sat_add64(dts, AV_TIME_BASE / 10) < state->dts) {
        absorb_jump(timing, stream, packet, delta);
    }
}

void rmx_timing_correct(struct rmx_timing *timing, AVPacket *packet)
{
    const AVStream *stream = timing->demuxer->streams[packet->stream_index];
    enum AVMediaType type = stream->codecpar->codec_type;

    unwrap(timing, stream, packet);
    shift(packet, av_rescale_q(timing->ts_offset, AV_TIME_BASE_Q, stream->time_base));
    if (type == AVMEDIA_TYPE_VIDEO || type == AVMEDIA_TYPE_AUDIO) {
        join_streams(timing, stream, packet);
        join_packets(timing, stream, packet);
    }
    if (packet->dts != AV_NOPTS_VALUE) {
        timing->last_ts = av_rescale_q(packet->dts, stream->time_base, AV_TIME_BASE_Q);
    }
}

/* Before the first packet: its dts lies as far before its pts as frames are reordered. */
static int64_t first_dts(const AVStream *stream, const AVPacket *packet)
{
    int64_t dts = 0;

    if (stream->avg_frame_rate.num != 0) {
        int delay =
            stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO ? stream->codecpar->video_delay : 0;

        dts = (int64_t)((double)(-delay * (int64_t)AV_TIME_BASE) / av_q2d(stream->avg_frame_rate));
    }
    if (packet->pts != AV_NOPTS_VALUE) {
        int64_t pts = av_rescale_q(packet->pts, stream->time_base, AV_TIME_BASE_Q);

        dts = av_sat_add64(dts, pts);
    }
    return dts;
}

/* How long this packet lasts, by the best source its kind of media has. */
static int64_t predicted_duration(
    const struct rmx_timing_stream *state, AVStream *stream, const AVPacket *packet)
{
    const AVCodecParameters *parameters = stream->codecpar;
    bool video = parameters->codec_type == AVMEDIA_TYPE_VIDEO;

    if (!video && parameters->codec_type != AVMEDIA_TYPE_AUDIO) {
        return 0;
    }
    if (!video && parameters->sample_rate > 0) {
        return (int64_t)AV_TIME_BASE * parameters->frame_size / parameters->sample_rate;
    }
    if (!video || packet->duration != 0) {
        return av_rescale_q(packet->duration, stream->time_base, AV_TIME_BASE_Q);
    }
    if (state->framerate.num == 0) {
        return 0;
    }
    const AVCodecParserContext *parser = av_stream_get_parser(stream);
    int fields = parser ? parser->repeat_pict + 1 : 1;

    return (int64_t)AV_TIME_BASE * state->framerate.den * fields / state->framerate.num;
}

void rmx_timing_predict(struct rmx_timing *timing, const AVPacket *packet)
{
    AVStream *stream = timing->demuxer->streams[packet->stream_index];
    struct rmx_timing_stream *state = &timing->streams[packet->stream_index];

    if (!state->started) {
        state->dts = first_dts(stream, packet);
        state->started = true;
    }
    if (packet->dts != AV_NOPTS_VALUE) {
        state->next_dts = av_rescale_q(packet->dts, stream->time_base, AV_TIME_BASE_Q);
    } else if (state->next_dts == AV_NOPTS_VALUE) {
        state->next_dts = state->dts;
    }
    state->dts = state->next_dts;
    state->next_dts = av_sat_add64(state->next_dts, predicted_duration(state, stream, packet));
}

/* Audio counts in samples, so that rounding to a coarse time base does not add up. */
static int64_t audio_dts(
    const AVStream *from, const AVPacket *packet, AVRational to, int64_t *last_samples)
{
    AVCodecParameters *parameters = from->codecpar;
    int samples = av_get_audio_frame_duration2(parameters, packet->size);

    if (samples == 0) {
        samples = parameters->frame_size;
    }
    return av_rescale_delta(from->time_base, packet->dts,
        (AVRational){ 1, parameters->sample_rate }, FFMAX(samples, 0), last_samples, to);
}

void rmx_timing_convert(
    const struct rmx_timing *timing, AVPacket *packet, const AVStream *to, int64_t *last_samples)
{
    const AVStream *from = timing->demuxer->streams[packet->stream_index];
    const struct rmx_timing_stream *state = &timing->streams[packet->stream_index];

    if (packet->pts != AV_NOPTS_VALUE) {
        packet->pts = av_rescale_q(packet->pts, from->time_base, to->time_base);
    }
    if (packet->dts == AV_NOPTS_VALUE) {
        packet->dts = av_rescale_q(state->dts, AV_TIME_BASE_Q, to->time_base);
    } else if (to->codecpar->codec_type == AVMEDIA_TYPE_AUDIO) {
        packet->dts = audio_dts(from, packet, to->time_base, last_samples);
        packet->pts = packet->dts;
    } else {
        packet->dts = av_rescale_q(packet->dts, from->time_base, to->time_base);
    }
    packet->duration = av_rescale_q(packet->duration, from->time_base, to->time_base);
}

static int64_t median(int64_t a, int64_t b, int64_t c)
{
    return FFMAX(FFMIN(a, b), FFMIN(FFMAX(a, b), c));
}

void rmx_timing_settle(AVPacket *packet, int muxer_flags, enum AVMediaType type, int64_t *last_dts)
{
    bool timed =
        type == AVMEDIA_TYPE_AUDIO || type == AVMEDIA_TYPE_VIDEO || type == AVMEDIA_TYPE_SUBTITLE;

    if (packet->dts != AV_NOPTS_VALUE && !(muxer_flags & AVFMT_NOTIMESTAMPS)) {
        if (packet->pts != AV_NOPTS_VALUE && packet->dts > packet->pts) {
            packet->dts = median(packet->pts, packet->dts, av_sat_add64(*last_dts, 1));
            packet->pts = packet->dts;
        }
        int64_t least = av_sat_add64(*last_dts, !(muxer_flags & AVFMT_TS_NONSTRICT));

        if (timed && *last_dts != AV_NOPTS_VALUE && packet->dts < least) {
            if (packet->pts >= packet->dts) {
                packet->pts = FFMAX(packet->pts, least);
            }
            packet->dts = least;
        }
    }
    *last_dts = packet->dts;
}
