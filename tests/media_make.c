/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Small media files, made on the spot. Runs in test programs only. See media.h.
 */
#include <stdlib.h>
#include <string.h>

#include <libavutil/channel_layout.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "ring/base.h"
#include "tests/media.h"

#define IO_BYTES    4096
#define SOUND_RATE  44100
#define SOUND_FRAME 1024 /* samples */
#define TICKS       512  /* of 12,800 a second: a picture's */
#define PICTURE_MAX 204

/* As an encoder wrote it: High, 318x238 cropped out of 320x240, samples 4:3, BT.709. */
static const uint8_t avcc[] = { 0x01, 0x64, 0x00, 0x0d, 0xff, 0xe1, 0x00, 0x1c, 0x67, 0x64, 0x00,
    0x0d, 0xac, 0xd9, 0x41, 0x41, 0xfe, 0xab, 0x0e, 0x6a, 0x02, 0x02, 0x02, 0x80, 0x00, 0x00, 0x03,
    0x00, 0x80, 0x00, 0x00, 0x19, 0x07, 0x8a, 0x14, 0xcb, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb,
    0x22, 0xc0, 0xfd, 0xf8, 0xf8, 0x00 };
/* Main, 320x240, and how long a picture lasts is not said. */
static const uint8_t untimed_avcc[] = { 0x01, 0x4d, 0x40, 0x0d, 0xff, 0xe1, 0x00, 0x08, 0x67, 0x4d,
    0x40, 0x0d, 0xf4, 0x0a, 0x0f, 0xc8, 0x01, 0x00, 0x04, 0x68, 0xce, 0x3c, 0x80 };
/* The same with a second picture parameter set, number 1. */
static const uint8_t two_pps_avcc[] = { 0x01, 0x4d, 0x40, 0x0d, 0xff, 0xe1, 0x00, 0x08, 0x67, 0x4d,
    0x40, 0x0d, 0xf4, 0x0a, 0x0f, 0xc8, 0x02, 0x00, 0x04, 0x68, 0xce, 0x3c, 0x80, 0x00, 0x04, 0x68,
    0x53, 0x8f, 0x20 };
static const uint8_t asc[] = { 0x12, 0x10 };
static const uint8_t silence[] = { 0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c };

/* --- streams --------------------------------------------------------------------------------- */

static void set_extradata(AVCodecParameters *parameters, const uint8_t *bytes, size_t count)
{
    parameters->extradata = av_mallocz(count + AV_INPUT_BUFFER_PADDING_SIZE);
    rmx_assert(parameters->extradata);
    memcpy(parameters->extradata, bytes, count);
    parameters->extradata_size = (int)count;
}

static void set_pictures(AVCodecParameters *parameters, enum media_sets sets)
{
    if (sets == MEDIA_SETS_UNTIMED) {
        set_extradata(parameters, untimed_avcc, sizeof(untimed_avcc));
    } else if (sets == MEDIA_SETS_TWO_PPS) {
        set_extradata(parameters, two_pps_avcc, sizeof(two_pps_avcc));
    } else {
        set_extradata(parameters, avcc, sizeof(avcc));
    }
}

static void add_streams(AVFormatContext *muxer, enum media_sets sets)
{
    AVStream *video = avformat_new_stream(muxer, NULL);
    AVStream *audio = avformat_new_stream(muxer, NULL);

    rmx_assert(video && audio);
    video->time_base = (AVRational){ 1, 12800 };
    video->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
    video->codecpar->codec_id = AV_CODEC_ID_H264;
    video->codecpar->width = sets == MEDIA_SETS_TIMED ? 318 : 320;
    video->codecpar->height = sets == MEDIA_SETS_TIMED ? 238 : 240;
    set_pictures(video->codecpar, sets);
    audio->time_base = (AVRational){ 1, SOUND_RATE };
    audio->codecpar->codec_type = AVMEDIA_TYPE_AUDIO;
    audio->codecpar->codec_id = AV_CODEC_ID_AAC;
    audio->codecpar->sample_rate = SOUND_RATE;
    audio->codecpar->frame_size = SOUND_FRAME;
    av_channel_layout_default(&audio->codecpar->ch_layout, 2);
    set_extradata(audio->codecpar, asc, sizeof(asc));
}

/* Of stream 0, pictures, or 1, sound; times in the stream's units. */
struct unit {
    int stream;
    bool key;
    int64_t dts;
    int64_t shift; /* from dts to pts */
    int64_t duration;
    const uint8_t *bytes;
    size_t count;
};

