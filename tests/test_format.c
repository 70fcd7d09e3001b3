/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The containers a job may ask for: found by name, guessed from a file's name.
 */
#include "ipc/format.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void assert_guess(const char *file, const char *name)
{
    const struct rmx_format *format = rmx_format_guess(file);

    if (!name) {
        cr_assert_null(format, "%s is a guess for '%s'", format->name, file);
        return;
    }
    cr_assert_not_null(format, "no guess for '%s'", file);
    cr_assert_str_eq(format->name, name);
}

Test(format, every_row_is_found_by_its_name_and_by_each_of_its_extensions)
{
    const struct rmx_format *row;
    size_t rows = 0;

    for (; (row = rmx_format_at(rows)); rows++) {
        char words[64];
        char file[80];
        char *rest = words;
        char *word;

        cr_assert_eq(rmx_format_find(row->name), row);
        snprintf(words, sizeof(words), "%s", row->extensions);
        while (*row->extensions && (word = strsep(&rest, " "))) {
            snprintf(file, sizeof(file), "clip.%s", word);
            cr_assert_eq(rmx_format_guess(file), row, "'%s' belongs to two", word);
        }
    }
    cr_assert_eq(rows, 99);
    cr_assert_null(rmx_format_at(SIZE_MAX));
}

Test(format, a_row_says_what_the_table_says)
{
    const struct rmx_format *fmp4 = rmx_format_find("fmp4");

    cr_assert_str_eq(fmp4->muxer, "mp4");
    cr_assert_eq(fmp4->patch, RMX_PATCH_NEVER);
    cr_assert_eq(strncmp(fmp4->options, "movflags=", 9), 0);
    cr_assert_str_eq(fmp4->index, "");
    cr_assert_str_eq(rmx_format_find("hls-fmp4")->index, "index.m3u8");
    cr_assert_eq(rmx_format_find("mp4")->patch, RMX_PATCH_ALWAYS);
    cr_assert_eq(rmx_format_find("matroska")->patch, RMX_PATCH_HELPS);
}

Test(format, names_are_exact)
{
    cr_assert_null(rmx_format_find(""));
    cr_assert_null(rmx_format_find("MP4"));
    cr_assert_null(rmx_format_find("mp"));
    cr_assert_null(rmx_format_find("mp44"));
    cr_assert_null(rmx_format_find("mkv"), "an extension is no name");
}

Test(format, the_guess_goes_by_what_follows_the_last_dot_in_any_case)
{
    assert_guess("clip.fmp4", "fmp4");
    assert_guess("a/b.c/clip.tar.MKV", "matroska");
    assert_guess(".ts", "mpegts");
    assert_guess("/x/.Opus", "opus");
    assert_guess("../clip.m4a", "ipod");
}

Test(format, there_is_no_guess_without_a_known_extension)
{
    assert_guess("", NULL);
    assert_guess("clip", NULL);
    assert_guess("clip.", NULL);
    assert_guess("clip.mp4.", NULL);
    assert_guess("clip.mp4x", NULL);
    assert_guess("clip.mp", NULL);
    assert_guess("clip.mp4 m4a", NULL);
    assert_guess("dir.ts/clip", NULL);
    assert_guess("-", NULL);
}
