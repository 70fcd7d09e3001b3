/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is made ready before the fork, and in a new worker before its first job. See warm.h.
 */
#include "engine/worker/warm.h"

#include <link.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/macros.h>
#include <libavutil/mem.h>

#ifndef MADV_POPULATE_READ /* Linux 5.14 */
#define MADV_POPULATE_READ 22
#endif

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

    count = FFMIN(count, BLOCKS_MAX);
    count = FFMAX(count, BLOCKS_MIN);
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

/* --- code ------------------------------------------------------------------------------------ */

/* One function of each library that every job uses, and of the worker itself. */
static void (*const used[])(void) = {
    (void (*)(void))rmx_warm_code,
    (void (*)(void))avformat_version,
    (void (*)(void))avcodec_version,
    (void (*)(void))avutil_version,
    (void (*)(void))snprintf,
    (void (*)(void))floor,
};

static bool holds(const struct dl_phdr_info *object, const ElfW(Phdr) * segment, uintptr_t at)
{
    uintptr_t from = object->dlpi_addr + segment->p_vaddr;

    return segment->p_type == PT_LOAD && at >= from && at - from < segment->p_memsz;
}

static bool is_used(const struct dl_phdr_info *object)
{
    bool found = false;

    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        for (size_t one = 0; one < sizeof(used) / sizeof(*used); one++) {
            found |= holds(object, &object->dlpi_phdr[i], (uintptr_t)used[one]);
        }
    }
    return found;
}

static int map_code(struct dl_phdr_info *object, size_t bytes, void *unused)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    unsigned char *here = (unsigned char *)object;
    unsigned char *base = here + ((intptr_t)object->dlpi_addr - (intptr_t)here);
    unsigned count = is_used(object) ? object->dlpi_phnum : 0;

    (void)bytes;
    (void)unused;
    for (unsigned i = 0; i < count; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        size_t before = segment->p_vaddr % page;

        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0) {
            (void)madvise(base + segment->p_vaddr - before, segment->p_memsz + before,
                MADV_POPULATE_READ); /* an older kernel does without */
        }
    }
    return 0;
}

void rmx_warm_code(void)
{
    (void)dl_iterate_phdr(map_code, NULL);
}