static void write_unit(AVFormatContext *muxer, const struct unit *unit)
{
    AVPacket *packet = av_packet_alloc();

    rmx_assert(packet && av_new_packet(packet, (int)unit->count) == 0);
    memcpy(packet->data, unit->bytes, unit->count);
    packet->stream_index = unit->stream;
    packet->dts = unit->dts;
    packet->pts = unit->dts + unit->shift;
    packet->duration = unit->duration;
    packet->flags = unit->key ? AV_PKT_FLAG_KEY : 0;
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

/* --- pictures -------------------------------------------------------------------------------- */

/* When the n-th picture of a group is shown, counted in pictures: each that others refer to stands
 * in front of the bi-predicted ones that are shown before it. */
static unsigned shown_at(const struct media_shape *shape, unsigned n)
{
    unsigned run = shape->between + 1;
    unsigned place = n == 0 ? 0 : (n - 1) % run;

    return n == 0 ? 0 : n - 1 - place + (place == 0 ? run : place);
}

/* One slice that says what it is, in macroblock 0, and has nothing else to say. */
static size_t draw(
    uint8_t picture[PICTURE_MAX], const struct media_shape *shape, unsigned frame, unsigned n)
{
    static const uint8_t recovery[] = { 0, 0, 0, 5, 0x06, 0x06, 0x01, 0xc4, 0x80 };
    size_t count = shape->group > 0 ? 60 + frame * 37 % 140 : PICTURE_MAX;
    size_t at = 0;

    memset(picture, (int)frame + 1, PICTURE_MAX);
    if (n == 0 && frame > 0 && shape->open) {
        memcpy(picture, recovery, sizeof(recovery));
        at = sizeof(recovery);
    }
    AV_WB32(picture + at, (uint32_t)(count - at - 4));
    if (n == 0 && at == 0) {
        memcpy(picture + at + 4, "\x65\x88\x84", 4); /* IDR */
    } else if (n == 0) {
        memcpy(picture + at + 4, "\x41\x88\x84", 4); /* I */
    } else if ((n - 1) % (shape->between + 1) == 0) {
        memcpy(picture + at + 4, "\x41\x9a\x24", 4); /* P */
    } else {
        memcpy(picture + at + 4, "\x01\x9e\x42", 4); /* B */
    }
    return count;
}

static void write_picture(
    AVFormatContext *muxer, const struct media_shape *shape, unsigned frame, int64_t *dts)
{
    uint8_t picture[PICTURE_MAX];
    unsigned n = shape->group > 0 ? frame % shape->group : 0;
    unsigned delay = shape->between > 0 ? 1 : 0;
    struct unit unit = {
        .key = n == 0,
        .dts = *dts,
        .shift = shape->group > 0 ? ((int)shown_at(shape, n) + (int)delay - (int)n) * TICKS : 0,
        .duration = shape->uneven && frame % 3 == 0 ? TICKS + 100 : TICKS,
        .bytes = picture,
        .count = draw(picture, shape, frame, n),
    };

    write_unit(muxer, &unit);
    *dts += unit.duration;
}

static void write_media(AVFormatContext *muxer, const struct media_shape *shape)
{
    int64_t dts = shape->between > 0 ? -TICKS : 0; /* shown from zero on */

    for (unsigned frame = 0; frame < MEDIA_FRAMES; frame++) {
        struct unit sound = {
            .stream = 1,
            .key = true,
            .dts = ((int64_t)frame - (shape->primed ? 1 : 0)) * SOUND_FRAME,
            .duration = SOUND_FRAME,
            .bytes = silence,
            .count = sizeof(silence),
        };

        write_picture(muxer, shape, frame, &dts);
        write_unit(muxer, &sound);
    }
}

/* --- MP4 ------------------------------------------------------------------------------------- */

const struct media_shape media_shapes[MEDIA_SHAPES] = {
    { .name = "key frames, the index behind" },
    { .name = "key frames, the index in front", .movflags = "faststart" },
    { .name = "groups of pictures", .movflags = "faststart", .group = 9 },
    { .name = "one group", .group = 100 },
    { .name = "reordered", .group = 9, .between = 1 },
    { .name = "reordered by two", .movflags = "faststart", .group = 10, .between = 2 },
    { .name = "open groups", .group = 9, .between = 1, .open = true },
    { .name = "uneven", .group = 5, .uneven = true },
    { .name = "uneven and reordered", .group = 9, .between = 1, .uneven = true },
    { .name = "primed sound", .group = 5, .primed = true },
    { .name = "no time said", .group = 9, .between = 1, .sets = MEDIA_SETS_UNTIMED },
    { .name = "two sets", .group = 9, .between = 1, .sets = MEDIA_SETS_TWO_PPS },
    { .name = "tags", .movflags = "faststart", .group = 5, .title = "a name" },
    { .name = "offsets of 64 bits", .group = 5, .wide = true },
};

uint8_t *media_find(const struct media *media, const char *name, unsigned n)
{
    uint8_t *at = media->bytes;

    for (unsigned i = 0; i <= n; i++) {
        at = memmem(at, media->size - (size_t)(at - media->bytes), name, 4);
        rmx_assert(at);
        at += 4;
    }
    return at;
}

void media_insert(struct media *media, size_t at, const void *bytes, size_t count)
{
    media->room = media->size + count;
    media->bytes = realloc(media->bytes, media->room);
    rmx_assert(media->bytes && at <= media->size);
    memmove(media->bytes + at + count, media->bytes + at, media->size - at);
    memcpy(media->bytes + at, bytes, count);
    media->size += count;
}

/* Each stco becomes a co64. The index has to stand behind the media, which stays where it is. */
static void widen(struct media *media)
{
    static const char *const around[] = { "trak", "mdia", "minf", "stbl", "stco" };
    static const uint8_t zeros[4] = { 0 };

    for (unsigned track = 0; track < 2; track++) {
        uint8_t *table = media_find(media, "stco", 0);
        uint32_t count = AV_RB32(table + 4);
        uint8_t *moov = media_find(media, "moov", 0);

        AV_WB32(moov - 8, AV_RB32(moov - 8) + 4 * count);
        for (unsigned i = 0; i < sizeof(around) / sizeof(*around); i++) {
            uint8_t *box = media_find(media, around[i], i == 4 ? 0 : track);

            AV_WB32(box - 8, AV_RB32(box - 8) + 4 * count);
        }
        AV_WB32(table - 4, MKBETAG('c', 'o', '6', '4'));
        for (uint32_t i = 0; i < count; i++) {
            size_t at = (size_t)(media_find(media, "co64", track) - media->bytes) + 8 + 8 * i;

            media_insert(media, at, zeros, sizeof(zeros));
        }
    }
}

void media_make_shape(struct media *media, const struct media_shape *shape)
{
    AVFormatContext *muxer = NULL;
    AVDictionary *options = NULL;

    rmx_assert(avformat_alloc_output_context2(&muxer, NULL, "mp4", NULL) >= 0);
    muxer->flags |= AVFMT_FLAG_BITEXACT;
    muxer->pb = media_open_io(media, true);
    muxer->opaque = media;
    muxer->io_open = open_again;
    muxer->io_close2 = close_again;
    add_streams(muxer, shape->sets);
    av_dict_set(&muxer->metadata, "title", shape->title, 0);
    av_dict_set(&options, "movflags", shape->movflags, 0);
    rmx_assert(avformat_write_header(muxer, &options) >= 0);
    write_media(muxer, shape);
    rmx_assert(av_write_trailer(muxer) >= 0);
    av_dict_free(&options);
    media_close_io(&muxer->pb);
    avformat_free_context(muxer);
    if (shape->wide) {
        widen(media);
    }
}

void media_make_mp4(struct media *media, const char *movflags)
{
    media_make_shape(media, &(struct media_shape){ .movflags = movflags });
}

void media_make_large_mp4(struct media *media, size_t picture_bytes)
{
    uint8_t *picture = av_mallocz(picture_bytes);
    AVFormatContext *muxer = NULL;

    rmx_assert(picture && avformat_alloc_output_context2(&muxer, NULL, "mp4", NULL) >= 0);
    muxer->pb = media_open_io(media, true);
    add_streams(muxer, MEDIA_SETS_TIMED);
    AV_WB32(picture, (uint32_t)picture_bytes - 4);
    picture[4] = 0x65;
    memset(picture + 5, 0x88, picture_bytes - 5);
    rmx_assert(avformat_write_header(muxer, NULL) >= 0);
    write_unit(muxer,
        &(struct unit){ .key = true, .duration = TICKS, .bytes = picture, .count = picture_bytes });
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
