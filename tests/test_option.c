/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which muxer options a job may set: what is taken, what is refused and how, and that libavformat
 * knows all of it.
 */
#include "ipc/option.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libavformat/avformat.h>
#include <libavutil/opt.h>

#include "ipc/pairs.h"

/* In libavformat since a version that is younger than the oldest we build with. */
static const char *const younger[] = { "hybrid_fragmented", "omit_rai" };

/* Ours alone: engine/worker/cuts.h. */
static const char *const ours[] = { "segment_size" };

static int check(const char *format, const char *pair, const char **why)
{
    *why = "";
    return rmx_option_check(pair, rmx_format_find(format), why);
}

static void assert_taken(const char *format, const char *pair)
{
    const char *why;

    cr_assert_eq(check(format, pair, &why), 0, "%s: %s: %s", format, pair, why);
}

static void assert_refused(const char *format, const char *pair, const char *said)
{
    const char *why;

    cr_assert_eq(check(format, pair, &why), -EINVAL, "%s: %s is taken", format, pair);
    cr_assert_not_null(strstr(why, said), "%s: %s: %s", format, pair, why);
}

/* --- the table beside libavformat ------------------------------------------------------------ */

static bool is_among(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_younger(const char *name)
{
    return is_among(younger, sizeof(younger) / sizeof(*younger), name);
}

static bool is_ours(const char *name)
{
    return is_among(ours, sizeof(ours) / sizeof(*ours), name);
}

static const AVOption *find_in(const char *muxer, const char *name)
{
    static AVFormatContext *context;

    avformat_free_context(context);
    context = NULL;
    cr_assert_geq(avformat_alloc_output_context2(&context, NULL, muxer, NULL), 0, "%s", muxer);
    return av_opt_find(context, name, NULL, 0, AV_OPT_SEARCH_CHILDREN);
}

static void assert_ranges(const struct rmx_option *row, const AVOption *theirs)
{
    if (row->kind == RMX_OPTION_IS_NUMBER) {
        cr_assert_geq((double)row->least, theirs->min, "%s", row->name);
        cr_assert_leq((double)row->most, theirs->max, "%s", row->name);
    }
    if (row->kind == RMX_OPTION_IS_SWITCH && theirs->type == AV_OPT_TYPE_BOOL) {
        cr_assert_eq((double)row->least, theirs->min, "%s: auto", row->name);
    }
}

Test(option, libavformat_has_every_row_with_a_range_no_narrower)
{
    const struct rmx_option *row;

    for (size_t i = 0; (row = rmx_option_at(i)) != NULL; i++) {
        char names[128];
        char *rest = names;
        char *name;

        snprintf(names, sizeof(names), "%s", *row->muxers ? row->muxers : "mp4");
        while ((name = strsep(&rest, " "))) {
            const AVOption *theirs = find_in(name, row->name);

            cr_assert(theirs != NULL || is_younger(row->name) || is_ours(row->name), "%s has no %s",
                name, row->name);
            if (theirs != NULL) {
                assert_ranges(row, theirs);
                cr_assert_eq(row->kind == RMX_OPTION_IS_FLAGS, theirs->type == AV_OPT_TYPE_FLAGS);
                if (strncmp(row->name, "hls_enc_", 8) !=
                    0) { /* which the muxer is told otherwise */
                    cr_assert_eq(
                        row->kind == RMX_OPTION_IS_KEY, theirs->type == AV_OPT_TYPE_BINARY);
                }
            }
        }
    }
}

static const struct rmx_option *row_of(const struct rmx_option_word *word)
{
    const struct rmx_option *row;
    size_t i = 0;

    while ((row = rmx_option_at(i)) != NULL && strcmp(row->name, word->option) != 0) {
        i++;
    }
    return row;
}

static void assert_word_is_theirs(const struct rmx_option *row, const struct rmx_option_word *word)
{
    AVFormatContext *context = NULL;
    char muxer[32];

    snprintf(muxer, sizeof(muxer), "%.*s", (int)strcspn(row->muxers, " "),
        *row->muxers ? row->muxers : "mp4");
    avformat_alloc_output_context2(&context, NULL, *muxer ? muxer : "mp4", NULL);
    cr_assert_not_null(context);
    cr_assert_geq(av_opt_set(context, word->option, word->word, AV_OPT_SEARCH_CHILDREN), 0,
        "%s: %s", word->option, word->word);
    avformat_free_context(context);
}

Test(option, libavformat_has_every_word)
{
    const struct rmx_option_word *word;

    for (size_t i = 0; (word = rmx_option_word_at(i)) != NULL; i++) {
        const struct rmx_option *row = row_of(word);

        cr_assert_not_null(row, "%s is of no option", word->word);
        if (!is_younger(word->word)) {
            assert_word_is_theirs(row, word);
        }
    }
}

Test(option, every_row_and_word_has_its_help)
{
    for (size_t i = 0; rmx_option_at(i) != NULL; i++) {
        cr_assert(*rmx_option_at(i)->help, "%s", rmx_option_at(i)->name);
    }
    for (size_t i = 0; rmx_option_word_at(i) != NULL; i++) {
        cr_assert(*rmx_option_word_at(i)->help, "%s", rmx_option_word_at(i)->word);
    }
}

/* --- names ----------------------------------------------------------------------------------- */

Test(option, what_is_misspelt_is_answered_with_the_right_name)
{
    assert_refused("mp4", "movflag=+dash", "is 'movflags' meant?");
    assert_refused("mp4", "movflags=+fast_start", "is 'faststart' meant?");
    assert_refused("mp4", "avoid_negative_ts=make_zeros", "is 'make_zero' meant?");
    assert_refused("mpegts", "mpegts_service=7", "there is no such option");
}

Test(option, what_another_container_has_is_said_to_be_elsewhere)
{
    assert_refused("mpegts", "movflags=+dash", "this container has no option 'movflags'");
    assert_refused("mp4", "muxrate=1000", "this container has no option 'muxrate'");
}

Test(option, what_would_open_a_file_is_refused)
{
    assert_refused("hls", "hls_key_info_file=/etc/passwd", "there is no such option");
    assert_refused("hls", "hls_flags=+append_list", "one of its flags is not known here");
}

Test(option, a_name_has_the_meaning_that_its_container_gives_it)
{
    assert_taken("mp4", "frag_duration=2000000");
    assert_refused("mp4", "frag_duration=601000000", "0 to 600000000");
    assert_taken("dash", "frag_duration=1.5");
    assert_refused("dash", "frag_duration=2000000", "0 to 600 seconds");
}

/* --- values ---------------------------------------------------------------------------------- */

Test(option, numbers_are_whole_and_in_their_range)
{
    static const char *const good[] = { "0", "1", "+5", "2M", "4Ki", "0x1e0", "1000000000", "1G" };
    static const char *const bad[] = { "", "-1", "2G", "1.5", "x", "0x", "1 ", "1m", "k",
        "while(1,1)", "99999999999999999999" };
    char pair[64];

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        snprintf(pair, sizeof(pair), "muxrate=%s", good[i]);
        assert_taken("mpegts", pair);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        snprintf(pair, sizeof(pair), "muxrate=%s", bad[i]);
        assert_refused("mpegts", pair, "muxrate: give a number, 0 to 1000000000");
    }
    assert_taken("mpegts", "pcr_period=-1");
    assert_taken("wav", "rf64=always");
    assert_refused("matroska", "reserve_index_space=-1", "reserve_index_space");
}

