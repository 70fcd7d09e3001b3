/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a stream is, from its own packets. Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/learn.h"

#include <errno.h>
#include <string.h>

#include <libavutil/channel_layout.h>
#include <libavutil/mem.h>

#include "engine/worker/aac.h"
#include "engine/worker/avshim.h"
#include "engine/worker/fence.h"
#include "engine/worker/foreword.h"
#include "engine/worker/nal.h"
#include "engine/worker/shortcut.h"
#include "engine/worker/vp9.h"

#define SPS_TYPE 7

void rmx_learn_fini(struct rmx_learn *learn)
{
    av_bsf_free(&learn->extract);
    if (learn->parser) {
        av_parser_close(learn->parser);
    }
    avcodec_free_context(&learn->codec);
    avcodec_free_context(&learn->decoder);
    *learn = (struct rmx_learn){ .seen = learn->seen, .known = learn->known };
}

static bool needs_extradata(enum AVCodecID codec)
{
    return codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_HEVC || codec == AV_CODEC_ID_AV1;
}

/* Is there nothing more that this packet could have said? Of VP9 the container knows the size, but
 * not what MP4's header has to say of it: the first keyframe does, unless it is encrypted. */
static bool has_said_all(const AVCodecParameters *parameters, const AVPacket *packet)
{
    return parameters->codec_id != AV_CODEC_ID_VP9 || parameters->format != AV_PIX_FMT_NONE ||
           (packet->flags & AV_PKT_FLAG_KEY);
}

bool rmx_learn_is_known(const AVCodecParameters *parameters)
{
    if (parameters->codec_type == AVMEDIA_TYPE_AUDIO) {
        return parameters->sample_rate > 0 && parameters->ch_layout.nb_channels > 0;
    }
    return parameters->width > 0 && parameters->height > 0 &&
           (parameters->extradata_size > 0 || !needs_extradata(parameters->codec_id));
}

bool rmx_learn_read_set(struct rmx_sps *sps, const AVCodecParameters *parameters)
{
    const uint8_t *extradata = parameters->extradata;
    size_t bytes = (size_t)parameters->extradata_size;
    size_t length = 0;

    if (parameters->codec_id != AV_CODEC_ID_H264 || bytes == 0) {
        return false;
    }
    if (extradata[0] == 1) {
        return rmx_sps_read_avcc(sps, extradata, bytes) == 0;
    }
    const uint8_t *unit = rmx_nal_find(AV_CODEC_ID_H264, SPS_TYPE, extradata, bytes, &length);

    return unit && rmx_sps_read_unit(sps, unit, length) == 0;
}

/* --- parameter sets -------------------------------------------------------------------------- */

static int open_extract(struct rmx_learn *learn, const AVStream *stream)
{
    const AVBitStreamFilter *kind = av_bsf_get_by_name("extract_extradata");
    int err = kind ? av_bsf_alloc(kind, &learn->extract) : AVERROR_BSF_NOT_FOUND;

    if (err >= 0) {
        err = avcodec_parameters_copy(learn->extract->par_in, stream->codecpar);
    }
    if (err >= 0) {
        learn->extract->time_base_in = stream->time_base;
        err = av_bsf_init(learn->extract);
    }
    return err;
}

/* Where it is not needed either, ffmpeg passes it on. */
static bool may_be_extracted(const AVCodecParameters *parameters)
{
    const AVBitStreamFilter *kind = av_bsf_get_by_name("extract_extradata");
    const enum AVCodecID *codec = kind ? kind->codec_ids : NULL;

    while (codec && *codec != AV_CODEC_ID_NONE && *codec != parameters->codec_id) {
        codec++;
    }
    return parameters->extradata_size == 0 && codec && *codec != AV_CODEC_ID_NONE;
}

static int keep_extradata(AVCodecParameters *parameters, const AVPacket *packet)
{
    size_t bytes = 0;
    const uint8_t *found = av_packet_get_side_data(packet, AV_PKT_DATA_NEW_EXTRADATA, &bytes);

    if (!found || bytes == 0) {
        return 0;
    }
    uint8_t *extradata = av_mallocz(bytes + AV_INPUT_BUFFER_PADDING_SIZE);

    if (!extradata) {
        return AVERROR(ENOMEM);
    }
    memcpy(extradata, found, bytes);
    parameters->extradata = extradata;
    parameters->extradata_size = (int)bytes;
    return 0;
}

