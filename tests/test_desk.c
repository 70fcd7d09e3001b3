/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker's desk on a thread of its own, with stages that the test writes: what turns they get,
 * and how they wait. The test is their lane and their clients.
 */
#include "engine/worker/desk.h"

#include <criterion/criterion.h>
#include <libavutil/error.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "engine/worker/remux.h"
#include "ipc/channel.h"
#include "ipc/lane_wire.h"
#include "ipc/sock.h"
#include "ipc/status.h"
#include "ring/chunk.h"
#include "ring/mail.h"
#include "tests/media.h"
#include "tests/tiny_channel.h"

#define FLOWS       16u
#define CHANNELS    2u
#define SLOTS       2u
#define CHUNK_BYTES 512u
#define PATIENCE_MS 10000
#define NS_PER_MS   UINT64_C(1000000)

/* Where a flow's two rings are in the arena, behind the flow table. */
#define RING_BYTES 8192u /* more than it takes */
#define ARENA_BYTES                                                                                \
    (sizeof(struct rmx_worker_shm) + FLOWS * (sizeof(struct rmx_flow_shm) + 2 * RING_BYTES))

static struct {
    struct rmx_region arena;
    struct rmx_worker_shm *shm;
    struct rmx_mail to_desk;
    struct rmx_mail from_desk;
    struct rmx_bell desk_bell;
    struct rmx_bell lane_bell;
    struct tiny_channel channels[CHANNELS];
    int ctl[2];
    pthread_t thread;
    uint32_t done; /* a bit for each flow */
} test;

/* What a job does: in place of the one that knows media. */
static void (*stage)(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output);

void __wrap_rmx_remux_run(const struct rmx_job_spec *spec, AVIOContext *input,
    const struct rmx_outlet *output, struct rmx_job_result *result);

void __wrap_rmx_remux_run(const struct rmx_job_spec *spec, AVIOContext *input,
    const struct rmx_outlet *output, struct rmx_job_result *result)
{
    stage((uint32_t)spec->job - 1, input, output);
    result->status = RMX_STATUS_OK;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void post(uint32_t kind, uint32_t flow)
{
    struct rmx_note note = { .kind = kind, .flow = flow };

    cr_assert_eq(rmx_mail_post(&test.to_desk, &note), 0);
    (void)rmx_bell_ring(&test.desk_bell);
}

static void share(uint32_t place)
{
    struct tiny_channel *channel = &test.channels[place];
    struct rmx_lane_msg message = {
        .type = RMX_LANE_SHARE,
        .version = RMX_LANE_WIRE_VERSION,
        .ticket = place,
        .arena_bytes = RMX_CHANNEL_BYTES_MIN,
    };
    struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };

    tiny_channel_make(channel, RMX_CHANNEL_BYTES_MIN);
    const int fds[] = { channel->arena.fd, channel->worker_bell.fd, channel->client_bell.fd };

    cr_assert_eq(rmx_sock_send(test.ctl[0], &part, 1, fds, 3, 0), 0);
    post(RMX_NOTE_CTL, 0);
}

static void set_up(void)
{
    size_t to_desk = offsetof(struct rmx_worker_shm, to_worker);
    size_t from_desk = offsetof(struct rmx_worker_shm, to_lane);
    const uint32_t slots = RMX_WORKER_MAIL_SLOTS;

    test.arena = (struct rmx_region)RMX_REGION_INIT;
    cr_assert_eq(rmx_region_create(&test.arena, "test-arena", ARENA_BYTES, 0), 0);
    test.shm = test.arena.base;
    cr_assert_eq(rmx_mail_init(&test.arena, to_desk, slots, 0), 0);
    cr_assert_eq(rmx_mail_init(&test.arena, from_desk, slots, 0), 0);
    cr_assert_eq(rmx_mail_attach(&test.to_desk, &test.arena, to_desk, slots), 0);
    cr_assert_eq(rmx_mail_attach(&test.from_desk, &test.arena, from_desk, slots), 0);
    test.desk_bell = (struct rmx_bell){ &test.shm->worker_bell, eventfd(0, EFD_NONBLOCK) };
    test.lane_bell = (struct rmx_bell){ &test.shm->lane_bell, eventfd(0, EFD_NONBLOCK) };
    cr_assert(test.desk_bell.fd >= 0 && test.lane_bell.fd >= 0);
    cr_assert_eq(rmx_sock_pair(test.ctl), 0);
    for (uint32_t place = 0; place < CHANNELS; place++) {
        share(place);
    }
}

