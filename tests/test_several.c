/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs of several inputs or outputs: what their edits may say, and what one of them is.
 */
#include "ipc/several.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipc/edit.h"
#include "ipc/status.h"
#include "tests/media.h"

static struct rmx_job_spec job(uint8_t inputs, uint8_t outputs)
{
    struct rmx_job_spec spec = media_job("mp4");

    spec.inputs = inputs;
    spec.outputs = outputs;
    return spec;
}

static void add(struct rmx_job_spec *spec, const char *edit)
{
    cr_assert_eq(rmx_job_add_edit(spec, edit), 0, "%s", edit);
}

static void assert_fine(const struct rmx_job_spec *spec)
{
    const char *why = "";
    int status = rmx_job_check(spec, &why);

    cr_assert_eq(status, 0, "%d: %s", status, why);
}

static void assert_refused(const struct rmx_job_spec *spec, int wanted, const char *sentence)
{
    const char *why = "";
    int status = rmx_job_check(spec, &why);

    cr_assert_eq(status, wanted, "%d: %s", status, why);
    cr_assert(strstr(why, sentence), "%s", why);
}

Test(several, selections_name_their_input)
{
    static const struct {
        const char *text;
        struct rmx_several_map map;
    } maps[] = {
        { "v", { 0, false, false, "v" } },
        { "1:a:0", { 1, false, false, "a:0" } },
        { "1:", { 1, false, false, "" } },
        { "7:s?", { 7, false, true, "s" } },
        { "-2:d", { 2, true, false, "d" } },
        { "0", { 0, false, false, "0" } },
        { "p:1:v", { 0, false, false, "p:1:v" } },
    };
    static const char *const wrong[] = { "", "-", "?", "-?", "8:a", "10:a", "a??", "v?x" };
    struct rmx_several_map map = { .input = 5 };

    for (size_t slot = 0; slot < sizeof(wrong) / sizeof(*wrong); slot++) {
        cr_assert_eq(rmx_several_read_map(wrong[slot], &map), -EINVAL, "%s", wrong[slot]);
        cr_assert_eq(map.input, 5, "outputs stay untouched");
    }
    for (size_t slot = 0; slot < sizeof(maps) / sizeof(*maps); slot++) {
        cr_assert_eq(rmx_several_read_map(maps[slot].text, &map), 0, "%s", maps[slot].text);
        cr_assert_eq(map.input, maps[slot].map.input, "%s", maps[slot].text);
        cr_assert_eq(map.negative, maps[slot].map.negative, "%s", maps[slot].text);
        cr_assert_eq(map.optional, maps[slot].map.optional, "%s", maps[slot].text);
        cr_assert_str_eq(map.specifier, maps[slot].map.specifier);
    }
}

Test(several, a_job_may_have_eight_of_each)
{
    struct rmx_job_spec spec = job(8, 8);
    char edit[64];

    for (int output = 1; output < 8; output++) {
        (void)snprintf(edit, sizeof(edit), "format:%d=mpegts", output);
        add(&spec, edit);
        (void)snprintf(edit, sizeof(edit), "map:%d=%d:v?", output, output);
        add(&spec, edit);
        (void)snprintf(edit, sizeof(edit), "when_slow:%d=drop", output);
        add(&spec, edit);
        (void)snprintf(edit, sizeof(edit), "start:%d=1.5", output);
        add(&spec, edit);
    }
    assert_fine(&spec);
    cr_assert_eq(rmx_job_descriptors(&spec), 16);
    spec.outputs = 9;
    assert_refused(&spec, RMX_STATUS_BAD_JOB, "outputs:");
}

