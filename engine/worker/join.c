/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inputs one after another in one output (see join.h). Worker process, a job's fiber.
 */
#include "engine/worker/join.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>
#include <libavutil/pixdesc.h>

#include "engine/worker/avshim.h"

struct rmx_join_stream {
    AVCodecParameters *parameters;
    uint8_t *turn; /* see turn_of() */
    size_t turn_bytes;
    bool chosen;
    bool leads;      /* pictures or sound: an input lasts as long as the longest of these */
    bool begun;      /* it had a packet */
    int64_t end_us;  /* of what was shown, in corrected time */
    int64_t next_us; /* of what was decoded */
};

/* --- the first input ------------------------------------------------------------------------- */

/* How a stream's pictures are turned; NULL, and *bytes is 0: not at all. */
static const uint8_t *turn_of(const AVStream *stream, size_t *bytes)
{
    *bytes = 0;
    for (int slot = 0; slot < rmx_avshim_side_data_count(stream); slot++) {
        const AVPacketSideData *side = rmx_avshim_side_data(stream, slot);

        if (side->type == AV_PKT_DATA_DISPLAYMATRIX) {
            *bytes = side->size;
            return side->data;
        }
    }
    return NULL;
}

static int take(struct rmx_join_stream *to, const AVStream *from)
{
    enum AVMediaType type = from->codecpar->codec_type;
    const uint8_t *turn = turn_of(from, &to->turn_bytes);

    to->chosen = from->discard != AVDISCARD_ALL;
    to->leads = to->chosen && !(from->disposition & AV_DISPOSITION_ATTACHED_PIC) &&
                (type == AVMEDIA_TYPE_VIDEO || type == AVMEDIA_TYPE_AUDIO);
    to->parameters = avcodec_parameters_alloc();
    to->turn = turn ? av_memdup(turn, to->turn_bytes) : NULL;
    return to->parameters && (to->turn || !turn)
               ? avcodec_parameters_copy(to->parameters, from->codecpar)
               : AVERROR(ENOMEM);
}

int rmx_join_begin(struct rmx_join *join, const struct rmx_intake *first)
{
    const AVFormatContext *demuxer = first->demuxer;
    int err = 0;

    join->streams = av_calloc(demuxer->nb_streams, sizeof(*join->streams));
    if (!join->streams) {
        return AVERROR(ENOMEM);
    }
    join->count = demuxer->nb_streams;
    for (unsigned slot = 0; slot < join->count && err >= 0; slot++) {
        err = take(&join->streams[slot], demuxer->streams[slot]);
    }
    return err;
}

/* --- does it fit? ---------------------------------------------------------------------------- */

/* The first stream's number among those of its kind. */
static unsigned rank_of(const struct rmx_join *join, unsigned stream)
{
    unsigned rank = 0;

    for (unsigned slot = 0; slot < stream; slot++) {
        rank += join->streams[slot].parameters->codec_type ==
                join->streams[stream].parameters->codec_type;
    }
    return rank;
}

/* The stream of that kind and number. -1: there is none. */
static int find(const AVFormatContext *demuxer, enum AVMediaType type, unsigned rank)
{
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        if (demuxer->streams[slot]->codecpar->codec_type == type && rank-- == 0) {
            return (int)slot;
        }
    }
    return -1;
}

/* Parameter sets behind start codes are in the packets, too, so that others may follow. */
static bool is_in_band(const AVCodecParameters *parameters)
{
    static const uint8_t start[] = { 0, 0, 1 };
    const uint8_t *bytes = parameters->extradata;
    int count = parameters->extradata_size;

    return (count >= 3 && memcmp(bytes, start, 3) == 0) ||
           (count >= 4 && bytes[0] == 0 && memcmp(bytes + 1, start, 3) == 0);
}

/* Of these it says how long the stream is, or what is said again in each packet. */
static bool may_differ(const AVCodecParameters *parameters)
{
    return parameters->codec_id == AV_CODEC_ID_FLAC ||
           parameters->codec_id == AV_CODEC_ID_MPEG1VIDEO ||
           parameters->codec_id == AV_CODEC_ID_MPEG2VIDEO ||
           parameters->codec_type == AVMEDIA_TYPE_SUBTITLE;
}

