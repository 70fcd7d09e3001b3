/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs that run twice, so that their output is written forward.
 */
#include "engine/worker/rehearsal.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

#include "ipc/status.h"
#include "tests/media.h"

static struct media input;
static struct media output;
static struct media plain;
static struct rmx_job_spec spec;

static void set_up(void)
{
    media_make_mp4(&input, NULL);
    spec = media_job("mp4");
    output.stream = true;
}

static void tear_down(void)
{
    media_free(&input);
    media_free(&output);
    media_free(&plain);
}

TestSuite(rehearsal, .init = set_up, .fini = tear_down, .timeout = 30);

static void want_faststart(void)
{
    cr_assert_eq(rmx_job_add_option(&spec, "movflags=+faststart"), 0);
}

static void expect_end(const struct rmx_job_result *result, enum rmx_status status)
{
    cr_assert_eq(result->status, status, "%s, not %s: %s", rmx_status_name(result->status),
        rmx_status_name(status), result->text);
}

static void expect_same(const struct media *one, const struct media *other)
{
    cr_assert_eq(one->size, other->size);
    cr_assert_arr_eq(one->bytes, other->bytes, one->size);
}

/* The outermost boxes are these, "ftyp moov", and fill the file. */
static void expect_boxes(const struct media *media, const char *names)
{
    size_t at = 0;

    for (; *names; names += strlen("ftyp "), at += AV_RB32(media->bytes + at)) {
        cr_assert_leq(at + 8, media->size);
        cr_assert_arr_eq(media->bytes + at + 4, names, 4, "%s", names);
    }
    cr_assert_eq(at, media->size);
}

static int count_packets(struct media *media)
{
    AVFormatContext *demuxer = media_open(media);
    AVPacket *packet = av_packet_alloc();
    int packets = 0;

    while (av_read_frame(demuxer, packet) >= 0) {
        cr_assert_geq(packet->pos, 0);
        packets++;
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    media_close_demuxer(&demuxer);
    return packets;
}

/* --- what comes out -------------------------------------------------------------------------- */

Test(rehearsal, stream_gets_what_a_file_would_get)
{
    static const char *const formats[] = { "mp4", "mov", "ipod" };

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        spec = media_job(formats[i]);
        struct rmx_job_result result = media_run(&spec, &input, &plain);

        expect_end(&result, RMX_STATUS_OK);
        result = media_run(&spec, &input, &output);
        expect_end(&result, RMX_STATUS_OK);
        cr_assert_eq(result.packets_in, 2 * MEDIA_FRAMES);
        cr_assert_eq(result.packets_out, 2 * MEDIA_FRAMES);
        expect_same(&output, &plain);
        media_free(&plain);
        media_free(&output);
        output.stream = true;
    }
}

Test(rehearsal, index_in_front_needs_no_second_pass)
{
    want_faststart();
    struct rmx_job_result result = media_run(&spec, &input, &output);

    expect_end(&result, RMX_STATUS_OK);
    expect_boxes(&output, "ftyp moov free mdat ");
    output.stream = false;
    cr_assert_eq(count_packets(&output), 2 * MEDIA_FRAMES);
    result = media_run(&spec, &input, &plain);
    expect_end(&result, RMX_STATUS_OK);
    expect_same(&plain, &output);
}

Test(rehearsal, room_kept_for_the_index_is_filled)
{
    cr_assert_eq(rmx_job_add_option(&spec, "moov_size=4000"), 0);
    struct rmx_job_result result = media_run(&spec, &input, &plain);

    expect_end(&result, RMX_STATUS_OK);
    result = media_run(&spec, &input, &output);
    expect_end(&result, RMX_STATUS_OK);
    expect_same(&output, &plain);
    expect_boxes(&output, "ftyp moov free free mdat ");
}

Test(rehearsal, fragments_go_forward_by_themselves)
{
    static const char *const options[] = { "movflags=+frag_keyframe+empty_moov+faststart",
        "frag_duration=100000", "frag_size=2000" };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        spec = media_job("mp4");
        cr_assert_eq(rmx_job_add_option(&spec, options[i]), 0);
        struct rmx_job_result result = media_run(&spec, &input, &plain);

        expect_end(&result, RMX_STATUS_OK);
        result = media_run(&spec, &input, &output);
        expect_end(&result, RMX_STATUS_OK);
        expect_same(&output, &plain);
        media_free(&plain);
        media_free(&output);
        output.stream = true;
    }
}

Test(rehearsal, merged_inputs_are_all_read_twice)
{
    struct media other = { 0 };
    struct media *made[] = { &plain, &output };

    media_make_mp4(&other, "faststart");
    spec.inputs = 2;
    cr_assert_eq(rmx_job_add_map(&spec, "0:v"), 0);
    cr_assert_eq(rmx_job_add_map(&spec, "1:a"), 0);
    for (size_t i = 0; i < 2; i++) {
        AVIOContext *in[] = { media_open_io(&input, false), media_open_io(&other, false) };
        AVIOContext *out = media_open_io(made[i], true);
        const struct rmx_inlet inlet = { .io = { in[0], in[1] } };
        const struct rmx_outlet outlet = { .io = { out } };
        struct rmx_job_result result = { .job = 1 };

        rmx_rehearsal_run(&spec, &inlet, &outlet, &result);
        expect_end(&result, RMX_STATUS_OK);
        cr_assert_eq(result.packets_out, 2 * MEDIA_FRAMES);
        media_close_io(&in[0]);
        media_close_io(&in[1]);
        media_close_io(&out);
    }
    expect_same(&output, &plain);
    media_free(&other);
}

