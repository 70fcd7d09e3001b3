/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text subtitles in another codec's words. Worker process, a job's fiber.
 */
#include "engine/worker/subtitle.h"

#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/avstring.h>
#include <libavutil/mem.h>

#include "engine/worker/fence.h"
#include "engine/worker/retouch.h"
#include "ipc/edit.h"

#define CUE_BYTES_MAX     65536 /* an MP4 can hold no longer text; the codecs' time is its square */
#define HEADER_BYTES_MAX  65536
#define ENCODED_BYTES_MAX (1 << 20) /* ffmpeg's */
#define NAME_BYTES        64

/* What text becomes for a muxer that cannot hold it; what it can hold is copied. Muxers that are
 * not here take what they take. */
static const struct {
    const char *muxers;
    const char *encoder;
    const char *holds;
} targets[] = {
    { "mp4,mov,ipod,3gp,3g2,psp,ismv", "mov_text", "mov_text" },
    { "matroska", "subrip", "subrip,text,ass,webvtt" },
    { "webm,hls,webvtt", "webvtt", "webvtt" },
    { "srt,lrc", "subrip", "subrip,text" },
    { "ass", "ass", "ass" },
};

struct rmx_subtitle {
    AVCodecContext *decoder;
    AVCodecContext *encoder;
    AVStream *to;
    struct rmx_words *words;
};

/* --- what is asked for ----------------------------------------------------------------------- */

enum rmx_subtitle_wish rmx_subtitle_wish(const struct rmx_job_spec *spec)
{
    enum rmx_subtitle_wish wish = RMX_SUBTITLE_USUAL;
    struct rmx_edit edit;
    size_t cursor = 0;

    while (rmx_retouch_next(spec, &cursor, &edit)) {
        if (edit.word != RMX_EDIT_SUBTITLES ||
            (edit.specifier[0] != '\0' && strcmp(edit.specifier, "s") != 0)) {
            continue;
        }
        if (strcmp(edit.value, "none") == 0) {
            return RMX_SUBTITLE_NONE;
        }
        wish = strcmp(edit.value, "copy") == 0 ? RMX_SUBTITLE_COPY : RMX_SUBTITLE_TEXT;
    }
    return wish;
}

bool rmx_subtitle_is_text(enum AVCodecID codec)
{
    return codec == AV_CODEC_ID_MOV_TEXT || codec == AV_CODEC_ID_SUBRIP ||
           codec == AV_CODEC_ID_TEXT || codec == AV_CODEC_ID_WEBVTT || codec == AV_CODEC_ID_ASS;
}

/* NULL: it is copied. */
static const AVCodec *needed_encoder(const AVOutputFormat *muxer, enum AVCodecID codec)
{
    for (size_t slot = 0; slot < FF_ARRAY_ELEMS(targets) && rmx_subtitle_is_text(codec); slot++) {
        if (av_match_list(muxer->name, targets[slot].muxers, ',') > 0 &&
            av_match_list(avcodec_get_name(codec), targets[slot].holds, ',') == 0) {
            return avcodec_find_encoder_by_name(targets[slot].encoder);
        }
    }
    return NULL;
}

/* --- opening --------------------------------------------------------------------------------- */

static AVCodecContext *new_codec(const AVCodec *codec, const AVFormatContext *muxer)
{
    AVCodecContext *context = avcodec_alloc_context3(codec);

    if (context) {
        context->thread_count = 1;
        context->flags |= muxer->flags & AVFMT_FLAG_BITEXACT ? AV_CODEC_FLAG_BITEXACT : 0;
    }
    return context;
}

static int open_decoder(
    struct rmx_subtitle *subtitle, const AVFormatContext *muxer, const AVStream *from)
{
    const AVCodec *codec = rmx_fence_decoder(from->codecpar->codec_id);

    if (!codec) {
        return AVERROR_DECODER_NOT_FOUND;
    }
    subtitle->decoder = new_codec(codec, muxer);
    if (!subtitle->decoder) {
        return AVERROR(ENOMEM);
    }
    subtitle->decoder->pkt_timebase = from->time_base;
    int err = avcodec_parameters_to_context(subtitle->decoder, from->codecpar);

    return err < 0 ? err : avcodec_open2(subtitle->decoder, codec, NULL);
}

