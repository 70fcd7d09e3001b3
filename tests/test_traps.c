/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The traps of a long-lived process that runs libavformat for strangers, and where each is tried:
 *
 *    1  bytes that probe as hls, dash, concat     here; test_remux
 *    2  io_open alone stops not all of them       here (all three lists); test_sandbox
 *    3  data references, lists of pictures        here
 *    4  indexes of gigabytes                      here (the purse); test_bombs; test_worker_memory
 *    5  decoders on foreign bytes                 here
 *    6  a decoded picture only to learn its kind  test_sps; the conformance runs
 *    7  what may be skipped for which container   the conformance runs
 *    8  five seconds of a live transport stream   test_live
 *    9  packets lost while probing a stream       test_remux; test_live (every packet comes out)
 *   10  AAC and tags from one container to another  test_remux; test_parts
 *   11  faststart that opens its output again     test_rehearsal; test_faststart; test_e2e_spool
 *   12  a flush for each packet, a silent stream  test_live; test_pace
 *   13  cuts relative to the first packet         test_parts; the conformance runs
 *   14  counters that go on from part to part     test_parts
 *   15  times and names in the output             test_remux (bitexact)
 *   16  growth in endless jobs                    test_renew; test_live
 *   17  I/O buffers that leak                     test_e2e_leaks; the ASan runs
 *   18  one thread, logs that block               test_desk; the TSan runs
 *   19  loops that ask nobody whether to stop     test_watchdog; test_e2e_stuck
 *   20  an end that is none                       test_remux (truncated); test_extent; test_avio
 *   21  memory that stays                         test_e2e_recycle; test_backpressure
 *   22  other versions of the library             engine/worker/avshim.h; the CI builds
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/dict.h>

#include "engine/worker/fence.h"
#include "engine/worker/purse.h"
#include "ipc/status.h"
#include "tests/media.h"

#define MIB ((size_t)1 << 20)

static struct media input;
static struct media output;

static void forget(void)
{
    media_free(&input);
    media_free(&output);
}

TestSuite(traps, .fini = forget, .timeout = 60);

static struct rmx_job_result run(const char *bytes, const char *forced)
{
    struct rmx_job_spec spec = media_job("mpegts");

    if (forced != NULL) {
        cr_assert_eq(rmx_job_set_name(&spec.input_format, forced), 0);
    }
    forget();
    input.size = strlen(bytes);
    input.bytes = malloc(input.size + 1);
    cr_assert_not_null(input.bytes);
    memcpy(input.bytes, bytes, input.size);
    return media_run(&spec, &input, &output);
}

/* --- 1 and 3: lists of other files ------------------------------------------------------------ */

static const struct {
    const char *bytes;
    const char *what;
} lists[] = {
    { "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:5,\nhttp://127.0.0.1/a.ts\n", "HLS" },
    { "\xef\xbb\xbf\r\n#EXTM3U\nfile:///etc/passwd\n", "HLS" },
    { "<?xml version=\"1.0\"?>\n<!-- x -->\n<MPD><BaseURL>http://127.0.0.1/</BaseURL></MPD>",
        "DASH" },
    { "<MPD mediaPresentationDuration=\"PT5S\"></MPD>", "DASH" },
    { "ffconcat version 1.0\nfile /etc/passwd\n", "concat" },
    { "file '/etc/passwd'\nfile '/etc/group'\n", "concat" },
    { "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n", "SDP" },
    { "RTSPtext\nrtsp://127.0.0.1/a\n", "RTSP" },
    { "rtsp://127.0.0.1/a\n", "addresses" },
    { "<?xml version=\"1.0\"?><SmoothStreamingMedia/>", "Smooth" },
    { "<?xml version=\"1.0\"?><CompositionPlaylist xmlns=\"x\"/>", "IMF" },
    { "<smil><body><video src=\"a\"/></body></smil>", "SMIL" },
    { "<ASX version=\"3.0\"><Entry/></ASX>", "ASX" },
    { "[playlist]\nFile1=/etc/passwd\n", "PLS" },
    { "# VobSub index file, v7\nid: en, index: 0\n", "VobSub" },
    { "http://127.0.0.1/a.jpg\nhttp://127.0.0.1/b.jpg\n", "addresses" },
};

Test(traps, a_list_of_other_files_is_refused_by_name)
{
    for (size_t slot = 0; slot < sizeof(lists) / sizeof(*lists); slot++) {
        struct rmx_job_result result = run(lists[slot].bytes, NULL);

        cr_assert_eq(result.status, RMX_STATUS_UNSUPPORTED, "%s: %s", lists[slot].what,
            rmx_status_name(result.status));
        cr_assert_not_null(strstr(result.text, lists[slot].what), "%s", result.text);
        cr_assert_not_null(strstr(result.text, "never opened"), "%s", result.text);
        cr_assert_eq(output.size, 0);
    }
}

Test(traps, a_demuxer_that_opens_others_is_refused_though_it_is_asked_for)
{
    static const char *const formats[] = { "hls", "dash", "concat", "sdp", "rtsp", "rtp", "image2",
        "imf", "vobsub", "lavfi", "png_pipe", "tty", "rawvideo" };

    for (size_t slot = 0; slot < sizeof(formats) / sizeof(*formats); slot++) {
        struct rmx_job_result result = run(lists[0].bytes, formats[slot]);

        cr_assert(result.status == RMX_STATUS_UNSUPPORTED || result.status == RMX_STATUS_BAD_OPTION,
            "%s: %s", formats[slot], rmx_status_name(result.status));
        cr_assert_neq(result.text[0], '\0', "%s", formats[slot]);
    }
}

