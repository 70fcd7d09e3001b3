/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's edits as strings: what each value may be, which of them go together, what a refusal says.
 */
#include "ipc/edit.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipc/filter.h"
#include "ipc/pairs.h"

#define SECOND INT64_C(1000000)

/* Taken apart; it must be one. */
static struct rmx_edit parse(const char *text)
{
    struct rmx_edit edit;
    const char *why = "";

    cr_assert_eq(rmx_edit_parse(text, &edit, &why), 0, "%s: %s", text, why);
    return edit;
}

static void assert_refused(const char *text, const char *sentence)
{
    struct rmx_edit edit = { .us = 7 };
    const char *why = "";

    cr_assert_eq(rmx_edit_parse(text, &edit, &why), -EINVAL, "%s", text);
    cr_assert(strncmp(why, "edits: ", 7) == 0, "%s: %s", text, why);
    cr_assert(strstr(why, sentence), "%s: %s", text, why);
    cr_assert_eq(edit.us, 7, "outputs stay untouched");
}

/* A list of up to three. */
static int gather(const char *const list[3], struct rmx_edit_whole *whole, const char **why)
{
    char bytes[256] = { 0 };

    for (size_t slot = 0; slot < 3 && list[slot]; slot++) {
        cr_assert_eq(rmx_pairs_add(bytes, sizeof(bytes), list[slot]), 0);
    }
    return rmx_edit_gather(bytes, sizeof(bytes), RMX_EDIT_JOB, whole, why);
}

Test(edit, times_are_written_as_for_ffmpeg_and_with_minutes_and_hours)
{
    static const struct {
        const char *text;
        int64_t us;
    } times[] = {
        { "start=0", 0 },
        { "start=90", 90 * SECOND },
        { "start=1.5", 1500000 },
        { "start=1.2345678", 1234567 },
        { "start=500ms", 500000 },
        { "start=0.5ms", 500 },
        { "start=7us", 7 },
        { "start=2m", 120 * SECOND },
        { "start=1.5h", 5400 * SECOND },
        { "start=3s", 3 * SECOND },
        { "start=1:30", 90 * SECOND },
        { "start=01:02:03.5", 3723500000 },
        { "start=90:00", 5400 * SECOND },
        { "output_offset=-1.5", -1500000 },
        { "output_offset=+1:00", 60 * SECOND },
        { "start=1000000000", RMX_EDIT_TIME_US_MAX },
    };

    for (size_t slot = 0; slot < sizeof(times) / sizeof(*times); slot++) {
        cr_assert_eq(parse(times[slot].text).us, times[slot].us, "%s", times[slot].text);
    }
}

Test(edit, what_is_no_time_is_refused)
{
    static const char *const texts[] = { "start=", "start=-1", "start=+1", "start=x", "start=1x",
        "start=1.", "start=.5", "start=1:60", "start=1:2:3:4", "start=1:", "start=1:30s",
        "start=1 s", "start=1e3", "start=1000000001", "start=99999999999999999999", "start=300000h",
        "end=ten", "duration=-0" };

    for (size_t slot = 0; slot < sizeof(texts) / sizeof(*texts); slot++) {
        assert_refused(texts[slot], "not a time");
    }
    assert_refused("output_offset=--1", "not an offset");
}

Test(edit, a_misspelt_name_is_told_the_right_one)
{
    assert_refused("strat=1", "is 'start' meant?");
    assert_refused("meta_data=a=b", "is 'metadata' meant?");
    assert_refused("bsfs:v=null", "is 'bsf' meant?");
    assert_refused("somethingelse=1", "there is no such edit");
    assert_refused("bsf=h264_metdata=level=4", "is 'h264_metadata' meant?");
    assert_refused("bsf=null,nois", "is 'noise' meant?");
    assert_refused("bsf=trace_headers", "not allowed");
}

