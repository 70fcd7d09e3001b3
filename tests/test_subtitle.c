/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Text subtitles that become another codec's, in memory: what ffmpeg has to compare with is in
 * tests/conformance/subtitles.tsv; here is what it has not, and how a stream is refused.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/mem.h>

#include "engine/worker/remux.h"
#include "ipc/status.h"
#include "ring/base.h"
#include "tests/media.h"

#define CUE_BYTES_MAX 65536
#define HEADER_BYTES  (65536 + 1)

static struct media input;
static struct media output;
static AVFormatContext *written;

static const char two_cues[] = "1\n00:00:00,500 --> 00:00:01,000\n<b>one</b>\n\n"
                               "2\n00:00:02,000 --> 00:00:03,000\ntwo\n\n";

static void free_media(void)
{
    if (written) {
        media_close_demuxer(&written);
    }
    media_free(&input);
    media_free(&output);
}

TestSuite(subtitle, .fini = free_media, .timeout = 20);

static void give(const char *text)
{
    media_free(&input);
    input.size = strlen(text);
    input.room = input.size;
    input.bytes = av_memdup(text, input.size);
    cr_assert(input.bytes);
}

static struct rmx_job_result run(const char *format, uint32_t flags, const char *edit)
{
    struct rmx_job_spec spec = media_job(format);
    const char *why = "";

    spec.flags |= flags;
    if (edit) {
        cr_assert_eq(rmx_job_add_edit(&spec, edit), 0);
    }
    cr_assert_eq(rmx_job_check(&spec, &why), 0, "%s", why);
    if (written) {
        media_close_demuxer(&written);
    }
    media_free(&output);
    input.at = 0;
    return media_run(&spec, &input, &output);
}

static void make(const char *format, uint32_t flags, const char *edit)
{
    struct rmx_job_result result = run(format, flags, edit);

    cr_assert_eq(
        result.status, RMX_STATUS_OK, "%s: %s", rmx_status_name(result.status), result.text);
}

static void assert_ends(
    const char *format, const char *edit, enum rmx_status status, const char *sentence)
{
    struct rmx_job_result result = run(format, RMX_JOB_ALL_STREAMS, edit);

    cr_assert_eq(result.status, status, "%s: %s", rmx_status_name(result.status), result.text);
    cr_assert(strstr(result.text, sentence), "%s", result.text);
}

static void assert_text(const char *text)
{
    cr_assert_eq(output.size, strlen(text), "%.*s", (int)output.size, output.bytes);
    cr_assert_arr_eq(output.bytes, text, output.size);
}

/* What was written is what is read next. */
static void read_again(void)
{
    media_free(&input);
    input = output;
    output = (struct media){ 0 };
}