Test(rehearsal, cut_off_input_is_kept_as_far_as_it_goes)
{
    media_free(&input);
    media_make_mp4(&input, "faststart");
    input.size -= 300;
    struct rmx_job_result result = media_run(&spec, &input, &plain);

    expect_end(&result, RMX_STATUS_TRUNCATED);
    result = media_run(&spec, &input, &output);
    expect_end(&result, RMX_STATUS_TRUNCATED);
    expect_same(&output, &plain);
}

/* --- what goes wrong ------------------------------------------------------------------------- */

Test(rehearsal, input_that_is_refused_leaves_the_output_empty)
{
    memset(input.bytes, 0, input.size);
    struct rmx_job_result result = media_run(&spec, &input, &output);

    expect_end(&result, RMX_STATUS_BAD_MEDIA);
    cr_assert_eq(output.size, 0);
}

Test(rehearsal, index_that_asks_for_gigabytes_leaves_the_output_empty)
{
    static const uint8_t much[] = { 0, 0, 0, 1, 3, 0x93, 0x87, 0 }; /* 60 million of one byte */
    uint8_t *table = memmem(input.bytes, input.size, "stsz", 4);

    memcpy(table + 8, much, sizeof(much));
    struct rmx_job_result result = media_run(&spec, &input, &output);

    expect_end(&result, RMX_STATUS_OVER_LIMIT);
    cr_assert_eq(output.size, 0);
}

Test(rehearsal, input_that_fails_leaves_the_output_empty)
{
    input.fail_at = input.size / 4;
    input.fail_with = AVERROR(EIO);
    struct rmx_job_result result = media_run(&spec, &input, &output);

    expect_end(&result, RMX_STATUS_INPUT_IO);
    cr_assert_eq(output.size, 0);
}

Test(rehearsal, output_that_fails_ends_the_job_wherever)
{
    struct rmx_job_result result = media_run(&spec, &input, &plain);
    const uint8_t *index = memmem(plain.bytes, plain.size, "moov", 4);

    for (size_t at = 1; at < (size_t)(index - plain.bytes); at += 97) {
        output.fail_at = at;
        output.fail_with = AVERROR(ENOSPC);
        result = media_run(&spec, &input, &output);
        expect_end(&result, RMX_STATUS_OUTPUT_FULL);
        cr_assert_eq(result.cause, -ENOSPC);
        media_free(&output);
        output.stream = true;
    }
}

/* Another file is there when the input is read again: once its end was seen. */
static struct {
    struct media *files[2];
    bool seen;
    bool again;
    size_t at;
} swapped;

static int read_swapped(void *opaque, uint8_t *buffer, int size)
{
    const struct media *file = swapped.files[swapped.again];
    size_t left = file->size - swapped.at;

    (void)opaque;
    size = (size_t)size < left ? size : (int)left;
    memcpy(buffer, file->bytes + swapped.at, (size_t)size);
    swapped.at += (size_t)size;
    swapped.seen |= swapped.at == file->size;
    return size == 0 ? AVERROR_EOF : size;
}

static int64_t seek_swapped(void *opaque, int64_t offset, int whence)
{
    (void)opaque;
    if (whence == AVSEEK_SIZE) {
        return (int64_t)swapped.files[swapped.again]->size;
    }
    swapped.again |= offset == 0 && swapped.seen;
    swapped.at = (size_t)offset < swapped.files[swapped.again]->size
                     ? (size_t)offset
                     : swapped.files[swapped.again]->size;
    return offset;
}

static struct rmx_job_result run_swapped(struct media *first, struct media *then)
{
    struct rmx_job_result result = { .job = 1 };
    AVIOContext *in =
        avio_alloc_context(av_malloc(4096), 4096, 0, NULL, read_swapped, NULL, seek_swapped);
    AVIOContext *out = media_open_io(&output, true);
    const struct rmx_inlet inlet = { .io = { in } };
    const struct rmx_outlet outlet = { .io = { out } };

    memset(&swapped, 0, sizeof(swapped));
    swapped.files[0] = first;
    swapped.files[1] = then;
    rmx_rehearsal_run(&spec, &inlet, &outlet, &result);
    cr_assert_eq(rmx_job_check_result(&result), 0);
    media_close_io(&in);
    media_close_io(&out);
    return result;
}

Test(rehearsal, input_that_changes_meanwhile_is_INPUT_IO)
{
    struct media longer = { 0 };
    struct media shorter = { 0 };

    media_free(&input);
    media_make_mp4(&input, "faststart");
    media_make_mp4(&shorter, "faststart");
    shorter.size -= 300;
    media_make_large_mp4(&longer, 100000);
    want_faststart();
    struct rmx_job_result result = run_swapped(&input, &input);

    expect_end(&result, RMX_STATUS_OK);
    cr_assert(swapped.again);
    result = run_swapped(&input, &shorter);
    expect_end(&result, RMX_STATUS_INPUT_IO);
    cr_assert_not_null(strstr(result.text, "another"));
    result = run_swapped(&input, &longer);
    expect_end(&result, RMX_STATUS_INPUT_IO);
    memset(shorter.bytes, 0, shorter.size);
    result = run_swapped(&input, &shorter);
    expect_end(&result, RMX_STATUS_BAD_MEDIA);
    media_free(&longer);
    media_free(&shorter);
}
