/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Describes an input as ffprobe does. Worker process, a job's fiber.
 */
#include "engine/worker/probe.h"

#include <inttypes.h>
#include <string.h>

#include <libavutil/bprint.h>
#include <libavutil/channel_layout.h>
#include <libavutil/display.h>
#include <libavutil/dovi_meta.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libavutil/spherical.h>
#include <libavutil/stereo3d.h>

#include "engine/worker/avshim.h"
#include "engine/worker/json.h"

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

/* --- side data ------------------------------------------------------------------------------- */

static void put_display_matrix(struct rmx_json *json, const AVPacketSideData *side)
{
    int32_t matrix[9];
    AVBPrint text;

    memcpy(matrix, side->data, sizeof(matrix));
    av_bprint_init(&text, 0, AV_BPRINT_SIZE_AUTOMATIC);
    for (int cell = 0; cell < 9; cell++) {
        if (cell % 3 == 0) {
            av_bprintf(&text, "\n%08x: ", (unsigned)cell / 3);
        }
        av_bprintf(&text, " %11d", matrix[cell]);
    }
    av_bprintf(&text, "\n");
    rmx_json_string(json, "displaymatrix", text.str);
    rmx_json_int(json, "rotation", (int64_t)av_display_rotation_get(matrix));
    av_bprint_finalize(&text, NULL);
}

static void put_stereo3d(struct rmx_json *json, const AVPacketSideData *side)
{
    AVStereo3D stereo;

    memcpy(&stereo, side->data, sizeof(stereo));
    put_known(json, "type", av_stereo3d_type_name(stereo.type));
    rmx_json_int(json, "inverted", !!(stereo.flags & AV_STEREO3D_FLAG_INVERT));
}

static void put_spherical(
    struct rmx_json *json, const AVCodecParameters *parameters, const AVPacketSideData *side)
{
    AVSphericalMapping sphere;
    size_t left;
    size_t top;
    size_t right;
    size_t bottom;

    memcpy(&sphere, side->data, sizeof(sphere));
    put_known(json, "projection", av_spherical_projection_name(sphere.projection));
    if (sphere.projection == AV_SPHERICAL_CUBEMAP) {
        rmx_json_int(json, "padding", sphere.padding);
    } else if (sphere.projection == AV_SPHERICAL_EQUIRECTANGULAR_TILE) {
        av_spherical_tile_bounds(&sphere, (size_t)parameters->width, (size_t)parameters->height,
            &left, &top, &right, &bottom);
        rmx_json_int(json, "bound_left", (int64_t)left);
        rmx_json_int(json, "bound_top", (int64_t)top);
        rmx_json_int(json, "bound_right", (int64_t)right);
        rmx_json_int(json, "bound_bottom", (int64_t)bottom);
    }
    rmx_json_int(json, "yaw", sphere.yaw / (1 << 16));
    rmx_json_int(json, "pitch", sphere.pitch / (1 << 16));
    rmx_json_int(json, "roll", sphere.roll / (1 << 16));
}

static void put_mastering(struct rmx_json *json, const AVPacketSideData *side)
{
    static const char *const colours[3][2] = {
        { "red_x", "red_y" },
        { "green_x", "green_y" },
        { "blue_x", "blue_y" },
    };
    AVMasteringDisplayMetadata mastering;

    memcpy(&mastering, side->data, sizeof(mastering));
    if (mastering.has_primaries) {
        for (int colour = 0; colour < 3; colour++) {
            put_ratio(json, colours[colour][0], mastering.display_primaries[colour][0], '/');
            put_ratio(json, colours[colour][1], mastering.display_primaries[colour][1], '/');
        }
        put_ratio(json, "white_point_x", mastering.white_point[0], '/');
        put_ratio(json, "white_point_y", mastering.white_point[1], '/');
    }
    if (mastering.has_luminance) {
        put_ratio(json, "min_luminance", mastering.min_luminance, '/');
        put_ratio(json, "max_luminance", mastering.max_luminance, '/');
    }
}

static void put_light_level(struct rmx_json *json, const AVPacketSideData *side)
{
    AVContentLightMetadata light;

    memcpy(&light, side->data, sizeof(light));
    rmx_json_int(json, "max_content", light.MaxCLL);
    rmx_json_int(json, "max_average", light.MaxFALL);
}

static void put_dovi(struct rmx_json *json, const AVPacketSideData *side)
{
    AVDOVIDecoderConfigurationRecord dovi;

    memcpy(&dovi, side->data, sizeof(dovi));
    rmx_json_int(json, "dv_version_major", dovi.dv_version_major);
    rmx_json_int(json, "dv_version_minor", dovi.dv_version_minor);
    rmx_json_int(json, "dv_profile", dovi.dv_profile);
    rmx_json_int(json, "dv_level", dovi.dv_level);
    rmx_json_int(json, "rpu_present_flag", dovi.rpu_present_flag);
    rmx_json_int(json, "el_present_flag", dovi.el_present_flag);
    rmx_json_int(json, "bl_present_flag", dovi.bl_present_flag);
    rmx_json_int(json, "dv_bl_signal_compatibility_id", dovi.dv_bl_signal_compatibility_id);
}