Test(option, a_switch_is_0_or_1_and_auto_where_the_muxer_decides)
{
    assert_taken("mp4", "write_tmcd=auto");
    assert_taken("mp4", "write_tmcd=-1");
    assert_taken("mp4", "skip_iods=off");
    assert_refused("mp4", "skip_iods=auto", "skip_iods: give 0 or 1");
    assert_refused("mp4", "skip_iods=2", "skip_iods: give 0 or 1");
}

Test(option, a_time_has_a_sign_only_where_that_means_something)
{
    assert_taken("mpegts", "pat_period=100ms");
    assert_taken("mp4", "output_ts_offset=-00:00:02.5");
    assert_refused("mpegts", "pat_period=-1", "pat_period: give a time");
    assert_refused("mpegts", "pat_period=2m", "pat_period: give a time");
    assert_refused("mpegts", "pat_period=700", "0 to 600 seconds");
    assert_refused("mpegts", "pat_period=", "pat_period: give a time");
}

Test(option, flags_are_words_with_signs)
{
    assert_taken("mp4", "movflags=+faststart-disable_chpl");
    assert_taken("mp4", "movflags=dash");
    assert_refused("mp4", "movflags=", "movflags");
    assert_refused("mp4", "movflags=1", "movflags");
    assert_refused("mp4", "movflags=++dash", "movflags");
    assert_refused("fmp4", "movflags=+faststart", "an index at their end");
}

Test(option, a_key_is_32_digits_and_is_not_shown)
{
    assert_taken("mp4", "encryption_key=00112233445566778899aabbccddeeFF");
    assert_refused("mp4", "encryption_key=00112233445566778899aabbccddee", "32 hexadecimal");
    assert_refused("mp4", "encryption_key=00112233445566778899aabbccddeeff0", "32 hexadecimal");
    assert_refused("mp4", "encryption_kid=0011223344556677x899aabbccddeeff", "32 hexadecimal");
}

/* --- together -------------------------------------------------------------------------------- */

static int check_list(const char *first, const char *second, const char *third)
{
    const char *const pairs[] = { first, second, third };
    char list[256] = "";
    const char *why;

    for (size_t i = 0; i < 3; i++) {
        if (pairs[i] != NULL) {
            cr_assert_eq(rmx_pairs_add(list, sizeof(list), pairs[i]), 0);
        }
    }
    return rmx_option_check_list(list, sizeof(list), rmx_format_find("mp4"), &why);
}

Test(option, encryption_needs_all_three)
{
    const char *scheme = "encryption_scheme=cenc-aes-ctr";
    const char *key = "encryption_key=00112233445566778899aabbccddeeff";
    const char *kid = "encryption_kid=00112233445566778899aabbccddeeff";

    cr_assert_eq(check_list(scheme, key, kid), 0);
    cr_assert_eq(check_list(scheme, key, NULL), -EINVAL);
    cr_assert_eq(check_list(scheme, kid, NULL), -EINVAL);
    cr_assert_eq(check_list(key, kid, NULL), -EINVAL, "nothing would be encrypted");
    cr_assert_eq(check_list("encryption_scheme=none", NULL, NULL), 0);
    cr_assert_eq(check_list("encryption_scheme=cbcs", key, kid), -EINVAL);
}
