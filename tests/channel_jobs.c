/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs for tests of a worker's channels. See channel_jobs.h.
 */
#include "tests/channel_jobs.h"

#include <criterion/criterion.h>
#include <string.h>

#include "ipc/status.h"

#define ROUNDS_MAX 10000 /* of a millisecond or more */

const struct rmx_job_ring channel_jobs_small = { .slots = 2, .chunk_bytes = 512 };
const struct rmx_job_ring channel_jobs_middling = { .slots = 16, .chunk_bytes = 4096 };
const struct rmx_job_ring channel_jobs_large = { .slots = 64, .chunk_bytes = 16384 };

void channel_jobs_start(struct tiny_lane *lane, uint32_t slots, uint32_t chunk_bytes)
{
    tiny_lane_start(lane, slots, chunk_bytes);
    tiny_lane_fork(lane);
    tiny_lane_adopt(lane);
}

void channel_jobs_starve(struct tiny_lane *lane, const struct tiny_job *job)
{
    const struct rmx_ring_shm *input = job->input_ring.ring.shm;

    for (int round = 0; atomic_load(&input->consumer_asks) == 0; round++) {
        cr_assert_lt(round, ROUNDS_MAX, "the job does not ask for input");
        tiny_lane_serve(lane, 1);
    }
}

void channel_jobs_fill(struct tiny_lane *lane, const struct tiny_job *job)
{
    const struct rmx_ring_shm *output = job->output_ring.ring.shm;

    for (int round = 0; atomic_load(&output->producer_asks) == 0; round++) {
        cr_assert_lt(round, ROUNDS_MAX, "the job does not fill its output");
        tiny_lane_serve(lane, 1);
    }
}

struct rmx_job_spec channel_jobs_spec(const char *format)
{
    struct rmx_job_spec spec = media_job(format);

    spec.flags |= RMX_JOB_BITEXACT;
    return spec;
}

struct media channel_jobs_made_of(struct media *input, const char *format, uint32_t port)
{
    struct rmx_job_spec spec = channel_jobs_spec(format);
    struct media wanted = { .stream = (port & RMX_PORT_SEEKABLE_OUT) == 0 };
    struct rmx_job_result result;

    input->stream = (port & RMX_PORT_SEEKABLE_IN) == 0;
    input->at = 0;
    result = media_run(&spec, input, &wanted);
    cr_assert_eq(result.status, RMX_STATUS_OK, "%s", rmx_status_name(result.status));
    return wanted;
}

void channel_jobs_expect_same(const struct media *got, const struct media *wanted)
{
    cr_assert_eq(got->size, wanted->size, "%zu bytes instead of %zu", got->size, wanted->size);
    cr_assert_eq(memcmp(got->bytes, wanted->bytes, wanted->size), 0);
}

void channel_jobs_expect(struct tiny_lane *lane, struct tiny_channel *channel, struct media *input,
    const char *format, uint32_t port, const struct rmx_job_ring *shape)
{
    struct rmx_job_spec spec = channel_jobs_spec(format);
    struct media wanted = channel_jobs_made_of(input, format, port);
    struct media got = { 0 };
    struct rmx_job_result result;

    channel->next_at = RMX_CHANNEL_RINGS_AT;
    result =
        tiny_lane_finish(lane, tiny_lane_begin_in(lane, channel, &spec, input, &got, port, shape));
    cr_assert_eq(
        result.status, RMX_STATUS_OK, "%s: %s", rmx_status_name(result.status), result.text);
    cr_assert_eq(result.bytes_out, got.size);
    channel_jobs_expect_same(&got, &wanted);
    media_free(&wanted);
    media_free(&got);
}
