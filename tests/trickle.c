/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A live input in memory.
 */
#include "tests/trickle.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <libavutil/avstring.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <libavutil/time.h>

#include "engine/worker/remux.h"
#include "ring/base.h"

#define IO_BYTES    4096
#define SECOND_NS   1000000000u
#define KEY_EVERY   12
#define PICTURE     1200 /* bytes; several TS packets */
#define LEVEL_AT    3    /* in the box, and in the set */
#define SET_AT      8
#define SOUND_ALONE "adts"

static const uint8_t avcc[] = { 0x01, 0x64, 0x00, 0x0d, 0xff, 0xe1, 0x00, 0x1c, 0x67, 0x64, 0x00,
    0x0d, 0xac, 0xd9, 0x41, 0x41, 0xfe, 0xab, 0x0e, 0x6a, 0x02, 0x02, 0x02, 0x80, 0x00, 0x00, 0x03,
    0x00, 0x80, 0x00, 0x00, 0x19, 0x07, 0x8a, 0x14, 0xcb, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb,
    0x22, 0xc0, 0xfd, 0xf8, 0xf8, 0x00 };
static const uint8_t asc[] = { 0x12, 0x10 };
static const uint8_t silence[] = { 0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c };

/* Two channels at 44.1 kHz, in frames of so many bytes, of which these are not 0. */
#define DOLBY 140
static const uint8_t ac3_head[] = { 0x0b, 0x77, 0, 0, 0x41, 0x40, 0x40 };
static const uint8_t eac3_head[] = { 0x0b, 0x77, 0x00, 0x45, 0x74, 0x87, 0xc0, 0x00, 0x20, 0x00,
    0x00, 0x00, 0x3a, 0x00, 0x00, 0x04, 0x04, 0x04, 0x01, 0x01, 0x01, 0x01, 0x8f, 0x9f, 0x3e, 0x7c,
    0xf9, 0xf3, 0xe7, 0xcf, 0x9f, 0x3e, 0x7d, 0xff, 0x3a, 0xbe, 0x7c, 0xf9, 0xf3, 0xe7, 0xcf, 0x9f,
    0x3e, 0x7c, 0x7f, 0xce, 0xaf, 0x9f, 0x3e, 0x7c, 0xf9, 0xf3, 0xe7, 0xcf, 0x9f, 0x00 };

/* --- making ---------------------------------------------------------------------------------- */

static uint8_t *copy(const uint8_t *bytes, size_t count)
{
    uint8_t *extradata = av_mallocz(count + AV_INPUT_BUFFER_PADDING_SIZE);

    rmx_assert(extradata);
    memcpy(extradata, bytes, count);
    return extradata;
}

static void add_pictures(AVFormatContext *muxer, uint8_t level)
{
    AVStream *stream = avformat_new_stream(muxer, NULL);

    rmx_assert(stream);
    stream->time_base = (AVRational){ 1, 25 };
    stream->avg_frame_rate = (AVRational){ 25, 1 };
    stream->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
    stream->codecpar->codec_id = AV_CODEC_ID_H264;
    stream->codecpar->width = 318;
    stream->codecpar->height = 238;
    stream->codecpar->extradata = copy(avcc, sizeof(avcc));
    stream->codecpar->extradata_size = sizeof(avcc);
    stream->codecpar->extradata[LEVEL_AT] = level;
    stream->codecpar->extradata[SET_AT + LEVEL_AT] = level;
}

static void add_sound(AVFormatContext *muxer, enum AVCodecID codec)
{
    AVStream *stream = avformat_new_stream(muxer, NULL);
    bool dolby = codec != AV_CODEC_ID_NONE;

    rmx_assert(stream);
    stream->time_base = (AVRational){ 1, 44100 };
    stream->codecpar->codec_type = AVMEDIA_TYPE_AUDIO;
    stream->codecpar->codec_id = dolby ? codec : AV_CODEC_ID_AAC;
    stream->codecpar->sample_rate = 44100;
    stream->codecpar->frame_size = dolby ? 1536 : 1024;
    av_channel_layout_default(&stream->codecpar->ch_layout, 2);
    if (dolby) {
        return;
    }
    stream->codecpar->extradata = copy(asc, sizeof(asc));
    stream->codecpar->extradata_size = sizeof(asc);
}