/* The sets that stand before a key picture. */
static int extract_sets(struct rmx_learn *learn, AVStream *stream, const AVPacket *packet)
{
    int err = learn->extract ? 0 : open_extract(learn, stream);
    AVPacket *copy = err < 0 ? NULL : av_packet_clone(packet);

    if (!copy) {
        return err < 0 ? err : AVERROR(ENOMEM);
    }
    if (av_bsf_send_packet(learn->extract, copy) >= 0 &&
        av_bsf_receive_packet(learn->extract, copy) >= 0) {
        err = keep_extradata(stream->codecpar, copy);
    }
    av_packet_free(&copy);
    return err;
}

/* --- frame headers --------------------------------------------------------------------------- */

static int open_parser(struct rmx_learn *learn, const AVStream *stream)
{
    learn->codec = avcodec_alloc_context3(NULL);
    if (!learn->codec) {
        return AVERROR(ENOMEM);
    }
    learn->parser = av_parser_init((int)stream->codecpar->codec_id);
    if (learn->parser) {
        learn->parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
    }
    int err = avcodec_parameters_to_context(learn->codec, stream->codecpar);

    rmx_avshim_count_pictures(learn->codec);
    return err;
}

/* learn->codec then has what the frame's header says. Without a parser it says nothing. */
static int parse(struct rmx_learn *learn, const AVStream *stream, const AVPacket *packet)
{
    int err = learn->codec ? 0 : open_parser(learn, stream);
    uint8_t *data;
    int size;

    if (err >= 0 && learn->parser) {
        av_parser_parse2(learn->parser, learn->codec, &data, &size, packet->data, packet->size,
            packet->pts, packet->dts, packet->pos);
    }
    return FFMIN(err, 0);
}

static void fill_size(struct rmx_learn *learn, AVCodecParameters *parameters)
{
    const AVCodecParserContext *parser = learn->parser;

    if (!parser || parser->width <= 0 || parser->height <= 0) {
        return;
    }
    if (parameters->width == 0) {
        parameters->width = parser->width;
        parameters->height = parser->height;
    }
    parameters->format = parser->format;
    parameters->field_order = parser->field_order;
    parameters->profile = learn->codec->profile;
    parameters->level = learn->codec->level;
}

static void fill_vp9(AVCodecParameters *parameters, const AVPacket *packet)
{
    struct rmx_vp9 vp9;

    if (rmx_vp9_read_key(&vp9, packet->data, (size_t)packet->size) < 0) {
        return;
    }
    parameters->profile = vp9.profile;
    parameters->format = vp9.format;
    parameters->color_space = vp9.space;
    parameters->color_range = vp9.range;
}

static void fill_rate(AVStream *stream, AVRational rate)
{
    if (rate.num <= 0 || rate.den <= 0) {
        return;
    }
    if (stream->avg_frame_rate.num == 0) {
        stream->avg_frame_rate = rate;
    }
    if (stream->r_frame_rate.num == 0) {
        stream->r_frame_rate = rate;
    }
}

/* --- a decoder, where no header says it ------------------------------------------------------- */

static int fill_from_frame(AVCodecParameters *parameters, const AVFrame *frame)
{
    if (parameters->codec_type == AVMEDIA_TYPE_VIDEO) {
        parameters->width = frame->width;
        parameters->height = frame->height;
        parameters->format = frame->format;
        return 0;
    }
    parameters->sample_rate = frame->sample_rate;
    parameters->frame_size = frame->nb_samples;
    return av_channel_layout_copy(&parameters->ch_layout, &frame->ch_layout);
}

static int open_decoder(struct rmx_learn *learn, const AVCodecParameters *parameters)
{
    const AVCodec *codec = rmx_fence_decoder(parameters->codec_id);

    if (!codec) {
        return AVERROR_DECODER_NOT_FOUND;
    }
    learn->decoder = avcodec_alloc_context3(codec);
    if (!learn->decoder) {
        return AVERROR(ENOMEM);
    }
    learn->decoder->thread_count = 1;
    int err = avcodec_parameters_to_context(learn->decoder, parameters);

    return err < 0 ? err : avcodec_open2(learn->decoder, codec, NULL);
}