Test(traps, a_picture_is_no_media)
{
    struct rmx_job_result result = run("GIF89a\1\1\1\1\1\1\1\1\1\1\1\1", NULL);

    cr_assert(result.status == RMX_STATUS_UNSUPPORTED || result.status == RMX_STATUS_BAD_MEDIA,
        "%s", rmx_status_name(result.status));
}

/* --- 2: all three lists, and nothing to open -------------------------------------------------- */

Test(traps, a_fenced_context_has_every_list_and_opens_nothing)
{
    AVFormatContext *context = avformat_alloc_context();
    AVIOContext *io = NULL;

    cr_assert_not_null(context);
    cr_assert_eq(rmx_fence_close(context), 0);
    cr_assert_not_null(context->format_whitelist);
    cr_assert_not_null(context->codec_whitelist);
    cr_assert_str_eq(context->protocol_whitelist, "none");
    cr_assert_eq(
        context->io_open(context, &io, "/etc/passwd", AVIO_FLAG_READ, NULL), AVERROR(EACCES));
    cr_assert_null(io);
    avformat_free_context(context);
}

/* --- 3: data references ----------------------------------------------------------------------- */

Test(traps, data_references_stay_off_whatever_the_default)
{
    AVDictionary *options = NULL;

    rmx_fence_add_options(&options);
    cr_assert_str_eq(av_dict_get(options, "enable_drefs", NULL, 0)->value, "0");
    cr_assert_str_eq(av_dict_get(options, "use_absolute_path", NULL, 0)->value, "0");
    av_dict_free(&options);
}

/* --- 4: what an input is worth ---------------------------------------------------------------- */

static void expect_verdict(enum rmx_status status, const char *words)
{
    char text[RMX_JOB_TEXT_BYTES] = "";

    cr_assert_eq(rmx_purse_judge(text, sizeof(text)), status);
    cr_assert_not_null(strstr(text, words), "%s", text);
}

/* As the heap does. */
static bool take(size_t bytes)
{
    bool allowed = rmx_purse_allows(bytes);

    if (allowed) {
        rmx_purse_charge(bytes);
    } else {
        rmx_purse_refuse(bytes);
    }
    return allowed;
}

Test(traps, a_job_has_what_its_input_is_worth_and_no_more)
{
    struct rmx_purse purse;

    rmx_purse_open(&purse, 256 * MIB);
    rmx_purse_hold(&purse);
    rmx_purse_earn(667);
    cr_assert(take(16 * MIB));
    cr_assert(take(667 * RMX_PURSE_WORTH));
    expect_verdict(RMX_STATUS_OK, "");
    cr_assert_not(take(1));
    expect_verdict(RMX_STATUS_OVER_LIMIT, "0 KiB of input are worth 16425 KiB");
    rmx_purse_hold(NULL);
}

Test(traps, what_is_given_back_may_be_had_again)
{
    struct rmx_purse purse;

    rmx_purse_open(&purse, 256 * MIB);
    rmx_purse_hold(&purse);
    cr_assert(take(16 * MIB));
    rmx_purse_refund(MIB);
    cr_assert(take(MIB));
    rmx_purse_earn(MIB);
    cr_assert(take(64 * MIB), "more input came");
    expect_verdict(RMX_STATUS_OK, "");
    rmx_purse_hold(NULL);
}

Test(traps, no_input_is_worth_more_than_a_job_may_have)
{
    struct rmx_purse purse;

    rmx_purse_open(&purse, 32 * MIB);
    rmx_purse_hold(&purse);
    rmx_purse_earn(UINT64_MAX);
    rmx_purse_earn(UINT64_MAX);
    cr_assert(take(32 * MIB));
    cr_assert_not(take(1));
    expect_verdict(RMX_STATUS_OVER_LIMIT, "job_memory_bytes");
    rmx_purse_hold(NULL);
}

Test(traps, a_decoder_has_all_that_the_job_may_have)
{
    struct rmx_purse purse;

    rmx_purse_open(&purse, 64 * MIB);
    rmx_purse_hold(&purse);
    rmx_purse_widen(true);
    cr_assert(take(64 * MIB));
    rmx_purse_refund(64 * MIB);
    rmx_purse_widen(false);
    cr_assert_not(take(64 * MIB));
    rmx_purse_hold(NULL);
}

Test(traps, without_a_limit_nothing_is_refused)
{
    struct rmx_purse purse;

    rmx_purse_open(&purse, 0);
    rmx_purse_hold(&purse);
    cr_assert(take((size_t)1 << 40));
    rmx_purse_hold(NULL);
    cr_assert(take((size_t)1 << 40), "nor between turns");
    rmx_purse_refund((size_t)1 << 40);
}

/* --- 5: decoders ------------------------------------------------------------------------------ */

Test(traps, decoders_of_other_libraries_and_of_pictures_are_never_opened)
{
    static const enum AVCodecID never[] = { AV_CODEC_ID_SVG, AV_CODEC_ID_JPEGXL, AV_CODEC_ID_EXR,
        AV_CODEC_ID_DVB_TELETEXT, AV_CODEC_ID_CODEC2, AV_CODEC_ID_JPEG2000, AV_CODEC_ID_ANSI };
    static const enum AVCodecID needed[] = { AV_CODEC_ID_H264, AV_CODEC_ID_HEVC, AV_CODEC_ID_VP9,
        AV_CODEC_ID_AAC, AV_CODEC_ID_OPUS, AV_CODEC_ID_MP3 };

    for (size_t slot = 0; slot < sizeof(never) / sizeof(*never); slot++) {
        cr_assert_null(rmx_fence_decoder(never[slot]), "%s", avcodec_get_name(never[slot]));
    }
    for (size_t slot = 0; slot < sizeof(needed) / sizeof(*needed); slot++) {
        cr_assert_not_null(rmx_fence_decoder(needed[slot]), "%s", avcodec_get_name(needed[slot]));
    }
}