Test(edit, a_specifier_is_for_what_is_about_streams)
{
    cr_assert_str_eq(parse("disposition:a:0=default").specifier, "a:0");
    cr_assert_str_eq(parse("metadata:s:a:0=language=eng").specifier, "s:a:0");
    cr_assert_str_eq(parse("metadata:s:a:0=language=eng").value, "language=eng");
    cr_assert_str_eq(parse("bsf=null").specifier, "");
    assert_refused("start:v=1", "specifier");
    assert_refused("rotate:=90", "specifier");
    assert_refused(
        "bsf:0123456789012345678901234567890123456789012345678901234567890123=null", "too long");
}

Test(edit, switches_and_from_no_input_have_one_way_to_be_written)
{
    cr_assert(parse("copyts=1").on);
    cr_assert_not(parse("shortest=0").on);
    assert_refused("copyts=yes", "0 or 1");
    parse("map_metadata=-1");
    parse("map_metadata:s=-1");
    assert_refused("map_metadata:a=-1", "g, s or c");
    assert_refused("map_metadata:s:0=-1", "g, s or c");
    assert_refused("map_metadata=0", "-1");
    assert_refused("map_chapters=0", "-1");
}

Test(edit, tags_have_a_key_and_a_place)
{
    static const char *const places[] = { "", ":g", ":s", ":s:v", ":c:0", ":p:12" };

    for (size_t slot = 0; slot < sizeof(places) / sizeof(*places); slot++) {
        char text[64];

        snprintf(text, sizeof(text), "metadata%s=title=x=y", places[slot]);
        cr_assert_str_eq(parse(text).value, "title=x=y");
    }
    parse("metadata=title=");
    assert_refused("metadata=title", "KEY=TEXT");
    assert_refused("metadata==x", "KEY=TEXT");
    assert_refused("metadata:c=title=x", "specifier");
    assert_refused("metadata:c:x=title=x", "specifier");
    assert_refused("metadata:a:0=title=x", "specifier");
    assert_refused("metadata:s:=title=x", "specifier");
}

Test(edit, dispositions_are_libavformats)
{
    parse("disposition=0");
    parse("disposition:s=default+forced");
    parse("disposition:s=+hearing_impaired-default");
    assert_refused("disposition=defualt", "disposition");
    assert_refused("disposition=", "disposition");
    assert_refused("disposition=default+", "disposition");
    assert_refused("disposition=1", "disposition");
}

Test(edit, angles_are_degrees)
{
    cr_assert_eq(parse("rotate:v=90").degrees, 90);
    cr_assert_eq(parse("rotate=-12.5").degrees, -12.5);
    assert_refused("rotate=361", "degrees");
    assert_refused("rotate=90d", "degrees");
    assert_refused("rotate=", "degrees");
}

Test(edit, subtitles_become_what_a_text_can_become)
{
    cr_assert_str_eq(parse("subtitles:s:0=mov_text").value, "mov_text");
    parse("subtitles=srt");
    parse("subtitles:m:language:eng=subrip");
    parse("subtitles:0=webvtt");
    parse("subtitles=ass");
    parse("subtitles:s=copy");
    assert_refused("subtitles=dvb_subtitle", "give mov_text");
    assert_refused("subtitles=", "give mov_text");
    assert_refused("subtitle=srt", "is 'subtitles' meant?");
}

Test(edit, no_subtitles_are_none_at_all)
{
    parse("subtitles=none");
    parse("subtitles:s=none");
    assert_refused("subtitles:s:0=none", "leave one out with a map");
}

Test(edit, each_filter_of_a_chain_is_looked_at_behind_quotes_and_backslashes)
{
    parse("bsf:v=h264_metadata=level=4.1:crop_left=4,dump_extra");
    parse("bsf:v=setts=ts='max(0,TS)',null");
    parse("bsf:v=noise=drop=not(mod(n\\,5)),null");
    assert_refused("bsf:v=setts=ts='max(0,TS)',nothing", "there is no such filter");
    assert_refused("bsf:v=null,", "there is no such filter");
    assert_refused("bsf:v=", "there is no such filter");
    assert_refused("bsf:v=setts=ts=while(1\\,0)", "expression");
    assert_refused("bsf:v=setts=ts=wh\\ile(1\\,0)", "expression");
    assert_refused("bsf:v=setts=ts='wh'ile(1\\,0)", "expression");
    assert_refused("bsf:v=noise=amount=ttaylor(1\\,2\\,3)", "expression");
    parse("bsf:v=h264_metadata=sei_user_data=print"); /* no expression */
}

