/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Boxes whose sizes are written last, where nothing can be patched: by hand, and through a sink.
 */
#include "engine/worker/hold.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <libavformat/avio.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "engine/worker/parts.h"
#include "tests/ends.h"

#define STREAM_MAX  4096u
#define SLOTS       4u
#define CHUNK_BYTES 512u

static struct {
    unsigned char bytes[STREAM_MAX];
    size_t filled;
    unsigned calls;
    int error; /* what the next call returns */
} passed;

static int pass(void *owner, uint64_t at, const unsigned char *bytes, size_t size)
{
    cr_assert(owner == &passed && size > 0);
    cr_assert_eq(at, passed.filled, "in order, each byte once");
    cr_assert_leq(at + size, STREAM_MAX);
    if (passed.error < 0) {
        return passed.error;
    }
    memcpy(passed.bytes + at, bytes, size);
    passed.filled += size;
    passed.calls++;
    return 0;
}

static struct rmx_hold new_hold(void)
{
    memset(&passed, 0, sizeof(passed));
    return (struct rmx_hold){ .pass = pass, .owner = &passed };
}

static void write_text(struct rmx_hold *hold, uint64_t at, const void *text, size_t size)
{
    cr_assert_eq(rmx_hold_write(hold, at, text, size), 0);
}

static void expect_passed(const void *bytes, size_t size)
{
    cr_assert_eq(passed.filled, size, "%zu instead of %zu", passed.filled, size);
    cr_assert_arr_eq(passed.bytes, bytes, size);
}

TestSuite(hold, .timeout = 60);

Test(hold, box_with_a_size_passes_and_one_without_waits_for_it)
{
    struct rmx_hold hold = new_hold();

    write_text(&hold, 0,
        "\0\0\0\x0a"
        "ftypab"
        "\0\0\0\0"
        "moof",
        18);
    expect_passed("\0\0\0\x0a"
                  "ftypab",
        10);
    write_text(&hold, 18, "some", 4);
    cr_assert_eq(passed.filled, 10);
    cr_assert(rmx_hold_reaches(&hold, 10) && rmx_hold_reaches(&hold, 22));
    cr_assert(!rmx_hold_reaches(&hold, 9) && !rmx_hold_reaches(&hold, 23));
    write_text(&hold, 19, "O", 1); /* of a box inside */
    cr_assert_eq(passed.filled, 10);
    write_text(&hold, 10, "\0\0\0\x0c", 4);
    expect_passed("\0\0\0\x0a"
                  "ftypab"
                  "\0\0\0\x0c"
                  "moofsOme",
        22);
    cr_assert(rmx_hold_reaches(&hold, 22) && !rmx_hold_reaches(&hold, 21));
    cr_assert_null(hold.bytes, "nothing is kept between boxes");
    rmx_hold_fini(&hold);
}

Test(hold, samples_pass_as_they_come)
{
    struct rmx_hold hold = new_hold();

    write_text(&hold, 0,
        "\0\0\0\x64"
        "mdat",
        8);
    cr_assert_eq(passed.filled, 8);
    write_text(&hold, 8, "\0\0\0\0moof", 8); /* as samples may look */
    cr_assert_eq(passed.filled, 16);
    cr_assert_null(hold.bytes);
    rmx_hold_fini(&hold);
}

Test(hold, samples_without_a_size_go_on_to_the_end)
{
    struct rmx_hold hold = new_hold();

    write_text(&hold, 0, "\0\0\0\0mdat", 8);
    write_text(&hold, 8, "\0\0\0\0moof", 8);
    cr_assert_eq(passed.filled, 16);
    rmx_hold_fini(&hold);
}

Test(hold, head_that_comes_byte_by_byte_is_understood)
{
    static const unsigned char large[] = "\0\0\0\x1"
                                         "mdat"
                                         "\0\0\0\0\0\0\0\x12"
                                         "ab"
                                         "\0\0\0\x9"
                                         "freeX"
                                         "\0\0\0\0"
                                         "moof";
    struct rmx_hold hold = new_hold();
    size_t size = sizeof(large) - 1;

    for (size_t at = 0; at < size; at++) {
        write_text(&hold, at, large + at, 1);
        cr_assert(rmx_hold_reaches(&hold, at + 1));
    }
    expect_passed(large, size - 8);
    cr_assert_eq(hold.filled, 8);
    cr_assert_eq(rmx_hold_end(&hold), 0);
    expect_passed(large, size);
    rmx_hold_fini(&hold);
}

