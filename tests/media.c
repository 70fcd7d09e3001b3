/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Media in memory for the tests of the libavformat stage.
 */
#include "tests/media.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/channel_layout.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "engine/worker/rehearsal.h"
#include "engine/worker/remux.h"
#include "ring/base.h"

#define IO_BYTES 4096

/* As an encoder wrote it: High, 318x238 cropped out of 320x240, samples 4:3, BT.709. */
static const uint8_t avcc[] = { 0x01, 0x64, 0x00, 0x0d, 0xff, 0xe1, 0x00, 0x1c, 0x67, 0x64, 0x00,
    0x0d, 0xac, 0xd9, 0x41, 0x41, 0xfe, 0xab, 0x0e, 0x6a, 0x02, 0x02, 0x02, 0x80, 0x00, 0x00, 0x03,
    0x00, 0x80, 0x00, 0x00, 0x19, 0x07, 0x8a, 0x14, 0xcb, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb,
    0x22, 0xc0, 0xfd, 0xf8, 0xf8, 0x00 };
static const uint8_t asc[] = { 0x12, 0x10 };
static const uint8_t silence[] = { 0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c };

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

/* --- making ---------------------------------------------------------------------------------- */

static void set_extradata(AVCodecParameters *parameters, const uint8_t *bytes, size_t count)
{
    parameters->extradata = av_mallocz(count + AV_INPUT_BUFFER_PADDING_SIZE);
    rmx_assert(parameters->extradata);
    memcpy(parameters->extradata, bytes, count);
    parameters->extradata_size = (int)count;
}

static void add_streams(AVFormatContext *muxer)
{
    AVStream *video = avformat_new_stream(muxer, NULL);
    AVStream *audio = avformat_new_stream(muxer, NULL);

    rmx_assert(video && audio);
    video->time_base = (AVRational){ 1, 12800 };
    video->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
    video->codecpar->codec_id = AV_CODEC_ID_H264;
    video->codecpar->width = 318;
    video->codecpar->height = 238;
    set_extradata(video->codecpar, avcc, sizeof(avcc));
    audio->time_base = (AVRational){ 1, 44100 };
    audio->codecpar->codec_type = AVMEDIA_TYPE_AUDIO;
    audio->codecpar->codec_id = AV_CODEC_ID_AAC;
    audio->codecpar->sample_rate = 44100;
    audio->codecpar->frame_size = 1024;
    av_channel_layout_default(&audio->codecpar->ch_layout, 2);
    set_extradata(audio->codecpar, asc, sizeof(asc));
}

static void write_packet(
    AVFormatContext *muxer, int stream, int64_t ts, const uint8_t *bytes, size_t count)
{
    AVPacket *packet = av_packet_alloc();

    rmx_assert(packet && av_new_packet(packet, (int)count) == 0);
    memcpy(packet->data, bytes, count);
    packet->stream_index = stream;
    packet->pts = ts;
    packet->dts = ts;
    packet->duration = stream == 0 ? 512 : 1024;
    packet->flags = AV_PKT_FLAG_KEY;
    rmx_assert(av_interleaved_write_frame(muxer, packet) >= 0);
    av_packet_free(&packet);
}

/* --- the file that is being made, read again: faststart does that ---------------------------- */

static struct {
    const struct media *file;
    size_t at;
} again;

static int read_again(void *opaque, uint8_t *buffer, int size)
{
    size_t got = FFMIN((size_t)size, again.file->size - again.at);

    (void)opaque;
    memcpy(buffer, again.file->bytes + again.at, got);
    again.at += got;
    return got == 0 ? AVERROR_EOF : (int)got;
}

static int64_t seek_again(void *opaque, int64_t offset, int whence)
{
    (void)opaque;
    rmx_assert(whence == SEEK_SET && (size_t)offset <= again.file->size);
    again.at = (size_t)offset;
    return offset;
}

static int open_again(
    AVFormatContext *muxer, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    (void)url;
    (void)options;
    rmx_assert(flags == AVIO_FLAG_READ);
    again.file = muxer->opaque;
    again.at = 0;
    *io = avio_alloc_context(av_malloc(IO_BYTES), IO_BYTES, 0, NULL, read_again, NULL, seek_again);
    rmx_assert(*io && (*io)->buffer);
    return 0;
}

static int close_again(AVFormatContext *muxer, AVIOContext *io)
{
    (void)muxer;
    media_close_io(&io);
    return 0;
}

void media_make_mp4(struct media *media, const char *movflags)
{
    uint8_t picture[204] = { 0, 0, 0, 200, 0x65, 0x88, 0x84 };
    AVFormatContext *muxer = NULL;
    AVDictionary *options = NULL;

    rmx_assert(avformat_alloc_output_context2(&muxer, NULL, "mp4", NULL) >= 0);
    muxer->flags |= AVFMT_FLAG_BITEXACT;
    muxer->pb = media_open_io(media, true);
    muxer->opaque = media;
    muxer->io_open = open_again;
    muxer->io_close2 = close_again;
    add_streams(muxer);
    av_dict_set(&options, "movflags", movflags, 0);
    rmx_assert(avformat_write_header(muxer, &options) >= 0);
    for (int frame = 0; frame < MEDIA_FRAMES; frame++) {
        memset(picture + 8, frame + 1, sizeof(picture) - 8);
        write_packet(muxer, 0,
            av_rescale_q(frame, (AVRational){ 1, 25 }, muxer->streams[0]->time_base), picture,
            sizeof(picture));
        write_packet(muxer, 1, (int64_t)frame * 1024, silence, sizeof(silence));
    }
    rmx_assert(av_write_trailer(muxer) >= 0);
    av_dict_free(&options);
    media_close_io(&muxer->pb);
    avformat_free_context(muxer);
}

void media_make_large_mp4(struct media *media, size_t picture_bytes)
{
    uint8_t *picture = av_mallocz(picture_bytes);
    AVFormatContext *muxer = NULL;

    rmx_assert(picture && avformat_alloc_output_context2(&muxer, NULL, "mp4", NULL) >= 0);
    muxer->pb = media_open_io(media, true);
    add_streams(muxer);
    AV_WB32(picture, (uint32_t)picture_bytes - 4);
    picture[4] = 0x65;
    memset(picture + 5, 0x88, picture_bytes - 5);
    rmx_assert(avformat_write_header(muxer, NULL) >= 0);
    write_packet(muxer, 0, 0, picture, picture_bytes);
    rmx_assert(av_write_trailer(muxer) >= 0);
    media_close_io(&muxer->pb);
    avformat_free_context(muxer);
    av_free(picture);
}

void media_make_adts(struct media *media)
{
    uint8_t frame[7 + sizeof(silence)] = { 0xff, 0xf1, 0x50, 0x80, 0x01, 0xbf, 0xfc };
    AVIOContext *io = media_open_io(media, true);

    frame[4] = sizeof(frame) >> 3;
    frame[5] = (uint8_t)((sizeof(frame) & 7) << 5 | 0x1f);
    memcpy(frame + 7, silence, sizeof(silence));
    for (int count = 0; count < 10 * MEDIA_FRAMES; count++) {
        avio_write(io, frame, sizeof(frame));
    }
    avio_flush(io);
    media_close_io(&io);
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
