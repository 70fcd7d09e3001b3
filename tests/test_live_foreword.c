/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Live MP4 with sound that only its packets describe: what comes out can be read, or the job says
 * that it cannot.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "ipc/status.h"
#include "tests/trickle.h"

#define PICTURES  60
#define KEY_EVERY 12
#define ALONE     8 /* pictures before the first sound */

static const char *const outputs[] = { "fmp4", "cmaf" };
static const uint32_t fragments_us[] = { 0, 120000, RMX_JOB_FRAGMENT_PACKET };
static struct trickle trickle;

static void free_trickle(void)
{
    trickle_free(&trickle);
}

TestSuite(live_foreword, .fini = free_trickle, .timeout = 60);

static void run(const char *format, uint32_t fragment_us)
{
    struct rmx_job_spec spec = media_job(format);

    spec.flags |= RMX_JOB_LIVE;
    spec.fragment_us = fragment_us;
    trickle_run(&trickle, &spec);
}

static void assert_ok(const char *what)
{
    cr_assert_eq(trickle.result.status, RMX_STATUS_OK, "%s: %s, %s", what,
        rmx_status_name(trickle.result.status), trickle.result.text);
}

/* Pictures, and from the count-th on sound too. */
static void make(const char *muxer, enum AVCodecID codec, unsigned from)
{
    trickle_free(&trickle);
    trickle.codec = codec;
    trickle_begin(&trickle, muxer, 0, 13);
    for (unsigned count = 0; count < PICTURES; count++) {
        trickle_picture(&trickle, count, count % KEY_EVERY == 0);
        if (count >= from) {
            trickle_sound(&trickle, count - from);
        }
    }
    trickle_end(&trickle);
}

static unsigned count_streams(void)
{
    struct media whole = { .bytes = trickle.output.bytes, .size = trickle.output.size };
    AVFormatContext *demuxer = media_open(&whole);
    unsigned count = demuxer->nb_streams;

    media_close_demuxer(&demuxer);
    return count;
}

static void assert_all_out(const char *what, unsigned packets)
{
    assert_ok(what);
    cr_assert_eq(
        trickle.result.packets_out, packets, "%s: %u", what, (unsigned)trickle.result.packets_out);
    cr_assert_eq(trickle_count(&trickle.output, trickle.output.size), packets, "%s", what);
}

static void assert_into_all(const char *input, enum AVCodecID codec)
{
    char what[64];

    make(input, codec, ALONE);
    for (size_t out = 0; out < sizeof(outputs) / sizeof(*outputs); out++) {
        for (size_t slot = 0; slot < sizeof(fragments_us) / sizeof(*fragments_us); slot++) {
            snprintf(what, sizeof(what), "%s with %s to %s by %u us", input,
                avcodec_get_name(codec), outputs[out], fragments_us[slot]);
            run(outputs[out], fragments_us[slot]);
            assert_all_out(what, 2 * PICTURES - ALONE);
            cr_assert_eq(count_streams(), 2, "%s", what);
        }
    }
}

Test(live_foreword, sound_may_come_after_pictures)
{
    static const char *const inputs[] = { "mpegts", "matroska" };

    for (size_t in = 0; in < sizeof(inputs) / sizeof(*inputs); in++) {
        assert_into_all(inputs[in], AV_CODEC_ID_AC3);
        assert_into_all(inputs[in], AV_CODEC_ID_EAC3);
    }
}

/* libavformat looks at where the next frame of AC-3 begins. */
Test(live_foreword, then_all_but_a_sound_come_out_before_more_is_asked_for)
{
    make("matroska", AV_CODEC_ID_AC3, ALONE);
    run("fmp4", RMX_JOB_FRAGMENT_PACKET);
    for (unsigned write = ALONE + 4; write < trickle.asked; write++) {
        unsigned in = trickle_count(&trickle.input, trickle.ends[write]);

        unsigned out = trickle_count(&trickle.output, trickle.seen[write]);

        cr_assert_leq(in, out + 1, "packet %u: %u in, %u out", write, in, out);
    }
}

Test(live_foreword, sound_that_does_not_come_is_left_out)
{
    for (size_t slot = 0; slot < sizeof(fragments_us) / sizeof(*fragments_us); slot++) {
        make("matroska", AV_CODEC_ID_AC3, PICTURES);
        trickle.pause_us = slot == 0 ? 30000 : 0; /* either it is waited for, or the input ends */
        run("fmp4", fragments_us[slot]);
        assert_all_out("silent", PICTURES);
        cr_assert_not_null(strstr(trickle.result.text, "silent"), "%s", trickle.result.text);
        cr_assert_eq(count_streams(), 1);
        cr_assert(slot > 0 || trickle.seen[PICTURES / 2] > 0);
    }
}

/* It is in the header of the input, and its packets are nothing. */
Test(live_foreword, sound_that_is_none_is_left_out_too)
{
    for (size_t slot = 0; slot < sizeof(fragments_us) / sizeof(*fragments_us); slot++) {
        trickle.torn = true;
        trickle.codec = AV_CODEC_ID_AC3;
        trickle_make(&trickle, "matroska", PICTURES);
        run("fmp4", fragments_us[slot]);
        assert_all_out("torn", PICTURES);
        cr_assert_not_null(strstr(trickle.result.text, "ac3"), "%s", trickle.result.text);
        cr_assert_eq(count_streams(), 1);
        trickle_free(&trickle);
    }
}

/* Not live, the muxer waits for it to the end. */
Test(live_foreword, sound_that_does_not_come_to_a_file_ends_the_job)
{
    struct rmx_job_spec spec = media_job("fmp4");

    spec.flags |= RMX_JOB_ALL_STREAMS;
    make("matroska", AV_CODEC_ID_AC3, PICTURES);
    trickle_run(&trickle, &spec);
    cr_assert_eq(trickle.result.status, RMX_STATUS_UNSUPPORTED, "%s: %s",
        rmx_status_name(trickle.result.status), trickle.result.text);
    cr_assert_not_null(strstr(trickle.result.text, "ac3"), "%s", trickle.result.text);
    cr_assert_eq(trickle.output.size, 0);
}
