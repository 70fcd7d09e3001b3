/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's edits done to media, in memory: what ffmpeg has to compare with is in
 * tests/conformance/edits.tsv; here is what it has not, and how an edit is refused.
 */
#include <criterion/criterion.h>
#include <string.h>

#include <libavutil/display.h>

#include "engine/worker/avshim.h"
#include "engine/worker/remux.h"
#include "ipc/status.h"
#include "tests/media.h"

static struct media input;
static struct media output;
static AVFormatContext *written;

static void free_media(void)
{
    if (written) {
        media_close_demuxer(&written);
    }
    media_free(&input);
    media_free(&output);
}

TestSuite(edits, .fini = free_media, .timeout = 20);

/* Runs a job to this container with up to three edits, from a file or a stream. */
static struct rmx_job_result run(const char *format, bool stream, const char *const edits[3])
{
    struct rmx_job_spec spec = media_job(format);
    const char *why = "";

    for (size_t slot = 0; slot < 3 && edits[slot]; slot++) {
        cr_assert_eq(rmx_job_add_edit(&spec, edits[slot]), 0);
    }
    cr_assert_eq(rmx_job_check(&spec, &why), 0, "%s", why);
    if (written) {
        media_close_demuxer(&written);
    }
    media_free(&output);
    input.stream = stream;
    return media_run(&spec, &input, &output);
}

/* The same, and opens what it wrote. */
static void make(const char *format, bool stream, const char *const edits[3])
{
    struct rmx_job_result result = run(format, stream, edits);

    cr_assert_eq(
        result.status, RMX_STATUS_OK, "%s: %s", rmx_status_name(result.status), result.text);
    written = media_open(&output);
}

static void assert_ends(const char *edit, enum rmx_status status, const char *sentence)
{
    struct rmx_job_result result = run("mp4", false, (const char *[3]){ edit });

    cr_assert_eq(
        result.status, status, "%s: %s: %s", edit, rmx_status_name(result.status), result.text);
    cr_assert(strstr(result.text, sentence), "%s: %s", edit, result.text);
}