static bool has_same_setup(const AVCodecParameters *one, const AVCodecParameters *other)
{
    return may_differ(one) || (is_in_band(one) && is_in_band(other)) ||
           (one->extradata_size == other->extradata_size &&
               (one->extradata_size == 0 ||
                   memcmp(one->extradata, other->extradata, (size_t)one->extradata_size) == 0));
}

static bool is_turned_alike(const struct rmx_join_stream *one, const AVStream *other)
{
    size_t bytes = 0;
    const uint8_t *turn = turn_of(other, &bytes);

    return bytes == one->turn_bytes && (bytes == 0 || memcmp(turn, one->turn, bytes) == 0);
}

/* Says the difference between two streams of pictures. Returns whether there is one. */
static bool pictures_differ(
    char *text, size_t room, const struct rmx_join_stream *one, const AVStream *stream)
{
    const AVCodecParameters *first = one->parameters;
    const AVCodecParameters *other = stream->codecpar;

    if (first->width != other->width || first->height != other->height) {
        (void)snprintf(text, room, "pictures are %dx%d, not %dx%d", other->width, other->height,
            first->width, first->height);
    } else if (first->format >= 0 && other->format >= 0 && first->format != other->format) {
        (void)snprintf(text, room, "pixels are %s, not %s",
            av_get_pix_fmt_name((enum AVPixelFormat)other->format),
            av_get_pix_fmt_name((enum AVPixelFormat)first->format));
    } else if (!is_turned_alike(one, stream)) {
        (void)snprintf(text, room, "pictures are turned otherwise");
    }
    return text[0] != '\0';
}

static bool sounds_differ(
    char *text, size_t room, const AVCodecParameters *first, const AVCodecParameters *other)
{
    char layouts[2][64] = { { 0 } };

    if (first->sample_rate != other->sample_rate) {
        (void)snprintf(
            text, room, "sample rate is %d, not %d", other->sample_rate, first->sample_rate);
    } else if (first->ch_layout.nb_channels != other->ch_layout.nb_channels ||
               av_channel_layout_compare(&first->ch_layout, &other->ch_layout) > 0) {
        (void)av_channel_layout_describe(&other->ch_layout, layouts[0], sizeof(layouts[0]));
        (void)av_channel_layout_describe(&first->ch_layout, layouts[1], sizeof(layouts[1]));
        (void)snprintf(text, room, "channels are %s, not %s", layouts[0], layouts[1]);
    } else if (first->codec_id == AV_CODEC_ID_FLAC &&
               first->bits_per_raw_sample != other->bits_per_raw_sample) {
        (void)snprintf(text, room, "samples have %d bits, not %d", other->bits_per_raw_sample,
            first->bits_per_raw_sample);
    }
    return text[0] != '\0';
}

static bool differs(
    char *text, size_t room, const struct rmx_join_stream *one, const AVStream *stream)
{
    const AVCodecParameters *first = one->parameters;
    const AVCodecParameters *other = stream->codecpar;

    if (first->codec_id != other->codec_id) {
        (void)snprintf(text, room, "codec is %s, not %s", avcodec_get_name(other->codec_id),
            avcodec_get_name(first->codec_id));
        return true;
    }
    if ((first->codec_type == AVMEDIA_TYPE_VIDEO && pictures_differ(text, room, one, stream)) ||
        (first->codec_type == AVMEDIA_TYPE_AUDIO && sounds_differ(text, room, first, other))) {
        return true;
    }
    if (!has_same_setup(first, other)) {
        (void)snprintf(
            text, room, "%s was set up otherwise (extradata)", avcodec_get_name(first->codec_id));
    }
    return text[0] != '\0';
}

/* One chosen stream: where does it go on? */
static enum rmx_status fit(const struct rmx_join *join, unsigned stream,
    const struct rmx_intake *next, struct rmx_words *words)
{
    const struct rmx_join_stream *one = &join->streams[stream];
    enum AVMediaType type = one->parameters->codec_type;
    unsigned rank = rank_of(join, stream);
    int at = find(next->demuxer, type, rank);
    char text[RMX_JOB_TEXT_BYTES] = "";

    if (at < 0) {
        const char *kind = av_get_media_type_string(type);

        rmx_words_say(words, "input %u: has no %s stream %u to go on with", next->number,
            kind ? kind : "such", rank);
        return RMX_STATUS_UNSUPPORTED;
    }
    AVStream *other = next->demuxer->streams[at];

    if (differs(text, sizeof(text), one, other)) {
        rmx_words_say(words, "input %u, stream %d: %s", next->number, at, text);
        return RMX_STATUS_UNSUPPORTED;
    }
    next->as[at] = (int)stream;
    other->discard = AVDISCARD_NONE;
    return RMX_STATUS_OK;
}

