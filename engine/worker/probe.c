/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Describes an input as ffprobe does. Worker process, a job's fiber.
 */
#include "engine/worker/probe.h"

#include <inttypes.h>

#include <libavutil/channel_layout.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>

#include "engine/worker/avshim.h"
#include "engine/worker/fence.h"
#include "engine/worker/json.h"
#include "engine/worker/remux.h"
#include "engine/worker/sidedata.h"

/* --- values ---------------------------------------------------------------------------------- */

/* ffprobe leaves a key out rather than say that it does not know. */
static void put_known(struct rmx_json *json, const char *name, const char *value)
{
    if (value) {
        rmx_json_string(json, name, value);
    }
}

static void put_ratio(struct rmx_json *json, const char *name, AVRational value, char between)
{
    rmx_json_format(json, name, "%d%c%d", value.num, between, value.den);
}

static void put_seconds(struct rmx_json *json, const char *name, int64_t ts, AVRational base)
{
    if (ts != AV_NOPTS_VALUE) {
        rmx_json_format(json, name, "%f", (double)ts * av_q2d(base));
    }
}

static void put_ts(struct rmx_json *json, const char *name, int64_t ts)
{
    if (ts != AV_NOPTS_VALUE) {
        rmx_json_int(json, name, ts);
    }
}

static void put_positive(struct rmx_json *json, const char *name, int64_t value)
{
    if (value > 0) {
        rmx_json_format(json, name, "%" PRId64, value);
    }
}

static void put_tags(struct rmx_json *json, const AVDictionary *tags)
{
    const AVDictionaryEntry *tag = NULL;

    if (av_dict_count(tags) == 0) {
        return;
    }
    rmx_json_open(json, "tags", '{');
    while ((tag = av_dict_get(tags, "", tag, AV_DICT_IGNORE_SUFFIX))) {
        rmx_json_string(json, tag->key, tag->value);
    }
    rmx_json_close(json, '}');
}

/* --- streams --------------------------------------------------------------------------------- */

static void put_codec(struct rmx_json *json, const AVCodecParameters *parameters)
{
    const AVCodecDescriptor *codec = avcodec_descriptor_get(parameters->codec_id);
    const char *profile = avcodec_profile_name(parameters->codec_id, parameters->profile);
    char tag[AV_FOURCC_MAX_STRING_SIZE];

    if (codec) {
        rmx_json_string(json, "codec_name", codec->name);
        rmx_json_string(json, "codec_long_name", codec->long_name ? codec->long_name : "unknown");
    }
    if (profile) {
        rmx_json_string(json, "profile", profile);
    } else if (parameters->profile != RMX_PROFILE_UNKNOWN) {
        rmx_json_format(json, "profile", "%d", parameters->profile);
    }
    put_known(json, "codec_type", av_get_media_type_string(parameters->codec_type));
    rmx_json_string(json, "codec_tag_string", av_fourcc_make_string(tag, parameters->codec_tag));
    rmx_json_format(json, "codec_tag", "0x%04" PRIx32, parameters->codec_tag);
}

static void put_aspect(struct rmx_json *json, AVFormatContext *demuxer, AVStream *stream)
{
    AVRational sample = av_guess_sample_aspect_ratio(demuxer, stream, NULL);
    AVRational display;

    if (sample.num == 0) {
        return;
    }
    av_reduce(&display.num, &display.den, (int64_t)stream->codecpar->width * sample.num,
        (int64_t)stream->codecpar->height * sample.den, 1 << 20);
    put_ratio(json, "sample_aspect_ratio", sample, ':');
    put_ratio(json, "display_aspect_ratio", display, ':');
}

/* Each of these has an "unspecified" that is left out. */
static void put_colours(struct rmx_json *json, const AVCodecParameters *parameters)
{
    if (parameters->color_range != AVCOL_RANGE_UNSPECIFIED) {
        put_known(json, "color_range", av_color_range_name(parameters->color_range));
    }
    if (parameters->color_space != AVCOL_SPC_UNSPECIFIED) {
        put_known(json, "color_space", av_color_space_name(parameters->color_space));
    }
    if (parameters->color_trc != AVCOL_TRC_UNSPECIFIED) {
        put_known(json, "color_transfer", av_color_transfer_name(parameters->color_trc));
    }
    if (parameters->color_primaries != AVCOL_PRI_UNSPECIFIED) {
        put_known(json, "color_primaries", av_color_primaries_name(parameters->color_primaries));
    }
    if (parameters->chroma_location != AVCHROMA_LOC_UNSPECIFIED) {
        put_known(json, "chroma_location", av_chroma_location_name(parameters->chroma_location));
    }
}