/* The decoder's header, which names the styles, is where the encoder begins. It is a string. */
static int copy_header(AVCodecContext *encoder, const AVCodecContext *decoder)
{
    size_t bytes = (size_t)decoder->subtitle_header_size;

    if (!decoder->subtitle_header) {
        return 0;
    }
    encoder->subtitle_header = av_mallocz(bytes + 1);
    if (!encoder->subtitle_header) {
        return AVERROR(ENOMEM);
    }
    memcpy(encoder->subtitle_header, decoder->subtitle_header, bytes);
    encoder->subtitle_header_size = decoder->subtitle_header_size;
    return 0;
}

static int open_encoder(
    struct rmx_subtitle *subtitle, const AVFormatContext *muxer, const AVCodec *codec)
{
    subtitle->encoder = new_codec(codec, muxer);
    if (!subtitle->encoder) {
        return AVERROR(ENOMEM);
    }
    subtitle->encoder->time_base = AV_TIME_BASE_Q;
    subtitle->encoder->width = subtitle->decoder->width;
    subtitle->encoder->height = subtitle->decoder->height;
    int err = copy_header(subtitle->encoder, subtitle->decoder);

    return err < 0 ? err : avcodec_open2(subtitle->encoder, codec, NULL);
}

/* As ffmpeg describes a stream that it encodes. */
static int describe(AVStream *to, const AVStream *from, const AVCodecContext *encoder)
{
    to->time_base = encoder->time_base;
    to->duration =
        from->duration > 0 ? av_rescale_q(from->duration, from->time_base, to->time_base) : 0;
    to->avg_frame_rate = (AVRational){ 0, 1 };
    int err = avcodec_parameters_from_context(to->codecpar, encoder);

    return err < 0 ? err : av_dict_set(&to->metadata, "encoder", NULL, 0);
}

static enum rmx_status refuse(
    int err, const AVStream *to, const AVCodec *codec, struct rmx_words *words)
{
    if (err == AVERROR(ENOMEM)) {
        return RMX_STATUS_OVER_LIMIT;
    }
    rmx_words_say(words, "stream %d: its subtitles cannot become %s: %s", to->index, codec->name,
        av_err2str(err));
    return RMX_STATUS_UNSUPPORTED;
}

static enum rmx_status check_source(
    const AVStream *to, const AVCodecParameters *from, struct rmx_words *words)
{
    if (!rmx_subtitle_is_text(from->codec_id)) {
        rmx_words_say(words,
            "stream %d is %s, which cannot be converted: only mov_text, subrip, text, webvtt and "
            "ass can. Copy it to matroska, or leave it out",
            to->index, avcodec_get_name(from->codec_id));
        return RMX_STATUS_UNSUPPORTED;
    }
    if (from->extradata_size > HEADER_BYTES_MAX) {
        rmx_words_say(words, "stream %d: a header of subtitles to be converted is %d bytes at most",
            to->index, HEADER_BYTES_MAX);
        return RMX_STATUS_OVER_LIMIT;
    }
    return RMX_STATUS_OK;
}

static enum rmx_status open_converter(struct rmx_subtitle *made, const AVFormatContext *muxer,
    const AVStream *from, const AVCodec *codec)
{
    enum rmx_status status = check_source(made->to, from->codecpar, made->words);

    if (status != RMX_STATUS_OK) {
        return status;
    }
    int err = open_decoder(made, muxer, from);

    if (err >= 0) {
        err = open_encoder(made, muxer, codec);
    }
    if (err >= 0) {
        err = describe(made->to, from, made->encoder);
    }
    return err < 0 ? refuse(err, made->to, codec, made->words) : RMX_STATUS_OK;
}

/* *codec is NULL where the stream is copied. */
static enum rmx_status choose_encoder(const AVCodec **codec, const char *asked,
    const AVOutputFormat *muxer, enum AVCodecID from, struct rmx_words *words)
{
    *codec = NULL;
    if (!asked) {
        *codec = needed_encoder(muxer, from);
    } else if (strcmp(asked, "copy") != 0) {
        *codec = avcodec_find_encoder_by_name(asked);
        if (!*codec) {
            rmx_words_say(words, "this libavcodec cannot write %s", asked);
            return RMX_STATUS_UNSUPPORTED;
        }
    }
    return RMX_STATUS_OK;
}