Test(several, what_is_said_of_one_that_is_not_there_is_refused)
{
    static const struct {
        const char *edit;
        int status;
        const char *sentence;
    } cases[] = {
        { "start:2=1", RMX_STATUS_BAD_OPTION, "an input the job does not have" },
        { "input_offset:7=-1", RMX_STATUS_BAD_OPTION, "an input the job does not have" },
        { "format:2=mp4", RMX_STATUS_BAD_OPTION, "an output the job does not have" },
        { "when_slow:2=drop", RMX_STATUS_BAD_OPTION, "an output the job does not have" },
        { "start:8=1", RMX_STATUS_BAD_OPTION, "number of an input" },
        { "start:x=1", RMX_STATUS_BAD_OPTION, "number of an input" },
        { "format=mp4", RMX_STATUS_BAD_OPTION, "number of an output" },
        { "format:0=mp4", RMX_STATUS_BAD_OPTION, "output 0" },
        { "option:0=a=b", RMX_STATUS_BAD_OPTION, "output 0" },
        { "map:0=v", RMX_STATUS_BAD_OPTION, "output 0" },
        { "option:1=a", RMX_STATUS_BAD_OPTION, "KEY=VALUE" },
        { "when_slow:0=wait", RMX_STATUS_BAD_OPTION, "block or drop" },
        { "join=tee", RMX_STATUS_BAD_OPTION, "merge or concat" },
        { "join:1=merge", RMX_STATUS_BAD_OPTION, "whole job" },
        { "map:1=2:v", RMX_STATUS_BAD_JOB, "an input that is not there" },
        { "map:1=?", RMX_STATUS_BAD_JOB, "not a stream specifier" },
        { "input_format:1=no such", RMX_STATUS_BAD_JOB, "not a demuxer's name" },
        { "input_format:1=0123456789012345678901234567890123", RMX_STATUS_BAD_OPTION, "too long" },
        { "duration:1=", RMX_STATUS_BAD_OPTION, "not a time" },
    };

    for (size_t slot = 0; slot < sizeof(cases) / sizeof(*cases); slot++) {
        struct rmx_job_spec spec = job(2, 2);

        add(&spec, "format:1=mpegts");
        add(&spec, cases[slot].edit);
        assert_refused(&spec, cases[slot].status, cases[slot].sentence);
    }
}

Test(several, a_further_output_is_looked_at_as_the_first_is)
{
    struct rmx_job_spec spec = job(1, 2);

    assert_refused(&spec, RMX_STATUS_BAD_JOB, "needs a format");
    add(&spec, "format:1=nonsense");
    assert_refused(&spec, RMX_STATUS_UNSUPPORTED, "not a container ringmux writes");
    spec = job(1, 2);
    add(&spec, "format:1=mpegts");
    assert_fine(&spec);
    add(&spec, "format:1=mp4");
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "format is given twice");
    spec = job(1, 2);
    add(&spec, "format:1=mpegts");
    for (int map = 0; map <= RMX_JOB_MAPS_MAX; map++) {
        add(&spec, "map:1=v");
    }
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "more than fits");
}

Test(several, what_does_not_go_together_is_refused)
{
    struct rmx_job_spec spec = job(2, 1);

    spec.flags = RMX_JOB_LIVE;
    assert_refused(&spec, RMX_STATUS_BAD_JOB, "LIVE");
    spec.flags = RMX_JOB_SPOOL;
    assert_refused(&spec, RMX_STATUS_BAD_JOB, "spooled");
    spec = job(1, 2);
    add(&spec, "format:1=mpegts");
    spec.flags = RMX_JOB_LIVE;
    assert_fine(&spec);
    spec.flags = RMX_JOB_SPOOL;
    assert_refused(&spec, RMX_STATUS_BAD_JOB, "spooled");
    spec = job(2, 1);
    add(&spec, "join=concat");
    assert_fine(&spec);
    cr_assert_eq(rmx_job_add_map(&spec, "1:v"), 0);
    assert_refused(&spec, RMX_STATUS_BAD_JOB, "map:");
    spec = job(2, 1);
    add(&spec, "join=concat");
    add(&spec, "input_offset:1=3");
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "input_offset");
    spec = job(2, 1);
    add(&spec, "join=concat");
    add(&spec, "copyts=1");
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "copyts");
    spec = job(2, 1);
    add(&spec, "end=5");
    add(&spec, "start:1=5");
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "end: not after start");
}

Test(several, one_output_of_a_job_is_a_job)
{
    struct rmx_job_spec spec = job(2, 3);
    struct rmx_job_spec own;
    const char *why = "";

    spec.flags = RMX_JOB_ALL_STREAMS | RMX_JOB_BITEXACT;
    cr_assert_eq(rmx_job_add_option(&spec, "movflags=+faststart"), 0);
    cr_assert_eq(rmx_job_add_map(&spec, "v"), 0);
    add(&spec, "format:1=mpegts");
    add(&spec, "format:2=matroska");
    add(&spec, "option:2=live=1");
    add(&spec, "map:2=1:a");
    add(&spec, "map:2=0:s?");
    cr_assert_eq(rmx_several_take_output(&spec, 0, &own, &why), 0);
    cr_assert_str_eq(own.format, "mp4");
    cr_assert_str_eq(own.options, "movflags=+faststart");
    cr_assert_eq(rmx_several_take_output(&spec, 1, &own, &why), 0);
    cr_assert_str_eq(own.format, "mpegts");
    cr_assert_str_eq(own.options, "");
    cr_assert_eq(own.maps, 0);
    cr_assert_eq(own.flags, RMX_JOB_BITEXACT);
    cr_assert_eq(rmx_several_take_output(&spec, 2, &own, &why), 0);
    cr_assert_str_eq(own.options, "live=1");
    cr_assert_eq(own.maps, 2);
    cr_assert_str_eq(own.map[1], "0:s?");
}

