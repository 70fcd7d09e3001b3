/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Decoder tables and the time zone, made ready before the fork. Zygote, at start.
 */
#include "engine/worker/warm.h"

#include <stddef.h>
#include <time.h>

#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>

/* What find_stream_info most often opens. */
static const enum AVCodecID common[] = {
    AV_CODEC_ID_H264,
    AV_CODEC_ID_HEVC,
    AV_CODEC_ID_VP8,
    AV_CODEC_ID_VP9,
    AV_CODEC_ID_MPEG2VIDEO,
    AV_CODEC_ID_MPEG4,
    AV_CODEC_ID_AAC,
    AV_CODEC_ID_MP2,
    AV_CODEC_ID_MP3,
    AV_CODEC_ID_AC3,
    AV_CODEC_ID_EAC3,
    AV_CODEC_ID_OPUS,
    AV_CODEC_ID_FLAC,
};

static void open_once(enum AVCodecID id)
{
    const AVCodec *codec = avcodec_find_decoder(id);
    AVCodecContext *decoder = codec ? avcodec_alloc_context3(codec) : NULL;

    if (!decoder) {
        return;
    }
    decoder->thread_count = 1;
    if (codec->type == AVMEDIA_TYPE_AUDIO) {
        decoder->sample_rate = 48000;
        av_channel_layout_default(&decoder->ch_layout, 2);
    }
    (void)avcodec_open2(decoder, codec, NULL);
    avcodec_free_context(&decoder);
}

void rmx_warm_init_process(void)
{
    for (size_t slot = 0; slot < sizeof(common) / sizeof(*common); slot++) {
        open_once(common[slot]);
    }
    tzset(); /* whoever writes or reads a date later would open the zone's file, and die of it */
}
