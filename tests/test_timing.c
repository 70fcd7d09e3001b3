/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Timestamps between demuxer and muxer, step by step: each is one that ffmpeg takes.
 */
#include "engine/worker/timing.h"

#include <criterion/criterion.h>

#include "ring/base.h"

static AVFormatContext *demuxer;
static const struct rmx_edit_whole whole = { .duration_us = INT64_MAX };
static struct rmx_timing timing;
static AVPacket *packet;

static AVStream *add_stream(enum AVMediaType type, AVRational base)
{
    AVStream *stream = avformat_new_stream(demuxer, NULL);

    rmx_assert(stream);
    stream->codecpar->codec_type = type;
    stream->time_base = base;
    stream->pts_wrap_bits = 33;
    stream->start_time = 0;
    return stream;
}

/* A demuxer with video (25/s) and audio (48 kHz) in 90 kHz; format "mpegts" may jump, "mov" not. */
static void open_as(const char *format, int64_t start_us)
{
    demuxer = avformat_alloc_context();
    packet = av_packet_alloc();
    rmx_assert(demuxer && packet);
    demuxer->iformat = av_find_input_format(format);
    demuxer->start_time = start_us;
    AVStream *video = add_stream(AVMEDIA_TYPE_VIDEO, (AVRational){ 1, 90000 });
    AVStream *audio = add_stream(AVMEDIA_TYPE_AUDIO, (AVRational){ 1, 90000 });

    video->avg_frame_rate = (AVRational){ 25, 1 };
    audio->codecpar->sample_rate = 48000;
    audio->codecpar->frame_size = 1024;
    rmx_assert(rmx_timing_init(&timing, demuxer, &whole) == 0);
}

static void close_all(void)
{
    rmx_timing_fini(&timing);
    av_packet_free(&packet);
    avformat_free_context(demuxer);
}

TestSuite(timing, .fini = close_all);

static void read_packet(int stream, int64_t pts, int64_t dts)
{
    packet->stream_index = stream;
    packet->pts = pts;
    packet->dts = dts;
    packet->duration = 0;
    rmx_timing_correct(&timing, packet);
    rmx_timing_predict(&timing, packet);
}

Test(timing, the_output_starts_at_zero)
{
    open_as("mov", 2000000);
    read_packet(0, 187200, 180000);
    cr_assert_eq(packet->dts, 0);
    cr_assert_eq(packet->pts, 7200);
}

Test(timing, a_33_bit_clock_that_passes_zero_goes_on)
{
    const int64_t round = 1LL << 33;

    /* The stream starts 0.1 s before zero, which the demuxer already counts as negative. */
    open_as("mpegts", -100000);
    demuxer->streams[0]->start_time = -9000;
    read_packet(0, round - 9000, round - 9000);
    cr_assert_eq(packet->dts, 0);
    read_packet(0, 0, 0);
    cr_assert_eq(packet->dts, 9000);
}

Test(timing, where_clocks_may_jump_the_output_goes_on_as_predicted)
{
    open_as("mpegts", 0);
    read_packet(0, 0, 0);
    read_packet(0, 90000 * 60, 90000 * 60);
    cr_assert_eq(packet->dts, 3600, "one frame at 25 a second");
    read_packet(0, 90000 * 60 + 3600, 90000 * 60 + 3600);
    cr_assert_eq(packet->dts, 7200);
}

Test(timing, a_new_stream_joins_where_the_others_are)
{
    open_as("mpegts", 0);
    read_packet(0, 90000, 90000);
    read_packet(1, 90000 * 100, 90000 * 100);
    cr_assert_eq(packet->dts, 90000);
}

Test(timing, where_clocks_do_not_jump_a_gap_stays)
{
    open_as("mov", 0);
    read_packet(0, 0, 0);
    read_packet(0, 90000 * 60, 90000 * 60);
    cr_assert_eq(packet->dts, 90000 * 60);
}

