/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Live MP4: its fragments begin when their first packets do, whatever the packet before said that
 * it lasts.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include <libavutil/mathematics.h>

#include "engine/worker/split.h"
#include "ipc/status.h"
#include "tests/trickle.h"

#define PICTURES  120
#define KEY_EVERY 12
#define COARSE    1 /* ms: what FLV and Matroska count in */

static const char *const inputs[] = { "mpegts", "flv", "matroska" };
static struct trickle trickle;

static void free_trickle(void)
{
    trickle_free(&trickle);
}

TestSuite(live_times, .fini = free_trickle, .timeout = 60);

static void run(const char *format, uint32_t fragment_us)
{
    struct rmx_job_spec spec = media_job(format);

    spec.flags |= RMX_JOB_LIVE;
    spec.fragment_us = fragment_us;
    trickle_run(&trickle, &spec);
    cr_assert_eq(trickle.result.status, RMX_STATUS_OK, "%s: %s",
        rmx_status_name(trickle.result.status), trickle.result.text);
}

/* When the packets of a stream are shown, in ms after its second: the first sound of MP4 may have
 * been moved to where all begins. Returns how many. */
static unsigned list_times(const struct media *media, int stream, int64_t *times)
{
    struct media whole = { .bytes = media->bytes, .size = media->size };
    AVFormatContext *demuxer = media_open(&whole);
    AVPacket *packet = av_packet_alloc();
    unsigned count = 0;

    while (av_read_frame(demuxer, packet) >= 0) {
        AVRational base = demuxer->streams[packet->stream_index]->time_base;

        if (packet->stream_index == stream) {
            times[count++] = av_rescale_q(packet->pts, base, (AVRational){ 1, 1000 });
        }
        av_packet_unref(packet);
    }
    for (unsigned slot = 2; slot < count; slot++) {
        times[slot] -= times[1];
    }
    av_packet_free(&packet);
    media_close_demuxer(&demuxer);
    return count;
}

static void assert_times(const char *what)
{
    int64_t in[TRICKLE_WRITES_MAX];
    int64_t out[TRICKLE_WRITES_MAX];

    for (int stream = 0; stream < 2; stream++) {
        unsigned count = list_times(&trickle.input, stream, in);

        cr_assert_eq(list_times(&trickle.output, stream, out), count, "%s", what);
        for (unsigned slot = 2; slot < count; slot++) {
            cr_assert_leq(llabs(out[slot] - in[slot]), COARSE, "%s, stream %d, packet %u: %lld ms",
                what, stream, slot, (long long)(out[slot] - in[slot]));
        }
    }
}

/* Into MP4, in fragments of all kinds. */
static void assert_times_of_fragments(const char *input)
{
    static const char *const outputs[] = { "fmp4", "cmaf" };
    static const uint32_t fragments_us[] = { 0, 120000, 200000, RMX_JOB_FRAGMENT_PACKET };
    char what[64];

    for (size_t out = 0; out < sizeof(outputs) / sizeof(*outputs); out++) {
        for (size_t slot = 0; slot < sizeof(fragments_us) / sizeof(*fragments_us); slot++) {
            snprintf(
                what, sizeof(what), "%s to %s by %u us", input, outputs[out], fragments_us[slot]);
            run(outputs[out], fragments_us[slot]);
            assert_times(what);
        }
    }
}

Test(live_times, a_fragment_begins_when_its_first_packet_does)
{
    for (size_t in = 0; in < sizeof(inputs) / sizeof(*inputs); in++) {
        trickle_free(&trickle);
        trickle_make(&trickle, inputs[in], PICTURES);
        assert_times_of_fragments(inputs[in]);
    }
}

Test(live_times, and_does_so_where_pictures_do_not_last_as_long_as_they_say)
{
    for (size_t in = 0; in < sizeof(inputs) / sizeof(*inputs); in++) {
        trickle_free(&trickle);
        trickle_begin(&trickle, inputs[in], 0, 13);
        for (unsigned count = 0; count < PICTURES; count++) {
            if (count % 3 != 1) {
                trickle_picture(&trickle, count, count % KEY_EVERY == 0);
            }
            trickle_sound(&trickle, count);
        }
        trickle_end(&trickle);
        assert_times_of_fragments(inputs[in]);
    }
}

/* The last sample of a fragment has no other to say how long it lasts. */
Test(live_times, a_picture_of_a_transport_stream_lasts_a_frame_and_not_a_field)
{
    AVFormatContext *demuxer = avformat_alloc_context();
    AVPacket *packet = av_packet_alloc();
    struct rmx_split split;

    trickle_make(&trickle, "mpegts", PICTURES);
    AVIOContext *io = media_open_io(&trickle.input, false);

    demuxer->pb = io;
    cr_assert_geq(avformat_open_input(&demuxer, "", NULL, NULL), 0);
    cr_assert_eq(rmx_split_begin(&split, demuxer, NULL), 0);
    while (rmx_split_read(&split, packet) >= 0) {
        if (packet->stream_index == 0) {
            cr_assert_eq(packet->duration, 3600, "%d", (int)packet->duration);
        }
        av_packet_unref(packet);
    }
    rmx_split_fini(&split);
    av_packet_free(&packet);
    avformat_close_input(&demuxer);
    media_close_io(&io);
}
