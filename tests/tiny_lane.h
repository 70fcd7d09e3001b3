/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The smallest lane there is: one zygote, one worker, jobs whose input and output are memory. For
 * tests that want the real worker process without a daemon. Every call fails the test itself when
 * the other side breaks the protocol or takes longer than 10 s.
 */
#ifndef RMX_TESTS_TINY_LANE_H
#define RMX_TESTS_TINY_LANE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/berth.h"
#include "engine/spawn.h"
#include "ring/chunk.h"
#include "tests/media.h"
#include "tests/tiny_channel.h"

#define TINY_LANE_JOBS     16
#define TINY_LANE_CHANNELS 4

struct tiny_job {
    struct rmx_pair *pair; /* NULL = none */
    uint32_t port;         /* enum rmx_flow_port */
    uint32_t channel_flow;
    struct tiny_channel *channel; /* with PORT_CHANNEL_*: where those rings are */
    struct rmx_chunk_ring input_ring;
    struct rmx_chunk_ring output_ring;
    const struct media *input;
    struct media *output;
    uint64_t fed;
    bool fed_all;
    bool starve;  /* feeds nothing: the input's producer is slow */
    bool stalled; /* drains nothing: the output's reader is */
    bool ended;   /* its last chunk came */
    bool done;
};

struct tiny_lane {
    struct rmx_spawned zygote;
    struct rmx_berth berth;
    pid_t worker;
    int worker_ctl;
    int worker_pidfd;
    struct tiny_job jobs[TINY_LANE_JOBS];
    struct tiny_channel channels[TINY_LANE_CHANNELS]; /* by place */
    uint32_t unshared;                                /* a bit for each place given back */
};

/* A zygote, and an arena with TINY_LANE_JOBS ring pairs of this shape. */
void tiny_lane_start(struct tiny_lane *lane, uint32_t slots, uint32_t chunk_bytes);

/* Hangs up on the zygote: it and its worker must be gone soon. */
void tiny_lane_stop(struct tiny_lane *lane);

/* Forks a worker and waits until it is locked down; then gives it the arena. */
void tiny_lane_fork(struct tiny_lane *lane);
void tiny_lane_adopt(struct tiny_lane *lane);

/* Starts a job. port: enum rmx_flow_port. */
struct tiny_job *tiny_lane_begin(struct tiny_lane *lane, const struct rmx_job_spec *spec,
    const struct media *input, struct media *output, uint32_t port);

/* Shares an arena of a client with the worker; takes it back, when no job is left in it. */
struct tiny_channel *tiny_lane_share(struct tiny_lane *lane, uint32_t place, size_t bytes);
void tiny_lane_unshare(struct tiny_lane *lane, struct tiny_channel *channel);

/* Starts a job whose rings are in a channel: on those sides that port says so, and then of this
 * shape. */
struct tiny_job *tiny_lane_begin_in(struct tiny_lane *lane, struct tiny_channel *channel,
    const struct rmx_job_spec *spec, const struct media *input, struct media *output, uint32_t port,
    const struct rmx_job_ring *shape);

/* Ends a job early. */
void tiny_lane_cancel(struct tiny_lane *lane, struct tiny_job *job);

/* Serves all jobs until this one is done, and gives it back. */
struct rmx_job_result tiny_lane_finish(struct tiny_lane *lane, struct tiny_job *job);

/* Serves all jobs for a while. */
void tiny_lane_serve(struct tiny_lane *lane, unsigned int milliseconds);

/* Posts any note. */
void tiny_lane_post(struct tiny_lane *lane, uint32_t kind, uint32_t flow);

/* Waits for the worker's end and what the zygote says of it. Returns its wait status. */
int tiny_lane_wait_exit(struct tiny_lane *lane);

#endif
