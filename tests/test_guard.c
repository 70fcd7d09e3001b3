/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Streams that a muxer would not survive.
 */
#include "engine/worker/guard.h"

#include <criterion/criterion.h>
#include <string.h>

#include <libavformat/avformat.h>

static AVFormatContext *muxer;
static struct rmx_words words;

static AVCodecParameters *add_stream(const char *name, enum AVMediaType type, enum AVCodecID codec)
{
    if (!muxer) {
        cr_assert_geq(avformat_alloc_output_context2(&muxer, NULL, name, NULL), 0);
    }
    AVStream *stream = avformat_new_stream(muxer, NULL);

    cr_assert_not_null(stream);
    stream->codecpar->codec_type = type;
    stream->codecpar->codec_id = codec;
    return stream->codecpar;
}

static void free_muxer(void)
{
    avformat_free_context(muxer);
    muxer = NULL;
}

TestSuite(guard, .fini = free_muxer);

Test(guard, a_palette_of_more_colours_than_its_bits_can_say_is_not_for_avi)
{
    AVCodecParameters *picture = add_stream("avi", AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_RAWVIDEO);

    picture->format = AV_PIX_FMT_PAL8;
    picture->bits_per_coded_sample = 8;
    cr_assert_eq(rmx_guard_streams(muxer, &words), RMX_STATUS_OK);
    picture->bits_per_coded_sample = 24;
    cr_assert_eq(rmx_guard_streams(muxer, &words), RMX_STATUS_UNSUPPORTED);
    cr_assert_not_null(strstr(words.text, "24 bits"), "%s", words.text);
    picture->format = AV_PIX_FMT_BGR24;
    cr_assert_eq(rmx_guard_streams(muxer, &words), RMX_STATUS_OK);
}

Test(guard, a_rate_that_no_program_stream_can_have_is_not_known)
{
    AVCodecParameters *picture = add_stream("mpeg", AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_MPEG2VIDEO);
    AVCodecParameters *sound = add_stream("mpeg", AVMEDIA_TYPE_AUDIO, AV_CODEC_ID_MP2);

    picture->bit_rate = -10400;
    sound->bit_rate = INT64_C(1) << 40;
    cr_assert_eq(rmx_guard_streams(muxer, &words), RMX_STATUS_OK);
    cr_assert_eq(picture->bit_rate, 0);
    cr_assert_eq(sound->bit_rate, 0);
    sound->bit_rate = 192000;
    cr_assert_eq(rmx_guard_streams(muxer, &words), RMX_STATUS_OK);
    cr_assert_eq(sound->bit_rate, 192000);
}

Test(guard, texts_are_not_for_program_streams)
{
    add_stream("dvd", AVMEDIA_TYPE_SUBTITLE, AV_CODEC_ID_DVD_SUBTITLE);
    cr_assert_eq(rmx_guard_streams(muxer, &words), RMX_STATUS_OK);
    add_stream("dvd", AVMEDIA_TYPE_SUBTITLE, AV_CODEC_ID_WEBVTT);
    cr_assert_eq(rmx_guard_streams(muxer, &words), RMX_STATUS_UNSUPPORTED);
    cr_assert_not_null(strstr(words.text, "those of DVDs"), "%s", words.text);
}

Test(guard, packets_without_bytes_are_not_for_program_streams)
{
    add_stream("svcd", AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_MPEG2VIDEO);
    cr_assert(rmx_guard_wants_bytes(muxer));
    free_muxer();
    add_stream("mp4", AVMEDIA_TYPE_VIDEO, AV_CODEC_ID_MPEG2VIDEO);
    cr_assert_not(rmx_guard_wants_bytes(muxer));
}
