/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker's desk on a thread of its own. See tiny_desk.h.
 */
#include "tests/tiny_desk.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "engine/worker/desk.h"
#include "engine/worker/remux.h"
#include "ipc/channel.h"
#include "ipc/sock.h"
#include "ipc/status.h"
#include "tests/media.h"

#define FLOWS       16u
#define PATIENCE_MS 10000
#define NS_PER_MS   UINT64_C(1000000)

/* Where a flow's two rings are in the arena, behind the flow table. */
#define RING_BYTES 8192u /* more than it takes */
#define ARENA_BYTES                                                                                \
    (sizeof(struct rmx_worker_shm) + FLOWS * (sizeof(struct rmx_flow_shm) + 2 * RING_BYTES))

struct tiny_desk tiny_desk;

void (*tiny_desk_stage)(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output);

void __wrap_rmx_remux_run(const struct rmx_job_spec *spec, const struct rmx_inlet *inlet,
    const struct rmx_outlet *outlet, struct rmx_job_result *result);

void __wrap_rmx_remux_run(const struct rmx_job_spec *spec, const struct rmx_inlet *inlet,
    const struct rmx_outlet *outlet, struct rmx_job_result *result)
{
    tiny_desk_stage((uint32_t)spec->job - 1, inlet->io[0], outlet);
    result->status = RMX_STATUS_OK;
}

uint64_t tiny_desk_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void tiny_desk_post(uint32_t kind, uint32_t flow)
{
    struct rmx_note note = { .kind = kind, .flow = flow };

    cr_assert_eq(rmx_mail_post(&tiny_desk.to_desk, &note), 0);
    (void)rmx_bell_ring(&tiny_desk.desk_bell);
}

void tiny_desk_share(uint32_t place)
{
    struct tiny_channel *channel = &tiny_desk.channels[place];
    struct rmx_lane_msg message = {
        .type = RMX_LANE_SHARE,
        .version = RMX_LANE_WIRE_VERSION,
        .ticket = place,
        .arena_bytes = RMX_CHANNEL_BYTES_MIN,
    };
    struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };

    tiny_channel_make(channel, RMX_CHANNEL_BYTES_MIN);
    const int fds[] = { channel->arena.fd, channel->worker_bell.fd, channel->client_bell.fd };

    cr_assert_eq(rmx_sock_send(tiny_desk.ctl[0], &part, 1, fds, 3, 0), 0);
    tiny_desk_post(RMX_NOTE_CTL, 0);
}

void tiny_desk_set_up(void)
{
    size_t to_desk = offsetof(struct rmx_worker_shm, to_worker);
    size_t from_desk = offsetof(struct rmx_worker_shm, to_lane);
    const uint32_t slots = RMX_WORKER_MAIL_SLOTS;

    tiny_desk.arena = (struct rmx_region)RMX_REGION_INIT;
    cr_assert_eq(rmx_region_create(&tiny_desk.arena, "test-arena", ARENA_BYTES, 0), 0);
    tiny_desk.shm = tiny_desk.arena.base;
    cr_assert_eq(rmx_mail_init(&tiny_desk.arena, to_desk, slots, 0), 0);
    cr_assert_eq(rmx_mail_init(&tiny_desk.arena, from_desk, slots, 0), 0);
    cr_assert_eq(rmx_mail_attach(&tiny_desk.to_desk, &tiny_desk.arena, to_desk, slots), 0);
    cr_assert_eq(rmx_mail_attach(&tiny_desk.from_desk, &tiny_desk.arena, from_desk, slots), 0);
    tiny_desk.desk_bell =
        (struct rmx_bell){ &tiny_desk.shm->worker_bell, eventfd(0, EFD_NONBLOCK) };
    tiny_desk.lane_bell = (struct rmx_bell){ &tiny_desk.shm->lane_bell, eventfd(0, EFD_NONBLOCK) };
    cr_assert(tiny_desk.desk_bell.fd >= 0 && tiny_desk.lane_bell.fd >= 0);
    cr_assert_eq(rmx_sock_pair(tiny_desk.ctl), 0);
    for (uint32_t place = 0; place < TINY_DESK_CHANNELS; place++) {
        tiny_desk_share(place);
    }
}

static void *run_desk(void *argument)
{
    const struct rmx_desk_plan plan = {
        .arena = &tiny_desk.arena,
        .flows = FLOWS,
        .worker_bell_fd = tiny_desk.desk_bell.fd,
        .lane_bell_fd = tiny_desk.lane_bell.fd,
        .ctl_fd = tiny_desk.ctl[1],
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .spin_ns = tiny_desk.spin_ns,
    };

    rmx_assert(rmx_desk_run(&plan) == 0);
    return argument;
}

/* What was posted until now it finds all at once. */
void tiny_desk_open(void)
{
    cr_assert_eq(pthread_create(&tiny_desk.thread, NULL, run_desk, NULL), 0);
}

void tiny_desk_close(void)
{
    rmx_base_close(&tiny_desk.ctl[0]);
    cr_assert_eq(pthread_join(tiny_desk.thread, NULL), 0);
    rmx_region_fini(&tiny_desk.arena);
}

static uint64_t lay(const struct rmx_region *region, uint64_t at, struct rmx_chunk_ring *ring)
{
    cr_assert_leq(rmx_chunk_ring_bytes(TINY_DESK_SLOTS, TINY_DESK_CHUNK_BYTES), RING_BYTES);
    cr_assert_eq(rmx_chunk_ring_init(region, at, TINY_DESK_SLOTS, TINY_DESK_CHUNK_BYTES, 0), 0);
    cr_assert_eq(
        rmx_chunk_ring_attach(ring, region, at, TINY_DESK_SLOTS, TINY_DESK_CHUNK_BYTES), 0);
    return at;
}

