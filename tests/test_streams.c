/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which streams a job takes, which options its muxer gets, and which tags its output: what is
 * decided before the first packet.
 */
#include "engine/worker/streams.h"

#include <criterion/criterion.h>
#include <string.h>

#include "engine/worker/metadata.h"
#include "engine/worker/options.h"
#include "ring/base.h"
#include "tests/media.h"

static AVFormatContext *demuxer;
static AVFormatContext *muxer;
static struct rmx_streams streams;
static struct rmx_words words;
static struct rmx_job_spec spec;

static AVStream *add_stream(AVFormatContext *to, enum AVMediaType type, enum AVCodecID codec)
{
    AVStream *stream = avformat_new_stream(to, NULL);

    rmx_assert(stream);
    stream->codecpar->codec_type = type;
    stream->codecpar->codec_id = codec;
    return stream;
}

/* 0 cover, 1 small video, 2 mono, 3 stereo, 4 large video, 5 text, 6 data */
static void open_all(void)
{
    demuxer = avformat_alloc_context();
    demuxer->iformat = av_find_input_format("mov");
    rmx_assert(demuxer->iformat && avformat_alloc_output_context2(&muxer, NULL, "mp4", NULL) >= 0);
    add_stream(demuxer, AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_MJPEG)->disposition =
        AV_DISPOSITION_ATTACHED_PIC;
    add_stream(demuxer, AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_H264)->codecpar->width = 320;
    add_stream(demuxer, AVMEDIA_TYPE_AUDIO, AV_CODEC_ID_AAC)->codecpar->ch_layout.nb_channels = 1;
    add_stream(demuxer, AVMEDIA_TYPE_AUDIO, AV_CODEC_ID_AAC)->codecpar->ch_layout.nb_channels = 2;
    add_stream(demuxer, AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_H264)->codecpar->width = 640;
    add_stream(demuxer, AVMEDIA_TYPE_SUBTITLE, AV_CODEC_ID_MOV_TEXT);
    add_stream(demuxer, AVMEDIA_TYPE_DATA, AV_CODEC_ID_NONE);
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        demuxer->streams[slot]->codecpar->height = 100;
    }
    demuxer->streams[0]->codecpar->width = 9999;
    spec = media_job("mp4");
}

static void close_all(void)
{
    rmx_streams_fini(&streams);
    avformat_free_context(demuxer);
    avformat_free_context(muxer);
}

TestSuite(streams, .init = open_all, .fini = close_all);
TestSuite(options, .init = open_all, .fini = close_all);
TestSuite(metadata, .init = open_all, .fini = close_all);

/* wanted: the chosen streams as digits. */
static void assert_chosen(const char *wanted)
{
    char chosen[32] = { 0 };
    const struct rmx_streams_pool pool = { .demuxers = { demuxer }, .count = 1 };
    enum rmx_status status = rmx_streams_choose(&streams, &pool, muxer->oformat, &spec, &words);

    cr_assert_eq(status, RMX_STATUS_OK, "%s", words.text);
    rmx_streams_skip(demuxer);
    rmx_streams_want(&streams, &pool);
    for (unsigned slot = 0; slot < streams.count; slot++) {
        chosen[slot] = (char)('0' + streams.source[slot].stream);
    }
    cr_assert_str_eq(chosen, wanted);
}

static void assert_refused(enum rmx_status wanted)
{
    const struct rmx_streams_pool pool = { .demuxers = { demuxer }, .count = 1 };

    cr_assert_eq(rmx_streams_choose(&streams, &pool, muxer->oformat, &spec, &words), wanted);
    cr_assert_neq(words.text[0], '\0');
}

static void map(const char *text)
{
    cr_assert_eq(rmx_job_add_map(&spec, text), 0);
}

Test(streams, the_usual_choice_is_the_largest_picture_and_the_most_channels)
{
    assert_chosen("43");
    cr_assert_eq(demuxer->streams[1]->discard, AVDISCARD_ALL);
    cr_assert_neq(demuxer->streams[4]->discard, AVDISCARD_ALL);
}

