/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A file written twice, to be written forward: by a muxer of the test's own.
 */
#include "engine/worker/preview.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/media.h"

static struct rmx_preview preview;
static struct media output;
static AVIOContext *sink;

static void set_up(void)
{
    cr_assert_eq(rmx_preview_init(&preview, false), 0);
    output.stream = true;
    sink = media_open_io(&output, true);
}

static void tear_down(void)
{
    rmx_preview_fini(&preview);
    media_close_io(&sink);
    media_free(&output);
}

TestSuite(preview, .init = set_up, .fini = tear_down, .timeout = 30);

static void write_text(const char *text)
{
    avio_write(preview.context, (const unsigned char *)text, (int)strlen(text));
}

static void write_at(int64_t at, const char *text)
{
    cr_assert_eq(avio_seek(preview.context, at, SEEK_SET), at);
    write_text(text);
}

/* As a muxer does: the size of the media comes to stand before them. */
static void write_file(const char *media, const char *size, const char *index)
{
    avio_write_marker(preview.context, AV_NOPTS_VALUE, AVIO_DATA_MARKER_HEADER);
    write_text("head0000");
    avio_write_marker(preview.context, AV_NOPTS_VALUE, AVIO_DATA_MARKER_UNKNOWN);
    write_text(media);
    avio_write_marker(preview.context, AV_NOPTS_VALUE, AVIO_DATA_MARKER_TRAILER);
    write_at(4, size);
    write_at(8 + (int64_t)strlen(media), index);
    avio_flush(preview.context);
}

Test(preview, front_is_sent_as_it_is_in_the_end)
{
    write_file("media", "0005", "index");
    cr_assert(rmx_preview_is_whole(&preview));
    cr_assert_eq(output.size, 0);
    rmx_preview_perform(&preview, sink);
    cr_assert_not(rmx_preview_is_whole(&preview));
    write_file("media", "0005", "index");
    cr_assert(rmx_preview_is_whole(&preview));
    cr_assert(rmx_preview_finish(&preview));
    cr_assert_eq(output.size, strlen("head0005mediaindex"));
    cr_assert_arr_eq(output.bytes, "head0005mediaindex", output.size);
}

Test(preview, file_without_media_is_whole)
{
    write_file("", "0000", "index");
    rmx_preview_perform(&preview, sink);
    write_file("", "0000", "index");
    cr_assert(rmx_preview_finish(&preview));
    cr_assert_arr_eq(output.bytes, "head0000index", output.size);
}

Test(preview, patches_within_the_index_are_kept)
{
    for (int take = 0; take < 2; take++) {
        write_file("media", "0005", "index");
        write_at(14, "N");
        avio_flush(preview.context);
        if (take == 0) {
            rmx_preview_perform(&preview, sink);
        }
    }
    cr_assert(rmx_preview_finish(&preview));
    cr_assert_arr_eq(output.bytes, "head0005mediaiNdex", output.size);
}

Test(preview, second_take_that_differs_is_told)
{
    static const char *const others[][3] = { { "media", "0005", "INDEX" },
        { "media", "0006", "index" }, { "medium", "0005", "index" }, { "me", "0005", "index" },
        { "media", "0005", "ind" } };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        tear_down();
        set_up();
        write_file("media", "0005", "index");
        rmx_preview_perform(&preview, sink);
        write_file(others[i][0], others[i][1], others[i][2]);
        cr_assert_not(rmx_preview_finish(&preview), "%zu", i);
        cr_assert_leq(output.size, strlen("head0005media"));
    }
}

Test(preview, another_front_ends_the_second_take_with_EIO)
{
    write_file("media", "0005", "index");
    rmx_preview_perform(&preview, sink);
    avio_write_marker(preview.context, AV_NOPTS_VALUE, AVIO_DATA_MARKER_HEADER);
    write_text("head00000");
    avio_write_marker(preview.context, AV_NOPTS_VALUE, AVIO_DATA_MARKER_UNKNOWN);
    write_text("media");
    cr_assert_eq(preview.context->error, AVERROR(EIO));
    cr_assert(preview.differs);
    cr_assert_eq(output.size, 0);
}

Test(preview, longer_media_end_the_second_take_with_EIO)
{
    write_file("media", "0005", "index");
    rmx_preview_perform(&preview, sink);
    write_file("media and more", "0005", "index");
    cr_assert_eq(preview.context->error, AVERROR(EIO));
    cr_assert_not(rmx_preview_finish(&preview));
}

Test(preview, jump_back_behind_the_index_is_ESPIPE)
{
    write_file("media", "0005", "index");
    write_at(9, "x");
    avio_flush(preview.context);
    cr_assert_eq(preview.context->error, AVERROR(ESPIPE));
}

Test(preview, index_beyond_2_GiB_is_ERANGE)
{
    write_file("media", "0005", "index");
    write_at(INT64_C(1) << 32, "x");
    avio_flush(preview.context);
    cr_assert_eq(preview.context->error, AVERROR(ERANGE));
}

Test(preview, index_too_large_to_hold_is_ENOMEM)
{
    write_file("media", "0005", "index");
    av_max_alloc(1 << 20);
    write_at(INT64_C(1) << 21, "x");
    avio_flush(preview.context);
    cr_assert_eq(preview.context->error, AVERROR(ENOMEM));
    av_max_alloc(INT32_MAX);
}

Test(preview, seeks_that_no_muxer_of_mp4_makes_are_refused)
{
    cr_assert_lt(preview.context->seek(&preview, -1, SEEK_SET), 0);
    cr_assert_lt(preview.context->seek(&preview, 0, SEEK_END), 0);
    cr_assert_lt(preview.context->seek(&preview, 0, AVSEEK_SIZE), 0);
}

Test(preview, output_that_fails_ends_the_second_take)
{
    write_file("media", "0005", "index");
    rmx_preview_perform(&preview, sink);
    output.fail_at = 8;
    output.fail_with = AVERROR(ENOSPC);
    write_file("media", "0005", "index");
    cr_assert_eq(preview.context->error, AVERROR(ENOSPC));
}

Test(preview, one_that_was_never_made_can_be_freed)
{
    struct rmx_preview none = { 0 };

    rmx_preview_fini(&none);
}
