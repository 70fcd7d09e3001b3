/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reads the packets of a live input. Worker process, a job's fiber.
 */
#include "engine/worker/split.h"

#include <errno.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>

#include "engine/worker/aac.h"
#include "engine/worker/avshim.h"
#include "engine/worker/nal.h"

#define LATM_TYPE   0x11   /* in MPEG-TS's table */
#define LOAS_SYNC   0x56e0 /* the first bits of a frame of LATM, */
#define ADTS_SYNC   0xfff0 /* and of one in ADTS */
#define CHECKED_MAX 64     /* an encoder and a multiplexer that did one thing 64 times go on so */

static void fini_stream(struct rmx_split_stream *stream)
{
    if (stream->parser) {
        av_parser_close(stream->parser);
    }
    avcodec_free_context(&stream->codec);
    *stream = (struct rmx_split_stream){ 0 };
}

void rmx_split_fini(struct rmx_split *split)
{
    for (unsigned slot = 0; slot < split->count; slot++) {
        fini_stream(&split->streams[slot]);
    }
    av_freep(&split->streams);
    av_packet_free(&split->raw);
    rmx_renew_fini(&split->renew);
    split->count = 0;
}

/* --- which streams are parsed here ----------------------------------------------------------- */

static bool is_picture(enum AVCodecID codec)
{
    return codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_HEVC;
}

static int open_parser(struct rmx_split_stream *state, const AVStream *stream)
{
    enum AVCodecID codec = stream->codecpar->codec_id;

    state->opened_for = codec;
    state->parser = av_parser_init((int)codec);
    if (!state->parser) {
        return 0;
    }
    if (is_picture(codec)) {
        state->parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
    }
    state->codec = avcodec_alloc_context3(NULL);
    if (!state->codec) {
        return AVERROR(ENOMEM);
    }
    int err = avcodec_parameters_to_context(state->codec, stream->codecpar);

    state->codec->pkt_timebase = stream->time_base;
    rmx_avshim_count_pictures(state->codec);
    return err;
}

/* Streams may turn up at any time. */
static int follow_streams(struct rmx_split *split)
{
    unsigned count = split->demuxer->nb_streams;
    int err = 0;

    if (count == split->count) {
        return 0;
    }
    struct rmx_split_stream *streams =
        av_realloc_array(split->streams, count, sizeof(*split->streams));

    if (!streams) {
        return AVERROR(ENOMEM);
    }
    split->streams = streams;
    while (split->count < count && err >= 0) {
        struct rmx_split_stream *state = &streams[split->count];

        *state = (struct rmx_split_stream){
            .last_ts = split->raw_sound ? 0 : AV_NOPTS_VALUE,
            .lasts = { 0, 1 },
        };
        err = split->parses ? open_parser(state, split->demuxer->streams[split->count]) : 0;
        split->count++;
    }
    return err;
}

int rmx_split_begin(struct rmx_split *split, AVFormatContext *demuxer, struct rmx_tap *tap)
{
    *split = (struct rmx_split){ .demuxer = demuxer, .raw = av_packet_alloc() };
    if (!split->raw) {
        return AVERROR(ENOMEM);
    }
    split->raw_sound = av_match_name("aac", demuxer->iformat->name);
    split->parses = split->raw_sound || av_match_name("mpegts", demuxer->iformat->name);
    demuxer->flags |= split->parses ? AVFMT_FLAG_NOPARSE : 0;
    rmx_renew_begin(&split->renew, demuxer, tap);
    return follow_streams(split);
}

bool rmx_split_is_unnamed(const AVStream *stream)
{
    return stream->codecpar->codec_id == AV_CODEC_ID_NONE &&
           stream->codecpar->codec_tag == LATM_TYPE;
}

/* Some multiplexers call AAC LATM that is in ADTS. */
static void name_sound(const AVStream *stream, const AVPacket *raw)
{
    AVCodecParameters *parameters = stream->codecpar;
    unsigned sync = raw->size < 2 ? 0 : AV_RB16(raw->data);

    if ((sync & 0xffe0) == LOAS_SYNC) {
        parameters->codec_id = AV_CODEC_ID_AAC_LATM;
    } else if ((sync & 0xfff6) == ADTS_SYNC) {
        parameters->codec_id = AV_CODEC_ID_AAC;
    } else {
        return;
    }
    parameters->codec_type = AVMEDIA_TYPE_AUDIO;
}

