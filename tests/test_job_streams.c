/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Is this a job? The fields that say how its bytes come and go: rings, live jobs, spools.
 */
#include <criterion/criterion.h>

#include "ipc/channel.h"
#include "ipc/job.h"
#include "ring/chunk.h"
#include "tests/job_words.h"

Test(job_streams, what_is_live_is_not_spooled)
{
    struct rmx_job_spec spec = stream();

    spec.flags = RMX_JOB_LIVE | RMX_JOB_SPOOL;
    assert_bad(&spec, "flags:");
}

Test(job_streams, times_are_of_live_jobs_and_at_most_a_minute)
{
    struct rmx_job_spec spec = stream();

    spec.interleave_us = 1;
    assert_bad(&spec, "interleave_us:");
    spec.flags = RMX_JOB_LIVE;
    assert_fine(&spec);
    spec.interleave_us = RMX_JOB_WAIT_US_MAX + 1;
    assert_bad(&spec, "interleave_us:");
    spec.interleave_us = RMX_JOB_FRAGMENT_PACKET;
    assert_bad(&spec, "interleave_us:");
    spec.interleave_us = 0;
    spec.fragment_us = RMX_JOB_FRAGMENT_PACKET - 1;
    assert_bad(&spec, "fragment_us:");
    spec.fragment_us = RMX_JOB_FRAGMENT_PACKET;
    assert_fine(&spec);
    spec.flags = 0;
    assert_bad(&spec, "fragment_us:");
}

Test(job_streams, ports_are_descriptors_or_rings_and_of_what_there_is)
{
    struct rmx_job_spec spec = stream();

    spec.input_port = RMX_JOB_RING + 1;
    assert_bad(&spec, "input_port:");
    spec = stream();
    spec.output_port = UINT8_MAX;
    assert_bad(&spec, "output_port:");
    spec = noop();
    spec.input_port = RMX_JOB_RING;
    assert_bad(&spec, "input_port:");
    spec = noop();
    spec.output_port = RMX_JOB_RING;
    assert_bad(&spec, "output_port:");
}

Test(job_streams, each_end_may_be_a_ring_alone)
{
    struct rmx_job_spec spec = stream();

    cr_assert_eq(rmx_job_descriptors(&spec), 0);
    spec.input_port = RMX_JOB_DESCRIPTOR;
    spec.input_ring = (struct rmx_job_ring){ 0 };
    spec.input_bytes = 0;
    assert_fine(&spec);
    cr_assert_eq(rmx_job_descriptors(&spec), 1);
    spec = stream();
    spec.output_port = RMX_JOB_DESCRIPTOR;
    spec.output_ring = (struct rmx_job_ring){ 0 };
    assert_fine(&spec);
    cr_assert_eq(rmx_job_descriptors(&spec), 1);
    spec = remux();
    cr_assert_eq(rmx_job_descriptors(&spec), 2);
    spec = noop();
    cr_assert_eq(rmx_job_descriptors(&spec), 0);
}

Test(job_streams, a_ring_could_lie_in_an_arena)
{
    static const struct rmx_job_ring wrong[] = {
        { 0, 0, 0 },
        { RMX_CHANNEL_RINGS_AT - 4096, 16, 4096 },
        { RMX_CHANNEL_RINGS_AT + 128, 16, 4096 },
        { RMX_CHANNEL_BYTES_MAX, 16, 4096 },
        { UINT64_MAX - 4095, 16, 4096 },
        { RMX_CHANNEL_RINGS_AT, 0, 4096 },
        { RMX_CHANNEL_RINGS_AT, 15, 4096 },
        { RMX_CHANNEL_RINGS_AT, RMX_RING_SLOTS_MAX * 2, 4096 },
        { RMX_CHANNEL_RINGS_AT, 16, 0 },
        { RMX_CHANNEL_RINGS_AT, 16, RMX_CHUNK_BYTES_MIN / 2 },
        { RMX_CHANNEL_RINGS_AT, 16, RMX_CHUNK_BYTES_MAX * 2 },
        { RMX_CHANNEL_RINGS_AT, 16, 4097 },
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct rmx_job_spec spec = stream();

        spec.input_ring = wrong[i];
        assert_bad(&spec, "input_ring:");
        spec = stream();
        spec.output_ring = wrong[i];
        assert_bad(&spec, "output_ring:");
    }
}

Test(job_streams, what_rings_have_others_have_not)
{
    struct rmx_job_spec spec = remux();

    spec.input_ring.at = 4096;
    assert_bad(&spec, "input_ring");
    spec = remux();
    spec.input_ring.slots = 1;
    assert_bad(&spec, "input_ring");
    spec = remux();
    spec.output_ring.chunk_bytes = 1;
    assert_bad(&spec, "output_ring");
    spec = remux();
    spec.input_bytes = 1;
    assert_bad(&spec, "input_ring, input_bytes");
    spec = remux();
    spec.channel = 1;
    assert_bad(&spec, "channel:");
    spec = remux();
    spec.channel_flow = 1;
    assert_bad(&spec, "channel_flow:");
}

Test(job_streams, rings_have_a_channel_and_a_number_in_it)
{
    struct rmx_job_spec spec = stream();

    spec.channel = 0;
    assert_bad(&spec, "channel:");
    spec = stream();
    spec.channel_flow = RMX_CHANNEL_FLOWS_MAX;
    assert_bad(&spec, "channel_flow:");
}

Test(job_streams, an_input_is_as_long_as_a_stream_can_be_or_unknown)
{
    struct rmx_job_spec spec = stream();

    spec.input_bytes = 0;
    assert_fine(&spec);
    spec.input_bytes = INT64_MAX;
    assert_fine(&spec);
    spec.input_bytes = (uint64_t)INT64_MAX + 1;
    assert_bad(&spec, "input_bytes:");
    spec.input_bytes = UINT64_MAX - 1;
    assert_bad(&spec, "input_bytes:");
}

static bool wants(const char *format, const char *first, const char *second)
{
    struct rmx_job_spec spec = remux();

    cr_assert_eq(rmx_job_set_name(&spec.format, format), 0);
    cr_assert_eq(rmx_job_add_option(&spec, first), 0);
    cr_assert_eq(rmx_job_add_option(&spec, second), 0);
    assert_fine(&spec);
    return rmx_job_wants_faststart(&spec);
}

Test(job_streams, faststart_is_wanted_as_the_muxer_reads_its_flags)
{
    static const struct {
        const char *first, *second;
        bool wanted;
    } rows[] = {
        { "movflags=+faststart", "brand=x", true },
        { "movflags=faststart", "brand=x", true },
        { "movflags=write_colr+faststart", "brand=x", true },
        { "movflags=-faststart+faststart", "brand=x", true },
        { "movflags=+faststart", "movflags=+write_colr", true },
        { "movflags=+faststart", "movflags=-write_colr", true },
        { "movflags=+write_colr", "movflags=+faststart", true },
        { "movflags=+faststart", "movflags=write_colr", false },
        { "movflags=+faststart", "movflags=-faststart", false },
        { "movflags=+faststart-faststart", "brand=x", false },
        { "brand=fast", "brand=star", false },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(wants("mp4", rows[i].first, rows[i].second), rows[i].wanted, "row %zu", i);
    }
}

Test(job_streams, faststart_means_nothing_where_no_index_is_moved)
{
    cr_assert(wants("mov", "movflags=+faststart", "brand=x"));
    cr_assert_not(wants("matroska", "cluster_size_limit=100000", "cluster_time_limit=1000"));
}