/* Decodes one packet, if it can be. Sound may have another rate in truth than its header says. */
static int decode(struct rmx_learn *learn, AVCodecParameters *parameters, const AVPacket *packet)
{
    AVFrame *frame = av_frame_alloc();
    int err = frame ? 0 : AVERROR(ENOMEM);

    if (err >= 0 && !learn->decoder) {
        err = open_decoder(learn, parameters);
    }
    if (err >= 0 && avcodec_send_packet(learn->decoder, packet) >= 0 &&
        avcodec_receive_frame(learn->decoder, frame) >= 0) {
        err = fill_from_frame(parameters, frame);
    }
    av_frame_free(&frame);
    return err;
}

/* --- pictures -------------------------------------------------------------------------------- */

static int learn_picture(struct rmx_learn *learn, AVStream *stream, const AVPacket *packet)
{
    AVCodecParameters *parameters = stream->codecpar;
    struct rmx_sps sps;
    int err = 0;

    if (may_be_extracted(parameters)) {
        err = extract_sets(learn, stream, packet);
    }
    if (err >= 0) {
        err = parse(learn, stream, packet);
    }
    if (err < 0) {
        return err;
    }
    fill_size(learn, parameters);
    if (parameters->codec_id == AV_CODEC_ID_VP9) {
        fill_vp9(parameters, packet);
    }
    if (parameters->width == 0 && !needs_extradata(parameters->codec_id)) {
        err = decode(learn, parameters, packet);
    }
    fill_rate(stream, learn->codec->framerate);
    if (rmx_learn_read_set(&sps, parameters)) {
        rmx_shortcut_fill_picture(parameters, &sps);
        parameters->video_delay = sps.has_reorder ? (int)sps.reorder : parameters->video_delay;
    }
    return err;
}

/* --- sound ----------------------------------------------------------------------------------- */

static int learn_aac(struct rmx_learn *learn, AVCodecParameters *parameters, const AVPacket *packet)
{
    bool apart = parameters->extradata_size > 0;
    struct rmx_aac aac;
    int err =
        apart ? rmx_aac_read_config(&aac, parameters->extradata, (size_t)parameters->extradata_size)
              : rmx_aac_read_header(&aac, packet->data, (size_t)packet->size);

    parameters->frame_size = parameters->frame_size > 0 ? parameters->frame_size : RMX_AAC_SAMPLES;
    if (err < 0 || aac.channels == 0 || (!apart && rmx_aac_may_extend(&aac))) {
        return decode(learn, parameters, packet);
    }
    parameters->sample_rate = (int)aac.sample_rate;
    parameters->profile = (int)aac.object_type - 1;
    av_channel_layout_uninit(&parameters->ch_layout);
    av_channel_layout_default(&parameters->ch_layout, (int)aac.channels);
    return 0;
}

static int learn_sound(struct rmx_learn *learn, AVStream *stream, const AVPacket *packet)
{
    AVCodecParameters *parameters = stream->codecpar;

    if (parameters->codec_id == AV_CODEC_ID_AAC) {
        return learn_aac(learn, parameters, packet);
    }
    int err = parse(learn, stream, packet);

    if (err < 0) {
        return err;
    }
    if (parameters->sample_rate == 0 || parameters->ch_layout.nb_channels == 0) {
        parameters->sample_rate = learn->codec->sample_rate;
        err = av_channel_layout_copy(&parameters->ch_layout, &learn->codec->ch_layout);
    }
    if (parameters->frame_size == 0 && learn->parser) {
        parameters->frame_size = learn->parser->duration;
    }
    if (err >= 0 && !rmx_learn_is_known(parameters)) {
        err = decode(learn, parameters, packet);
    }
    return err;
}

/* --- together -------------------------------------------------------------------------------- */

int rmx_learn_from(struct rmx_learn *learn, AVStream *stream, const AVPacket *packet)
{
    int err = 0;

    learn->seen = true;
    if (learn->known || packet->size == 0) {
        return 0;
    }
    if (stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) {
        err = learn_picture(learn, stream, packet);
    } else if (stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO) {
        err = learn_sound(learn, stream, packet);
    }
    if (err == AVERROR(ENOMEM)) {
        return err;
    }
    learn->known = rmx_learn_is_known(stream->codecpar) && has_said_all(stream->codecpar, packet) &&
                   rmx_foreword_says(stream->codecpar->codec_id, packet);
    if (learn->known) {
        rmx_learn_fini(learn);
    }
    return 0;
}