void trickle_begin(struct trickle *trickle, const char *muxer, int64_t start_s, uint8_t level)
{
    AVDictionary *options = NULL;
    AVFormatContext *context = NULL;
    size_t at = trickle->input.size;

    rmx_assert(avformat_alloc_output_context2(&context, NULL, muxer, NULL) >= 0);
    trickle->muxer = context;
    context->flags |= AVFMT_FLAG_BITEXACT;
    trickle->input.stream = true;
    context->pb = media_open_io(&trickle->input, true);
    trickle->input.at = at;
    if (strcmp(muxer, SOUND_ALONE) != 0) {
        add_pictures(context, level);
    }
    if (!trickle->mute) {
        add_sound(context, trickle->codec);
    }
    context->output_ts_offset = start_s * AV_TIME_BASE;
    av_dict_set(&options, "movflags",
        trickle->movflags ? trickle->movflags : "frag_custom+empty_moov+default_base_moof", 0);
    av_dict_set(&options, "pes_payload_size", "0", 0);
    av_dict_set(&options, "live", "1", 0);
    av_dict_set(&options, "mpegts_copyts", "1", 0);
    av_dict_set_int(&options, "tables_version", trickle->tables, 0);
    av_dict_set(&options, "mpegts_flags", trickle->latm ? "latm" : NULL, 0);
    rmx_assert(avformat_write_header(context, &options) >= 0);
    av_dict_free(&options);
}

static void note_end(struct trickle *trickle)
{
    rmx_assert(trickle->writes < TRICKLE_WRITES_MAX);
    avio_flush(trickle->muxer->pb);
    trickle->ends[trickle->writes++] = trickle->input.size;
}

static void write_packet(struct trickle *trickle, unsigned stream, int64_t ts, int64_t duration,
    const uint8_t *bytes, size_t count, bool key)
{
    static const int later[] = { 1, 2, 0 }; /* so many pictures */
    AVStream *to = trickle->muxer->streams[stream];
    AVRational base =
        stream == trickle->muxer->nb_streams - 1 ? (AVRational){ 1, 44100 } : (AVRational){ 1, 25 };
    AVPacket *packet = av_packet_alloc();

    rmx_assert(packet && av_new_packet(packet, (int)count) == 0);
    memcpy(packet->data, bytes, count);
    packet->stream_index = (int)stream;
    packet->pts = av_rescale_q(ts, base, to->time_base);
    packet->duration = av_rescale_q(duration, base, to->time_base);
    packet->dts = packet->pts;
    if (stream == 0 && trickle->reordered) {
        packet->pts += later[ts % 3] * packet->duration;
    }
    packet->flags = key ? AV_PKT_FLAG_KEY : 0;
    rmx_assert(av_write_frame(trickle->muxer, packet) >= 0);
    if (trickle->muxer->oformat->flags & AVFMT_ALLOW_FLUSH) {
        rmx_assert(av_write_frame(trickle->muxer, NULL) >= 0);
    }
    av_packet_free(&packet);
    note_end(trickle);
}

void trickle_picture(struct trickle *trickle, unsigned count, bool key)
{
    static const uint8_t slices[][3] = { { 0x41, 0x9a, 0x84 }, { 0x65, 0x88, 0x84 } };
    uint8_t picture[PICTURE] = { 0, 0, (PICTURE - 4) >> 8, (PICTURE - 4) & 255 };

    memcpy(picture + 4, slices[key], 3);
    memset(picture + 7, (int)(count % 200) + 4, sizeof(picture) - 7);
    write_packet(trickle, 0, count, 1, picture, sizeof(picture), key);
}

static void write_sound(
    struct trickle *trickle, unsigned count, int samples, const uint8_t *bytes, size_t size)
{
    write_packet(trickle, trickle->muxer->nb_streams - 1, (int64_t)count * samples, samples, bytes,
        size, true);
}

void trickle_sound(struct trickle *trickle, unsigned count)
{
    uint8_t frame[DOLBY] = { 0 };

    if (trickle->codec == AV_CODEC_ID_NONE) {
        write_sound(trickle, count, 1024, silence, sizeof(silence));
        return;
    }
    if (trickle->codec == AV_CODEC_ID_AC3) {
        memcpy(frame, ac3_head, sizeof(ac3_head));
    } else {
        memcpy(frame, eac3_head, sizeof(eac3_head));
    }
    frame[0] = trickle->torn ? 0 : frame[0];
    write_sound(trickle, count, 1536, frame, sizeof(frame));
}

void trickle_end(struct trickle *trickle)
{
    rmx_assert(av_write_trailer(trickle->muxer) >= 0);
    note_end(trickle);
    media_close_io(&trickle->muxer->pb);
    avformat_free_context(trickle->muxer);
    trickle->muxer = NULL;
}