Test(hold, what_is_no_box_passes_from_there_on)
{
    struct rmx_hold hold = new_hold();

    write_text(&hold, 0,
        "\0\0\0\x7"
        "free",
        8); /* smaller than its head */
    write_text(&hold, 8, "\0\0\0\0moof", 8);
    cr_assert_eq(passed.filled, 16);
    rmx_hold_fini(&hold);
}

Test(hold, next_box_waits_behind_the_one_that_was_closed)
{
    struct rmx_hold hold = new_hold();

    write_text(&hold, 0,
        "\0\0\0\0sidxA"
        "\0\0\0\0moofB",
        18);
    cr_assert_eq(passed.filled, 0);
    write_text(&hold, 0, "\0\0\0\x9", 4);
    expect_passed("\0\0\0\x9"
                  "sidxA",
        9);
    write_text(&hold, 18, "C", 1);
    write_text(&hold, 9, "\0\0\0\xa", 4);
    expect_passed("\0\0\0\x9"
                  "sidxA"
                  "\0\0\0\xa"
                  "moofBC",
        19);
    rmx_hold_fini(&hold);
}

Test(hold, whoever_takes_it_may_fail)
{
    struct rmx_hold hold = new_hold();

    write_text(&hold, 0, "\0\0\0\0moof", 8);
    passed.error = -EIO;
    cr_assert_eq(rmx_hold_write(&hold, 0, (const unsigned char *)"\0\0\0\x8", 4), -EIO);
    cr_assert_eq(rmx_hold_end(&hold), -EIO);
    rmx_hold_fini(&hold);
    hold = new_hold();
    passed.error = -EIO;
    cr_assert_eq(rmx_hold_write(&hold, 0,
                     (const unsigned char *)"\0\0\0\x8"
                                            "free",
                     8),
        -EIO);
    rmx_hold_fini(&hold);
}

Test(hold, box_is_held_up_to_a_limit)
{
    struct rmx_hold hold = new_hold();
    size_t piece = RMX_HOLD_BYTES_MAX / 8;
    unsigned char *zeros = calloc(1, piece);

    cr_assert_not_null(zeros);
    write_text(&hold, 0, "\0\0\0\0moof", 8);
    for (uint64_t at = 8; at < 7 * piece; at += piece) {
        write_text(&hold, at, zeros, piece);
    }
    write_text(&hold, 7 * piece + 8, zeros, piece - 8);
    cr_assert_eq(hold.filled, RMX_HOLD_BYTES_MAX);
    cr_assert_eq(rmx_hold_write(&hold, RMX_HOLD_BYTES_MAX, zeros, 1), -E2BIG);
    rmx_hold_fini(&hold);
    free(zeros);
}

Test(hold, box_for_which_there_is_no_memory_says_so)
{
    struct rmx_hold hold = new_hold();

    av_max_alloc(100000);
    cr_assert_eq(rmx_hold_write(&hold, 0, (const unsigned char *)"\0\0\0\0moof", 8), -ENOMEM);
    av_max_alloc(INT_MAX);
    rmx_hold_fini(&hold);
}

/* --- through a sink -------------------------------------------------------------------------- */

static AVIOContext *output;

static void open_output(void)
{
    static const unsigned char nothing[1];

    ends_open(nothing, 0, true, SLOTS, CHUNK_BYTES);
    cr_assert_eq(rmx_sink_add(&ends.sink, false, RMX_SINK_FORWARD | RMX_SINK_BOXES), 0);
    output = ends.sink.output[1].context;
}

Test(hold, sink_sends_a_long_box_with_its_size)
{
    const uint32_t boxes = 3;
    const uint32_t words = 50000; /* more than libavformat's own buffer holds */

    open_output();
    for (uint32_t i = 0; i < boxes; i++) {
        int64_t start = avio_tell(output);

        avio_wb32(output, 0);
        avio_wb32(output, 0x6d6f6f66);
        for (uint32_t word = 0; word < words; word++) {
            avio_wb32(output, word);
        }
        cr_assert_eq(avio_seek(output, start, SEEK_SET), start);
        avio_wb32(output, 8 + 4 * words);
        cr_assert_eq(avio_seek(output, start + 8 + 4 * words, SEEK_SET), start + 8 + 4 * words);
    }
    avio_flush(output);
    ends_finish();
    cr_assert_eq(ends.avio.status, RMX_STATUS_OK);
    cr_assert_eq(ends.sink.ended, RMX_STATUS_OK);
    cr_assert(ends.in_order && ends.ended);
    cr_assert_eq(ends.parts[1].size, boxes * (8 + 4 * words));
    for (uint32_t i = 0; i < boxes; i++) {
        const unsigned char *box = ends.parts[1].bytes + i * (8 + 4 * words);

        cr_assert_eq(AV_RB32(box), 8 + 4 * words);
        cr_assert_eq(AV_RB32(box + 4 + 4 * words), words - 1);
    }
    ends_close();
}