/* What the stream turned out to be by now. */
static int follow_codec(struct rmx_split_stream *state, const AVStream *stream, const AVPacket *raw)
{
    if (rmx_split_is_unnamed(stream)) {
        name_sound(stream, raw);
    }
    if (state->opened_for == stream->codecpar->codec_id || state->parser) {
        return 0;
    }
    return open_parser(state, stream);
}

/* --- taking apart ---------------------------------------------------------------------------- */

/* The packet is bytes of the raw one; libavformat gives side data to the first. */
static int cut_out(struct rmx_split *split, AVPacket *packet, uint8_t *data, int size)
{
    AVPacket *raw = split->raw;

    if (raw->buf && data >= raw->data && data + size <= raw->data + raw->size) {
        packet->buf = av_buffer_ref(raw->buf);
        if (!packet->buf) {
            return AVERROR(ENOMEM);
        }
        packet->data = data;
        packet->size = size;
    } else { /* the parser put it together from several */
        int err = av_new_packet(packet, size);

        if (err < 0) {
            return err;
        }
        memcpy(packet->data, data, (size_t)size);
    }
    FFSWAP(AVPacketSideData *, packet->side_data, raw->side_data);
    FFSWAP(int, packet->side_data_elems, raw->side_data_elems);
    packet->flags = raw->flags & (AV_PKT_FLAG_DISCARD | AV_PKT_FLAG_CORRUPT);
    packet->stream_index = raw->stream_index;
    return 0;
}

static void mark_key(AVPacket *packet, const AVCodecParserContext *parser)
{
    if (parser->key_frame == 1 ||
        (parser->key_frame == -1 && parser->pict_type == AV_PICTURE_TYPE_I)) {
        packet->flags |= AV_PKT_FLAG_KEY;
    }
}

/* H.264 and MPEG-2 count in fields, and their parsers say how many more than one a picture shows.
 */
static int64_t picture_duration(
    struct rmx_split_stream *state, const AVPacket *packet, int repeats, AVRational base)
{
    AVRational rate = state->codec->framerate;
    int64_t since = packet->dts == AV_NOPTS_VALUE || state->last_ts == AV_NOPTS_VALUE
                        ? 0
                        : av_sat_sub64(packet->dts, state->last_ts);

    state->last_ts = packet->dts;
    if (rate.num <= 0 || rate.den <= 0) {
        return since > 0 && since < (int64_t)base.den ? since : 0;
    }
    if (state->codec->codec_id == AV_CODEC_ID_H264 ||
        state->codec->codec_id == AV_CODEC_ID_MPEG2VIDEO) {
        rate.num *= 2;
        rate.den *= 1 + repeats;
    }
    return av_rescale_q_rnd(1, av_inv_q(rate), base, AV_ROUND_DOWN);
}

static void time_picture(struct rmx_split_stream *state, AVPacket *packet, AVRational base)
{
    packet->pts = state->parser->pts;
    packet->dts = state->parser->dts;
    packet->duration = picture_duration(state, packet, state->parser->repeat_pict, base);
}

/* In seconds; 0 if nobody knows. The parser of AAC leaves it to its caller to read the header; the
 * others count in whole ticks. */
static AVRational sound_lasts(
    const struct rmx_split_stream *state, const AVPacket *packet, AVRational base)
{
    struct rmx_aac aac;

    if (state->codec->codec_id == AV_CODEC_ID_AAC &&
        rmx_aac_read_header(&aac, packet->data, (size_t)packet->size) == 0) {
        return (AVRational){ RMX_AAC_SAMPLES, (int)aac.sample_rate };
    }
    if (state->parser->duration > 0 && state->codec->sample_rate > 0) {
        AVRational samples = { state->parser->duration, state->codec->sample_rate };

        return av_mul_q(
            (AVRational){ (int)av_rescale_q_rnd(1, samples, base, AV_ROUND_DOWN), 1 }, base);
    }
    return (AVRational){ 0, 1 };
}

