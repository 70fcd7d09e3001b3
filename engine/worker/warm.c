/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Decoder tables and the time zone, made ready before the fork. Zygote, at start.
 */
#include "engine/worker/warm.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/mem.h>

#define SIZE_MIN     16u
#define SIZE_LARGEST 131072u
#define CLASS_BYTES  65536u
#define BLOCKS_MIN   2u
#define BLOCKS_MAX   4096u

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

/* Blocks of one size, each touched, together a heap's page or a few. */
static void grow_heap(size_t bytes)
{
    void *blocks[BLOCKS_MAX];
    size_t count = CLASS_BYTES / bytes;

    count = count < BLOCKS_MAX ? count : BLOCKS_MAX;
    count = count > BLOCKS_MIN ? count : BLOCKS_MIN;
    for (size_t i = 0; i < count; i++) {
        blocks[i] = av_malloc(bytes);
        if (blocks[i] != NULL) {
            memset(blocks[i], 0, bytes);
        }
    }
    for (size_t i = 0; i < count; i++) {
        av_free(blocks[i]);
    }
}

void rmx_warm_heap(void)
{
    for (size_t bytes = SIZE_MIN; bytes <= SIZE_LARGEST; bytes *= 2) {
        for (size_t quarter = 4; quarter < 8; quarter++) { /* the sizes a heap tells apart */
            grow_heap(bytes * quarter / 4);
        }
    }
}
