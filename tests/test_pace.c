/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Times that make libavformat's muxers abort the process, or divide by zero: they reach the muxer
 * as times it can take, and all others as they are.
 */
#include "engine/worker/pace.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <libavutil/mem.h>
#include <libavutil/opt.h>

#include "engine/worker/spill.h"
#include "engine/worker/words.h"
#include "ring/base.h"
#include "tests/dice.h"

#define FAR ((int64_t)INT32_MAX - 16)

enum { PICTURES, SOUND };

static AVFormatContext *muxer;
static AVPacket *packet;
static struct rmx_pace pace;
static struct rmx_words words;
static bool queues;

static int open_part(
    AVFormatContext *context, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    (void)context;
    (void)url;
    (void)flags;
    (void)options;
    return avio_open_dyn_buf(io);
}

static int close_part(AVFormatContext *context, AVIOContext *io)
{
    uint8_t *bytes;

    (void)context;
    avio_close_dyn_buf(io, &bytes);
    av_free(bytes);
    return 0;
}

static AVStream *add_stream(enum AVMediaType type, enum AVCodecID codec)
{
    AVStream *stream = avformat_new_stream(muxer, NULL);
    AVCodecParameters *parameters = stream->codecpar;

    stream->time_base = (AVRational){ 1, 48000 };
    parameters->codec_type = type;
    parameters->codec_id = codec;
    parameters->width = 320;
    parameters->height = 240;
    parameters->sample_rate = 48000;
    av_channel_layout_default(&parameters->ch_layout, 2);
    return stream;
}

/* MPEG-4 pictures and MP3, both in 48 kHz. */
static void open_as(const char *format, const char *movflags)
{
    packet = av_packet_alloc();
    avformat_alloc_output_context2(&muxer, NULL, format, "part:/index");
    rmx_assert(packet && muxer);
    muxer->opaque = &words;
    muxer->io_open = open_part;
    muxer->io_close2 = close_part;
    if (!(muxer->oformat->flags & AVFMT_NOFILE)) {
        rmx_assert(avio_open_dyn_buf(&muxer->pb) == 0);
    }
    if (movflags) {
        rmx_assert(av_opt_set(muxer->priv_data, "movflags", movflags, 0) == 0);
    }
    add_stream(AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_MPEG4);
    add_stream(AVMEDIA_TYPE_AUDIO, AV_CODEC_ID_MP3);
}

static void begin(bool queued)
{
    AVDictionary *options = NULL;

    queues = queued;
    av_dict_set(&options, "video_track_timescale", "48000", 0);
    rmx_assert(avformat_write_header(muxer, &options) >= 0);
    av_dict_free(&options);
    rmx_assert(rmx_pace_init(&pace, muxer, queues) == 0);
}

static void close_all(void)
{
    rmx_pace_fini(&pace);
    av_packet_free(&packet);
    if (muxer && muxer->pb) {
        close_part(muxer, muxer->pb);
    }
    avformat_free_context(muxer);
    muxer = NULL;
}

TestSuite(pace, .fini = close_all, .timeout = 20);

static int keep(int stream, int64_t dts, int64_t delay, int64_t duration)
{
    rmx_assert(av_new_packet(packet, 64) == 0);
    memset(packet->data, 0xff, 64);
    packet->stream_index = stream;
    packet->dts = dts;
    packet->pts = dts + delay;
    packet->duration = duration;
    packet->flags = AV_PKT_FLAG_KEY;
    return rmx_pace_keep(&pace, packet);
}

/* As the job gives it: to a muxer with a queue, or with a fragment for each packet. */
static void put(int stream, int64_t dts, int64_t delay, int64_t duration)
{
    cr_assert_eq(keep(stream, dts, delay, duration), 0);
    if (queues) {
        cr_assert_geq(av_interleaved_write_frame(muxer, packet), 0);
        rmx_pace_note_written(&pace);
    } else {
        cr_assert_geq(av_write_frame(muxer, packet), 0);
        av_packet_unref(packet);
        cr_assert_geq(muxer->pb ? av_write_frame(muxer, NULL) : 0, 0);
    }
}

