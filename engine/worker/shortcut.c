/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Finding out what the streams are without decoding a picture. Worker process, a job's fiber.
 */
#include "engine/worker/shortcut.h"

#include <errno.h>
#include <stdbool.h>

#include <libavutil/avstring.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>
#include <libavutil/pixdesc.h>

#include "engine/worker/avshim.h"
#include "engine/worker/sps.h"

#define LOW_COMPLEXITY 2 /* AAC's audio object type; libavcodec's profiles are one less */

enum way {
    WHOLE,
    SOUND,
    HEADERS,
};

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

    if (!read_set(&sps, parameters) || sps.fields || sps.width != (uint32_t)parameters->width ||
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

/* Two bytes (or the five that say "no SBR" as well) of AAC-LC at a rate no SBR would double, with
 * frames of 1024 samples: a decoder would find nothing else. */
static bool sound_is_plain(const AVCodecParameters *parameters)
{
    const uint8_t *config = parameters->extradata;

    if (parameters->codec_id != AV_CODEC_ID_AAC || parameters->sample_rate < 32000 ||
        parameters->ch_layout.nb_channels < 1) {
        return false;
    }
    bool no_extension = parameters->extradata_size == 2 ||
                        (parameters->extradata_size == 5 && AV_RB24(config + 2) == 0x56e500);

    return no_extension && config[0] >> 3 == LOW_COMPLEXITY && (config[1] & 7) == 0 &&
           (config[1] >> 3 & 15) != 0;
}

/* A decoder takes encrypted sound for sound, and ffmpeg believes what it then finds. */
static bool is_encrypted(const AVStream *stream)
{
    for (int slot = 0; slot < rmx_avshim_side_data_count(stream); slot++) {
        if (rmx_avshim_side_data(stream, slot)->type == AV_PKT_DATA_ENCRYPTION_INIT_INFO) {
            return true;
        }
    }
    return false;
}

static bool header_tells_all(const AVStream *stream)
{
    return stream->duration > 0 && !is_encrypted(stream) &&
           (stream->codecpar->codec_id == AV_CODEC_ID_H264 || sound_is_plain(stream->codecpar));
}

static enum way choose(const AVFormatContext *demuxer, const char *muxer)
{
    enum way way =
        av_match_name(muxer, "mp4,ipod,mpegts") && demuxer->nb_chapters == 0 ? HEADERS : SOUND;

    if (!av_match_name("mov", demuxer->iformat->name) ||
        !av_match_name(muxer, "mp4,ipod,mov,mpegts")) {
        return WHOLE;
    }
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        const AVStream *stream = demuxer->streams[slot];

        if (!stream_is_plain(stream)) {
            return WHOLE;
        }
        if (!header_tells_all(stream)) {
            way = SOUND;
        }
    }
    return demuxer->nb_streams > 0 ? way : WHOLE;
}

/* --- what the decoders would have found ------------------------------------------------------ */

void rmx_shortcut_fill_picture(AVCodecParameters *parameters, const struct rmx_sps *sps)
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

static void fill_pictures(AVFormatContext *demuxer)
{
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        AVCodecParameters *parameters = demuxer->streams[slot]->codecpar;
        struct rmx_sps sps;

        if (read_set(&sps, parameters)) {
            rmx_shortcut_fill_picture(parameters, &sps);
        }
    }
}

static void fill_sound(AVFormatContext *demuxer)
{
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        AVCodecParameters *parameters = demuxer->streams[slot]->codecpar;

        if (parameters->codec_id == AV_CODEC_ID_AAC) {
            parameters->format = AV_SAMPLE_FMT_FLTP;
            parameters->profile = LOW_COMPLEXITY - 1;
            parameters->frame_size = 1024;
        }
    }
}

/* --- headers only ---------------------------------------------------------------------------- */

/* libavformat notes a stream's start when its first packet comes by. */
static int read_first_packets(AVFormatContext *demuxer, struct rmx_ahead *ahead)
{
    unsigned missing = demuxer->nb_streams;
    bool *seen = av_calloc(demuxer->nb_streams, sizeof(*seen));
    int err = seen ? 0 : AVERROR(ENOMEM);

    while (missing > 0 && err >= 0 && !rmx_ahead_full(ahead)) {
        const AVPacket *packet;

        err = rmx_ahead_read(ahead, demuxer, &packet);
        if (err >= 0 && !seen[packet->stream_index]) {
            seen[packet->stream_index] = true;
            missing--;
        }
    }
    av_free(seen);
    return err == AVERROR(ENOMEM) ? err : 0;
}

void rmx_shortcut_note_start(AVFormatContext *demuxer)
{
    int64_t start = INT64_MAX;

    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        const AVStream *stream = demuxer->streams[slot];

        if (stream->start_time != AV_NOPTS_VALUE) {
            start =
                FFMIN(start, av_rescale_q(stream->start_time, stream->time_base, AV_TIME_BASE_Q));
        }
    }
    demuxer->start_time = start == INT64_MAX ? AV_NOPTS_VALUE : start;
}

bool rmx_shortcut_is_enough(const AVFormatContext *demuxer, const char *muxer)
{
    return choose(demuxer, muxer) == HEADERS;
}

void rmx_shortcut_fill(AVFormatContext *demuxer)
{
    rmx_shortcut_note_start(demuxer);
    fill_sound(demuxer);
    fill_pictures(demuxer);
}

int rmx_shortcut_find_streams(AVFormatContext *demuxer, struct rmx_ahead *ahead, const char *muxer)
{
    enum way way = choose(demuxer, muxer);
    int err;

    if (way == HEADERS) {
        err = read_first_packets(demuxer, ahead);
        rmx_shortcut_fill(demuxer);
        return err;
    }
    if (way == SOUND) {
        av_freep(&demuxer->codec_whitelist);
        demuxer->codec_whitelist = av_strdup(sound_decoders);
    }
    err = avformat_find_stream_info(demuxer, NULL);
    if (way == SOUND) {
        fill_pictures(demuxer);
    }
    return err;
}
