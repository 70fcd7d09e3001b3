/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Finding out what the streams are without decoding a picture. Worker process, a job's fiber.
 */
#include "engine/worker/shortcut.h"

#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mem.h>
#include <libavutil/pixdesc.h>

#include "engine/worker/sps.h"

/* Decoders that may open; to open is all they do, since MP4 says the rest. */
static const char sound_decoders[] = "aac,ac3,eac3,mp3float,mp3,opus,flac,alac,mov_text";

static bool read_set(struct rmx_sps *sps, const AVCodecParameters *parameters)
{
    return parameters->codec_id == AV_CODEC_ID_H264 && parameters->extradata_size > 0 &&
           rmx_sps_read_avcc(sps, parameters->extradata, (size_t)parameters->extradata_size) == 0;
}

/* The decoder corrects the header's size, and an SEI of the first picture can correct the transfer
 * of wide colours: where either could happen, it has to be asked. */
static bool picture_is_plain(const AVCodecParameters *parameters)
{
    struct rmx_sps sps;

    if (!read_set(&sps, parameters) || sps.width != (uint32_t)parameters->width ||
        sps.height != (uint32_t)parameters->height) {
        return false;
    }
    return !sps.has_colours ||
           (sps.primaries != AVCOL_PRI_BT2020 && av_color_primaries_name(sps.primaries) &&
               av_color_transfer_name(sps.transfer) && av_color_space_name(sps.matrix));
}

static bool stream_is_plain(const AVStream *stream)
{
    const AVCodecParameters *parameters = stream->codecpar;

    switch (parameters->codec_id) {
    case AV_CODEC_ID_H264:
        return picture_is_plain(parameters);
    case AV_CODEC_ID_AAC:
        return parameters->extradata_size > 0;
    case AV_CODEC_ID_AC3:
    case AV_CODEC_ID_EAC3:
    case AV_CODEC_ID_MP3:
    case AV_CODEC_ID_OPUS:
    case AV_CODEC_ID_FLAC:
    case AV_CODEC_ID_ALAC:
    case AV_CODEC_ID_MOV_TEXT:
        return true;
    default:
        return parameters->codec_type == AVMEDIA_TYPE_DATA;
    }
}

bool rmx_shortcut_take(AVFormatContext *demuxer, const char *muxer)
{
    if (!av_match_name("mov", demuxer->iformat->name) || !av_match_name(muxer, "mp4,mov,mpegts")) {
        return false;
    }
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        if (!stream_is_plain(demuxer->streams[slot])) {
            return false;
        }
    }
    demuxer->codec_whitelist = av_strdup(sound_decoders);
    return demuxer->codec_whitelist;
}

static void fill(AVCodecParameters *parameters, const struct rmx_sps *sps)
{
    parameters->sample_aspect_ratio =
        (AVRational){ (int)sps->aspect_num, sps->aspect_num ? (int)sps->aspect_den : 1 };
    if (sps->has_range) {
        parameters->color_range = sps->full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    }
    if (sps->has_colours) {
        parameters->color_primaries = sps->primaries;
        parameters->color_trc = sps->transfer;
        parameters->color_space = sps->matrix;
    }
}

void rmx_shortcut_fill(AVFormatContext *demuxer)
{
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        AVCodecParameters *parameters = demuxer->streams[slot]->codecpar;
        struct rmx_sps sps;

        if (read_set(&sps, parameters)) {
            fill(parameters, &sps);
        }
    }
}
