/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Live jobs: what comes in goes out before more is asked for, and no stream is waited for longer
 * than was said.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <libavutil/mem.h>

#include "engine/worker/learn.h"
#include "engine/worker/remux.h"
#include "engine/worker/weave.h"
#include "ipc/status.h"
#include "tests/trickle.h"

#define PICTURES 60
#define SURE     54 /* packets after which an MPEG-TS's habits are known */

static struct trickle trickle;

static void free_trickle(void)
{
    trickle_free(&trickle);
}

TestSuite(live, .fini = free_trickle, .timeout = 60);

static struct rmx_job_spec live_job(const char *format, uint32_t fragment_us)
{
    struct rmx_job_spec spec = media_job(format);

    spec.flags |= RMX_JOB_LIVE;
    spec.fragment_us = fragment_us;
    return spec;
}

static void run(const char *format)
{
    struct rmx_job_spec spec = live_job(format, RMX_JOB_FRAGMENT_PACKET);

    trickle_run(&trickle, &spec);
}

static void assert_ok(void)
{
    cr_assert_eq(trickle.result.status, RMX_STATUS_OK, "%s: %s",
        rmx_status_name(trickle.result.status), trickle.result.text);
}

/* Whenever more was asked for, at most so many packets of what had come were not out yet. */
static void assert_prompt(const char *what, unsigned from, unsigned behind)
{
    for (unsigned write = from; write < trickle.asked; write++) {
        unsigned in = trickle_count(&trickle.input, trickle.ends[write]);
        unsigned out = trickle_count(&trickle.output, trickle.seen[write]);

        cr_assert_leq(in, out + behind, "%s, packet %u: %u in, %u out", what, write, in, out);
    }
}

static void assert_all_out(const char *what)
{
    unsigned in = trickle_count(&trickle.input, trickle.input.size);

    cr_assert_eq(trickle_count(&trickle.output, trickle.output.size), in, "%s", what);
    cr_assert_eq(trickle.result.packets_out, in, "%s", what);
}