/* Where a frame begins that has no time of its own. What the first frame lasted may have come out
 * since. */
static int64_t after_last_sound(const struct rmx_split_stream *state, const AVStream *stream)
{
    const AVCodecParameters *parameters = stream->codecpar;
    AVRational lasts = state->lasts;

    if (state->last_ts == AV_NOPTS_VALUE) {
        return AV_NOPTS_VALUE;
    }
    if (lasts.num == 0 && parameters->sample_rate > 0) {
        lasts = (AVRational){ parameters->frame_size, parameters->sample_rate };
    }
    return av_add_stable(stream->time_base, state->last_ts, lasts, 1);
}

/* Only the first frame of a PES packet brings its time along. */
static void time_sound(struct rmx_split_stream *state, AVPacket *packet, const AVStream *stream)
{
    packet->pts = state->parser->pts;
    if (packet->pts == AV_NOPTS_VALUE) {
        packet->pts = after_last_sound(state, stream);
    }
    packet->dts = packet->pts;
    state->last_ts = packet->pts;
    state->lasts = sound_lasts(state, packet, stream->time_base);
    packet->duration = av_rescale_q_rnd(1, state->lasts, stream->time_base, AV_ROUND_DOWN);
}

/* Looks at the first pictures to the last byte: is each PES packet one? If not, the parser has to
 * find where they begin and end, late as that is. */
static void check_picture(struct rmx_split_stream *state, const AVPacket *raw)
{
    if (state->checked == CHECKED_MAX || !(state->parser->flags & PARSER_FLAG_COMPLETE_FRAMES)) {
        return;
    }
    state->checked++;
    if (!rmx_nal_is_one_picture(state->codec->codec_id, raw->data, (size_t)raw->size)) {
        state->parser->flags &= ~PARSER_FLAG_COMPLETE_FRAMES;
    }
}

/* The parser of H.264 is 300 KB, and makes half of them anew for each keyframe: it goes when it has
 * said the same thing for long enough. */
static void dismiss_parser(struct rmx_split_stream *state)
{
    int repeats = state->parser->repeat_pict;

    state->repeats = state->checked == 1 || state->repeats == repeats ? repeats : -1;
    state->plain = state->codec->codec_id == AV_CODEC_ID_H264 && state->checked == CHECKED_MAX &&
                   (state->parser->flags & PARSER_FLAG_COMPLETE_FRAMES) && state->repeats >= 0;
    if (state->plain) {
        av_parser_close(state->parser);
        state->parser = NULL;
    }
}

/* A PES packet that is a picture, as it is. */
static void pass_on(struct rmx_split *split, struct rmx_split_stream *state, AVPacket *packet)
{
    const AVStream *stream = split->demuxer->streams[split->raw->stream_index];

    av_packet_move_ref(packet, split->raw);
    packet->flags &= AV_PKT_FLAG_DISCARD | AV_PKT_FLAG_CORRUPT;
    if (rmx_nal_is_h264_key(packet->data, (size_t)packet->size)) {
        packet->flags |= AV_PKT_FLAG_KEY;
    }
    packet->duration = picture_duration(state, packet, state->repeats, stream->time_base);
}

/* Takes the next frame out of the raw packet, or at the end of the input (empty) out of the parser.
 * Returns 1, 0 when the raw packet has no more, or AVERROR. */
static int next_frame(struct rmx_split *split, unsigned slot, AVPacket *packet)
{
    struct rmx_split_stream *state = &split->streams[slot];
    const AVStream *stream = split->demuxer->streams[slot];
    AVPacket *raw = split->raw;
    uint8_t *data = NULL;
    int size = 0;

    if (split->at == 0 && raw->size > 0 && is_picture(state->codec->codec_id)) {
        check_picture(state, raw);
    }
    split->at += av_parser_parse2(state->parser, state->codec, &data, &size,
        raw->size > 0 ? raw->data + split->at : NULL, raw->size - split->at, raw->pts, raw->dts,
        raw->pos);
    raw->pts = AV_NOPTS_VALUE;
    raw->dts = AV_NOPTS_VALUE;
    if (size == 0) {
        return 0;
    }
    int err = cut_out(split, packet, data, size);

    if (err < 0) {
        return err;
    }
    packet->stream_index = (int)slot;
    packet->pos = state->parser->pos;
    mark_key(packet, state->parser);
    if (stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO) {
        time_sound(state, packet, stream);
    } else {
        time_picture(state, packet, stream->time_base);
        dismiss_parser(state);
    }
    return 1;
}

