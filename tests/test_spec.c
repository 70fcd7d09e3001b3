/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From the caller's job to the wire's spec where rings are concerned: what makes no sense is named,
 * and what does arrives as it was meant.
 */
#include <criterion/criterion.h>

#include <string.h>

#include "clients/ringmux.h"
#include "clients/spec.h"
#include "ipc/channel.h"
#include "ring/chunk.h"

static ptrdiff_t read_nothing(void *user, void *to, size_t bytes)
{
    (void)user;
    (void)to;
    (void)bytes;
    return 0;
}

static int seek_nowhere(void *user, uint64_t offset)
{
    (void)user;
    (void)offset;
    return 0;
}

static int write_nothing(void *user, const struct rmx_piece *piece)
{
    (void)user;
    (void)piece;
    return 0;
}

static struct rmx_source source = { .read = read_nothing, .size = 1000 };
static struct rmx_sink sink = { .write = write_nothing };

static struct rmx_job with_rings(void)
{
    struct rmx_job job = RMX_JOB_INIT;

    job.input = RMX_RING;
    job.output = RMX_RING;
    job.format = "mpegts";
    return job;
}

static struct rmx_job_spec good(const struct rmx_job *job)
{
    struct rmx_job_spec spec;
    const char *why = "";

    cr_assert_eq(rmx_spec_fill(&spec, job, 5, &why), 0, "%s", why);
    return spec;
}

static void bad(const struct rmx_job *job, const char *field)
{
    const char *why = "";

    cr_assert_eq(rmx_check(job, &why), RMX_BAD_JOB);
    cr_assert_not_null(strstr(why, field), "\"%s\" does not name %s", why, field);
}

Test(spec, rings_have_a_size_that_suits)
{
    struct rmx_job job = with_rings();
    struct rmx_job_spec spec = good(&job);
    int fds[RMX_SPEC_FDS_MAX];

    cr_assert_eq(rmx_spec_fds(&job, fds), 0);
    cr_assert_eq(spec.input_port, RMX_JOB_RING);
    cr_assert_eq(spec.input_ring.chunk_bytes, 16384);
    cr_assert_eq(spec.input_ring.slots, 16);
    cr_assert_eq(spec.input_bytes, RMX_SIZE_UNKNOWN);
    job.flags = RMX_LIVE;
    job.interleave_us = 7;
    job.fragment_us = RMX_FRAGMENT_PACKET;
    spec = good(&job);
    cr_assert_eq(spec.output_ring.chunk_bytes, 4096);
    cr_assert_eq(spec.interleave_us, 7);
    cr_assert_eq(spec.fragment_us, RMX_FRAGMENT_PACKET);
    job.input_ring_bytes = 8192;
    job.output_ring_bytes = 64u << 20;
    spec = good(&job);
    cr_assert_eq(spec.input_ring.chunk_bytes, RMX_CHUNK_BYTES_MIN);
    cr_assert_eq(spec.output_ring.chunk_bytes, RMX_CHUNK_BYTES_MAX);
    job.chunk_bytes = 4096;
    spec = good(&job);
    cr_assert_eq(spec.input_ring.slots, 2);
    cr_assert_eq(spec.output_ring.slots, 16384);
}

Test(spec, one_ring_is_enough)
{
    struct rmx_job job = with_rings();
    int fds[RMX_SPEC_FDS_MAX] = { 0, 0 };

    job.input = 7;
    cr_assert_eq(good(&job).input_port, RMX_JOB_DESCRIPTOR);
    cr_assert_eq(rmx_spec_fds(&job, fds), 1);
    cr_assert_eq(fds[0], 7);
    job.input = RMX_RING;
    job.output = 8;
    cr_assert_eq(good(&job).output_port, RMX_JOB_DESCRIPTOR);
    cr_assert_eq(rmx_spec_fds(&job, fds), 1);
    cr_assert_eq(fds[0], 8);
}

Test(spec, further_descriptors_follow_their_kind)
{
    static const int inputs[] = { 5, 6 };
    static const int outputs[] = { 8, -1 };
    static const char *const edits[] = { "format:1=mpegts", NULL };
    struct rmx_job job = RMX_JOB_INIT;
    int fds[RMX_SPEC_FDS_MAX] = { 0 };

    job.format = "mp4";
    job.input = 4;
    job.output = 7;
    job.more_inputs = inputs;
    job.more_input_count = 2;
    job.more_outputs = outputs;
    job.more_output_count = 1;
    job.edits = edits;
    struct rmx_job_spec spec = good(&job);

    cr_assert_eq(spec.inputs, 3);
    cr_assert_eq(spec.outputs, 2);
    cr_assert_eq(rmx_spec_fds(&job, fds), 5);
    for (int slot = 0; slot < 5; slot++) {
        cr_assert_eq(fds[slot], 4 + slot);
    }
    job.more_output_count = 2;
    bad(&job, "more_outputs");
    job.more_output_count = 8;
    bad(&job, "more_outputs");
    job.more_output_count = 1;
    job.more_inputs = NULL;
    bad(&job, "more_inputs");
    job.more_inputs = inputs;
    job.input = RMX_RING;
    bad(&job, "a ring carries one");
}

