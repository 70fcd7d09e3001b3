/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Is this a job? One test a field: what passes, what does not, and that the sentence names it.
 */
#include "ipc/job.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipc/channel.h"
#include "ipc/status.h"
#include "ring/chunk.h"
#include "tests/job_words.h"

static const char trace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

Test(job, a_plain_job_of_each_kind_passes)
{
    struct rmx_job_spec specs[] = { remux(), probe(), noop(), stream() };

    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        assert_fine(&specs[i]);
    }
}

Test(job, every_field_at_its_fullest_passes)
{
    struct rmx_job_spec spec = stream();

    spec.job = UINT64_MAX;
    spec.deadline_ns = UINT64_MAX;
    spec.flags = RMX_JOB_FLAGS_ALL & ~(uint32_t)(RMX_JOB_SPOOL | RMX_JOB_KEYFRAMES);
    spec.class_ = RMX_CLASS_BACKGROUND;
    memset(spec.input_format, 'a', sizeof(spec.input_format) - 1);
    memcpy(spec.traceparent, trace, sizeof(trace));
    for (int i = 0; i < RMX_JOB_MAPS_MAX; i++) {
        memset(spec.map[i], '1', RMX_JOB_MAP_BYTES - 1);
    }
    spec.maps = RMX_JOB_MAPS_MAX;
    memset(spec.options, 'x', sizeof(spec.options) - 1);
    memcpy(spec.options, "brand=", strlen("brand="));
    memset(spec.edits, 'x', sizeof(spec.edits) - 1);
    memcpy(spec.edits, "metadata=k=", strlen("metadata=k="));
    spec.channel = UINT32_MAX;
    spec.channel_flow = RMX_CHANNEL_FLOWS_MAX - 1;
    spec.input_ring = (struct rmx_job_ring){ RMX_CHANNEL_BYTES_MAX - RMX_CHUNK_ALIGN,
        RMX_RING_SLOTS_MAX, RMX_CHUNK_BYTES_MAX };
    spec.output_ring = spec.input_ring;
    spec.interleave_us = RMX_JOB_WAIT_US_MAX;
    spec.fragment_us = RMX_JOB_FRAGMENT_PACKET;
    assert_fine(&spec);
}

Test(job, its_name_is_not_0)
{
    struct rmx_job_spec spec = remux();

    spec.job = 0;
    assert_bad(&spec, "job:");
}

Test(job, kind_is_one_of_three)
{
    struct rmx_job_spec spec = remux();

    spec.kind = 0;
    assert_bad(&spec, "kind:");
    spec.kind = RMX_JOB_NOOP + 1;
    assert_bad(&spec, "kind:");
    spec.kind = UINT32_MAX;
    assert_bad(&spec, "kind:");
}

/* Those flags that pass, each alone. */
static uint32_t flags_that_pass(struct rmx_job_spec spec)
{
    const char *why;
    uint32_t passed = 0;

    for (unsigned bit = 0; bit < 32; bit++) {
        spec.flags = 1u << bit;
        passed |= rmx_job_check(&spec, &why) == 0 ? spec.flags : 0;
    }
    return passed;
}

Test(job, no_flag_is_set_that_means_nothing)
{
    struct rmx_job_spec spec = stream();

    cr_assert_eq(flags_that_pass(spec), RMX_JOB_FLAGS_ALL & ~(uint32_t)RMX_JOB_KEYFRAMES);
    spec.kind = RMX_JOB_PROBE;
    memset(spec.format, 0, sizeof(spec.format));
    cr_assert_eq(flags_that_pass(spec), RMX_JOB_BITEXACT | RMX_JOB_ALLOW_TRUNCATED |
                                            RMX_JOB_SEEKABLE_INPUT | RMX_JOB_POSITIONAL |
                                            RMX_JOB_SPOOL | RMX_JOB_KEYFRAMES);
    cr_assert_eq(flags_that_pass(remux()), RMX_JOB_ALL_STREAMS | RMX_JOB_BITEXACT |
                                               RMX_JOB_ALLOW_TRUNCATED | RMX_JOB_SPOOL |
                                               RMX_JOB_LIVE);
    cr_assert_eq(flags_that_pass(noop()), 0);
    spec.flags = RMX_JOB_FLAGS_ALL + 1;
    assert_bad(&spec, "flags:");
}