enum rmx_status rmx_subtitle_open(struct rmx_subtitle **subtitle, AVFormatContext *muxer,
    AVStream *to, const AVStream *from, const struct rmx_job_spec *spec, struct rmx_words *words)
{
    const AVCodec *codec;
    const char *asked;

    if (to->codecpar->codec_type != AVMEDIA_TYPE_SUBTITLE) {
        return RMX_STATUS_OK;
    }
    enum rmx_status status = rmx_retouch_find(&asked, RMX_EDIT_SUBTITLES, muxer, to, spec, words);

    if (status == RMX_STATUS_OK) {
        status = choose_encoder(&codec, asked, muxer->oformat, from->codecpar->codec_id, words);
    }
    if (status != RMX_STATUS_OK || !codec) {
        return status;
    }
    struct rmx_subtitle *made = av_mallocz(sizeof(*made));

    if (!made) {
        return RMX_STATUS_OVER_LIMIT;
    }
    made->to = to;
    made->words = words;
    status = open_converter(made, muxer, from, codec);
    if (status != RMX_STATUS_OK) {
        rmx_subtitle_free(&made);
        return status;
    }
    *subtitle = made;
    return RMX_STATUS_OK;
}

int rmx_subtitle_sign(const struct rmx_subtitle *subtitle)
{
    const AVCodecContext *encoder = subtitle->encoder;
    bool exact = encoder->flags & AV_CODEC_FLAG_BITEXACT;
    char name[NAME_BYTES];

    snprintf(name, sizeof(name), "%s %s", exact ? "Lavc" : LIBAVCODEC_IDENT, encoder->codec->name);
    return av_dict_set(&subtitle->to->metadata, "encoder", name, AV_DICT_DONT_OVERWRITE);
}

/* --- cues ------------------------------------------------------------------------------------ */

static int refuse_cue(const struct rmx_subtitle *subtitle, const char *why)
{
    rmx_words_say(subtitle->words, "stream %d: a cue %s %s", subtitle->to->index, why,
        subtitle->encoder->codec->name);
    return AVERROR_INVALIDDATA;
}

/* A cue without a word is a packet, too: it ends the one before it. */
static int encode(const struct rmx_subtitle *subtitle, const AVSubtitle *cue, AVPacket *packet)
{
    static const AVRational milliseconds = { 1, 1000 };
    uint8_t *encoded = av_malloc(ENCODED_BYTES_MAX);
    AVRational base = subtitle->to->time_base;

    if (!encoded) {
        return AVERROR(ENOMEM);
    }
    int bytes = avcodec_encode_subtitle(subtitle->encoder, encoded, ENCODED_BYTES_MAX, cue);
    int err = bytes < 0 ? bytes : av_new_packet(packet, bytes);

    if (err >= 0) {
        memcpy(packet->data, encoded, (size_t)bytes);
        packet->pts = av_rescale_q(cue->pts, AV_TIME_BASE_Q, base);
        packet->dts = packet->pts;
        packet->duration = av_rescale_q(cue->end_display_time, milliseconds, base);
    }
    av_free(encoded);
    return bytes < 0 && bytes != AVERROR(ENOMEM) ? refuse_cue(subtitle, "does not fit in") : err;
}

int rmx_subtitle_convert(struct rmx_subtitle *subtitle, AVPacket *packet)
{
    AVSubtitle cue = { 0 };
    int got = 0;

    if (packet->size > CUE_BYTES_MAX) {
        return refuse_cue(subtitle, "is too long to become");
    }
    int err = avcodec_decode_subtitle2(subtitle->decoder, &cue, &got, packet);

    av_packet_unref(packet);
    if (err < 0 && err != AVERROR(ENOMEM)) { /* as ffmpeg goes on */
        rmx_words_warn(subtitle->words, "stream %d: a cue that cannot be read was left out",
            subtitle->to->index);
        return 0;
    }
    if (err >= 0 && got && cue.num_rects > 0 && cue.pts != AV_NOPTS_VALUE) {
        err = encode(subtitle, &cue, packet);
        err = err < 0 ? err : 1;
    } else {
        err = FFMIN(err, 0);
    }
    avsubtitle_free(&cue);
    return err;
}

void rmx_subtitle_free(struct rmx_subtitle **subtitle)
{
    if (*subtitle) {
        avcodec_free_context(&(*subtitle)->decoder);
        avcodec_free_context(&(*subtitle)->encoder);
    }
    av_freep(subtitle);
}