Test(spec, a_source_says_how_long_it_is_and_whether_it_seeks)
{
    struct rmx_job job = with_rings();

    job.source = &source;
    cr_assert_eq(good(&job).input_bytes, 1000);
    cr_assert_eq(good(&job).flags & RMX_JOB_SEEKABLE_INPUT, 0);
    source.seek = seek_nowhere;
    cr_assert_neq(good(&job).flags & RMX_JOB_SEEKABLE_INPUT, 0);
    source.size = (uint64_t)INT64_MAX + 1;
    bad(&job, "source");
    source.size = RMX_SIZE_UNKNOWN;
    good(&job);
    source.read = NULL;
    bad(&job, "source");
}

Test(spec, what_is_for_rings_is_for_rings)
{
    struct rmx_job job = with_rings();

    job.input = 3;
    job.source = &source;
    bad(&job, "source");
    job.source = NULL;
    job.input_ring_bytes = 8192;
    bad(&job, "input_ring_bytes");
    job = with_rings();
    job.output = 3;
    job.sink = &sink;
    bad(&job, "sink");
    job.sink = NULL;
    job.output_ring_bytes = 8192;
    bad(&job, "output_ring_bytes");
    job.output_ring_bytes = 0;
    job.flags = RMX_POSITIONAL;
    bad(&job, "POSITIONAL");
    job.flags = RMX_PARTS;
    bad(&job, "PARTS");
    job.flags = 0;
    job.input = 3;
    job.chunk_bytes = 4096;
    bad(&job, "chunk_bytes");
    job.chunk_bytes = 0;
    good(&job);
}

Test(spec, ring_sizes_are_powers_of_two_in_their_range)
{
    static const uint32_t sizes[] = { 1, 4096, 12288, 128u << 20, UINT32_MAX };
    static const uint32_t chunks[] = { 1, 256, 1000, 262144, 2u << 20 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct rmx_job job = with_rings();

        job.input_ring_bytes = sizes[i];
        bad(&job, "input_ring_bytes");
        job = with_rings();
        job.output_ring_bytes = sizes[i];
        bad(&job, "output_ring_bytes");
        job = with_rings();
        job.chunk_bytes = chunks[i];
        bad(&job, "chunk_bytes");
    }
    struct rmx_job job = with_rings();
    job.input_ring_bytes = 64u << 20;
    job.chunk_bytes = 512;
    bad(&job, "chunk_bytes");
}

Test(spec, what_makes_no_sense_is_named)
{
    struct rmx_job job = with_rings();

    job.flags = RMX_JOB_SEEKABLE_INPUT;
    bad(&job, "flags");
    job = with_rings();
    job.kind = RMX_NOOP;
    job.format = NULL;
    bad(&job, "input");
    job = with_rings();
    job.input = -3;
    bad(&job, "input");
    job = with_rings();
    job.isolation = RMX_CLIENT_WORKER;
    bad(&job, "isolation");
    job = with_rings();
    job.sink = &(struct rmx_sink){ .write = NULL };
    bad(&job, "sink");
    job = with_rings();
    job.interleave_us = 1;
    bad(&job, "interleave_us");
}

Test(spec, edits_go_along_as_they_are)
{
    static const char *const edits[] = { "start=1:30", "metadata:s:a:0=language=eng", NULL };
    struct rmx_job job = with_rings();

    job.edits = edits;
    struct rmx_job_spec spec = good(&job);
    cr_assert_arr_eq(spec.edits, "start=1:30\0metadata:s:a:0=language=eng\0",
        sizeof("start=1:30\0metadata:s:a:0=language=eng\0"));
}

Test(spec, edits_that_make_no_sense_are_refused_with_the_reason)
{
    static char long_one[RMX_JOB_EDITS_BYTES + 16] = "metadata=k=";
    static const struct {
        const char *edits[3];
        const char *why;
    } bads[] = {
        { { "strat=1" }, "edits: there is no such edit: is 'start' meant?" },
        { { "start" }, "edits: one is not \"name=value\"" },
        { { long_one }, "edits: together longer than a job can carry" },
        { { "end=1", "duration=1" }, "edits: end and duration: give one of them" },
    };
    struct rmx_job job = with_rings();

    memset(long_one + strlen(long_one), 'x', RMX_JOB_EDITS_BYTES);
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        const char *why = "";

        job.edits = bads[i].edits;
        cr_assert_eq(rmx_check(&job, &why), RMX_BAD_OPTION);
        cr_assert_str_eq(why, bads[i].why);
    }
}