enum rmx_status rmx_join_fit(
    const struct rmx_join *join, struct rmx_intake *next, struct rmx_words *words)
{
    enum rmx_status status = RMX_STATUS_OK;
    unsigned streams = next->demuxer->nb_streams;

    next->as = av_malloc_array(FFMAX(streams, 1), sizeof(*next->as));
    if (!next->as) {
        return RMX_STATUS_OVER_LIMIT;
    }
    for (unsigned slot = 0; slot < streams; slot++) {
        next->as[slot] = -1;
        next->demuxer->streams[slot]->discard = AVDISCARD_ALL;
    }
    for (unsigned slot = 0; slot < join->count && status == RMX_STATUS_OK; slot++) {
        if (join->streams[slot].chosen) {
            status = fit(join, slot, next, words);
        }
    }
    return status;
}

/* --- when ------------------------------------------------------------------------------------ */

static int64_t microseconds(int64_t ts, const AVStream *stream)
{
    return av_rescale_q_rnd(
        ts, stream->time_base, AV_TIME_BASE_Q, AV_ROUND_NEAR_INF | AV_ROUND_PASS_MINMAX);
}

/* The first input's stream that a packet belongs to, or NULL; so for a stream that turned up while
 * packets were read. */
static struct rmx_join_stream *stream_of(
    const struct rmx_join *join, const struct rmx_intake *intake, const AVPacket *packet)
{
    if ((unsigned)packet->stream_index >= intake->timing.count) {
        return NULL;
    }
    int stream = intake->as ? intake->as[packet->stream_index] : packet->stream_index;

    return stream >= 0 && (unsigned)stream < join->count ? &join->streams[stream] : NULL;
}

/* A packet of sound is heard for as long as its samples last, even where its container would have
 * had the last ones cut off. */
static int64_t lasts(
    const AVStream *from, const AVPacket *packet, const struct rmx_timing_stream *now)
{
    AVCodecParameters *parameters = from->codecpar;
    int64_t lasts_us = packet->duration > 0 ? microseconds(packet->duration, from)
                                            : av_sat_sub64(now->next_dts, now->dts);

    if (parameters->codec_type == AVMEDIA_TYPE_AUDIO && parameters->sample_rate > 0) {
        int samples = av_get_audio_frame_duration2(parameters, packet->size);

        samples = samples > 0 ? samples : FFMAX(parameters->frame_size, 0);
        lasts_us = FFMAX(lasts_us, av_rescale(samples, AV_TIME_BASE, parameters->sample_rate));
    }
    return lasts_us;
}

void rmx_join_note(struct rmx_join *join, const struct rmx_intake *intake, const AVPacket *packet)
{
    struct rmx_join_stream *stream = stream_of(join, intake, packet);
    const struct rmx_timing_stream *state = &intake->timing.streams[packet->stream_index];
    const AVStream *from = intake->demuxer->streams[packet->stream_index];
    int64_t lasts_us = lasts(from, packet, state);

    if (!stream || state->dts >= intake->end_us) {
        return;
    }
    int64_t pts_us = packet->pts == AV_NOPTS_VALUE ? state->dts : microseconds(packet->pts, from);
    int64_t end_us = av_sat_add64(pts_us, lasts_us);
    int64_t next_us = av_sat_add64(state->dts, lasts_us);

    stream->end_us = stream->begun ? FFMAX(stream->end_us, end_us) : end_us;
    stream->next_us = stream->begun ? FFMAX(stream->next_us, next_us) : next_us;
    stream->begun = true;
}