static void finish(void)
{
    cr_assert(rmx_pace_end(&pace));
    cr_assert_geq(av_write_trailer(muxer), 0);
}

Test(pace, times_that_can_be_are_left_as_they_are)
{
    open_as("mp4", "empty_moov+frag_keyframe");
    begin(false);
    for (int64_t count = 0; count < 100; count++) {
        cr_assert_eq(keep(PICTURES, 1000 + 3600 * count, 7200, 3600), 0);
        cr_assert_eq(packet->dts, 1000 + 3600 * count);
        cr_assert_eq(packet->pts, 8200 + 3600 * count);
        cr_assert_eq(packet->duration, 3600);
        av_packet_unref(packet);
        cr_assert_eq(keep(SOUND, 2000 + 1152 * count, 0, 2000), 0);
        cr_assert_eq(packet->dts, 2000 + 1152 * count);
        cr_assert_eq(packet->duration, 2000);
        av_packet_unref(packet);
    }
}

Test(pace, a_sample_may_come_late_or_last_long_but_not_both)
{
    open_as("mp4", "empty_moov+frag_keyframe");
    begin(false);
    put(PICTURES, 0, 0, 3600);
    put(PICTURES, FAR, 0, 3600);
    put(PICTURES, 2 * FAR, 0, FAR);
    put(PICTURES, 2 * FAR + 3600, 0, INT64_MAX);
    finish();
}

Test(pace, what_is_too_far_away_comes_next)
{
    open_as("mp4", "empty_moov+frag_keyframe");
    begin(false);
    put(PICTURES, 0, 0, 3600);
    cr_assert_eq(keep(PICTURES, INT64_MAX - 1, 0, 3600), 0);
    cr_assert_eq(packet->dts, 1);
    cr_assert_eq(packet->pts, 1);
}

Test(pace, a_track_does_not_begin_before_the_first_packet)
{
    open_as("mp4", "empty_moov+frag_keyframe");
    begin(false);
    put(PICTURES, 90000, 0, 3600);
    put(SOUND, 0, 0, 10);
    put(SOUND, 91000, 0, 10);
    finish();
}

Test(pace, nor_where_an_int_does_not_reach)
{
    open_as("mp4", "empty_moov+frag_keyframe");
    begin(false);
    put(PICTURES, 0, 0, 3600);
    put(SOUND, 4 * FAR, 0, 10);
    put(SOUND, 5 * FAR, 0, 10);
    finish();
}

Test(pace, pictures_may_be_shown_much_later_than_they_are_decoded)
{
    open_as("mp4", "empty_moov+frag_keyframe+cmaf");
    begin(false);
    put(PICTURES, 0, FAR, 3600);
    put(PICTURES, FAR / 2, FAR, 3600);
    put(PICTURES, FAR, 0, 3600);
    finish();
}

/* The end of a fragment is where the next sound in the queue begins; unless there is none. */
Test(pace, a_sound_that_lasts_past_those_behind_it)
{
    open_as("mp4", "empty_moov+frag_keyframe");
    muxer->max_interleave_delta = 1;
    begin(true);
    put(SOUND, 0, 0, 900000);
    for (int64_t count = 0; count < 10; count++) {
        put(PICTURES, 3600 * count, 0, 3600);
    }
    for (int64_t at = 36000; at < 60000; at += 2000) {
        put(PICTURES, at + 1000, 0, 100);
        put(SOUND, at, 0, 100);
        put(SOUND, at + 50, 0, 100);
        put(SOUND, at + 1050, 0, 100);
    }
    finish();
}

Test(pace, a_sound_that_says_it_lasts_longer_than_it_does)
{
    open_as("mp4", "empty_moov+frag_keyframe");
    begin(true);
    for (int64_t at = 0; at < 4000; at += 20) {
        put(PICTURES, at, 0, 400);
        cr_assert_eq(keep(SOUND, at, 0, 1152), 0);
        cr_assert_eq(packet->dts, at, "%d is not %d", (int)packet->dts, (int)at);
        cr_assert_geq(av_interleaved_write_frame(muxer, packet), 0);
        rmx_pace_note_written(&pace);
    }
    finish();
}