Test(job, class_is_one_of_three)
{
    struct rmx_job_spec spec = remux();

    spec.class_ = RMX_CLASSES;
    assert_bad(&spec, "class:");
    spec.class_ = UINT16_MAX;
    assert_bad(&spec, "class:");
}

Test(job, ports_are_those_of_the_kind)
{
    struct rmx_job_spec spec = remux();

    spec.inputs = 0;
    assert_bad(&spec, "inputs:");
    spec.inputs = RMX_JOB_INPUTS_MAX + 1;
    assert_bad(&spec, "inputs:");
    spec.inputs = RMX_JOB_INPUTS_MAX;
    assert_fine(&spec);
    spec = probe();
    spec.inputs = 2;
    assert_bad(&spec, "inputs:");
    spec = probe();
    spec.outputs = 255;
    assert_bad(&spec, "outputs:");
    spec = noop();
    spec.inputs = 1;
    assert_bad(&spec, "inputs:");
    spec = noop();
    spec.outputs = 1;
    assert_bad(&spec, "outputs:");
}

Test(job, isolation_is_one_of_three_and_rings_have_none)
{
    struct rmx_job_spec spec = remux();

    spec.isolation = RMX_ISOLATIONS;
    assert_bad(&spec, "isolation");
    spec.isolation = 1u << 31;
    assert_bad(&spec, "isolation");
    for (spec.isolation = 0; spec.isolation < RMX_ISOLATIONS; spec.isolation++) {
        assert_fine(&spec);
    }
    spec = stream();
    spec.isolation = RMX_ISOLATION_CLIENT;
    assert_bad(&spec, "isolation");
}

Test(job, input_format_is_a_word_that_ends_and_nothing_follows)
{
    struct rmx_job_spec spec = remux();

    snprintf(spec.input_format, sizeof(spec.input_format), "mov,mp4,m4a,3gp,3g2,mj2");
    assert_fine(&spec);
    spec.input_format[31] = 'x';
    assert_bad(&spec, "input_format:");
    memset(spec.input_format, 'a', sizeof(spec.input_format));
    assert_bad(&spec, "input_format:");
    spec = remux();
    spec.input_format[0] = '/';
    assert_bad(&spec, "input_format:");
    spec = noop();
    spec.input_format[0] = 'a';
    assert_bad(&spec, "input_format:");
}

Test(job, format_is_one_we_write)
{
    struct rmx_job_spec spec = remux();

    cr_assert_eq(rmx_job_set_name(&spec.format, "avif"), 0);
    assert_refused(&spec, RMX_STATUS_UNSUPPORTED, "format:");
    cr_assert_eq(rmx_job_set_name(&spec.format, ""), 0);
    assert_bad(&spec, "format:");
    cr_assert_eq(rmx_job_set_name(&spec.format, "mp4\n"), 0);
    assert_bad(&spec, "format:");
    cr_assert_eq(rmx_job_set_name(&spec.format, "mp4"), 0);
    spec.format[5] = 'x';
    assert_bad(&spec, "format:");
    memset(spec.format, 'a', sizeof(spec.format));
    assert_bad(&spec, "format:");
}

Test(job, format_is_empty_where_it_means_nothing)
{
    struct rmx_job_spec spec = probe();

    cr_assert_eq(rmx_job_set_name(&spec.format, "mp4"), 0);
    assert_bad(&spec, "format:");
    spec = noop();
    cr_assert_eq(rmx_job_set_name(&spec.format, "mp4"), 0);
    assert_bad(&spec, "format:");
}

