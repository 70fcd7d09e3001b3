/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The libavformat stage from end to end, in memory: what a job gives, and how it ends when
 * something is wrong.
 */
#include "engine/worker/remux.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "ipc/status.h"
#include "tests/media.h"

static struct media input;
static struct media output;

static void free_media(void)
{
    media_free(&input);
    media_free(&output);
}

TestSuite(remux, .fini = free_media, .timeout = 20);

static unsigned count_packets(struct media *media)
{
    AVFormatContext *demuxer = media_open(media);
    AVPacket *packet = av_packet_alloc();
    unsigned packets = 0;

    while (av_read_frame(demuxer, packet) >= 0) {
        packets++;
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    media_close_demuxer(&demuxer);
    return packets;
}

static struct rmx_job_result remux_to(const char *format)
{
    struct rmx_job_spec spec = media_job(format);

    return media_run(&spec, &input, &output);
}

static void assert_status(const struct rmx_job_result *result, enum rmx_status status)
{
    cr_assert_eq(result->status, status, "%s: %s", rmx_status_name(result->status), result->text);
}

static void set_bytes(struct media *media, const char *text)
{
    media->bytes = (uint8_t *)strdup(text);
    media->size = strlen(text);
}

Test(remux, every_packet_of_a_file_arrives_in_every_container_that_takes_it)
{
    static const char *const formats[] = { "mp4", "fmp4", "cmaf", "mov", "mpegts", "matroska",
        "flv" };

    media_make_mp4(&input, NULL);
    for (size_t slot = 0; slot < sizeof(formats) / sizeof(*formats); slot++) {
        struct rmx_job_result result = remux_to(formats[slot]);

        assert_status(&result, RMX_STATUS_OK);
        cr_assert_eq(result.packets_in, 2 * MEDIA_FRAMES);
        cr_assert_eq(result.packets_out, 2 * MEDIA_FRAMES);
        cr_assert_eq(count_packets(&output), 2 * MEDIA_FRAMES, "%s", formats[slot]);
        media_free(&output);
    }
}

Test(remux, the_same_job_gives_the_same_bytes_when_it_is_bitexact)
{
    struct rmx_job_spec spec = media_job("matroska");
    struct media again = { 0 };

    spec.flags = RMX_JOB_BITEXACT;
    media_make_mp4(&input, NULL);
    media_run(&spec, &input, &output);
    media_run(&spec, &input, &again);
    cr_assert_eq(output.size, again.size);
    cr_assert_arr_eq(output.bytes, again.bytes, output.size);
    media_free(&again);
}

Test(remux, fragments_come_out_the_same_on_a_stream_as_on_a_file)
{
    struct media streamed = { .stream = true };
    struct rmx_job_spec spec = media_job("fmp4");

    spec.flags = RMX_JOB_BITEXACT;
    media_make_mp4(&input, NULL);
    media_run(&spec, &input, &output);
    media_run(&spec, &input, &streamed);
    cr_assert_eq(output.size, streamed.size);
    cr_assert_arr_eq(output.bytes, streamed.bytes, output.size);
    media_free(&streamed);
}

Test(remux, adts_sound_gets_its_configuration_in_the_header_of_a_fragmented_file)
{
    output.stream = true;
    media_make_adts(&input);
    struct rmx_job_result result = remux_to("fmp4");

    assert_status(&result, RMX_STATUS_OK);
    output.stream = false;
    AVFormatContext *demuxer = media_open(&output);
    const AVCodecParameters *parameters = demuxer->streams[0]->codecpar;

    cr_assert_eq(parameters->extradata_size, 2);
    cr_assert_eq(parameters->extradata[0], 0x12);
    cr_assert_eq(parameters->extradata[1], 0x10);
    media_close_demuxer(&demuxer);
    cr_assert_eq(count_packets(&output), 10 * MEDIA_FRAMES);
}

Test(remux, a_probe_is_json_that_names_the_streams)
{
    struct rmx_job_spec spec = media_job(NULL);

    media_make_mp4(&input, NULL);
    struct rmx_job_result result = media_run(&spec, &input, &output);

    assert_status(&result, RMX_STATUS_OK);
    cr_assert_not_null(memmem(output.bytes, output.size, "\"codec_name\": \"h264\"", 20));
    cr_assert_not_null(memmem(output.bytes, output.size, "\"codec_name\": \"aac\"", 19));
    cr_assert_not_null(memmem(output.bytes, output.size, "\"format_name\": \"mov,mp4", 23));
}

Test(remux, a_header_that_must_be_patched_needs_an_output_that_seeks)
{
    output.stream = true;
    media_make_mp4(&input, "frag_keyframe+empty_moov");
    input.stream = true;
    struct rmx_job_result result = remux_to("mp4");

    assert_status(&result, RMX_STATUS_NEEDS_SEEKABLE_OUTPUT);
    cr_assert_not_null(strstr(result.text, "fmp4"), "the text names another way");
    cr_assert_not_null(strstr(result.text, "spool"), "and a third");
    cr_assert_eq(output.size, 0);
    cr_assert_eq(input.at, 0, "nothing was read");
}

Test(remux, an_index_in_front_of_what_comes_once_needs_a_spool)
{
    struct rmx_job_spec spec = media_job("mp4");

    media_make_mp4(&input, "frag_keyframe+empty_moov");
    input.stream = true;
    cr_assert_eq(rmx_job_add_option(&spec, "movflags=+faststart"), 0);
    struct rmx_job_result result = media_run(&spec, &input, &output);

    assert_status(&result, RMX_STATUS_NEEDS_SEEKABLE_OUTPUT);
    cr_assert_not_null(strstr(result.text, "spool"), "the text names the way");
    cr_assert_eq(input.at, 0, "nothing was read");
}

Test(remux, an_index_at_the_end_needs_an_input_that_seeks)
{
    media_make_mp4(&input, NULL);
    input.stream = true;
    struct rmx_job_result result = remux_to("mpegts");

    assert_status(&result, RMX_STATUS_NEEDS_SEEKABLE_INPUT);
}

Test(remux, an_index_in_front_is_read_from_a_stream)
{
    media_make_mp4(&input, "frag_keyframe+empty_moov+default_base_moof");
    input.stream = true;
    struct rmx_job_result result = remux_to("mpegts");

    assert_status(&result, RMX_STATUS_OK);
    cr_assert_eq(result.packets_out, 2 * MEDIA_FRAMES);
}

Test(remux, a_file_that_was_cut_off_is_truncated_by_what_its_index_promises)
{
    media_make_mp4(&input, "frag_keyframe+empty_moov+default_base_moof");
    size_t whole = input.size;

    input.size = whole / 2;
    struct rmx_job_result result = remux_to("mpegts");

    assert_status(&result, RMX_STATUS_TRUNCATED);
    cr_assert_gt(result.bytes_expected, input.size);
    cr_assert_leq(result.bytes_expected, whole);
    cr_assert_gt(output.size, 0, "what was there is there");
    cr_assert_null(strstr(result.text, "mpegts"), "the input is at fault: %s", result.text);
}

Test(remux, an_input_without_a_byte_is_told_of_in_a_sentence)
{
    static const char *const formats[] = { "mpegts", "flv" };

    for (size_t slot = 0; slot < sizeof(formats) / sizeof(*formats); slot++) {
        struct rmx_job_spec spec = media_job("fmp4");

        snprintf(spec.input_format, sizeof(spec.input_format), "%s", formats[slot]);
        spec.flags = RMX_JOB_LIVE;
        struct rmx_job_result result = media_run(&spec, &input, &output);

        assert_status(&result, RMX_STATUS_BAD_MEDIA);
        cr_assert_str_eq(result.text, "the input ends before there is any media");
    }
}

Test(remux, a_cut_off_file_may_be_allowed)
{
    struct rmx_job_spec spec = media_job("mpegts");

    spec.flags = RMX_JOB_ALLOW_TRUNCATED;
    media_make_mp4(&input, "frag_keyframe+empty_moov+default_base_moof");
    input.size /= 2;
    struct rmx_job_result result = media_run(&spec, &input, &output);

    assert_status(&result, RMX_STATUS_OK);
    cr_assert_gt(result.bytes_expected, input.size);
}

/* Where it cannot go back to, and the demuxer says so each time it is asked. */
Test(remux, a_sample_that_has_gone_by_ends_the_input_once)
{
    struct rmx_job_spec spec = media_job("mpegts");

    spec.flags = RMX_JOB_ALLOW_TRUNCATED | RMX_JOB_LIVE;
    media_make_mp4(&input, NULL);
    unsigned char *chunks = memmem(input.bytes, input.size, "stco", 4);

    cr_assert_not_null(chunks);
    cr_assert_gt(chunks[11], 1);  /* of them */
    memset(chunks + 16, 0x7f, 4); /* which is to say that the input was cut off */
    struct rmx_job_result result = media_run(&spec, &input, &output);

    assert_status(&result, RMX_STATUS_OK);
    cr_assert_gt(result.bytes_expected, input.size);
}

Test(remux, a_file_without_its_index_is_truncated_not_empty)
{
    media_make_mp4(&input, NULL);
    input.size /= 2;
    struct rmx_job_result result = remux_to("mpegts");

    assert_status(&result, RMX_STATUS_TRUNCATED);
}

Test(remux, a_read_that_fails_ends_with_its_errno)
{
    media_make_mp4(&input, "frag_keyframe+empty_moov+default_base_moof");
    input.fail_at = input.size / 2;
    input.fail_with = AVERROR(EIO);
    struct rmx_job_result result = remux_to("mpegts");

    assert_status(&result, RMX_STATUS_INPUT_IO);
    cr_assert_eq(result.cause, -EIO);
}

Test(remux, a_full_disk_ends_with_its_errno)
{
    media_make_mp4(&input, NULL);
    output.fail_at = 4096;
    output.fail_with = AVERROR(ENOSPC);
    struct rmx_job_result result = remux_to("mpegts");

    assert_status(&result, RMX_STATUS_OUTPUT_FULL);
    cr_assert_eq(result.cause, -ENOSPC);
}

Test(remux, a_reader_that_went_away_is_told_from_a_disk)
{
    media_make_mp4(&input, NULL);
    output.fail_at = 4096;
    output.fail_with = AVERROR(EPIPE);
    struct rmx_job_result result = remux_to("mpegts");

    assert_status(&result, RMX_STATUS_OUTPUT_CLOSED);
}

Test(remux, a_callback_that_says_exit_cancels_the_job)
{
    media_make_mp4(&input, "frag_keyframe+empty_moov+default_base_moof");
    input.fail_at = input.size / 2;
    input.fail_with = AVERROR_EXIT;
    struct rmx_job_result result = remux_to("mpegts");

    assert_status(&result, RMX_STATUS_CANCELLED);
    cr_assert_eq(result.cause, 0);
}

Test(remux, a_playlist_opens_nothing)
{
    set_bytes(&input, "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n");
    struct rmx_job_result result = remux_to("mpegts");

    assert_status(&result, RMX_STATUS_UNSUPPORTED);
    cr_assert_not_null(strstr(result.text, "an HLS or M3U playlist"), "%s", result.text);
}

Test(remux, a_playlist_opens_nothing_even_when_its_format_is_forced)
{
    struct rmx_job_spec spec = media_job("mpegts");

    cr_assert_eq(rmx_job_set_name(&spec.input_format, "concat"), 0);
    set_bytes(&input, "ffconcat version 1.0\nfile /etc/passwd\n");
    struct rmx_job_result result = media_run(&spec, &input, &output);

    assert_status(&result, RMX_STATUS_UNSUPPORTED);
}

Test(remux, an_input_format_nobody_knows_is_a_bad_option)
{
    struct rmx_job_spec spec = media_job("mpegts");

    cr_assert_eq(rmx_job_set_name(&spec.input_format, "betamax"), 0);
    media_make_adts(&input);
    struct rmx_job_result result = media_run(&spec, &input, &output);

    assert_status(&result, RMX_STATUS_BAD_OPTION);
}

Test(remux, bytes_that_are_no_media_are_bad_media)
{
    set_bytes(&input, "once upon a time there was a file that was not media at all");
    struct rmx_job_result result = remux_to("mpegts");

    assert_status(&result, RMX_STATUS_BAD_MEDIA);
}

Test(remux, an_empty_input_is_bad_media)
{
    struct rmx_job_result result = remux_to("mpegts");

    assert_status(&result, RMX_STATUS_BAD_MEDIA);
}

Test(remux, sound_in_a_container_for_other_sound_is_unsupported)
{
    media_make_adts(&input);
    struct rmx_job_result result = remux_to("flac");

    assert_status(&result, RMX_STATUS_UNSUPPORTED);
    cr_assert_neq(result.text[0], '\0', "the muxer says why");
}

Test(remux, an_index_that_asks_for_gigabytes_is_over_the_limit)
{
    media_make_mp4(&input, NULL);
    static const uint8_t much[] = { 0, 0, 0, 1, 3, 0x93, 0x87, 0 }; /* 60 million of one byte */
    uint8_t *table = memmem(input.bytes, input.size, "stsz", 4);

    cr_assert_not_null(table);
    memcpy(table + 8, much, sizeof(much));
    struct rmx_job_result result = remux_to("fmp4");

    assert_status(&result, RMX_STATUS_OVER_LIMIT);
}