Test(edit, together_they_make_a_range)
{
    struct rmx_edit_whole whole;
    const char *why;

    cr_assert_eq(gather((const char *[3]){ "start=5", "end=8" }, &whole, &why), 0);
    cr_assert_eq(whole.start_us, 5 * SECOND);
    cr_assert_eq(whole.duration_us, 3 * SECOND);
    cr_assert(whole.seen[RMX_EDIT_START]);
    cr_assert_eq(gather((const char *[3]){ "copyts=1" }, &whole, &why), 0);
    cr_assert_eq(whole.start_us, 0);
    cr_assert_eq(whole.duration_us, INT64_MAX);
    cr_assert(whole.copyts);
    cr_assert_not(whole.seen[RMX_EDIT_START]);
}

Test(edit, tags_are_stripped_in_parts)
{
    struct rmx_edit_whole whole;
    const char *why;

    cr_assert_eq(gather((const char *[3]){ "map_metadata:s=-1" }, &whole, &why), 0);
    cr_assert(whole.strip_streams && !whole.strip_file && !whole.strip_chapters);
    cr_assert_eq(
        gather((const char *[3]){ "map_metadata:g=-1", "map_metadata:c=-1" }, &whole, &why), 0);
    cr_assert(!whole.strip_streams && whole.strip_file && whole.strip_chapters);
    cr_assert_eq(gather((const char *[3]){ "map_metadata=-1" }, &whole, &why), 0);
    cr_assert(whole.strip_streams && whole.strip_file && whole.strip_chapters);
}

Test(edit, what_makes_no_sense_together_is_refused)
{
    static const struct {
        const char *list[3];
        const char *sentence;
    } lists[] = {
        { { "start=5", "end=5" }, "not after start" },
        { { "end=5", "duration=5" }, "give one of them" },
        { { "start=5", "start=6" }, "start is given twice" },
        { { "map_chapters=-1", "map_chapters=-1" }, "map_chapters is given twice" },
        { { "start_from_end=1", "start=1" }, "not start or end" },
        { { "start_from_end=1", "end=1" }, "not start or end" },
        { { "start_from_end=0" }, "not before the end" },
        { { "metadata=a=b", "metadata=a=c", "start=x" }, "not a time" },
    };

    for (size_t slot = 0; slot < sizeof(lists) / sizeof(*lists); slot++) {
        struct rmx_edit_whole whole = { .start_us = 7 };
        const char *why = "";

        cr_assert_eq(gather(lists[slot].list, &whole, &why), -EINVAL, "%s", lists[slot].sentence);
        cr_assert(strstr(why, lists[slot].sentence), "%s", why);
        cr_assert_eq(whole.start_us, 7, "outputs stay untouched");
    }
}

Test(edit, an_allowed_filter_is_known_by_all_of_its_name)
{
    cr_assert(rmx_filter_is_allowed("setts=ts=0", 5));
    cr_assert_not(rmx_filter_is_allowed("setts", 4));
    cr_assert_not(rmx_filter_is_allowed("settsx", 6));
    cr_assert_not(rmx_filter_is_allowed("", 0));
}

Test(edit, a_list_that_is_none_is_seen)
{
    static const char whole[6] = "a=b\0c";
    static const char after[6] = "a=\0\0x";
    static const char endless[4] = "a=bc";
    static const char fine[7] = "a=\0b=c";

    cr_assert_eq(rmx_pairs_check(whole, sizeof(whole)), -EINVAL);
    cr_assert_eq(rmx_pairs_check(after, sizeof(after)), -EBADMSG);
    cr_assert_eq(rmx_pairs_check(endless, sizeof(endless)), -EINVAL);
    cr_assert_eq(rmx_pairs_check(fine, sizeof(fine)), 0);
    cr_assert_eq(rmx_pairs_check("\0\0", 2), 0);
    cr_assert_eq(rmx_pairs_check("a=\n", 4), -EINVAL);
}