static void *run_desk(void *argument)
{
    const struct rmx_desk_plan plan = {
        .arena = &test.arena,
        .flows = FLOWS,
        .worker_bell_fd = test.desk_bell.fd,
        .lane_bell_fd = test.lane_bell.fd,
        .ctl_fd = test.ctl[1],
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
    };

    rmx_assert(rmx_desk_run(&plan) == 0);
    return argument;
}

/* What was posted until now it finds all at once. */
static void open_desk(void)
{
    cr_assert_eq(pthread_create(&test.thread, NULL, run_desk, NULL), 0);
}

static void close_desk(void)
{
    rmx_base_close(&test.ctl[0]);
    cr_assert_eq(pthread_join(test.thread, NULL), 0);
    rmx_region_fini(&test.arena);
}

/* Our ends of a job's rings. */
struct job {
    uint32_t flow;
    struct rmx_chunk_ring in;
    struct rmx_chunk_ring out;
};

static uint64_t lay(const struct rmx_region *region, uint64_t at, struct rmx_chunk_ring *ring)
{
    cr_assert_leq(rmx_chunk_ring_bytes(SLOTS, CHUNK_BYTES), RING_BYTES);
    cr_assert_eq(rmx_chunk_ring_init(region, at, SLOTS, CHUNK_BYTES, 0), 0);
    cr_assert_eq(rmx_chunk_ring_attach(ring, region, at, SLOTS, CHUNK_BYTES), 0);
    return at;
}

static struct rmx_job_spec spec_of(uint32_t flow, uint32_t port, uint32_t place)
{
    struct rmx_job_spec spec = media_job("mpegts");

    spec.job = flow + 1;
    (void)snprintf(spec.input_format, sizeof(spec.input_format), "mpegts");
    if ((port & (RMX_PORT_CHANNEL_IN | RMX_PORT_CHANNEL_OUT)) != 0) {
        spec.channel = place + 1;
        spec.channel_flow = flow;
    }
    return spec;
}

/* port: which of its rings are in the channel at that place. */
static struct job begin(uint32_t flow, uint32_t port, uint32_t place)
{
    struct rmx_flow_shm *shm = &test.shm->flows[flow];
    uint64_t at = sizeof(struct rmx_worker_shm) + FLOWS * sizeof(*shm) + flow * 2 * RING_BYTES;
    uint64_t channel_at = RMX_CHANNEL_RINGS_AT + flow * 2 * RING_BYTES;
    const struct rmx_region *region = &test.channels[place].arena;
    struct job job = { .flow = flow };

    memset(shm, 0, sizeof(*shm));
    shm->spec = spec_of(flow, port, place);
    shm->input_bytes = UINT64_MAX;
    shm->input_slots = shm->output_slots = SLOTS;
    shm->input_chunk_bytes = shm->output_chunk_bytes = CHUNK_BYTES;
    shm->port = port;
    shm->channel = place;
    if ((port & RMX_PORT_CHANNEL_IN) != 0) {
        shm->input_at = lay(region, channel_at, &job.in);
        shm->spec.input_port = RMX_JOB_RING;
        shm->spec.input_bytes = UINT64_MAX;
        shm->spec.input_ring = (struct rmx_job_ring){ channel_at, SLOTS, CHUNK_BYTES };
    } else {
        shm->input_at = lay(&test.arena, at, &job.in);
    }
    if ((port & RMX_PORT_CHANNEL_OUT) != 0) {
        channel_at += RING_BYTES;
        shm->output_at = lay(region, channel_at, &job.out);
        shm->spec.output_port = RMX_JOB_RING;
        shm->spec.output_ring = (struct rmx_job_ring){ channel_at, SLOTS, CHUNK_BYTES };
    } else {
        shm->output_at = lay(&test.arena, at + RING_BYTES, &job.out);
    }
    post(RMX_NOTE_RUN, flow);
    return job;
}

