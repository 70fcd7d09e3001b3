/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bytes moved as they are: into a spool, and out of it.
 */
#include "engine/worker/copy.h"

#include <criterion/criterion.h>
#include <string.h>

#include "engine/worker/remux.h"
#include "tests/ends.h"
#include "tests/media.h"

#define SLOTS       4u
#define CHUNK_BYTES 512u

static struct media input;
static struct rmx_job_result result;
static unsigned breaths;

static void breathe(void)
{
    breaths++;
}

static struct rmx_job_spec job(const char *format, const char *option)
{
    struct rmx_job_spec spec = media_job(format);

    cr_assert(option == NULL || rmx_job_add_option(&spec, option) == 0);
    return spec;
}

static void expect_output(const struct media *wanted)
{
    cr_assert_eq(result.status, RMX_STATUS_OK, "%s", result.text);
    cr_assert_eq(ends.avio.status, RMX_STATUS_OK);
    cr_assert_eq(ends.parts[0].size, wanted->size);
    cr_assert_arr_eq(ends.parts[0].bytes, wanted->bytes, wanted->size);
    cr_assert(ends.in_order);
    cr_assert(ends.ended);
}

static void deliver(const char *format, const char *option)
{
    struct rmx_job_spec spec = job(format, option);

    ends_open(input.bytes, input.size, true, SLOTS, CHUNK_BYTES);
    rmx_copy_deliver(&spec, &ends.source, &ends.sink, &result);
    ends_finish();
}

TestSuite(copy, .timeout = 30);

Test(copy, spool_takes_all_of_an_mp4_whose_index_comes_last)
{
    rmx_remux_breathe = breathe;
    media_make_mp4(&input, NULL);
    ends_open(input.bytes, input.size, false, SLOTS, CHUNK_BYTES);
    ends.feed_bytes_max = 100;
    rmx_copy_spool(&ends.source, &ends.sink, &result);
    ends_finish();
    expect_output(&input);
    cr_assert_eq(ends.source.bytes, input.size);
    cr_assert_geq(breaths, input.size / CHUNK_BYTES);
    ends_close();
    media_free(&input);
}

Test(copy, spool_leaves_what_can_be_read_forward)
{
    unsigned char first[64];

    media_make_mp4(&input, "frag_keyframe+empty_moov");
    ends_open(input.bytes, input.size, false, SLOTS, CHUNK_BYTES);
    rmx_copy_spool(&ends.source, &ends.sink, &result);
    cr_assert_eq(result.status, RMX_STATUS_OK);
    cr_assert_eq(ends.source.bytes, 0);
    cr_assert_eq(ends.sink.end, 0);
    cr_assert_eq(avio_read(ends.source.input[0].context, first, sizeof(first)), (int)sizeof(first));
    cr_assert_arr_eq(first, input.bytes, sizeof(first));
    ends_close();
    media_free(&input);
}

Test(copy, spool_of_an_empty_stream_is_empty)
{
    ends_open("", 0, false, SLOTS, CHUNK_BYTES);
    rmx_copy_spool(&ends.source, &ends.sink, &result);
    ends_finish();
    cr_assert_eq(result.status, RMX_STATUS_OK);
    cr_assert_eq(ends.source.bytes, 0);
    cr_assert_eq(ends.parts[0].size, 0);
    ends_close();
}

Test(copy, stop_ends_a_spool)
{
    media_make_mp4(&input, NULL);
    ends_open(input.bytes, input.size, false, SLOTS, CHUNK_BYTES);
    ends.fed_bytes = input.size / 2;
    ends.endless = true;
    rmx_copy_spool(&ends.source, &ends.sink, &result);
    cr_assert_eq(result.status, RMX_STATUS_CANCELLED);
    cr_assert_eq(ends.avio.status, RMX_STATUS_CANCELLED);
    ends_close();
    media_free(&input);
}

Test(copy, file_is_delivered_as_it_is)
{
    media_make_mp4(&input, NULL);
    deliver("mp4", NULL);
    expect_output(&input);
    ends_close();
    media_free(&input);
}

Test(copy, index_is_delivered_in_front_as_libavformat_would_put_it)
{
    struct media wanted = { 0 };

    media_make_mp4(&input, NULL);
    media_make_mp4(&wanted, "faststart");
    deliver("mp4", "movflags=+faststart");
    expect_output(&wanted);
    cr_assert_geq(ends.seeks, 1);
    ends_close();
    media_free(&wanted);
    media_free(&input);
}

Test(copy, index_that_is_in_front_stays_there)
{
    media_make_mp4(&input, "faststart");
    deliver("mp4", "movflags=faststart");
    expect_output(&input);
    ends_close();
    media_free(&input);
    media_make_mp4(&input, "frag_keyframe+empty_moov");
    deliver("mov", "movflags=faststart");
    expect_output(&input);
    ends_close();
    media_free(&input);
}

Test(copy, other_containers_are_not_looked_into)
{
    media_make_mp4(&input, NULL);
    deliver("matroska", "movflags=+faststart");
    expect_output(&input);
    cr_assert_eq(ends.seeks, 0);
    ends_close();
    media_free(&input);
}

Test(copy, bytes_that_are_no_mp4_are_delivered_as_they_are)
{
    unsigned char noise[3000];
    struct media wanted = { .bytes = noise, .size = sizeof(noise) };

    for (size_t i = 0; i < sizeof(noise); i++) {
        noise[i] = (unsigned char)(i * 131 >> 3);
    }
    input = wanted;
    deliver("mp4", "movflags=+faststart");
    expect_output(&wanted);
    ends_close();
}

Test(copy, file_that_ends_early_is_INPUT_IO)
{
    struct rmx_job_spec spec = job("mp4", NULL);

    media_make_mp4(&input, NULL);
    ends_open(input.bytes, input.size, true, SLOTS, CHUNK_BYTES);
    ends.fed_bytes = input.size - 100;
    rmx_copy_deliver(&spec, &ends.source, &ends.sink, &result);
    ends_finish();
    cr_assert_eq(ends.avio.status, RMX_STATUS_INPUT_IO);
    ends_close();
    media_free(&input);
}

Test(copy, delivery_with_faststart_from_a_stream_is_the_lanes_lie)
{
    struct rmx_job_spec spec = job("mp4", "movflags=+faststart");

    ends_open("", 0, false, SLOTS, CHUNK_BYTES);
    rmx_copy_deliver(&spec, &ends.source, &ends.sink, &result);
    cr_assert_eq(ends.avio.status, RMX_STATUS_PEER_CORRUPT);
    ends_close();
}