void trickle_make(struct trickle *trickle, const char *muxer, unsigned pictures)
{
    trickle_begin(trickle, muxer, 0, 13);
    for (unsigned count = 0; count < pictures; count++) {
        if (strcmp(muxer, SOUND_ALONE) != 0) {
            trickle_picture(trickle, count, count % KEY_EVERY == 0);
        }
        trickle_sound(trickle, count);
    }
    trickle_end(trickle);
}

/* --- running --------------------------------------------------------------------------------- */

static void sleep_until(uint64_t until_ns)
{
    const struct timespec until = { (time_t)(until_ns / SECOND_NS), (long)(until_ns % SECOND_NS) };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
    }
}

static uint64_t release_due(struct trickle *trickle)
{
    return trickle->idle.release ? trickle->idle.release(trickle->idle.stage) : 0;
}

/* As the worker does: the stage is asked what it wants to send out meanwhile, and when again; also
 * where the machine lets us sleep for too long. */
static void pause_input(struct trickle *trickle)
{
    uint64_t end_ns = (uint64_t)av_gettime_relative() * 1000 + (uint64_t)trickle->pause_us * 1000;
    uint64_t again_ns = release_due(trickle);

    while ((uint64_t)av_gettime_relative() * 1000 < end_ns) {
        sleep_until(again_ns > 0 ? FFMIN(again_ns, end_ns) : end_ns);
        again_ns = release_due(trickle);
    }
}

static int read_next(void *opaque, uint8_t *buffer, int wanted)
{
    struct trickle *trickle = opaque;
    struct media *input = &trickle->input;
    unsigned write = 0;

    while (write < trickle->writes && trickle->ends[write] <= input->at) {
        trickle->seen[write] =
            write >= trickle->asked ? trickle->output.size : trickle->seen[write];
        write++;
    }
    if (write > trickle->asked) {
        trickle->asked = write;
        pause_input(trickle);
        trickle->later[write - 1] = trickle->output.size;
    }
    if (write == trickle->writes) {
        return AVERROR_EOF;
    }
    int most = trickle->most > 0 ? FFMIN(trickle->most, wanted) : wanted;
    size_t got = FFMIN((size_t)most, trickle->ends[write] - input->at);

    memcpy(buffer, input->bytes + input->at, got);
    input->at += got;
    return (int)got;
}

void trickle_run(struct trickle *trickle, const struct rmx_job_spec *spec)
{
    static bool ready;
    AVIOContext *in =
        avio_alloc_context(av_malloc(IO_BYTES), IO_BYTES, 0, trickle, read_next, NULL, NULL);
    const struct rmx_inlet inlet = { .io = { in } };
    struct rmx_outlet outlet = { .idle = &trickle->idle };

    rmx_assert(in && in->buffer);
    media_free(&trickle->output);
    trickle->output.stream = true;
    outlet.io[0] = media_open_io(&trickle->output, true);
    trickle->input.at = 0;
    trickle->asked = 0;
    trickle->idle = (struct rmx_idle){ 0 };
    trickle->result = (struct rmx_job_result){ .job = spec->job };
    if (!ready) {
        rmx_remux_init_process((size_t)64 << 20);
        ready = true;
    }
    rmx_remux_run(spec, &inlet, &outlet, &trickle->result);
    rmx_assert(rmx_job_check_result(&trickle->result) == 0);
    media_close_io(&in);
    media_close_io(&outlet.io[0]);
}

unsigned trickle_count(const struct media *media, size_t bytes)
{
    struct media prefix = { .bytes = media->bytes, .size = FFMIN(bytes, media->size) };
    AVFormatContext *demuxer = avformat_alloc_context();
    AVPacket *packet = av_packet_alloc();
    AVIOContext *io = media_open_io(&prefix, false);
    unsigned count = 0;

    rmx_assert(demuxer && packet);
    demuxer->pb = io;
    demuxer->flags |= AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN;
    if (avformat_open_input(&demuxer, "", NULL, NULL) >= 0) {
        while (av_read_frame(demuxer, packet) >= 0) {
            count++;
            av_packet_unref(packet);
        }
        avformat_close_input(&demuxer);
    }
    av_packet_free(&packet);
    media_close_io(&io);
    return count;
}

void trickle_free(struct trickle *trickle)
{
    media_free(&trickle->input);
    media_free(&trickle->output);
    *trickle = (struct trickle){ 0 };
}