static void end_input(struct job *job)
{
    struct rmx_chunk chunk = { .flags = RMX_CHUNK_END };

    cr_assert_eq(rmx_ring_reserve_one(&job->in.ring), 1);
    rmx_chunk_fill(&job->in, 0, &chunk);
    rmx_ring_publish(&job->in.ring, 1);
    post(RMX_NOTE_INPUT, job->flow);
}

/* Waits for the lane's bell; takes the desk's notes. */
static void serve(int longest_ms)
{
    struct pollfd bell = { .fd = test.lane_bell.fd, .events = POLLIN };
    struct rmx_note note;

    rmx_bell_arm(&test.lane_bell);
    if (rmx_ring_peek_one(&test.from_desk.ring) == 0) {
        (void)poll(&bell, 1, longest_ms);
        (void)rmx_bell_hear(&test.lane_bell);
    }
    while (rmx_mail_take(&test.from_desk, &note) == 1) {
        test.done |= note.kind == RMX_NOTE_DONE ? 1u << note.flow : 0;
    }
}

/* All of the flows below that number, and well. */
static void finish(uint32_t flows)
{
    uint64_t until = now_ns() + PATIENCE_MS * NS_PER_MS;

    while (test.done != (1u << flows) - 1) {
        cr_assert_lt(now_ns(), until, "only %x are done", test.done);
        serve(10);
    }
    for (uint32_t flow = 0; flow < flows; flow++) {
        const struct rmx_job_result *result = &test.shm->flows[flow].result;

        cr_assert_eq(result->status, RMX_STATUS_OK, "%u: %s", result->status, result->text);
    }
}

/* Takes what is there. Returns how many bytes. */
static uint64_t drain(struct job *job)
{
    struct rmx_chunk chunk;
    uint64_t bytes = 0;

    while (rmx_ring_peek_one(&job->out.ring) == 1) {
        cr_assert_eq(rmx_chunk_read(&job->out, 0, &chunk), 0);
        rmx_ring_release(&job->out.ring, 1);
        bytes += chunk.bytes;
    }
    return bytes;
}

TestSuite(desk, .timeout = 60, .init = set_up);

/* --- turns ----------------------------------------------------------------------------------- */

#define BURN_NS        (300 * 1000) /* longer than a turn */
#define BREATHS        16           /* after so many, the clock is looked at */
#define TURNS_OF_A_JOB 10
#define TURNS_MAX      1024

static struct {
    uint32_t order[TURNS_MAX]; /* who burned, one after the other */
    uint32_t count;
} turns;

static void burn(void)
{
    uint64_t until = now_ns() + BURN_NS;

    while (now_ns() < until) {
    }
}

static void compute(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    (void)input;
    (void)output;
    for (int turn = 0; turn < TURNS_OF_A_JOB; turn++) {
        turns.order[turns.count++ % TURNS_MAX] = flow;
        burn();
        for (int breath = 0; breath < BREATHS; breath++) {
            rmx_remux_breathe();
        }
    }
}

Test(desk, client_with_many_jobs_gets_no_more_of_the_core_than_one_with_one)
{
    const uint32_t both = RMX_PORT_CHANNEL_IN | RMX_PORT_CHANNEL_OUT;

    stage = compute;
    for (uint32_t flow = 0; flow < 8; flow++) {
        (void)begin(flow, both, 0);
    }
    (void)begin(8, RMX_PORT_CHANNEL_IN, 1);
    (void)begin(9, 0, 0);
    (void)begin(10, 0, 0);
    open_desk();
    finish(11);
    close_desk();
    for (uint32_t turn = 0; turn < 4 * TURNS_OF_A_JOB; turn++) {
        uint32_t flow = turns.order[turn];

        switch (turn % 4) { /* a round */
        case 0:
            cr_assert_eq(flow, turn / 4 % 8, "turn %u is that of %u", turn, flow);
            break;
        default:
            cr_assert_eq(flow, 7 + turn % 4, "turn %u is that of %u", turn, flow);
        }
    }
}

/* --- waits ----------------------------------------------------------------------------------- */

#define HELD_MS     20
#define RELEASES    5
#define TOO_LATE_MS 1000

static struct {
    const struct rmx_outlet *outlet;
    uint64_t at_ns[RELEASES + 2];
    uint32_t count;
} held;

