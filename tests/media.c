/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Media in memory for the tests of the libavformat stage. Runs in test programs only.
 */
#include "tests/media.h"

#include <stdlib.h>
#include <string.h>

#include <libavutil/mem.h>

#include "engine/worker/rehearsal.h"
#include "engine/worker/remux.h"
#include "ring/base.h"

#define IO_BYTES 4096

/* --- I/O ------------------------------------------------------------------------------------- */

static bool fails(const struct media *media)
{
    return media->fail_at > 0 && media->at >= media->fail_at;
}

static int read_media(void *opaque, uint8_t *buffer, int size)
{
    struct media *media = opaque;

    if (fails(media)) {
        return media->fail_with;
    }
    if (media->at >= media->size) {
        return AVERROR_EOF;
    }
    size_t got = FFMIN((size_t)size, media->size - media->at);

    memcpy(buffer, media->bytes + media->at, got);
    media->at += got;
    return (int)got;
}

static int write_media(void *opaque, uint8_t *buffer, int size)
{
    struct media *media = opaque;
    size_t end = media->at + (size_t)size;

    if (fails(media)) {
        return media->fail_with;
    }
    if (end > media->room) {
        media->room = 2 * end;
        media->bytes = realloc(media->bytes, media->room);
        rmx_assert(media->bytes);
    }
    memcpy(media->bytes + media->at, buffer, (size_t)size);
    media->at = end;
    media->size = FFMAX(media->size, end);
    return size;
}

static int64_t seek_media(void *opaque, int64_t offset, int whence)
{
    struct media *media = opaque;

    if (whence == AVSEEK_SIZE) {
        return (int64_t)media->size;
    }
    media->at = (size_t)offset;
    return offset;
}

AVIOContext *media_open_io(struct media *media, bool write)
{
    uint8_t *buffer = av_malloc(IO_BYTES);
    AVIOContext *io = avio_alloc_context(buffer, IO_BYTES, write, media, write ? NULL : read_media,
        write ? write_media : NULL, media->stream ? NULL : seek_media);

    rmx_assert(buffer && io);
    io->seekable = media->stream ? 0 : AVIO_SEEKABLE_NORMAL;
    media->at = 0;
    return io;
}

void media_close_io(AVIOContext **io)
{
    av_freep(&(*io)->buffer);
    avio_context_free(io);
}

void media_free(struct media *media)
{
    free(media->bytes);
    *media = (struct media){ 0 };
}

/* --- running --------------------------------------------------------------------------------- */

struct rmx_job_spec media_job(const char *format)
{
    struct rmx_job_spec spec = {
        .job = 1,
        .kind = format ? RMX_JOB_REMUX : RMX_JOB_PROBE,
        .class_ = RMX_CLASS_NORMAL,
        .inputs = 1,
        .outputs = 1,
    };

    rmx_assert(!format || rmx_job_set_name(&spec.format, format) == 0);
    return spec;
}

struct rmx_job_result media_run(
    const struct rmx_job_spec *spec, struct media *input, struct media *output)
{
    static bool ready;
    struct rmx_job_result result = { .job = spec->job };
    AVIOContext *in = media_open_io(input, false);
    AVIOContext *out = media_open_io(output, true);

    if (!ready) {
        rmx_remux_init_process((size_t)64 << 20);
        ready = true;
    }
    const struct rmx_inlet inlet = { .io = { in } };
    const struct rmx_outlet outlet = { .io = { out } };

    rmx_rehearsal_run(spec, &inlet, &outlet, &result);
    rmx_assert(rmx_job_check_result(&result) == 0);
    media_close_io(&in);
    media_close_io(&out);
    return result;
}

AVFormatContext *media_open(struct media *media)
{
    AVFormatContext *demuxer = avformat_alloc_context();

    rmx_assert(demuxer);
    demuxer->pb = media_open_io(media, false);
    rmx_assert(avformat_open_input(&demuxer, "", NULL, NULL) >= 0);
    rmx_assert(avformat_find_stream_info(demuxer, NULL) >= 0);
    return demuxer;
}

void media_close_demuxer(AVFormatContext **demuxer)
{
    AVIOContext *io = (*demuxer)->pb;

    avformat_close_input(demuxer);
    media_close_io(&io);
}
