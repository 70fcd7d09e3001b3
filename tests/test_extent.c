/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much an input promises to hold, where no demuxer is needed to know it.
 */
#include "engine/worker/extent.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/media.h"

static int64_t missing_end(const uint8_t *bytes, size_t count, const char *format)
{
    uint8_t copy[512] = { 0 };
    struct media media = { .bytes = copy, .size = count };
    struct rmx_extent extent;
    AVFormatContext *demuxer = NULL;

    memcpy(copy, bytes, count);
    AVIOContext *io = media_open_io(&media, false);

    if (format) {
        demuxer = avformat_alloc_context();
        demuxer->iformat = av_find_input_format(format);
    }
    rmx_extent_begin(&extent, io);
    cr_assert_eq(avio_tell(io), 0, "nothing is taken from the demuxer");
    int64_t end = rmx_extent_missing_end(&extent, demuxer, io);

    media_close_io(&io);
    avformat_free_context(demuxer);
    return end;
}

Test(extent, a_box_that_goes_past_the_end_says_how_far)
{
    static const uint8_t boxes[] = "\0\0\0\x10"
                                   "ftypisom\0\0\2\0"
                                   "\0\0\1\0"
                                   "mdat........";

    cr_assert_eq(missing_end(boxes, 32, NULL), 16 + 256);
}

Test(extent, a_box_of_64_bit_size_is_followed)
{
    static const uint8_t box[] = "\0\0\0\1"
                                 "mdat"
                                 "\0\0\0\1\0\0\0\0";

    cr_assert_eq(missing_end(box, 16, NULL), 1LL << 32);
}

Test(extent, whole_boxes_miss_nothing)
{
    static const uint8_t boxes[] = "\0\0\0\x10"
                                   "ftypisom\0\0\2\0"
                                   "\0\0\0\x10"
                                   "mdat........";

    cr_assert_eq(missing_end(boxes, 32, NULL), 0);
}

Test(extent, bytes_that_are_no_box_promise_nothing)
{
    static const uint8_t bytes[] = "\x7f\0\0\0nobox not a box";

    cr_assert_eq(missing_end(bytes, sizeof(bytes), "mov"), 0);
}

Test(extent, riff_knows_its_size_unless_it_was_written_as_a_stream)
{
    uint8_t riff[] = "RIFF\0\1\0\0WAVEfmt ";

    cr_assert_eq(missing_end(riff, 16, "wav"), 256 + 8);
    memset(riff + 4, 0xff, 4);
    cr_assert_eq(missing_end(riff, 16, "wav"), 0);
    memset(riff + 4, 0, 4);
    cr_assert_eq(missing_end(riff, 16, "wav"), 0);
}

Test(extent, a_segment_knows_its_size_unless_it_is_live)
{
    uint8_t ebml[24] = { 0x1a, 0x45, 0xdf, 0xa3, 0x84, 0, 0, 0, 0, 0x18, 0x53, 0x80, 0x67, 0x41,
        0x00 };

    cr_assert_eq(missing_end(ebml, sizeof(ebml), "matroska"), 15 + 256);
    ebml[13] = 0xff;
    cr_assert_eq(missing_end(ebml, sizeof(ebml), "matroska"), 0);
}

Test(extent, mpegts_ends_with_a_whole_packet)
{
    uint8_t packets[376] = { 0x47 };

    cr_assert_eq(missing_end(packets, 376, "mpegts"), 0);
    cr_assert_eq(missing_end(packets, 300, "mpegts"), 376);
    cr_assert_eq(missing_end(packets, 192, "mpegts"), 0, "with a timestamp before each");
}

Test(extent, flv_ends_with_the_size_of_its_last_tag)
{
    uint8_t flv[13 + 11 + 2 + 4] = "FLV\1\1\0\0\0\x9\0\0\0\0\x9\0\0\2";

    flv[sizeof(flv) - 1] = 11 + 2;
    cr_assert_eq(missing_end(flv, sizeof(flv), "flv"), 0);
    cr_assert_eq(missing_end(flv, sizeof(flv) - 1, "flv"), (int64_t)sizeof(flv));
}

Test(extent, a_stream_that_was_not_read_to_its_end_promises_nothing)
{
    uint8_t bytes[] = "RIFF\0\1\0\0WAVEfmt ";
    struct media media = { .bytes = bytes, .size = 16, .stream = true };
    AVIOContext *io = media_open_io(&media, false);
    struct rmx_extent extent;

    rmx_extent_begin(&extent, io);
    avio_seek(io, 0, SEEK_SET);
    cr_assert_eq(rmx_extent_missing_end(&extent, NULL, io), 0);
    media_close_io(&io);
}