Test(streams, a_default_beats_a_larger_one)
{
    demuxer->streams[1]->disposition = AV_DISPOSITION_DEFAULT;
    demuxer->streams[2]->disposition = AV_DISPOSITION_DEFAULT;
    assert_chosen("12");
}

Test(streams, the_first_text_comes_along_where_the_container_has_text)
{
    avformat_free_context(muxer);
    rmx_assert(avformat_alloc_output_context2(&muxer, NULL, "matroska", NULL) >= 0);
    assert_chosen("435");
}

Test(streams, all_means_all_in_the_order_of_the_input)
{
    spec.flags = RMX_JOB_ALL_STREAMS;
    assert_chosen("0123456");
}

Test(streams, maps_choose_in_their_own_order_and_may_repeat)
{
    map("a:1");
    map("v:1");
    map("3");
    assert_chosen("313");
}

Test(streams, a_map_with_a_minus_takes_out_again)
{
    spec.flags = RMX_JOB_ALL_STREAMS;
    map("-d");
    map("-v:0");
    assert_chosen("12345");
}

Test(streams, a_map_that_matches_nothing_is_an_error_unless_it_may)
{
    map("a");
    map("t?");
    assert_chosen("23");
    rmx_streams_fini(&streams);
    map("t");
    assert_refused(RMX_STATUS_NO_STREAMS);
}

Test(streams, a_map_that_is_none_is_a_bad_option)
{
    map("a:b:c");
    assert_refused(RMX_STATUS_BAD_OPTION);
}

Test(streams, taking_everything_out_leaves_no_streams)
{
    map("a");
    map("-a");
    assert_refused(RMX_STATUS_NO_STREAMS);
}

Test(streams, what_libavformat_cannot_name_is_not_dropped_in_silence)
{
    demuxer->streams[6]->codecpar->codec_type = AVMEDIA_TYPE_UNKNOWN;
    spec.flags = RMX_JOB_ALL_STREAMS;
    assert_refused(RMX_STATUS_UNSUPPORTED);
}

Test(streams, a_stream_whose_index_was_dropped_is_over_the_limit)
{
    demuxer->streams[3]->nb_frames = 1000000;
    assert_refused(RMX_STATUS_OVER_LIMIT);
}

/* --- options --------------------------------------------------------------------------------- */

static enum rmx_status apply(const char *of_container, const char *pair)
{
    spec = media_job("mp4");
    cr_assert_eq(rmx_job_add_option(&spec, pair), 0);
    return rmx_options_apply(muxer, of_container, &spec, &words);
}

Test(options, flags_of_the_job_add_to_those_of_the_container)
{
    cr_assert_eq(apply("movflags=+empty_moov", "movflags=+frag_every_frame"), RMX_STATUS_OK);
    cr_assert(rmx_options_has_flag(muxer, "movflags", "empty_moov"));
    cr_assert(rmx_options_has_flag(muxer, "movflags", "frag_every_frame"));
    cr_assert_not(rmx_options_has_flag(muxer, "movflags", "cmaf"));
    cr_assert_not(rmx_options_has_flag(muxer, "tapeflags", "rewind"));
}

Test(options, a_slip_of_the_pen_is_answered_with_the_right_name)
{
    cr_assert_eq(apply("", "movflag=+dash"), RMX_STATUS_BAD_OPTION);
    cr_assert_not_null(strstr(words.text, "'movflags'"), "%s", words.text);
}

Test(options, what_reads_the_output_again_is_left_to_who_delivers_it)
{
    cr_assert_eq(apply("", "movflags=+faststart+write_colr"), RMX_STATUS_OK);
    cr_assert(rmx_options_has_flag(muxer, "movflags", "write_colr"));
    cr_assert_not(rmx_options_has_flag(muxer, "movflags", "faststart"));
    cr_assert_eq(apply("", "movflags=faststart"), RMX_STATUS_OK);
    cr_assert(rmx_options_has_flag(muxer, "movflags", "write_colr"), "nothing was said of it");
    cr_assert_not(rmx_options_has_flag(muxer, "movflags", "faststart"));
}