static const char *field_order_name(enum AVFieldOrder order)
{
    static const char *const names[] = {
        [AV_FIELD_PROGRESSIVE] = "progressive",
        [AV_FIELD_TT] = "tt",
        [AV_FIELD_BB] = "bb",
        [AV_FIELD_TB] = "tb",
        [AV_FIELD_BT] = "bt",
    };

    return (size_t)order < sizeof(names) / sizeof(*names) ? names[order] : NULL;
}

static void put_video(struct rmx_json *json, AVFormatContext *demuxer, AVStream *stream,
    const AVCodecContext *decoder)
{
    const AVCodecParameters *parameters = stream->codecpar;

    rmx_json_int(json, "width", parameters->width);
    rmx_json_int(json, "height", parameters->height);
    if (decoder) {
        rmx_json_int(json, "coded_width", decoder->coded_width);
        rmx_json_int(json, "coded_height", decoder->coded_height);
        rmx_json_int(
            json, "closed_captions", !!(decoder->properties & FF_CODEC_PROPERTY_CLOSED_CAPTIONS));
        rmx_json_int(json, "film_grain", !!(decoder->properties & FF_CODEC_PROPERTY_FILM_GRAIN));
    }
    rmx_json_int(json, "has_b_frames", parameters->video_delay);
    put_aspect(json, demuxer, stream);
    put_known(json, "pix_fmt", av_get_pix_fmt_name(parameters->format));
    rmx_json_int(json, "level", parameters->level);
    put_colours(json, parameters);
    put_known(json, "field_order", field_order_name(parameters->field_order));
    if (decoder) {
        rmx_json_int(json, "refs", decoder->refs);
    }
}

static void put_audio(struct rmx_json *json, const AVCodecParameters *parameters)
{
    char layout[128];

    put_known(json, "sample_fmt", av_get_sample_fmt_name(parameters->format));
    rmx_json_format(json, "sample_rate", "%d", parameters->sample_rate);
    rmx_json_int(json, "channels", parameters->ch_layout.nb_channels);
    if (parameters->ch_layout.order != AV_CHANNEL_ORDER_UNSPEC &&
        av_channel_layout_describe(&parameters->ch_layout, layout, sizeof(layout)) > 0) {
        rmx_json_string(json, "channel_layout", layout);
    }
    rmx_json_int(json, "bits_per_sample", av_get_bits_per_sample(parameters->codec_id));
}

static void put_subtitle(struct rmx_json *json, const AVCodecParameters *parameters)
{
    if (parameters->width != 0) {
        rmx_json_int(json, "width", parameters->width);
    }
    if (parameters->height != 0) {
        rmx_json_int(json, "height", parameters->height);
    }
}

static void put_timing(
    struct rmx_json *json, const AVFormatContext *demuxer, const AVStream *stream)
{
    if (demuxer->iformat->flags & AVFMT_SHOW_IDS) {
        rmx_json_format(json, "id", "0x%x", (unsigned)stream->id);
    }
    put_ratio(json, "r_frame_rate", stream->r_frame_rate, '/');
    put_ratio(json, "avg_frame_rate", stream->avg_frame_rate, '/');
    put_ratio(json, "time_base", stream->time_base, '/');
    put_ts(json, "start_pts", stream->start_time);
    put_seconds(json, "start_time", stream->start_time, stream->time_base);
    put_ts(json, "duration_ts", stream->duration);
    put_seconds(json, "duration", stream->duration, stream->time_base);
}

static void put_disposition(struct rmx_json *json, int disposition)
{
    static const int order[] = { AV_DISPOSITION_DEFAULT, AV_DISPOSITION_DUB,
        AV_DISPOSITION_ORIGINAL, AV_DISPOSITION_COMMENT, AV_DISPOSITION_LYRICS,
        AV_DISPOSITION_KARAOKE, AV_DISPOSITION_FORCED, AV_DISPOSITION_HEARING_IMPAIRED,
        AV_DISPOSITION_VISUAL_IMPAIRED, AV_DISPOSITION_CLEAN_EFFECTS, AV_DISPOSITION_ATTACHED_PIC,
        AV_DISPOSITION_TIMED_THUMBNAILS, AV_DISPOSITION_CAPTIONS, AV_DISPOSITION_DESCRIPTIONS,
        AV_DISPOSITION_METADATA, AV_DISPOSITION_DEPENDENT, AV_DISPOSITION_STILL_IMAGE };

    rmx_json_open(json, "disposition", '{');
    for (size_t slot = 0; slot < sizeof(order) / sizeof(*order); slot++) {
        rmx_json_int(json, av_disposition_to_string(order[slot]), !!(disposition & order[slot]));
    }
    rmx_json_close(json, '}');
}

