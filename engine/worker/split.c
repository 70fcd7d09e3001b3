/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reads the packets of a live input. Worker process, a job's fiber.
 */
#include "engine/worker/split.h"

#include <errno.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "engine/worker/avshim.h"
#include "engine/worker/nal.h"
#include "engine/worker/packing.h"
#include "engine/worker/stamp.h"
#include "engine/worker/sync.h"
#include "engine/worker/words.h"

#define LATM_TYPE          0x11 /* in MPEG-TS's table */
#define PRIVATE_SOUND      0x80 /* what these types are, who uses them says where nobody looks */
#define PRIVATE_SOUND_LAST 0x8a
#define CHECKED_MAX        64 /* what an encoder did so many times it goes on to do */

static void fini_stream(struct rmx_split_stream *stream)
{
    if (stream->parser) {
        av_parser_close(stream->parser);
    }
    avcodec_free_context(&stream->codec);
    av_packet_free(&stream->held);
    *stream = (struct rmx_split_stream){ 0 };
}

void rmx_split_fini(struct rmx_split *split)
{
    for (unsigned slot = 0; slot < split->count; slot++) {
        fini_stream(&split->streams[slot]);
    }
    av_freep(&split->streams);
    av_packet_free(&split->raw);
    av_packet_free(&split->next);
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
    if (is_picture(codec) && !state->loose) {
        state->parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
    }
    avcodec_free_context(&state->codec);
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
    *split = (struct rmx_split){
        .demuxer = demuxer,
        .tap = tap,
        .raw = av_packet_alloc(),
        .next = av_packet_alloc(),
    };
    if (!split->raw || !split->next) {
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
    const AVCodecParameters *parameters = stream->codecpar;
    uint32_t type = parameters->codec_tag;

    return parameters->codec_id == AV_CODEC_ID_NONE &&
           (type == LATM_TYPE || (type >= PRIVATE_SOUND && type <= PRIVATE_SOUND_LAST));
}

/* Some multiplexers call AAC LATM that is in ADTS. */
static void name_sound(const AVStream *stream, const AVPacket *raw)
{
    enum AVCodecID codec = rmx_sync_name(raw->data, (size_t)raw->size);

    if (codec != AV_CODEC_ID_NONE) {
        stream->codecpar->codec_id = codec;
        stream->codecpar->codec_type = AVMEDIA_TYPE_AUDIO;
    }
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

/* The parser of H.264 is 300 KB, and makes half of them anew for each keyframe: it goes when it has
 * said the same thing for long enough. */
static void dismiss_parser(struct rmx_split_stream *state)
{
    int repeats = state->parser->repeat_pict;

    state->checked += state->checked < CHECKED_MAX;
    state->repeats = state->checked == 1 || state->repeats == repeats ? repeats : -1;
    state->plain = state->codec->codec_id == AV_CODEC_ID_H264 && state->checked == CHECKED_MAX &&
                   !state->loose && state->repeats >= 0;
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
    packet->duration = rmx_stamp_duration(state, packet, state->repeats, stream->time_base);
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
        rmx_stamp_sound(state, packet, stream);
    } else {
        rmx_stamp_picture(state, packet, stream->time_base);
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

/* As it is, or frame by frame. Returns 1, 0 when the raw packet has no more, or AVERROR. */
static int take(struct rmx_split *split, AVPacket *packet)
{
    struct rmx_split_stream *state = &split->streams[split->raw->stream_index];

    if (state->plain) {
        pass_on(split, state, packet);
        return 1;
    }
    if (state->parser) {
        return take_apart(split, packet);
    }
    av_packet_move_ref(packet, split->raw);
    if (state->order) {
        rmx_stamp_order(state, packet);
    }
    return 1;
}

/* What waits, and what a parser still has, when nothing more comes. */
static int take_last(struct rmx_split *split, AVPacket *packet)
{
    int got = 0;

    while (got == 0 && split->ended < split->count) {
        unsigned slot = split->ended;
        struct rmx_split_stream *state = &split->streams[slot];

        if (state->held) {
            FFSWAP(AVPacket *, split->raw, state->held);
            av_packet_free(&state->held);
            got = take(split, packet);
            continue;
        }
        split->ended++;
        if (state->parser) {
            got = next_frame(split, slot, packet);
        }
    }
    return got == 0 ? AVERROR_EOF : got;
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

/* From here on the parser finds where pictures begin and end. */
static int loosen(
    struct rmx_split_stream *state, const AVFormatContext *demuxer, const AVPacket *raw)
{
    bool torn = state->checked > 0 && !state->held &&
                !rmx_nal_begins_picture(state->opened_for, raw->data, (size_t)raw->size);

    state->loose = true;
    if (torn) {
        rmx_words_warn(demuxer->opaque,
            "stream %d: a picture went on when it was taken to be whole, and is two packets now",
            raw->stream_index);
    }
    if (state->parser) {
        state->parser->flags &= ~PARSER_FLAG_COMPLETE_FRAMES;
        return 0;
    }
    state->plain = false;
    return open_parser(state, demuxer->streams[raw->stream_index]);
}

/* A PES packet of pictures came, of a stream that is not loose. Returns 1 when the raw packet is to
 * be taken, 0 when it waits, or AVERROR. */
static int arrange(struct rmx_split *split, struct rmx_split_stream *state)
{
    AVPacket *raw = split->raw;
    int pid = split->demuxer->streams[raw->stream_index]->id;
    enum rmx_packing_kind kind = split->tap ? rmx_packing_kind(&split->tap->packing, pid,
                                                  state->opened_for, (size_t)raw->size)
                                            : RMX_PACKING_LOOSE;
    int err = 0;

    if (kind == RMX_PACKING_LOOSE ||
        !rmx_nal_is_one_picture(state->opened_for, raw->data, (size_t)raw->size)) {
        err = loosen(state, split->demuxer, raw);
    }
    if (err >= 0 && state->held) { /* goes first */
        av_packet_move_ref(split->next, raw);
        FFSWAP(AVPacket *, split->raw, state->held);
        av_packet_free(&state->held);
        return 1;
    }
    if (err < 0 || state->loose || kind == RMX_PACKING_WHOLE) {
        return err < 0 ? err : 1;
    }
    state->held = raw;
    split->raw = av_packet_alloc();
    return split->raw ? 0 : AVERROR(ENOMEM);
}

/* Brings a raw packet, and takes of it what there is to be had. Returns as take(). */
static int bring(struct rmx_split *split, AVPacket *packet)
{
    int got = 0;

    if (split->next->size > 0) {
        av_packet_move_ref(split->raw, split->next);
    } else {
        got = read_raw(split);
    }
    if (got < 0) {
        return got == AVERROR_EOF && split->parses ? take_last(split, packet) : got;
    }
    if (is_nothing(split)) {
        return 0;
    }
    struct rmx_split_stream *state = &split->streams[split->raw->stream_index];

    if (split->parses) {
        got = follow_codec(state, split->demuxer->streams[split->raw->stream_index], split->raw);
    }
    if (got >= 0) {
        got = is_picture(state->opened_for) && !state->loose ? arrange(split, state) : 1;
    }
    return got > 0 ? take(split, packet) : got;
}

int rmx_split_read(struct rmx_split *split, AVPacket *packet)
{
    int got = 0;

    while (got == 0) {
        got = split->raw->size > 0 ? take(split, packet) : bring(split, packet);
    }
    return FFMIN(got, 0);
}

void rmx_split_order(struct rmx_split *split, unsigned stream, unsigned reorder)
{
    struct rmx_split_stream *state = &split->streams[stream];

    state->order = true;
    state->reorder = FFMIN(reorder, RMX_SPLIT_REORDER_MAX);
}