Test(options, what_would_read_the_output_again_for_nothing_is_refused)
{
    spec = media_job("fmp4");
    cr_assert_eq(rmx_job_add_option(&spec, "movflags=+faststart"), 0);
    cr_assert_eq(rmx_options_apply(muxer, "", &spec, &words), RMX_STATUS_BAD_OPTION);
    cr_assert_not_null(strstr(words.text, "faststart"), "%s", words.text);
}

Test(options, container_sets_several_of_its_own)
{
    cr_assert_eq(apply("movflags=+empty_moov brand=test", "movflags=+cmaf"), RMX_STATUS_OK);
    cr_assert(rmx_options_has_flag(muxer, "movflags", "empty_moov"));
    cr_assert(rmx_options_has_flag(muxer, "movflags", "cmaf"));
}

Test(options, what_is_not_on_the_list_is_refused_though_the_muxer_knows_it)
{
    cr_assert_eq(apply("", "encryption_key=00"), RMX_STATUS_BAD_OPTION);
    cr_assert_eq(apply("", "movflags=+frag_custom"), RMX_STATUS_BAD_OPTION);
    cr_assert_eq(apply("", "movflags=1"), RMX_STATUS_BAD_OPTION);
}

Test(options, a_value_out_of_range_is_refused)
{
    cr_assert_eq(apply("", "frag_duration=601000000"), RMX_STATUS_BAD_OPTION);
    cr_assert_eq(apply("", "frag_duration=soon"), RMX_STATUS_BAD_OPTION);
    cr_assert_eq(apply("", "frag_duration=2000000"), RMX_STATUS_OK);
}

Test(options, an_option_of_another_container_is_refused)
{
    cr_assert_eq(apply("", "cluster_time_limit=5"), RMX_STATUS_BAD_OPTION);
    cr_assert_not_null(strstr(words.text, "this container has no"), "%s", words.text);
}

/* --- metadata -------------------------------------------------------------------------------- */

Test(metadata, tags_that_were_only_true_of_the_input_stay_behind)
{
    av_dict_set(&demuxer->metadata, "title", "Sintel", 0);
    av_dict_set(&demuxer->metadata, "creation_time", "2010-09-27", 0);
    cr_assert_eq(rmx_metadata_copy(muxer, demuxer, false), 0);
    cr_assert_str_eq(av_dict_get(muxer->metadata, "title", NULL, 0)->value, "Sintel");
    cr_assert_null(av_dict_get(muxer->metadata, "creation_time", NULL, 0));
}

Test(metadata, chapters_move_with_the_packets_and_those_before_the_start_go)
{
    AVChapter chapters[2] = {
        { .id = 1, .time_base = { 1, 1000 }, .start = 0, .end = 900 },
        { .id = 2, .time_base = { 1, 1000 }, .start = 900, .end = 5000 },
    };
    AVChapter *list[] = { &chapters[0], &chapters[1] };
    AVFormatContext *from = avformat_alloc_context();
    const struct rmx_metadata_chapters all = {
        .ts_offset = -1000000,
        .duration_us = INT64_MAX,
        .tags = true,
    };

    from->chapters = list;
    from->nb_chapters = 2;
    cr_assert_eq(rmx_metadata_copy_chapters(muxer, from, &all), 0);
    from->chapters = NULL;
    from->nb_chapters = 0;
    avformat_free_context(from);
    cr_assert_eq(muxer->nb_chapters, 1);
    cr_assert_eq(muxer->chapters[0]->id, 2);
    cr_assert_eq(muxer->chapters[0]->start, 0);
    cr_assert_eq(muxer->chapters[0]->end, 4000);
}

Test(metadata, the_first_of_several_becomes_the_default_but_not_a_cover)
{
    add_stream(muxer, AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_MJPEG)->disposition =
        AV_DISPOSITION_ATTACHED_PIC;
    add_stream(muxer, AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_H264);
    add_stream(muxer, AVMEDIA_TYPE_AUDIO, AV_CODEC_ID_AAC);
    rmx_metadata_mark_defaults(muxer);
    cr_assert_eq(muxer->streams[0]->disposition, AV_DISPOSITION_ATTACHED_PIC);
    cr_assert_eq(muxer->streams[1]->disposition, AV_DISPOSITION_DEFAULT);
    cr_assert_eq(muxer->streams[2]->disposition, 0, "alone, it need not say so");
}