/* Opened for what it finds in the extradata; it decodes nothing. NULL where there is none. */
static AVCodecContext *open_decoder(const AVStream *stream)
{
    const AVCodec *codec = rmx_fence_decoder(stream->codecpar->codec_id);
    AVCodecContext *decoder = codec ? avcodec_alloc_context3(codec) : NULL;

    if (!decoder) {
        return NULL;
    }
    decoder->pkt_timebase = stream->time_base;
    decoder->thread_count = 1;
    if (avcodec_parameters_to_context(decoder, stream->codecpar) < 0 ||
        avcodec_open2(decoder, codec, NULL) < 0) {
        avcodec_free_context(&decoder);
    }
    return decoder;
}

static void put_kind(struct rmx_json *json, AVFormatContext *demuxer, AVStream *stream,
    const AVCodecContext *decoder)
{
    switch (stream->codecpar->codec_type) {
    case AVMEDIA_TYPE_VIDEO:
        put_video(json, demuxer, stream, decoder);
        break;
    case AVMEDIA_TYPE_AUDIO:
        put_audio(json, stream->codecpar);
        break;
    case AVMEDIA_TYPE_SUBTITLE:
        put_subtitle(json, stream->codecpar);
        break;
    default:
        break;
    }
}

/* What a decoder has to say for itself: H.264's "is_avc". */
static void put_exported(struct rmx_json *json, const AVCodecContext *decoder)
{
    const AVOption *option = NULL;
    uint8_t *value;

    if (!decoder || !decoder->codec->priv_class) {
        return;
    }
    while ((option = av_opt_next(decoder->priv_data, option))) {
        if ((option->flags & AV_OPT_FLAG_EXPORT) &&
            av_opt_get(decoder->priv_data, option->name, 0, &value) >= 0) {
            rmx_json_string(json, option->name, (const char *)value);
            av_free(value);
        }
    }
}

static void put_stream(struct rmx_json *json, AVFormatContext *demuxer, AVStream *stream)
{
    AVCodecContext *decoder = open_decoder(stream);

    rmx_json_open(json, NULL, '{');
    rmx_json_int(json, "index", stream->index);
    put_codec(json, stream->codecpar);
    put_kind(json, demuxer, stream, decoder);
    put_exported(json, decoder);
    put_timing(json, demuxer, stream);
    put_positive(json, "bit_rate", stream->codecpar->bit_rate);
    if (decoder) {
        put_positive(json, "max_bit_rate", decoder->rc_max_rate);
        put_positive(json, "bits_per_raw_sample", decoder->bits_per_raw_sample);
    }
    put_positive(json, "nb_frames", stream->nb_frames);
    if (stream->codecpar->extradata_size > 0) {
        rmx_json_int(json, "extradata_size", stream->codecpar->extradata_size);
    }
    put_disposition(json, stream->disposition);
    put_tags(json, stream->metadata);
    rmx_sidedata_write(json, stream);
    rmx_json_close(json, '}');
    avcodec_free_context(&decoder);
}

/* --- the whole ------------------------------------------------------------------------------- */

static void put_format(struct rmx_json *json, AVFormatContext *demuxer)
{
    int64_t size = avio_size(demuxer->pb);

    rmx_json_open(json, "format", '{');
    rmx_json_int(json, "nb_streams", demuxer->nb_streams);
    rmx_json_int(json, "nb_programs", demuxer->nb_programs);
    rmx_json_string(json, "format_name", demuxer->iformat->name);
    put_known(json, "format_long_name", demuxer->iformat->long_name);
    put_seconds(json, "start_time", demuxer->start_time, AV_TIME_BASE_Q);
    put_seconds(json, "duration", demuxer->duration, AV_TIME_BASE_Q);
    if (size >= 0) {
        rmx_json_format(json, "size", "%" PRId64, size);
    }
    put_positive(json, "bit_rate", demuxer->bit_rate);
    rmx_json_int(json, "probe_score", demuxer->probe_score);
    put_tags(json, demuxer->metadata);
    rmx_json_close(json, '}');
}

