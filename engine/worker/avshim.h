/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What changed in libavformat between 59 (FFmpeg 5.1) and 62 (FFmpeg 8), and nothing else: the rest
 * of the stage is written once, against the names below. Worker process, any job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_AVSHIM_H
#define RMX_ENGINE_WORKER_AVSHIM_H

#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

/* 60.15 moved a stream's side data into its codec parameters, where avcodec_parameters_copy()
 * carries it along. */
#define RMX_SIDE_DATA_IN_PARAMETERS (LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100))

/* 62 knows only the newer name. */
#if LIBAVCODEC_VERSION_MAJOR >= 61
#define RMX_PROFILE_UNKNOWN AV_PROFILE_UNKNOWN
#else
#define RMX_PROFILE_UNKNOWN FF_PROFILE_UNKNOWN
#endif

static inline int rmx_avshim_side_data_count(const AVStream *stream)
{
#if RMX_SIDE_DATA_IN_PARAMETERS
    return stream->codecpar->nb_coded_side_data;
#else
    return stream->nb_side_data;
#endif
}

static inline const AVPacketSideData *rmx_avshim_side_data(const AVStream *stream, int slot)
{
#if RMX_SIDE_DATA_IN_PARAMETERS
    return &stream->codecpar->coded_side_data[slot];
#else
    return &stream->side_data[slot];
#endif
}

/* Returns 0 or AVERROR(ENOMEM). */
static inline int rmx_avshim_copy_side_data(AVStream *to, const AVStream *from)
{
#if !RMX_SIDE_DATA_IN_PARAMETERS
    for (int slot = 0; slot < from->nb_side_data; slot++) {
        const AVPacketSideData *side = &from->side_data[slot];
        uint8_t *copy = av_stream_new_side_data(to, side->type, side->size);

        if (!copy) {
            return AVERROR(ENOMEM);
        }
        memcpy(copy, side->data, side->size);
    }
#else
    (void)to;
    (void)from;
#endif
    return 0;
}

/* Replaces what there is of that type. Returns the new bytes, or NULL: no memory. */
static inline void *rmx_avshim_new_side_data(
    AVStream *stream, enum AVPacketSideDataType type, size_t bytes)
{
#if RMX_SIDE_DATA_IN_PARAMETERS
    AVPacketSideData *side = av_packet_side_data_new(
        &stream->codecpar->coded_side_data, &stream->codecpar->nb_coded_side_data, type, bytes, 0);

    return side ? side->data : NULL;
#else
    return av_stream_new_side_data(stream, type, bytes);
#endif
}

/* 60.31 counts pictures everywhere; before, the parser of H.264 counts fields as pictures unless
 * its context says that a picture is two ticks. Only a decoder says so. */
static inline void rmx_avshim_count_pictures(AVCodecContext *parsed)
{
#if LIBAVCODEC_VERSION_INT < AV_VERSION_INT(60, 31, 100)
    parsed->ticks_per_frame = parsed->codec_id == AV_CODEC_ID_H264 ? 2 : parsed->ticks_per_frame;
#else
    (void)parsed;
#endif
}

/* Gives the output stream its time base. 62 has no helper any more, and needs none: only muxers we
 * do not offer were treated in a special way. */
static inline int rmx_avshim_copy_timing(
    const AVOutputFormat *muxer, AVStream *to, const AVStream *from)
{
#if LIBAVFORMAT_VERSION_MAJOR >= 62
    (void)muxer;
    to->time_base = from->time_base;
#else
    int err = avformat_transfer_internal_stream_timing_info(muxer, to, from, AVFMT_TBCF_AUTO);

    if (err < 0) {
        return err;
    }
    to->time_base = av_add_q(av_stream_get_codec_timebase(to), (AVRational){ 0, 1 });
#endif
    return 0;
}

#endif