/* Each stream's times only grow. Returns the time of the last, in seconds. */
static double assert_monotonous(void)
{
    struct media whole = { .bytes = trickle.output.bytes, .size = trickle.output.size };
    AVFormatContext *demuxer = media_open(&whole);
    AVPacket *packet = av_packet_alloc();
    int64_t last[2] = { INT64_MIN, INT64_MIN };
    double end_s = 0;

    while (av_read_frame(demuxer, packet) >= 0) {
        cr_assert_gt(packet->dts, last[packet->stream_index]);
        last[packet->stream_index] = packet->dts;
        end_s = (double)packet->dts * av_q2d(demuxer->streams[packet->stream_index]->time_base);
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    media_close_demuxer(&demuxer);
    return end_s;
}

Test(live, every_packet_comes_out_before_the_next_one_is_asked_for)
{
    static const char *const inputs[] = { "mpegts", "flv", "matroska", "mp4", "adts" };
    static const char *const outputs[] = { "mpegts", "flv", "fmp4", "cmaf", "matroska" };
    char what[64];

    for (size_t in = 0; in < sizeof(inputs) / sizeof(*inputs); in++) {
        trickle_free(&trickle);
        trickle_make(&trickle, inputs[in], PICTURES);
        for (size_t out = 0; out < sizeof(outputs) / sizeof(*outputs); out++) {
            snprintf(what, sizeof(what), "%s to %s", inputs[in], outputs[out]);
            run(outputs[out]);
            assert_ok();
            assert_prompt(what, in == 0 ? SURE : 4, 0);
            assert_all_out(what);
        }
    }
}

Test(live, an_input_may_come_in_pieces_of_any_size)
{
    static const char *const inputs[] = { "mpegts", "flv", "matroska", "mp4", "adts" };
    static const int pieces[] = { 1, 5, 187, 1000 };

    for (size_t in = 0; in < sizeof(inputs) / sizeof(*inputs); in++) {
        trickle_free(&trickle);
        trickle_make(&trickle, inputs[in], PICTURES);
        for (size_t piece = 0; piece < sizeof(pieces) / sizeof(*pieces); piece++) {
            struct rmx_job_spec hasty = live_job("mpegts", 0);
            struct rmx_job_spec slow = media_job("mpegts");

            trickle.most = pieces[piece];
            trickle_run(&trickle, &hasty);
            assert_ok();
            assert_all_out(inputs[in]);
            trickle_run(&trickle, &slow);
            assert_ok();
            cr_assert_eq(trickle.result.packets_out, trickle_count(&trickle.input, SIZE_MAX), "%s",
                inputs[in]);
        }
    }
}

Test(live, a_picture_of_a_transport_stream_waits_for_the_next_until_its_habits_are_known)
{
    trickle_make(&trickle, "mpegts", PICTURES);
    run("mpegts");
    assert_ok();
    assert_prompt("before", 2, 1);
}

Test(live, what_is_finished_at_its_end_is_refused)
{
    trickle_make(&trickle, "mpegts", PICTURES);
    run("mp4");
    cr_assert_eq(trickle.result.status, RMX_STATUS_UNSUPPORTED);
    cr_assert(strstr(trickle.result.text, "use fmp4"), "%s", trickle.result.text);
    cr_assert_eq(trickle.output.size, 0);
}

Test(live, fragments_go_from_keyframe_to_keyframe)
{
    struct rmx_job_spec spec = live_job("fmp4", 0);

    trickle_make(&trickle, "flv", PICTURES);
    trickle_run(&trickle, &spec);
    assert_ok();
    assert_prompt("12 pictures, 12 sounds", 4, 24);
    assert_all_out("by keyframe");
}

Test(live, fragments_last_as_long_as_was_said)
{
    struct rmx_job_spec spec = live_job("fmp4", 120000);

    trickle_make(&trickle, "flv", PICTURES);
    trickle_run(&trickle, &spec);
    assert_ok();
    assert_prompt("3 pictures, 3 sounds", 4, 5);
    assert_all_out("by time");
}

Test(live, sound_alone_has_a_fragment_for_each_packet)
{
    struct rmx_job_spec spec = live_job("fmp4", 0);

    trickle_make(&trickle, "adts", PICTURES);
    trickle_run(&trickle, &spec);
    assert_ok();
    assert_prompt("sound", 4, 0);
}

Test(live, packets_of_nothing_do_not_wait_in_any_number)
{
    const unsigned most = RMX_WEAVE_BYTES_MAX / RMX_WEAVE_PACKET_BYTES;
    AVPacket *packet = av_packet_alloc();
    struct rmx_weave weave;

    cr_assert_eq(rmx_weave_init(&weave, 2, 60000000), 0);
    for (unsigned count = 0; count < most; count++) {
        packet->dts = count;
        cr_assert_eq(rmx_weave_put(&weave, packet, AV_TIME_BASE_Q), 0);
        cr_assert_eq(rmx_weave_take(&weave, packet, false), 0, "packet %u", count);
    }
    packet->dts = most;
    cr_assert_eq(rmx_weave_put(&weave, packet, AV_TIME_BASE_Q), 0);
    cr_assert_eq(rmx_weave_take(&weave, packet, false), 1);
    cr_assert_eq(packet->dts, 0);
    while (rmx_weave_take(&weave, packet, true)) {
        av_packet_unref(packet);
    }
    cr_assert_eq(weave.bytes, 0);
    rmx_weave_fini(&weave);
    av_packet_free(&packet);
}

/* A parser is smaller than its context. */
Test(live, a_parser_without_a_context_is_not_left_behind)
{
    const size_t between = 700;
    AVFormatContext *context = avformat_alloc_context();
    AVStream *stream = avformat_new_stream(context, NULL);
    AVPacket *packet = av_packet_alloc();
    struct rmx_learn learn = { 0 };

    stream->codecpar->codec_type = AVMEDIA_TYPE_AUDIO;
    stream->codecpar->codec_id = AV_CODEC_ID_MP3;
    cr_assert_eq(av_new_packet(packet, 64), 0);
    memset(packet->data, 0, 64);
    av_max_alloc(between);
    cr_assert_eq(rmx_learn_from(&learn, stream, packet), AVERROR(ENOMEM));
    cr_assert_null(learn.parser);
    av_max_alloc(INT_MAX);
    cr_assert_eq(rmx_learn_from(&learn, stream, packet), 0);
    cr_assert_not_null(learn.parser);
    rmx_learn_fini(&learn);
    av_packet_free(&packet);
    avformat_free_context(context);
}

Test(live, packets_wait_for_other_streams_no_longer_than_was_said)
{
    struct rmx_job_spec spec = live_job("mpegts", 0);

    spec.interleave_us = 200000;
    trickle_begin(&trickle, "flv", 0, 13);
    for (unsigned count = 0; count < PICTURES; count++) {
        trickle_picture(&trickle, count, count == 0);
        if (count < 10) {
            trickle_sound(&trickle, count);
        }
    }
    trickle_end(&trickle);
    trickle_run(&trickle, &spec);
    assert_ok();
    assert_prompt("five pictures", 4, 6);
    assert_all_out("to the end");
}

Test(live, and_no_longer_by_the_clock_when_nothing_comes_at_all)
{
    struct rmx_job_spec spec = live_job("mpegts", 0);

    spec.interleave_us = 10000;
    trickle.pause_us = 20000;
    trickle_make(&trickle, "flv", 12);
    trickle_run(&trickle, &spec);
    assert_ok();
    for (unsigned write = 4; write < trickle.asked; write++) {
        unsigned in = trickle_count(&trickle.input, trickle.ends[write]);

        cr_assert_eq(trickle_count(&trickle.output, trickle.later[write]), in, "packet %u", write);
    }
    cr_assert_null(trickle.idle.release);
    assert_all_out("by the clock");
}

Test(live, a_kind_that_an_flv_does_not_promise_is_not_waited_for)
{
    trickle.mute = true;
    trickle_begin(&trickle, "flv", 0, 13);
    for (unsigned count = 0; count < PICTURES; count++) {
        trickle_picture(&trickle, count, count == 0);
    }
    trickle_end(&trickle);
    run("flv");
    assert_ok();
    assert_prompt("pictures alone", 4, 0);
    assert_all_out("pictures alone");
}

Test(live, a_stream_that_was_announced_and_stays_silent_is_left_out)
{
    trickle.pause_us = 30000;
    trickle_begin(&trickle, "mpegts", 0, 13);
    for (unsigned count = 0; count < PICTURES; count++) {
        trickle_picture(&trickle, count, count % 12 == 0);
    }
    for (unsigned count = PICTURES; count < PICTURES + 20; count++) {
        trickle_picture(&trickle, count, false);
        trickle_sound(&trickle, count);
    }
    trickle_end(&trickle);
    struct rmx_job_spec spec = live_job("fmp4", RMX_JOB_FRAGMENT_PACKET);

    spec.flags |= RMX_JOB_ALL_STREAMS;
    trickle_run(&trickle, &spec);
    assert_ok();
    cr_assert_not_null(strstr(trickle.result.text, "silent"), "%s", trickle.result.text);
    cr_assert_eq(trickle.result.packets_out, PICTURES + 20);
    cr_assert_gt(trickle.seen[30], 0, "half a second and a half, and still nothing");
}

Test(live, sound_in_latm_is_there_from_its_first_packet)
{
    trickle.latm = true;
    trickle_make(&trickle, "mpegts", PICTURES);
    run("mpegts");
    assert_ok();
    assert_prompt("latm", SURE, 0);
    assert_all_out("latm");
}

Test(live, a_stream_that_comes_a_little_late_is_there)
{
    trickle_begin(&trickle, "mpegts", 0, 13);
    for (unsigned count = 0; count < PICTURES; count++) {
        trickle_picture(&trickle, count, count % 12 == 0);
        if (count > 20) {
            trickle_sound(&trickle, count);
        }
    }
    trickle_end(&trickle);
    run("fmp4");
    assert_ok();
    assert_all_out("late");
}

Test(live, a_stream_that_turns_up_when_the_output_has_begun_is_said_to_be_left_out)
{
    trickle.mute = true;
    for (unsigned part = 0; part < 2; part++) {
        trickle_begin(&trickle, "mpegts", 10 + 2 * part, 13);
        for (unsigned count = 0; count < 50; count++) {
            trickle_picture(&trickle, count, count % 12 == 0);
            if (!trickle.mute) {
                trickle_sound(&trickle, count);
            }
        }
        trickle_end(&trickle);
        trickle.mute = false;
        trickle.tables = 1;
    }
    run("fmp4");
    assert_ok();
    cr_assert_eq(trickle.result.packets_out, 100);
    cr_assert_not_null(strstr(trickle.result.text, "turned up"), "%s", trickle.result.text);
}

/* Pictures from the middle are of no use to anybody. */
Test(live, a_stream_is_joined_at_a_keyframe)
{
    static const char *const outputs[] = { "mpegts", "flv", "fmp4", "matroska" };

    trickle_begin(&trickle, "mpegts", 10, 13);
    for (unsigned count = 0; count < PICTURES; count++) {
        trickle_picture(&trickle, count, count % 12 == 7);
        trickle_sound(&trickle, count);
    }
    trickle_end(&trickle);
    for (size_t out = 0; out < sizeof(outputs) / sizeof(*outputs); out++) {
        run(outputs[out]);
        assert_ok();
        cr_assert_eq(trickle.result.packets_out, 2 * PICTURES - 7, "%s: %u", outputs[out],
            (unsigned)trickle.result.packets_out);
    }
}

/* Two seconds from start_s, and two more from then_s. */
static void make_two(int64_t start_s, int64_t then_s, uint8_t level)
{
    static const unsigned parts = 2;

    for (unsigned part = 0; part < parts; part++) {
        trickle_begin(&trickle, "mpegts", part ? then_s : start_s, part ? level : 13);
        for (unsigned count = 0; count < 50; count++) {
            trickle_picture(&trickle, count, count % 12 == 0);
            trickle_sound(&trickle, count);
        }
        trickle_end(&trickle);
    }
}

static void assert_joined(void)
{
    assert_ok();
    cr_assert_eq(trickle.result.packets_out, 200);
    double end_s = assert_monotonous();

    cr_assert(end_s > 3 && end_s < 8, "%f", end_s);
}

Test(live, a_jump_ahead_is_closed_up)
{
    make_two(10, 5000, 13);
    run("fmp4");
    assert_joined();
}

Test(live, a_jump_back_is_closed_up)
{
    make_two(5000, 10, 13);
    run("flv");
    assert_joined();
}

Test(live, a_clock_that_goes_round_goes_on)
{
    make_two(95442, 95444, 13); /* 2^33 / 90000 = 95443.7 */
    run("mpegts");
    assert_joined();
}

Test(live, new_parameter_sets_go_through_in_the_stream)
{
    make_two(10, 12, 31);
    run("fmp4");
    assert_joined();
}

Test(live, an_input_that_is_no_media_ends_the_job)
{
    trickle_make(&trickle, "flv", 4);
    memset(trickle.input.bytes, 0x55, trickle.input.size);
    run("fmp4");
    cr_assert_eq(trickle.result.status, RMX_STATUS_BAD_MEDIA);
}