Test(pace, a_sound_that_begins_late_keeps_its_times)
{
    open_as("mp4", "empty_moov+frag_every_frame");
    begin(true);
    for (int64_t count = 0; count < 50; count++) {
        put(PICTURES, 3600 * count, 0, 3600);
        if (count >= 10) {
            cr_assert_eq(keep(SOUND, 1152 * count, 0, 1152), 0);
            cr_assert_eq(packet->dts, 1152 * count, "%d", (int)packet->dts);
            cr_assert_geq(av_interleaved_write_frame(muxer, packet), 0);
            rmx_pace_note_written(&pace);
        }
    }
    finish();
}

/* The muxer would abort the process. */
Test(pace, fragments_of_a_packet_each_whatever_packets_say_of_how_long_they_are)
{
    static const int64_t durations[] = { 0, 1, 20, 1152, 900000, FAR };
    struct dice dice = { 7 };
    int64_t at[2] = { 0 };

    open_as("mp4", "empty_moov+frag_every_frame");
    muxer->max_interleave_delta = 1;
    begin(true);
    for (unsigned count = 0; count < 20000; count++) {
        int stream = dice_one_in(&dice, 2) ? PICTURES : SOUND;

        at[stream] += (int64_t)dice_below(&dice, 3000);
        put(stream, at[stream], 0, durations[dice_below(&dice, 6)]);
    }
    finish();
}

Test(pace, a_queued_packet_that_is_far_away)
{
    open_as("mp4", "empty_moov+frag_keyframe");
    begin(true);
    for (int64_t count = 0; count < 20; count++) {
        put(PICTURES, 3600 * count, 0, 3600);
        put(SOUND, count < 5 ? 3600 * count : 3 * FAR + 3600 * count, 0, 3600);
    }
    finish();
}

Test(pace, a_time_code_ends_the_job_before_it_ends_the_process)
{
    open_as("mp4", NULL);
    av_dict_set(&muxer->streams[PICTURES]->metadata, "timecode", "01:00:00:00", 0);
    muxer->streams[PICTURES]->avg_frame_rate = (AVRational){ 25, 1 };
    begin(true);
    put(PICTURES, 0, 0, 3600);
    put(PICTURES, FAR, 0, 3);
    cr_assert_eq(keep(PICTURES, FAR + 3600, 0, 3600), AVERROR(EOVERFLOW));
    cr_assert_not_null(strstr(words.text, "write_tmcd=0"), "%s", words.text);
}

Test(pace, a_segment_lasts_longer_than_nothing)
{
    open_as("dash", NULL);
    av_opt_set(muxer->priv_data, "seg_duration", "0", 0);
    begin(true);
    for (int64_t count = 0; count < 20; count++) {
        put(PICTURES, count, 0, 0);
        put(SOUND, count, 20 - count, 0);
    }
    finish();
}

Test(pace, segments_without_the_first_stream_are_not_finished)
{
    open_as("dash", NULL);
    begin(true);
    put(SOUND, 0, 0, 3600);
    cr_assert_not(rmx_pace_end(&pace));
}

Test(pace, a_muxer_of_several_files_is_not_asked_for_what_it_gathers)
{
    struct rmx_job_spec spec = { .fragment_us = RMX_JOB_FRAGMENT_PACKET };
    struct rmx_cuts cuts = { .muxer = NULL };
    struct rmx_spill spill;

    open_as("hls", NULL);
    cr_assert_eq(rmx_spill_begin(&spill, muxer, &pace, &cuts, &spec), 0);
    begin(false);
    cr_assert_eq(rmx_spill_release(&spill, false), 0);
    for (int64_t count = 0; count < 20; count++) {
        cr_assert_eq(keep(SOUND, 3600 * count, 0, 3600), 0);
        cr_assert_geq(rmx_spill_put(&spill, packet), 0);
    }
    rmx_spill_fini(&spill);
    finish();
}