static void assert_cues(enum AVCodecID codec, unsigned cues)
{
    AVPacket *packet = av_packet_alloc();
    unsigned packets = 0;

    written = media_open(&output);
    cr_assert_eq(written->nb_streams, 1);
    cr_assert_eq(written->streams[0]->codecpar->codec_id, codec);
    while (av_read_frame(written, packet) >= 0) {
        packets += packet->size > 2; /* in MP4, two are a pause */
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    cr_assert_eq(packets, cues);
}

Test(subtitle, text_becomes_what_the_container_can_hold)
{
    static const char webvtt[] = "WEBVTT\n\n00:00.500 --> 00:01.000\n<b>one</b>\n\n"
                                 "00:02.000 --> 00:03.000\ntwo\n";

    give(two_cues);
    make("webvtt", RMX_JOB_BITEXACT, NULL);
    assert_text(webvtt);
    make("mp4", RMX_JOB_ALL_STREAMS, NULL);
    assert_cues(AV_CODEC_ID_MOV_TEXT, 2);
    make("matroska", RMX_JOB_ALL_STREAMS, NULL);
    assert_cues(AV_CODEC_ID_SUBRIP, 2);
    make("webm", 0, NULL);
    assert_cues(AV_CODEC_ID_WEBVTT, 2);
}

Test(subtitle, a_stream_is_as_good_as_a_file)
{
    give(two_cues);
    input.stream = true;
    make("fmp4", RMX_JOB_ALL_STREAMS, NULL);
    assert_cues(AV_CODEC_ID_MOV_TEXT, 2);
}

Test(subtitle, a_live_job_converts_them_too)
{
    give(two_cues);
    make("matroska", 0, NULL);
    read_again();
    input.stream = true;
    make("fmp4", RMX_JOB_LIVE | RMX_JOB_ALL_STREAMS, NULL);
    assert_cues(AV_CODEC_ID_MOV_TEXT, 2);
    read_again();
    input.stream = true;
    make("matroska", RMX_JOB_LIVE | RMX_JOB_ALL_STREAMS, NULL);
    assert_cues(AV_CODEC_ID_SUBRIP, 2);
}

Test(subtitle, a_text_goes_beside_the_pictures_of_another_input)
{
    struct rmx_job_spec spec = media_job("mp4");
    struct rmx_job_result result = { .job = spec.job };
    struct media film = { 0 };

    give(two_cues);
    media_make_mp4(&film, NULL);
    spec.inputs = 2;
    cr_assert_eq(rmx_job_add_map(&spec, "0:"), 0);
    cr_assert_eq(rmx_job_add_map(&spec, "1:"), 0);
    struct rmx_inlet inlet = { .io = {
                                   media_open_io(&film, false), media_open_io(&input, false) } };
    struct rmx_outlet outlet = { .io = { media_open_io(&output, true) } };

    rmx_remux_run(&spec, &inlet, &outlet, &result);
    cr_assert_eq(result.status, RMX_STATUS_OK, "%s", result.text);
    media_close_io(&inlet.io[0]);
    media_close_io(&inlet.io[1]);
    media_close_io(&outlet.io[0]);
    media_free(&film);
    written = media_open(&output);
    cr_assert_eq(written->nb_streams, 3);
    cr_assert_eq(written->streams[0]->codecpar->codec_id, AV_CODEC_ID_H264);
    cr_assert_eq(written->streams[2]->codecpar->codec_id, AV_CODEC_ID_MOV_TEXT);
}

Test(subtitle, there_and_back_is_the_same)
{
    give(two_cues);
    make("mp4", RMX_JOB_BITEXACT, "subtitles=mov_text");
    read_again();
    make("srt", RMX_JOB_BITEXACT, NULL);
    assert_text(two_cues);
}

/* A cue of so many letters, of which the demuxer makes lines. */
static void give_cue(size_t letters)
{
    static const char head[] = "1\n00:00:00,500 --> 00:00:01,000\n";
    size_t bytes = sizeof(head) - 1 + letters + 2;
    char *text = av_malloc(bytes + 1);

    cr_assert(text);
    memset(text, 'a', bytes);
    memcpy(text, head, sizeof(head) - 1);
    memcpy(text + bytes - 2, "\n\n", 3);
    give(text);
    av_free(text);
}

Test(subtitle, a_cue_has_its_most)
{
    give_cue(CUE_BYTES_MAX);
    assert_ends("webvtt", NULL, RMX_STATUS_UNSUPPORTED, "a cue is too long to become webvtt");
    make("srt", 0, NULL); /* as it is, it may be as long as it likes */
    give_cue(CUE_BYTES_MAX - 100);
    make("mp4", RMX_JOB_ALL_STREAMS, NULL);
    assert_cues(AV_CODEC_ID_MOV_TEXT, 1);
}

Test(subtitle, markup_that_grows_has_its_most_too)
{
    static char text[65536];
    char name[30001] = { 0 };
    int used;

    memset(name, 'x', sizeof(name) - 1);
    used = snprintf(text, sizeof(text),
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname\n"
        "Style: Big,%s\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, "
        "MarginV, Effect, Text\nDialogue: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,",
        name);
    for (int slot = 0; slot < 100; slot++) {
        used += snprintf(text + used, sizeof(text) - (size_t)used, "{\\rBig}x");
    }
    give(text);
    assert_ends("srt", NULL, RMX_STATUS_UNSUPPORTED, "a cue does not fit in subrip");
    make("webvtt", 0, NULL); /* which has no fonts */
}

Test(subtitle, a_header_has_its_most)
{
    static char text[HEADER_BYTES + 512];
    int head = snprintf(text, sizeof(text), "[Script Info]\nScriptType: v4.00+\n;");

    memset(text + head, 'x', HEADER_BYTES);
    snprintf(text + HEADER_BYTES, sizeof(text) - HEADER_BYTES,
        "\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, "
        "Text\nDialogue: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,one\n");
    give(text);
    assert_ends("webvtt", NULL, RMX_STATUS_OVER_LIMIT, "65536 bytes at most");
    make("ass", 0, NULL);
}

Test(subtitle, what_cannot_be_read_is_left_out)
{
    give("1\n00:00:00,500 --> 00:00:01,000\nb\xe9\x80\n\n"
         "2\n00:00:02,000 --> 00:00:03,000\nbon\n\n");
    struct rmx_job_result result = run("mp4", RMX_JOB_ALL_STREAMS, NULL);

    cr_assert_eq(result.status, RMX_STATUS_OK);
    cr_assert_str_eq(result.text, "stream 0: a cue that cannot be read was left out");
    assert_cues(AV_CODEC_ID_MOV_TEXT, 1);
}

/* A stream of pictures, with one that is none. */
static void give_pictures(void)
{
    AVFormatContext *muxer = NULL;
    AVPacket *packet = av_packet_alloc();

    media_free(&input);
    rmx_assert(avformat_alloc_output_context2(&muxer, NULL, "matroska", NULL) >= 0);
    AVStream *stream = avformat_new_stream(muxer, NULL);

    rmx_assert(stream);
    stream->codecpar->codec_type = AVMEDIA_TYPE_SUBTITLE;
    stream->codecpar->codec_id = AV_CODEC_ID_HDMV_PGS_SUBTITLE;
    muxer->pb = media_open_io(&input, true);
    rmx_assert(avformat_write_header(muxer, NULL) >= 0);
    rmx_assert(packet && av_new_packet(packet, 3) >= 0);
    memcpy(packet->data, "\x80\0\0", 3); /* the end of a picture */
    packet->pts = packet->dts = 0;
    rmx_assert(av_interleaved_write_frame(muxer, packet) >= 0);
    av_packet_free(&packet);
    rmx_assert(av_write_trailer(muxer) >= 0);
    media_close_io(&muxer->pb);
    avformat_free_context(muxer);
}

Test(subtitle, pictures_are_copied_or_refused)
{
    give_pictures();
    make("matroska", RMX_JOB_ALL_STREAMS, NULL);
    assert_ends("mp4", NULL, RMX_STATUS_UNSUPPORTED, "hdmv_pgs_subtitle");
    assert_ends("mp4", "subtitles=mov_text", RMX_STATUS_UNSUPPORTED,
        "stream 0 is hdmv_pgs_subtitle, which cannot be converted");
    assert_ends("matroska", "subtitles=srt", RMX_STATUS_UNSUPPORTED, "leave it out");
    make("matroska", RMX_JOB_ALL_STREAMS, "subtitles=copy");
}

Test(subtitle, whose_they_are_is_an_output_stream)
{
    give(two_cues);
    assert_ends("mp4", "subtitles:q=srt", RMX_STATUS_BAD_OPTION, "not a stream specifier");
    assert_ends("mp4", "subtitles=none", RMX_STATUS_NO_STREAMS, "");
    assert_ends("mp4", "subtitles=copy", RMX_STATUS_UNSUPPORTED, "");
    make("mp4", RMX_JOB_ALL_STREAMS, "subtitles:a=copy"); /* of no concern */
}