static void put_program(struct rmx_json *json, AVFormatContext *demuxer, const AVProgram *program)
{
    rmx_json_open(json, NULL, '{');
    rmx_json_int(json, "program_id", program->id);
    rmx_json_int(json, "program_num", program->program_num);
    rmx_json_int(json, "nb_streams", program->nb_stream_indexes);
    rmx_json_int(json, "pmt_pid", program->pmt_pid);
    rmx_json_int(json, "pcr_pid", program->pcr_pid);
    put_tags(json, program->metadata);
    rmx_json_open(json, "streams", '[');
    for (unsigned slot = 0; slot < program->nb_stream_indexes; slot++) {
        if (program->stream_index[slot] < demuxer->nb_streams) {
            put_stream(json, demuxer, demuxer->streams[program->stream_index[slot]]);
        }
    }
    rmx_json_close(json, ']');
    rmx_json_close(json, '}');
}

static void put_chapter(struct rmx_json *json, const AVChapter *chapter)
{
    rmx_json_open(json, NULL, '{');
    rmx_json_int(json, "id", chapter->id);
    put_ratio(json, "time_base", chapter->time_base, '/');
    rmx_json_int(json, "start", chapter->start);
    put_seconds(json, "start_time", chapter->start, chapter->time_base);
    rmx_json_int(json, "end", chapter->end);
    put_seconds(json, "end_time", chapter->end, chapter->time_base);
    put_tags(json, chapter->metadata);
    rmx_json_close(json, '}');
}

/* --- keyframes ------------------------------------------------------------------------------- */

static void put_keyframe(struct rmx_json *json, const AVPacket *packet, AVRational base)
{
    rmx_json_open(json, NULL, '{');
    rmx_json_string(json, "codec_type", "video");
    rmx_json_int(json, "stream_index", packet->stream_index);
    put_ts(json, "pts", packet->pts);
    put_seconds(json, "pts_time", packet->pts, base);
    put_ts(json, "dts", packet->dts);
    put_seconds(json, "dts_time", packet->dts, base);
    if (packet->duration != 0) {
        rmx_json_int(json, "duration", packet->duration);
        put_seconds(json, "duration_time", packet->duration, base);
    }
    rmx_json_format(json, "size", "%d", packet->size);
    if (packet->pos != -1) {
        rmx_json_format(json, "pos", "%" PRId64, packet->pos);
    }
    rmx_json_format(json, "flags", "K%c", packet->flags & AV_PKT_FLAG_DISCARD ? 'D' : '_');
    rmx_json_close(json, '}');
}

static bool has_keyframes(const AVStream *stream)
{
    return stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
           !(stream->disposition & AV_DISPOSITION_ATTACHED_PIC);
}

/* Returns 0 at the end of the input, or AVERROR of it. */
static int put_keyframes(struct rmx_json *json, struct rmx_intake *intake)
{
    AVPacket *packet = av_packet_alloc();
    int err = packet ? 0 : AVERROR(ENOMEM);

    for (unsigned slot = 0; slot < intake->demuxer->nb_streams; slot++) {
        AVStream *stream = intake->demuxer->streams[slot];

        stream->discard = has_keyframes(stream) ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    }
    rmx_json_open(json, "keyframes", '[');
    while (err >= 0 && (err = rmx_intake_read(intake, packet)) >= 0) {
        const AVStream *stream = intake->demuxer->streams[packet->stream_index];

        if (has_keyframes(stream) && packet->flags & AV_PKT_FLAG_KEY) {
            put_keyframe(json, packet, stream->time_base);
        }
        av_packet_unref(packet);
        rmx_remux_breathe();
        err = json->output->error;
    }
    rmx_json_close(json, ']');
    av_packet_free(&packet);
    return err == AVERROR_EOF ? 0 : err;
}

/* --- all ------------------------------------------------------------------------------------- */

int rmx_probe_write(
    struct rmx_intake *intake, bool keyframes, AVIOContext *output, int *input_error)
{
    AVFormatContext *demuxer = intake->demuxer;
    struct rmx_json json = { .output = output };

    *input_error = 0;
    rmx_json_open(&json, NULL, '{');
    rmx_json_open(&json, "programs", '[');
    for (unsigned slot = 0; slot < demuxer->nb_programs; slot++) {
        put_program(&json, demuxer, demuxer->programs[slot]);
    }
    rmx_json_close(&json, ']');
    rmx_json_open(&json, "streams", '[');
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        put_stream(&json, demuxer, demuxer->streams[slot]);
    }
    rmx_json_close(&json, ']');
    rmx_json_open(&json, "chapters", '[');
    for (unsigned slot = 0; slot < demuxer->nb_chapters; slot++) {
        put_chapter(&json, demuxer->chapters[slot]);
    }
    rmx_json_close(&json, ']');
    put_format(&json, demuxer);
    if (keyframes) {
        *input_error = put_keyframes(&json, intake);
    }
    rmx_json_close(&json, '}');
    avio_write(output, (const unsigned char *)"\n", 1);
    avio_flush(output);
    return output->error;
}