static void put_buffer_properties(struct rmx_json *json, const AVPacketSideData *side)
{
    AVCPBProperties buffer;

    memcpy(&buffer, side->data, sizeof(buffer));
    rmx_json_int(json, "max_bitrate", buffer.max_bitrate);
    rmx_json_int(json, "min_bitrate", buffer.min_bitrate);
    rmx_json_int(json, "avg_bitrate", buffer.avg_bitrate);
    rmx_json_int(json, "buffer_size", buffer.buffer_size);
    rmx_json_int(json, "vbv_delay", (int64_t)buffer.vbv_delay);
}

static void put_skip_samples(struct rmx_json *json, const AVPacketSideData *side)
{
    rmx_json_int(json, "skip_samples", AV_RL32(side->data));
    rmx_json_int(json, "discard_padding", AV_RL32(side->data + 4));
    rmx_json_int(json, "skip_reason", side->data[8]);
    rmx_json_int(json, "discard_reason", side->data[9]);
}

static void put_number(struct rmx_json *json, const AVPacketSideData *side)
{
    if (side->type == AV_PKT_DATA_AUDIO_SERVICE_TYPE) {
        rmx_json_int(json, "service_type", AV_RN32(side->data));
    } else if (side->type == AV_PKT_DATA_MPEGTS_STREAM_ID) {
        rmx_json_int(json, "id", side->data[0]);
    } else {
        rmx_json_int(json, "active_format", side->data[0]);
    }
}

/* The library allocates these with the size of the struct they hold; less is not read. */
static void put_side_data_body(
    struct rmx_json *json, const AVCodecParameters *parameters, const AVPacketSideData *side)
{
    size_t bytes = side->size;

    if (side->type == AV_PKT_DATA_DISPLAYMATRIX && bytes >= 9 * sizeof(int32_t)) {
        put_display_matrix(json, side);
    } else if (side->type == AV_PKT_DATA_STEREO3D && bytes >= sizeof(AVStereo3D)) {
        put_stereo3d(json, side);
    } else if (side->type == AV_PKT_DATA_SPHERICAL && bytes >= sizeof(AVSphericalMapping)) {
        put_spherical(json, parameters, side);
    } else if (side->type == AV_PKT_DATA_MASTERING_DISPLAY_METADATA &&
               bytes >= sizeof(AVMasteringDisplayMetadata)) {
        put_mastering(json, side);
    } else if (side->type == AV_PKT_DATA_CONTENT_LIGHT_LEVEL &&
               bytes >= sizeof(AVContentLightMetadata)) {
        put_light_level(json, side);
    } else if (side->type == AV_PKT_DATA_DOVI_CONF &&
               bytes >= sizeof(AVDOVIDecoderConfigurationRecord)) {
        put_dovi(json, side);
    } else if (side->type == AV_PKT_DATA_CPB_PROPERTIES && bytes >= sizeof(AVCPBProperties)) {
        put_buffer_properties(json, side);
    } else if (side->type == AV_PKT_DATA_SKIP_SAMPLES && bytes == 10) {
        put_skip_samples(json, side);
    } else if ((side->type == AV_PKT_DATA_AUDIO_SERVICE_TYPE && bytes >= 4) ||
               (side->type == AV_PKT_DATA_MPEGTS_STREAM_ID && bytes >= 1) ||
               (side->type == AV_PKT_DATA_AFD && bytes >= 1)) {
        put_number(json, side);
    }
}

static void put_side_data(struct rmx_json *json, const AVStream *stream)
{
    int count = rmx_avshim_side_data_count(stream);

    if (count == 0) {
        return;
    }
    rmx_json_open(json, "side_data_list", '[');
    for (int slot = 0; slot < count; slot++) {
        const AVPacketSideData *side = rmx_avshim_side_data(stream, slot);
        const char *name = av_packet_side_data_name(side->type);

        rmx_json_open(json, NULL, '{');
        rmx_json_string(json, "side_data_type", name ? name : "unknown");
        put_side_data_body(json, stream->codecpar, side);
        rmx_json_close(json, '}');
    }
    rmx_json_close(json, ']');
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
    const AVCodec *codec = avcodec_find_decoder(stream->codecpar->codec_id);
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
    put_side_data(json, stream);
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

int rmx_probe_write(AVFormatContext *demuxer, AVIOContext *output)
{
    struct rmx_json json = { .output = output };

    rmx_json_open(&json, NULL, '{');
    rmx_json_open(&json, "streams", '[');
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        put_stream(&json, demuxer, demuxer->streams[slot]);
    }
    rmx_json_close(&json, ']');
    put_format(&json, demuxer);
    rmx_json_close(&json, '}');
    avio_write(output, (const unsigned char *)"\n", 1);
    avio_flush(output);
    return output->error;
}