Test(job, traceparent_is_empty_or_whole)
{
    static const char *const wrong[] = {
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319cb-7ad6b7169203331-01",
        "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    };
    struct rmx_job_spec spec = remux();

    memcpy(spec.traceparent, trace, sizeof(trace));
    assert_fine(&spec);
    spec.traceparent[55] = '1';
    assert_bad(&spec, "traceparent:");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        spec = remux();
        memcpy(spec.traceparent, wrong[i], strlen(wrong[i]));
        assert_bad(&spec, "traceparent:");
    }
}

Test(job, maps_are_stream_specifiers)
{
    static const char *const right[] = { "v", "a:1", "0", "s?", "-d", "m:language:en-US", "#0x101",
        "i:257", "p:1:v:0", "-a:1" };
    static const char *const wrong[] = { "-", "?", "-?", "a?b", "a??", "[out]", "v 0", "v\n",
        "v\x80", "/", "v=1" };

    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        struct rmx_job_spec spec = remux();

        cr_assert_eq(rmx_job_add_map(&spec, right[i]), 0);
        assert_fine(&spec);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct rmx_job_spec spec = remux();

        cr_assert_eq(rmx_job_add_map(&spec, "v"), 0);
        cr_assert_eq(rmx_job_add_map(&spec, wrong[i]), 0);
        assert_bad(&spec, "map:");
    }
}

Test(job, maps_are_as_many_as_it_says_and_the_others_are_zero)
{
    struct rmx_job_spec spec = remux();

    spec.maps = 1;
    assert_bad(&spec, "map:");
    spec.maps = RMX_JOB_MAPS_MAX + 1;
    assert_bad(&spec, "maps:");
    spec.maps = UINT16_MAX;
    assert_bad(&spec, "maps:");
    spec.maps = 0;
    spec.map[15][31] = 1;
    assert_bad(&spec, "map:");
    spec = remux();
    cr_assert_eq(rmx_job_add_map(&spec, "v"), 0);
    spec.map[0][20] = 'x';
    assert_bad(&spec, "map:");
    memset(spec.map[0], 'v', sizeof(spec.map[0]));
    assert_bad(&spec, "map:");
    spec = probe();
    cr_assert_eq(rmx_job_add_map(&spec, "v"), 0);
    assert_bad(&spec, "maps:");
}

Test(job, options_are_pairs_that_end)
{
    static const char *const wrong[] = { "novalue", "=v", "a b=c", "k=\n", "k=\x7f", "/k=v" };
    struct rmx_job_spec spec = remux();

    cr_assert_eq(rmx_job_add_option(&spec, "movflags=+write_colr"), 0);
    cr_assert_eq(rmx_job_add_option(&spec, "brand=d\xc3\xa4n, or so"), 0);
    cr_assert_eq(rmx_job_add_option(&spec, "brand="), 0);
    assert_fine(&spec);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        spec = remux();
        memcpy(spec.options, wrong[i], strlen(wrong[i]));
        assert_refused(&spec, RMX_STATUS_BAD_OPTION, "options:");
    }
    spec = remux();
    spec.options[500] = 'x';
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "options:");
    memset(spec.options, 'x', sizeof(spec.options));
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "options:");
    spec.options[1] = '=';
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "options:");
    memset(spec.options, 'x', sizeof(spec.options) - 1);
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "options:");
    spec = noop();
    cr_assert_eq(rmx_job_add_option(&spec, "k=v"), 0);
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "options:");
    spec = probe();
    cr_assert_eq(rmx_job_add_option(&spec, "k=v"), 0);
    assert_fine(&spec);
}

Test(job, options_are_those_that_the_container_has)
{
    struct rmx_job_spec spec = remux();

    cr_assert_eq(rmx_job_add_option(&spec, "movflag=+dash"), 0);
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "options: there is no such option");
    spec = remux();
    cr_assert_eq(rmx_job_add_option(&spec, "muxrate=1000"), 0);
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "options: this container has no option");
}