static uint64_t release(void *stage_of)
{
    cr_assert_eq(stage_of, &held);
    rmx_assert(held.count < RELEASES + 2);
    avio_w8(held.outlet->io, 'x');
    held.at_ns[held.count++] = now_ns();
    return held.count < RELEASES ? held.at_ns[held.count - 1] + HELD_MS * NS_PER_MS : 0;
}

static void hold_back(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    if (flow > 0) {
        for (int turn = 0; turn < 100; turn++) {
            compute(flow, input, output);
        }
        return;
    }
    held.outlet = output;
    *output->idle = (struct rmx_idle){ .release = release, .stage = &held };
    (void)avio_r8(input);
    *output->idle = (struct rmx_idle){ .release = NULL };
}

static void expect_in_time(void)
{
    for (uint32_t i = 1; i < RELEASES; i++) {
        uint64_t waited_ns = held.at_ns[i] - held.at_ns[i - 1];

        cr_assert_geq(waited_ns, HELD_MS * NS_PER_MS);
        cr_assert_lt(waited_ns, TOO_LATE_MS * NS_PER_MS, "%llu", (unsigned long long)waited_ns);
    }
}

Test(desk, what_is_held_back_goes_out_in_time_though_no_input_comes)
{
    struct job job = begin(0, 0, 0);
    uint64_t until = now_ns() + PATIENCE_MS * NS_PER_MS;
    uint64_t bytes = 0;

    stage = hold_back;
    open_desk();
    while (bytes < RELEASES) {
        cr_assert_lt(now_ns(), until, "%llu bytes came", (unsigned long long)bytes);
        (void)rmx_ring_consumer_ask(&job.out.ring);
        serve(1);
        bytes += drain(&job);
        if (rmx_ring_producer_asked(&job.out.ring)) {
            post(RMX_NOTE_OUTPUT, 0);
        }
    }
    serve(3 * HELD_MS);
    cr_assert_eq(held.count, RELEASES, "then nothing is held back");
    end_input(&job);
    finish(1);
    close_desk();
    expect_in_time();
}

Test(desk, job_that_computes_does_not_keep_what_is_held_back)
{
    struct job job = begin(0, 0, 0);

    stage = hold_back;
    (void)begin(1, 0, 0);
    open_desk();
    for (int i = 0; i < RELEASES * 4; i++) {
        serve(HELD_MS / 2);
        (void)drain(&job);
        if (rmx_ring_producer_asked(&job.out.ring)) {
            post(RMX_NOTE_OUTPUT, 0);
        }
    }
    cr_assert_eq(held.count, RELEASES);
    end_input(&job);
    finish(2);
    close_desk();
    expect_in_time();
    for (uint32_t i = 1; i < RELEASES; i++) {
        cr_expect_lt(held.at_ns[i] - held.at_ns[i - 1], (HELD_MS + 150) * NS_PER_MS,
            "not before the other is over");
    }
}

/* --- lies ------------------------------------------------------------------------------------ */

static int read_error;

/* The job has made more than its output ring holds, and then wants input. */
static void make_and_read(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    unsigned char bytes[SLOTS * CHUNK_BYTES * 3] = { 0 };

    (void)flow;
    avio_write(output->io, bytes, sizeof(bytes));
    read_error = avio_read(input, bytes, 1);
}

Test(desk, job_that_was_lied_to_while_it_waits_for_room_waits_for_no_input)
{
    struct job job = begin(0, RMX_PORT_CHANNEL_IN, 0);
    uint64_t until = now_ns() + PATIENCE_MS * NS_PER_MS;

    stage = make_and_read;
    open_desk();
    while (atomic_load(&job.out.ring.shm->producer_asks) == 0) {
        cr_assert_lt(now_ns(), until);
        serve(1);
    }
    atomic_store(&test.channels[0].to_worker.ring.shm->published, UINT64_MAX / 2);
    tiny_channel_ring(&test.channels[0]);
    while (test.done == 0) {
        cr_assert_lt(now_ns(), until, "it waits for what never comes");
        serve(5);
        (void)drain(&job);
        if (rmx_ring_producer_asked(&job.out.ring)) {
            post(RMX_NOTE_OUTPUT, 0);
        }
    }
    cr_assert_eq(test.shm->flows[0].result.status, RMX_STATUS_PEER_CORRUPT);
    cr_assert_eq(read_error, AVERROR_EXIT);
    close_desk();
}