/* Where all that was written ends: what leads, or if there is none of that, anything. */
static int64_t end_of(const struct rmx_join *join)
{
    int64_t end_us[2] = { 0, 0 };

    for (unsigned slot = 0; slot < join->count; slot++) {
        const struct rmx_join_stream *stream = &join->streams[slot];

        if (stream->begun) {
            end_us[stream->leads] = FFMAX(end_us[stream->leads], stream->end_us);
        }
    }
    return end_us[true] > 0 ? end_us[true] : end_us[false];
}

/* How much later than planned a packet, a stream's first, must come so as not to overlap; less than
 * zero: how much earlier it may. */
static int64_t overlap(const struct rmx_join_stream *stream, const AVStream *from,
    const AVPacket *packet, int64_t offset_us)
{
    int64_t late_us = INT64_MIN;

    if (packet->pts != AV_NOPTS_VALUE) {
        int64_t pts_us = av_sat_add64(microseconds(packet->pts, from), offset_us);

        late_us = FFMAX(late_us, av_sat_sub64(stream->end_us, pts_us));
    }
    if (packet->dts != AV_NOPTS_VALUE) {
        int64_t dts_us = av_sat_add64(microseconds(packet->dts, from), offset_us);

        late_us = FFMAX(late_us, av_sat_sub64(stream->next_us, dts_us));
    }
    return late_us;
}

/* How many streams that lead have no packet ahead yet, and the most that one of the others is late.
 */
struct look {
    bool *seen;
    unsigned missing;
    int64_t late_us; /* INT64_MIN: nothing says */
};

static void look_at(struct look *look, const struct rmx_join *join, const struct rmx_intake *next,
    const AVPacket *packet)
{
    struct rmx_join_stream *stream = stream_of(join, next, packet);

    if (!stream || !stream->leads || look->seen[packet->stream_index]) {
        return;
    }
    look->seen[packet->stream_index] = true;
    look->missing--;
    if (stream->begun) {
        int64_t late_us = overlap(
            stream, next->demuxer->streams[packet->stream_index], packet, next->timing.ts_offset);

        look->late_us = FFMAX(look->late_us, late_us);
    }
}

/* One that was not seen may come at once. */
static int64_t lateness(const struct look *look)
{
    int64_t late_us = look->late_us == INT64_MIN ? 0 : look->late_us;

    return look->missing > 0 ? FFMAX(late_us, 0) : late_us;
}

/* An input that ends or fails meanwhile is no error here: the next read tells. */
static int look_ahead(struct look *look, const struct rmx_join *join, struct rmx_intake *next)
{
    struct rmx_ahead *ahead = &next->ahead;

    for (unsigned slot = ahead->next; slot < ahead->count; slot++) {
        look_at(look, join, next, ahead->packets[slot]);
    }
    while (look->missing > 0 && !rmx_ahead_full(ahead)) {
        const AVPacket *packet;
        int err = rmx_ahead_read(ahead, next->demuxer, &packet);

        if (err < 0) {
            return err == AVERROR(ENOMEM) ? err : 0;
        }
        look_at(look, join, next, packet);
    }
    return 0;
}

int rmx_join_continue(struct rmx_join *join, struct rmx_intake *next)
{
    int64_t begin_us = end_of(join);
    struct look look = {
        .seen = av_calloc(next->timing.count, sizeof(bool)),
        .late_us = INT64_MIN,
    };

    if (!look.seen) {
        return AVERROR(ENOMEM);
    }
    for (unsigned slot = 0; slot < join->count; slot++) {
        look.missing += join->streams[slot].leads;
    }
    next->timing.ts_offset = av_sat_add64(next->timing.ts_offset, begin_us);
    int err = look_ahead(&look, join, next);

    next->timing.ts_offset = av_sat_add64(next->timing.ts_offset, lateness(&look));
    begin_us = av_sat_add64(begin_us, lateness(&look));
    next->timing.last_ts = begin_us;
    next->end_us = next->end_us == INT64_MAX ? INT64_MAX : av_sat_add64(next->end_us, begin_us);
    av_free(look.seen);
    return err;
}

void rmx_join_fini(struct rmx_join *join)
{
    for (unsigned slot = 0; slot < join->count; slot++) {
        avcodec_parameters_free(&join->streams[slot].parameters);
        av_freep(&join->streams[slot].turn);
    }
    av_freep(&join->streams);
    join->count = 0;
}