Test(job, options_are_walked_in_the_order_they_were_added)
{
    struct rmx_job_spec spec = remux();
    size_t cursor = 0;
    const char *pair = NULL;

    cr_assert_eq(rmx_job_next_option(&spec, &cursor, &pair), 0);
    cr_assert_null(pair);
    cr_assert_eq(rmx_job_add_option(&spec, "a=1"), 0);
    cr_assert_eq(rmx_job_add_option(&spec, "b="), 0);
    cr_assert_eq(rmx_job_next_option(&spec, &cursor, &pair), 1);
    cr_assert_str_eq(pair, "a=1");
    cr_assert_eq(rmx_job_next_option(&spec, &cursor, &pair), 1);
    cr_assert_str_eq(pair, "b=");
    cr_assert_eq(rmx_job_next_option(&spec, &cursor, &pair), 0);
    cr_assert_str_eq(pair, "b=", "outputs stay untouched");
}

Test(job, edits_are_read_and_for_a_remux_only)
{
    struct rmx_job_spec spec = remux();
    struct rmx_job_spec other = probe();

    cr_assert_eq(rmx_job_add_edit(&spec, "start=5"), 0);
    cr_assert_eq(rmx_job_add_edit(&spec, "novalue"), -EINVAL);
    assert_fine(&spec);
    cr_assert_eq(rmx_job_add_edit(&spec, "strat=5"), 0);
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "edits: there is no such edit: is 'start' meant?");
    memcpy(other.edits, "start=5", 7);
    assert_refused(&other, RMX_STATUS_BAD_OPTION, "edits:");
}

Test(job, edits_end_in_zeros)
{
    struct rmx_job_spec spec = remux();

    spec.edits[sizeof(spec.edits) - 1] = 'x';
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "edits: bytes after");
    memset(spec.edits, 'x', sizeof(spec.edits));
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "edits: one is not");
}

Test(job, a_live_one_has_a_duration_and_no_other_range)
{
    struct rmx_job_spec spec = remux();

    spec.flags = RMX_JOB_LIVE;
    cr_assert_eq(rmx_job_add_edit(&spec, "duration=5"), 0);
    assert_fine(&spec);
    memset(spec.edits, 0, sizeof(spec.edits));
    cr_assert_eq(rmx_job_add_edit(&spec, "start=5"), 0);
    assert_refused(&spec, RMX_STATUS_BAD_OPTION, "edits: start");
}

Test(job, options_fill_their_array_to_the_last_byte)
{
    struct rmx_job_spec spec = remux();
    char pair[RMX_JOB_OPTIONS_BYTES] = "brand=";
    size_t cursor = 0;
    const char *walked;

    memset(pair + strlen(pair), 'v', sizeof(pair) - strlen(pair) - 1);
    cr_assert_eq(rmx_job_add_option(&spec, pair), 0);
    cr_assert_eq(rmx_job_add_option(&spec, "a="), -E2BIG);
    assert_fine(&spec);
    cr_assert_eq(rmx_job_next_option(&spec, &cursor, &walked), 1);
    cr_assert_eq(rmx_job_next_option(&spec, &cursor, &walked), 0, "the end is not read past");
}

Test(job, what_cannot_be_added_changes_nothing)
{
    char long_text[RMX_JOB_OPTIONS_BYTES + 1] = "k=";
    struct rmx_job_spec spec = remux();
    struct rmx_job_spec before = spec;

    memset(long_text + 2, 'v', sizeof(long_text) - 3);
    cr_assert_eq(rmx_job_add_option(&spec, "novalue"), -EINVAL);
    cr_assert_eq(rmx_job_add_option(&spec, "=v"), -EINVAL);
    cr_assert_eq(rmx_job_add_option(&spec, long_text), -E2BIG);
    cr_assert_eq(rmx_job_add_map(&spec, ""), -EINVAL);
    cr_assert_eq(rmx_job_add_map(&spec, "01234567890123456789012345678901"), -E2BIG);
    cr_assert_eq(rmx_job_set_name(&spec.format, "01234567890123456789012345678901"), -E2BIG);
    cr_assert_arr_eq((char *)&spec, (char *)&before, sizeof(spec));
    for (int i = 0; i < RMX_JOB_MAPS_MAX; i++) {
        cr_assert_eq(rmx_job_add_map(&spec, "v"), 0);
    }
    cr_assert_eq(rmx_job_add_map(&spec, "v"), -E2BIG);
    cr_assert_eq(spec.maps, RMX_JOB_MAPS_MAX);
}

