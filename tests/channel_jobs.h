/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs for tests of a worker's channels: a tiny lane with a worker, specs, and the one expectation
 * that matters: that the bytes are those of the stage called directly.
 */
#ifndef RMX_TESTS_CHANNEL_JOBS_H
#define RMX_TESTS_CHANNEL_JOBS_H

#include "tests/tiny_lane.h"

#define CHANNEL_JOBS_ARENA_BYTES (8u << 20)
#define CHANNEL_JOBS_BOTH        (RMX_PORT_CHANNEL_IN | RMX_PORT_CHANNEL_OUT)
#define CHANNEL_JOBS_SEEKING     (CHANNEL_JOBS_BOTH | RMX_PORT_SEEKABLE_IN)

extern const struct rmx_job_ring channel_jobs_small;
extern const struct rmx_job_ring channel_jobs_middling;
extern const struct rmx_job_ring channel_jobs_large;

/* A worker, with rings of this shape in the lane's own arena. */
void channel_jobs_start(struct tiny_lane *lane, uint32_t slots, uint32_t chunk_bytes);

struct rmx_job_spec channel_jobs_spec(const char *format);

/* What the stage by itself makes of it. */
struct media channel_jobs_made_of(struct media *input, const char *format, uint32_t port);

void channel_jobs_expect_same(const struct media *got, const struct media *wanted);

/* Runs a job whose rings begin where all rings do: the channel has no other. */
void channel_jobs_expect(struct tiny_lane *lane, struct tiny_channel *channel, struct media *input,
    const char *format, uint32_t port, const struct rmx_job_ring *shape);

/* Serves until the job, which is not fed, waits for input; until it has filled its output ring,
 * which is not drained. */
void channel_jobs_starve(struct tiny_lane *lane, const struct tiny_job *job);
void channel_jobs_fill(struct tiny_lane *lane, const struct tiny_job *job);

#endif