static struct rmx_job_spec spec_of(uint32_t flow, uint32_t port, uint32_t place)
{
    struct rmx_job_spec spec = media_job("mpegts");

    spec.job = flow + 1;
    spec.class_ = tiny_desk.class_;
    (void)snprintf(spec.input_format, sizeof(spec.input_format), "mpegts");
    if ((port & (RMX_PORT_CHANNEL_IN | RMX_PORT_CHANNEL_OUT)) != 0) {
        spec.channel = place + 1;
        spec.channel_flow = flow;
    }
    return spec;
}

/* port: which of its rings are in the channel at that place. */
struct tiny_desk_job tiny_desk_begin(uint32_t flow, uint32_t port, uint32_t place)
{
    struct rmx_flow_shm *shm = &tiny_desk.shm->flows[flow];
    uint64_t at = sizeof(struct rmx_worker_shm) + FLOWS * sizeof(*shm) + flow * 2 * RING_BYTES;
    uint64_t channel_at = RMX_CHANNEL_RINGS_AT + flow * 2 * RING_BYTES;
    const struct rmx_region *region = &tiny_desk.channels[place].arena;
    struct tiny_desk_job job = { .flow = flow };

    memset(shm, 0, sizeof(*shm));
    shm->spec = spec_of(flow, port, place);
    shm->input_bytes = UINT64_MAX;
    shm->input_slots = shm->output_slots = TINY_DESK_SLOTS;
    shm->input_chunk_bytes = shm->output_chunk_bytes = TINY_DESK_CHUNK_BYTES;
    shm->port = port;
    shm->channel = place;
    shm->party = (port & (RMX_PORT_CHANNEL_IN | RMX_PORT_CHANNEL_OUT)) != 0
                     ? place
                     : TINY_DESK_CHANNELS + flow;
    if ((port & RMX_PORT_CHANNEL_IN) != 0) {
        shm->input_at = lay(region, channel_at, &job.in);
        shm->spec.input_port = RMX_JOB_RING;
        shm->spec.input_bytes = UINT64_MAX;
        shm->spec.input_ring =
            (struct rmx_job_ring){ channel_at, TINY_DESK_SLOTS, TINY_DESK_CHUNK_BYTES };
    } else {
        shm->input_at = lay(&tiny_desk.arena, at, &job.in);
    }
    if ((port & RMX_PORT_CHANNEL_OUT) != 0) {
        channel_at += RING_BYTES;
        shm->output_at = lay(region, channel_at, &job.out);
        shm->spec.output_port = RMX_JOB_RING;
        shm->spec.output_ring =
            (struct rmx_job_ring){ channel_at, TINY_DESK_SLOTS, TINY_DESK_CHUNK_BYTES };
    } else {
        shm->output_at = lay(&tiny_desk.arena, at + RING_BYTES, &job.out);
    }
    tiny_desk_post(RMX_NOTE_RUN, flow);
    return job;
}

void tiny_desk_end_input(struct tiny_desk_job *job)
{
    struct rmx_chunk chunk = { .flags = RMX_CHUNK_END };

    cr_assert_eq(rmx_ring_reserve_one(&job->in.ring), 1);
    rmx_chunk_fill(&job->in, 0, &chunk);
    rmx_ring_publish(&job->in.ring, 1);
    tiny_desk_post(RMX_NOTE_INPUT, job->flow);
}

/* Waits for the lane's bell; takes the desk's notes. */
void tiny_desk_serve(int longest_ms)
{
    struct pollfd bell = { .fd = tiny_desk.lane_bell.fd, .events = POLLIN };
    struct rmx_note note;

    rmx_bell_arm(&tiny_desk.lane_bell);
    if (rmx_ring_peek_one(&tiny_desk.from_desk.ring) == 0) {
        (void)poll(&bell, 1, longest_ms);
        (void)rmx_bell_hear(&tiny_desk.lane_bell);
    }
    while (rmx_mail_take(&tiny_desk.from_desk, &note) == 1) {
        tiny_desk.done |= note.kind == RMX_NOTE_DONE ? 1u << note.flow : 0;
    }
}

/* All of the flows below that number, and well. */
void tiny_desk_finish(uint32_t flows)
{
    uint64_t until = tiny_desk_now_ns() + PATIENCE_MS * NS_PER_MS;

    while (tiny_desk.done != (1u << flows) - 1) {
        cr_assert_lt(tiny_desk_now_ns(), until, "only %x are done", tiny_desk.done);
        tiny_desk_serve(10);
    }
    for (uint32_t flow = 0; flow < flows; flow++) {
        const struct rmx_job_result *result = &tiny_desk.shm->flows[flow].result;

        cr_assert_eq(result->status, RMX_STATUS_OK, "%u: %s", result->status, result->text);
    }
}

/* Takes what is there. Returns how many bytes. */
uint64_t tiny_desk_drain(struct tiny_desk_job *job)
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

void tiny_desk_churn(uint32_t place)
{
    struct rmx_lane_msg message = {
        .type = RMX_LANE_UNSHARE,
        .version = RMX_LANE_WIRE_VERSION,
        .ticket = place,
    };
    struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };

    cr_assert_eq(rmx_sock_send(tiny_desk.ctl[0], &part, 1, NULL, 0, 0), 0);
    tiny_desk_post(RMX_NOTE_CTL, 0);
    tiny_channel_free(&tiny_desk.channels[place]);
    tiny_desk_share(place);
}