/* Packets of a stream of what was written. */
static unsigned count(int stream)
{
    AVPacket *packet = av_packet_alloc();
    unsigned packets = 0;

    while (av_read_frame(written, packet) >= 0) {
        packets += packet->stream_index == stream;
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    return packets;
}

static const char *tag(const AVDictionary *tags, const char *key)
{
    const AVDictionaryEntry *entry = av_dict_get(tags, key, NULL, 0);

    return entry ? entry->value : "";
}

Test(edits, a_part_of_a_stream_is_that_of_a_file)
{
    static const char *const part[3] = { "start=0.48", "duration=0.2" };

    media_make_mp4(&input, "+frag_keyframe+empty_moov+default_base_moof");
    make("matroska", false, part);
    unsigned of_file = count(0);
    make("matroska", true, part);
    cr_assert_eq(count(0), of_file);
    cr_assert_eq(of_file, 5, "25 pictures a second, each of them a key frame");
}

Test(edits, a_job_that_has_all_it_wants_leaves_the_rest_of_its_input_alone)
{
    media_make_mp4(&input, "+frag_keyframe+empty_moov+default_base_moof");
    input.size = input.size * 2 / 3; /* cut off, but behind what is wanted */
    cr_assert_eq(run("matroska", false, (const char *[3]){ "duration=0.1" }).status, RMX_STATUS_OK);
    cr_assert_eq(run("matroska", false, (const char *[3]){ NULL }).status, RMX_STATUS_TRUNCATED);
}

Test(edits, a_start_behind_the_end_of_a_stream_is_no_error)
{
    media_make_mp4(&input, "+frag_keyframe+empty_moov+default_base_moof");
    make("matroska", true, (const char *[3]){ "start=100" });
    cr_assert_leq(count(0), 1, "the last key frame is before it");
}

Test(edits, a_start_counted_from_the_end_needs_an_end_that_is_known)
{
    static const char *const edits[3] = { "start_from_end=0.2" };

    media_make_mp4(&input, NULL);
    make("matroska", false, edits);
    cr_assert_eq(count(0), 5, "25 pictures a second, each of them a key frame");
    make("matroska", false, (const char *[3]){ "start_from_end=100" });
    cr_assert_eq(count(0), MEDIA_FRAMES, "all there is");
    media_free(&input);
    media_make_adts(&input);
    struct rmx_job_result result = run("matroska", true, edits);

    cr_assert_eq(result.status, RMX_STATUS_UNSUPPORTED, "%s", result.text);
    cr_assert(strstr(result.text, "how long this aac input is cannot be told"), "%s", result.text);
}

Test(edits, a_start_in_a_file_that_has_nothing_to_seek_to_is_refused)
{
    media_make_mp4(&input, "+frag_keyframe+empty_moov+default_base_moof");
    input.size = (size_t)((uint8_t *)memmem(input.bytes, input.size, "moof", 4) - input.bytes) - 4;
    assert_ends("start=1", RMX_STATUS_UNSUPPORTED, "cannot be sought in");
}

Test(edits, a_start_too_far_from_its_key_frame_to_be_waited_for_is_refused)
{
    media_make_large_mp4(&input, 33 << 20);
    cr_assert_eq(run("matroska", false, (const char *[3]){ NULL }).status, RMX_STATUS_OK);
    media_free(&input);
    input = output; /* which goes forward */
    input.at = 0;
    output = (struct media){ 0 };
    struct rmx_job_result result = run("matroska", true, (const char *[3]){ "start=5" });

    cr_assert_eq(result.status, RMX_STATUS_OVER_LIMIT, "%s", result.text);
    cr_assert(strstr(result.text, "more lies between two key frames"), "%s", result.text);
}

Test(edits, tags_are_set_and_taken_away)
{
    media_make_mp4(&input, NULL);
    make("matroska", false,
        (const char *[3]){
            "metadata=title=A=B", "metadata:s:a=language=fra", "metadata:s:v:0=title=Picture" });
    cr_assert_str_eq(tag(written->metadata, "title"), "A=B");
    cr_assert_str_eq(tag(written->streams[1]->metadata, "language"), "fra");
    cr_assert_str_eq(tag(written->streams[0]->metadata, "title"), "Picture");
}

Test(edits, dispositions_take_the_place_of_the_inputs)
{
    media_make_mp4(&input, NULL);
    make("matroska", false, (const char *[3]){ "disposition:a=forced+comment", "disposition:v=0" });
    cr_assert_eq(written->streams[0]->disposition & AV_DISPOSITION_DEFAULT, 0);
    cr_assert(written->streams[1]->disposition & AV_DISPOSITION_FORCED);
    cr_assert(written->streams[1]->disposition & AV_DISPOSITION_COMMENT);
}

/* By so many degrees, counter-clockwise. */
static int32_t turned(void)
{
    for (int slot = 0; slot < rmx_avshim_side_data_count(written->streams[0]); slot++) {
        const AVPacketSideData *side = rmx_avshim_side_data(written->streams[0], slot);

        if (side->type == AV_PKT_DATA_DISPLAYMATRIX) {
            return (
                int32_t)(0.5 + av_display_rotation_get((const int32_t *)(const void *)side->data));
        }
    }
    return 0;
}

Test(edits, a_picture_is_turned_in_the_containers_own_way)
{
    media_make_mp4(&input, NULL);
    make("mp4", false, (const char *[3]){ "rotate:v=90" });
    cr_assert_eq(turned(), 90);
    make("mp4", false, (const char *[3]){ "metadata:s:v=rotate=90" });
    cr_assert_eq(turned(), 90, "as ffmpeg's tag of that name");
    make("mp4", false, (const char *[3]){ "metadata:s:v=rotate=much" });
    cr_assert_eq(turned(), 0, "no number, no turn");
}

Test(edits, what_only_the_input_can_tell_ends_the_job)
{
    media_make_mp4(&input, NULL);
    assert_ends("bsf:v=h264_metadata=levl=4", RMX_STATUS_BAD_OPTION, "no such option");
    assert_ends("bsf:v=h264_metadata=level=999", RMX_STATUS_BAD_OPTION, "does not take");
    assert_ends("bsf:v=null=a=b", RMX_STATUS_BAD_OPTION, "no options");
    assert_ends("bsf:v=vp9_superframe", RMX_STATUS_UNSUPPORTED, "is not for it");
    assert_ends("bsf:q=null", RMX_STATUS_BAD_OPTION, "not a stream specifier");
    assert_ends("disposition:q=0", RMX_STATUS_BAD_OPTION, "not a stream specifier");
    assert_ends("metadata:s:q=a=b", RMX_STATUS_BAD_OPTION, "not a stream specifier");
    assert_ends("metadata:c:0=title=x", RMX_STATUS_BAD_OPTION, "no chapter 0");
    assert_ends("metadata:p:3=title=x", RMX_STATUS_BAD_OPTION, "no program 3");
}

Test(edits, adts_that_the_job_unpacks_itself_still_gets_its_configuration)
{
    media_make_adts(&input);
    make("fmp4", false, (const char *[3]){ "bsf:a=aac_adtstoasc" });
    cr_assert_eq(written->streams[0]->codecpar->extradata_size, 2);
    cr_assert_eq(count(0), 10 * MEDIA_FRAMES);
}

Test(edits, times_that_an_expression_makes_are_borne_by_every_container)
{
    static const char *const formats[] = { "mp4", "fmp4", "cmaf", "mov", "mpegts", "matroska",
        "flv" };
    static const char *const wild[] = { "bsf=setts=ts=NOPTS", "bsf=setts=pts=NOPTS",
        "bsf=setts=dts=NOPTS", "bsf=setts=ts=9e18", "bsf=setts=ts=-9e18", "bsf=setts=duration=-5",
        "bsf=setts=ts=-1*TS", "bsf=setts=ts=TS*4e9", "bsf=setts=pts=PTS+4e9" };

    media_make_mp4(&input, NULL);
    for (size_t at = 0; at < sizeof(wild) / sizeof(*wild); at++) {
        for (size_t slot = 0; slot < sizeof(formats) / sizeof(*formats); slot++) {
            struct rmx_job_result result = run(formats[slot], false, (const char *[3]){ wild[at] });

            cr_assert(result.status == RMX_STATUS_OK || result.status == RMX_STATUS_UNSUPPORTED,
                "%s to %s: %s: %s", wild[at], formats[slot], rmx_status_name(result.status),
                result.text);
        }
    }
}