Test(timing, a_timestamp_days_away_is_dropped_and_predicted)
{
    const int64_t days = 90000LL * 3600 * 48;

    open_as("mov", 0);
    demuxer->streams[0]->pts_wrap_bits = 64;
    read_packet(0, 0, 0);
    read_packet(0, days, days);
    cr_assert_eq(packet->dts, AV_NOPTS_VALUE);
    cr_assert_eq(packet->pts, AV_NOPTS_VALUE);
    cr_assert_eq(timing.streams[0].dts, 40000, "one frame after the first");
}

Test(timing, the_first_dts_lies_as_far_before_its_pts_as_frames_are_reordered)
{
    open_as("mov", 0);
    demuxer->streams[0]->codecpar->video_delay = 2;
    int64_t samples = AV_NOPTS_VALUE;

    read_packet(0, 90000, AV_NOPTS_VALUE);
    cr_assert_eq(timing.streams[0].dts, 1000000 - 80000);
    rmx_timing_convert(&timing, packet, demuxer->streams[0], &samples);
    cr_assert_eq(packet->dts, 90000 - 7200);
}

Test(timing, sound_counts_in_samples_and_does_not_drift)
{
    AVStream *to;

    open_as("flv", 0);
    to = demuxer->streams[1];
    to->time_base = (AVRational){ 1, 48000 };
    AVStream *from = add_stream(AVMEDIA_TYPE_AUDIO, (AVRational){ 1, 1000 });

    from->codecpar->sample_rate = 48000;
    from->codecpar->frame_size = 1024;
    rmx_timing_fini(&timing);
    rmx_assert(rmx_timing_init(&timing, demuxer, &whole) == 0);
    int64_t samples = AV_NOPTS_VALUE;

    for (int64_t frame = 0; frame < 100; frame++) {
        int64_t rounded = av_rescale(frame, 1024 * 1000, 48000);

        read_packet(2, rounded, rounded);
        rmx_timing_convert(&timing, packet, to, &samples);
        cr_assert_eq(packet->dts, frame * 1024, "frame %d", (int)frame);
        cr_assert_eq(packet->pts, packet->dts);
    }
}

static void settle(int64_t pts, int64_t dts, int64_t *last)
{
    packet->pts = pts;
    packet->dts = dts;
    rmx_timing_settle(packet, 0, AVMEDIA_TYPE_VIDEO, last);
}

Test(timing, a_dts_after_its_pts_becomes_the_median_of_what_is_known)
{
    int64_t last = 4;

    open_as("mov", 0);
    settle(8, 20, &last);
    cr_assert_eq(packet->pts, 8, "last + 1 is 5, so 8 is in the middle");
    cr_assert_eq(packet->dts, 8);
    cr_assert_eq(last, 8);
}

Test(timing, a_dts_never_goes_back)
{
    int64_t last = 10;

    open_as("mov", 0);
    settle(9, 9, &last);
    cr_assert_eq(packet->dts, 11);
    cr_assert_eq(packet->pts, 11);
    settle(11, 11, &last);
    cr_assert_eq(packet->dts, 12, "nor stands still");
}

Test(timing, a_dts_may_stand_still_where_the_container_allows)
{
    int64_t last = 10;

    open_as("mov", 0);
    packet->pts = 10;
    packet->dts = 10;
    rmx_timing_settle(packet, AVFMT_TS_NONSTRICT, AVMEDIA_TYPE_VIDEO, &last);
    cr_assert_eq(packet->dts, 10);
}

Test(timing, the_ends_of_the_number_line_are_survived)
{
    static const int64_t ends[] = { INT64_MIN + 1, INT64_MAX, -1, 0, AV_NOPTS_VALUE };
    int64_t last = INT64_MAX;
    int64_t samples = AV_NOPTS_VALUE;

    open_as("mpegts", INT64_MAX);
    for (size_t pts = 0; pts < 5; pts++) {
        for (size_t dts = 0; dts < 5; dts++) {
            read_packet(0, ends[pts], ends[dts]);
            rmx_timing_convert(&timing, packet, demuxer->streams[0], &samples);
            rmx_timing_settle(packet, 0, AVMEDIA_TYPE_VIDEO, &last);
        }
    }
}