static int take_apart(struct rmx_split *split, AVPacket *packet)
{
    int got = 0;

    while (got == 0 && split->at < split->raw->size) {
        got = next_frame(split, (unsigned)split->raw->stream_index, packet);
    }
    if (split->at >= split->raw->size) {
        av_packet_unref(split->raw);
        split->at = 0;
    }
    return got;
}

/* What a parser still holds when nothing more comes. */
static int take_last(struct rmx_split *split, AVPacket *packet)
{
    int got = 0;

    while (got == 0 && split->ended < split->count) {
        unsigned slot = split->ended++;

        if (split->streams[slot].parser) {
            got = next_frame(split, slot, packet);
        }
    }
    return got == 0 ? AVERROR_EOF : FFMIN(got, 0);
}

/* --- a dts where there is none --------------------------------------------------------------- */

void rmx_split_order(struct rmx_split *split, unsigned stream, unsigned reorder)
{
    struct rmx_split_stream *state = &split->streams[stream];

    state->order = true;
    state->reorder = FFMIN(reorder, RMX_SPLIT_REORDER_MAX);
}

/* The least of the last pts that could still come before: as many as pictures are reordered. Before
 * there are so many, they are thought to have been there, one duration apart. */
static void set_dts(struct rmx_split_stream *state, AVPacket *packet)
{
    int64_t *pts = state->pts;
    unsigned at = 0;

    if (packet->pts == AV_NOPTS_VALUE) {
        return;
    }
    if (!state->ordering) {
        for (unsigned slot = 0; slot <= state->reorder; slot++) {
            int64_t before = (int64_t)(state->reorder + 1 - slot) * packet->duration;

            pts[slot] = av_sat_sub64(packet->pts, before);
        }
        state->ordering = true;
    }
    pts[0] = packet->pts; /* the least was given out */
    for (; at < state->reorder && pts[at] > pts[at + 1]; at++) {
        FFSWAP(int64_t, pts[at], pts[at + 1]);
    }
    packet->dts = pts[0];
}

/* --- reading --------------------------------------------------------------------------------- */

static int read_raw(struct rmx_split *split)
{
    av_packet_unref(split->raw);
    int err = rmx_renew_read(&split->renew, split->raw);

    if (split->raw_sound) { /* what libavformat makes up does not count on */
        split->raw->pts = AV_NOPTS_VALUE;
        split->raw->dts = AV_NOPTS_VALUE;
    }
    return err < 0 ? err : follow_streams(split);
}

/* A packet of nothing tells muxers and their filters that the stream is over. Where there is side
 * data it says something; of MPEG-TS, all packets have some. */
static bool is_nothing(const struct rmx_split *split)
{
    return split->raw->size == 0 && (split->parses || split->raw->side_data_elems == 0);
}

int rmx_split_read(struct rmx_split *split, AVPacket *packet)
{
    for (;;) {
        int err = split->raw->size > 0 ? take_apart(split, packet) : 0;

        if (err != 0) {
            return FFMIN(err, 0);
        }
        err = read_raw(split);
        if (err < 0) {
            return err == AVERROR_EOF && split->parses ? take_last(split, packet) : err;
        }
        if (is_nothing(split)) {
            continue;
        }
        struct rmx_split_stream *state = &split->streams[split->raw->stream_index];

        if (split->parses) {
            err =
                follow_codec(state, split->demuxer->streams[split->raw->stream_index], split->raw);
        }
        if (err < 0) {
            return err;
        }
        if (state->plain) {
            pass_on(split, state, packet);
            return 0;
        }
        if (!state->parser) {
            av_packet_move_ref(packet, split->raw);
            if (state->order) {
                set_dts(state, packet);
            }
            return 0;
        }
    }
}