Test(hold, sink_ends_a_job_whose_box_is_too_large)
{
    open_output();
    avio_wb32(output, 0);
    avio_wb32(output, 0x6d6f6f66);
    for (size_t at = 0; at <= RMX_HOLD_BYTES_MAX && output->error == 0; at += 8) {
        avio_wb64(output, at);
    }
    avio_flush(output);
    cr_assert_eq(ends.avio.status, RMX_STATUS_OVER_LIMIT);
    cr_assert_eq(ends.sink.ended, RMX_STATUS_OVER_LIMIT);
    cr_assert_not_null(strstr(ends.sink.why, "frag_duration"));
    ends_close();
}

Test(hold, sink_ends_a_job_that_goes_back_beyond_the_box)
{
    open_output();
    avio_wb32(output, 8);
    avio_wb32(output, 0x66726565);
    avio_flush(output);
    cr_assert_lt(avio_seek(output, 0, SEEK_SET), 0);
    cr_assert_eq(ends.avio.status, RMX_STATUS_NEEDS_SEEKABLE_OUTPUT);
    cr_assert_not_null(strstr(ends.sink.why, "goes back"), "%s", ends.sink.why);
    ends_close();
}

/* --- through the files of a ring that takes several ------------------------------------------- */

static struct rmx_parts parts;

static void open_parts(void)
{
    static const unsigned char nothing[1];

    ends_open(nothing, 0, true, SLOTS, CHUNK_BYTES);
    rmx_parts_init(&parts, &ends.sink);
}

static AVIOContext *begin_part(const char *name)
{
    AVIOContext *io = NULL;

    cr_assert_eq(rmx_parts_open(&parts, name, &io), 0);
    return io;
}

Test(hold, part_gets_a_long_box_with_its_size)
{
    const uint32_t words = 50000; /* more than libavformat's own buffer holds */
    AVIOContext *io;

    open_parts();
    io = begin_part("a.mp4");
    avio_wb32(io, 8);
    avio_write(io, (const unsigned char *)"ftyp", 4);
    avio_wb32(io, 0);
    avio_write(io, (const unsigned char *)"moof", 4);
    for (uint32_t word = 0; word < words; word++) {
        avio_wb32(io, word);
    }
    cr_assert_eq(avio_seek(io, 8, SEEK_SET), 8);
    avio_wb32(io, 8 + 4 * words);
    cr_assert_eq(avio_seek(io, 16 + 4 * words, SEEK_SET), 16 + 4 * words);
    avio_write(io, (const unsigned char *)"\0\0\0\x9mdatx", 9);
    cr_assert_eq(rmx_parts_close(&parts, io), 0);
    ends_finish();
    cr_assert_eq(ends.parts[0].size, 16 + 4 * words + 9);
    cr_assert_eq(AV_RB32(ends.parts[0].bytes + 8), 8 + 4 * words);
    cr_assert_eq(AV_RB32(ends.parts[0].bytes + 12 + 4 * words), words - 1);
    rmx_parts_fini(&parts);
    ends_close();
}

Test(hold, part_that_is_no_mp4_is_not_held)
{
    static const unsigned char zeros[100000];
    AVIOContext *io;

    open_parts();
    io = begin_part("a.bin");
    avio_write(io, zeros, sizeof(zeros));
    avio_flush(io);
    cr_assert_eq(avio_seek(io, 0, SEEK_SET), AVERROR(EPIPE));
    cr_assert_eq(rmx_parts_close(&parts, io), 0);
    io = begin_part("b.bin");
    avio_write(io, zeros, 3);
    cr_assert_eq(rmx_parts_close(&parts, io), 0);
    ends_finish();
    cr_assert_eq(ends.parts[0].size, sizeof(zeros));
    cr_assert_eq(ends.parts[1].size, 3);
    rmx_parts_fini(&parts);
    ends_close();
}