Test(several, one_input_of_a_job_has_its_container_and_its_times)
{
    struct rmx_job_spec spec = job(3, 1);
    struct rmx_job_spec own;
    struct rmx_edit_whole whole;
    const char *why = "";

    add(&spec, "start:1=5");
    add(&spec, "start=2");
    add(&spec, "input_offset:2=-1.5");
    add(&spec, "input_format:1=mov");
    add(&spec, "input_format=mpegts");
    rmx_several_take_input(&spec, 1, &own);
    cr_assert_str_eq(own.input_format, "mov");
    rmx_several_take_input(&spec, 2, &own);
    cr_assert_str_eq(own.input_format, "mpegts");
    const int64_t starts_us[] = { 2000000, 5000000, 2000000 };

    for (int input = 0; input < 3; input++) {
        cr_assert_eq(rmx_edit_gather(spec.edits, sizeof(spec.edits), input, &whole, &why), 0);
        cr_assert_eq(whole.start_us, starts_us[input]);
        cr_assert_eq(whole.input_offset_us, input == 2 ? -1500000 : 0);
    }
}

Test(several, an_output_waits_unless_it_is_to_be_dropped)
{
    struct rmx_job_spec spec = job(1, 2);

    add(&spec, "format:1=mpegts");
    add(&spec, "when_slow:1=drop");
    cr_assert_not(rmx_several_drops(&spec, 0));
    cr_assert(rmx_several_drops(&spec, 1));
    cr_assert_not(rmx_several_are_joined(&spec));
    add(&spec, "join=concat");
    cr_assert(rmx_several_are_joined(&spec));
}

/* Each of the two alone is fine; together they contradict each other. What an option's value, a
 * container or one edit contradicts is in test_option.c, test_job.c and test_edit.c. */
Test(several, what_contradicts_each_other_is_refused)
{
    static const struct {
        const char *one;
        const char *other;
        const char *sentence;
    } pairs[] = {
        { "join=concat", "shortest=1", "shortest" },
        { "join=concat", "copyts=1", "copyts" },
        { "join=concat", "input_offset=1", "input_offset" },
        { "join=concat", "input_offset:1=1", "input_offset" },
        { "join=concat", "join=merge", "join is given twice" },
        { "end=5", "duration=2", "end and duration" },
        { "end=5", "start=5", "end: not after start" },
        { "start_from_end=5", "start=1", "start_from_end" },
        { "start_from_end=5", "end=9", "start_from_end" },
        { "start_from_end:1=5", "start:1=1", "start_from_end" },
        { "subtitles=none", "subtitles:s:0=srt", "subtitles: none of them" },
        { "subtitles:s=none", "subtitles=copy", "subtitles: none of them" },
    };

    for (size_t slot = 0; slot < sizeof(pairs) / sizeof(*pairs); slot++) {
        struct rmx_job_spec spec = job(2, 1);

        add(&spec, pairs[slot].other);
        assert_fine(&spec);
        add(&spec, pairs[slot].one);
        assert_refused(&spec, RMX_STATUS_BAD_OPTION, pairs[slot].sentence);
        spec = job(2, 1);
        add(&spec, pairs[slot].one);
        assert_fine(&spec);
    }
}

Test(several, what_only_seems_to_contradict_is_taken)
{
    static const struct {
        const char *one;
        const char *other;
    } pairs[] = {
        { "join=concat", "shortest=0" }, { "join=merge", "shortest=1" },
        { "copy_unknown=1", "ignore_unknown=1" }, /* as ffmpeg: the first wins */
        { "start_from_end:0=5", "start:1=1" }, { "end:0=5", "duration:1=5" },
        { "map_metadata=-1", "metadata=title=One" }, /* only this one, then */
    };

    for (size_t slot = 0; slot < sizeof(pairs) / sizeof(*pairs); slot++) {
        struct rmx_job_spec spec = job(2, 1);

        add(&spec, pairs[slot].one);
        add(&spec, pairs[slot].other);
        assert_fine(&spec);
    }
}