Test(job, a_shorter_name_leaves_nothing_of_the_longer)
{
    struct rmx_job_spec spec = remux();

    cr_assert_eq(rmx_job_set_name(&spec.format, "matroska"), 0);
    cr_assert_eq(rmx_job_set_name(&spec.format, "ogg"), 0);
    assert_fine(&spec);
}

Test(job, a_result_has_a_cause_and_a_text)
{
    struct rmx_job_result result = { .job = 1, .status = 9, .cause = -EIO, .text = "words" };

    cr_assert_eq(rmx_job_check_result(&result), 0);
    result.status = 12345;
    cr_assert_eq(rmx_job_check_result(&result), 0, "a younger daemon's status is no lie");
    result.cause = 1;
    cr_assert_eq(rmx_job_check_result(&result), -EBADMSG);
    result.cause = INT32_MIN;
    cr_assert_eq(rmx_job_check_result(&result), -EBADMSG);
    result.cause = 0;
    result.text[100] = 'x';
    cr_assert_eq(rmx_job_check_result(&result), -EBADMSG);
    memset(result.text, 'x', sizeof(result.text));
    cr_assert_eq(rmx_job_check_result(&result), -EBADMSG);
    result.text[191] = 0;
    cr_assert_eq(rmx_job_check_result(&result), 0);
    result.text[3] = '\n';
    cr_assert_eq(rmx_job_check_result(&result), -EBADMSG);
    result.text[3] = '\x80';
    cr_assert_eq(rmx_job_check_result(&result), -EBADMSG);
}

Test(job, a_result_waited_no_longer_than_it_took)
{
    struct rmx_job_result result = { .job = 1, .total_ns = 10 };

    result.input_wait_ns = 7;
    result.output_wait_ns = 3;
    cr_assert_eq(rmx_job_check_result(&result), 0);
    result.output_wait_ns = 4;
    cr_assert_eq(rmx_job_check_result(&result), -EBADMSG);
    result.output_wait_ns = UINT64_MAX - 6; /* their sum wraps to 0 */
    cr_assert_eq(rmx_job_check_result(&result), -EBADMSG);
    result.output_wait_ns = 0;
    result.input_wait_ns = 11;
    cr_assert_eq(rmx_job_check_result(&result), -EBADMSG);
    result.total_ns = result.input_wait_ns = result.output_wait_ns = UINT64_MAX;
    cr_assert_eq(rmx_job_check_result(&result), -EBADMSG);
    result.output_wait_ns = 0;
    cr_assert_eq(rmx_job_check_result(&result), 0);
}

Test(job, only_busy_says_when_to_come_again)
{
    struct rmx_job_result result = { .job = 1, .status = RMX_STATUS_BUSY };

    cr_assert_eq(rmx_job_check_result(&result), 0);
    result.retry_after_ns = 120000000;
    cr_assert_eq(rmx_job_check_result(&result), 0);
    for (uint32_t status = 0; status < RMX_STATUSES; status++) {
        result.status = status;
        cr_assert_eq(
            rmx_job_check_result(&result), status == RMX_STATUS_BUSY ? 0 : -EBADMSG, "%u", status);
    }
}

Test(job, any_kind_may_be_of_any_group)
{
    struct rmx_job_spec specs[] = { remux(), probe(), noop(), stream() };

    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        specs[i].group = i % 2 ? UINT32_MAX : 1;
        assert_fine(&specs[i]);
    }
}
