/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The smallest lane there is. See tiny_lane.h.
 */
#include "tests/tiny_lane.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipc/sock.h"
#include "ipc/status.h"

#define PATIENCE_MS        10000
#define CHANNELS_BYTES_MAX ((uint64_t)1 << 30)

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void turn(struct tiny_lane *lane, int sleep_ms);

static void wait_readable(int fd)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };

    cr_assert_eq(poll(&wait, 1, PATIENCE_MS), 1, "nothing came");
}

static void hear(int fd, struct rmx_lane_msg *message, uint32_t type, struct rmx_sock_fds *fds)
{
    wait_readable(fd);
    cr_assert_eq(rmx_sock_recv(fd, message, sizeof(*message), fds, 0), (int)sizeof(*message));
    cr_assert_eq(message->type, type);
    cr_assert_eq(message->version, RMX_LANE_WIRE_VERSION);
}

void tiny_lane_start(struct tiny_lane *lane, uint32_t slots, uint32_t chunk_bytes)
{
    const struct rmx_pair_geometry geometry[RMX_PAIR_SIZES] = {
        { .count = TINY_LANE_JOBS - 1, .slots = slots, .chunk_bytes = chunk_bytes },
        { .count = 1, .slots = slots, .chunk_bytes = chunk_bytes },
    };

    memset(lane, 0, sizeof(*lane));
    lane->worker_ctl = -1;
    lane->worker_pidfd = -1;
    cr_assert_eq(rmx_berth_init(&lane->berth, 0, geometry, false), 0);
    cr_assert_eq(rmx_spawn_zygote(WORKER_PROGRAM, 256u << 20, &lane->zygote), 0);
}

void tiny_lane_stop(struct tiny_lane *lane)
{
    int status = 0;

    rmx_base_close(&lane->zygote.ctl_fd);
    wait_readable(lane->zygote.pidfd);
    cr_assert_eq(waitpid(lane->zygote.pid, &status, 0), lane->zygote.pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "zygote: status %x", status);
    if (lane->worker_pidfd >= 0) {
        wait_readable(lane->worker_pidfd);
    }
    rmx_base_close(&lane->zygote.pidfd);
    rmx_base_close(&lane->worker_pidfd);
    rmx_base_close(&lane->worker_ctl);
    rmx_berth_fini(&lane->berth);
    for (int i = 0; i < TINY_LANE_CHANNELS; i++) {
        if (lane->channels[i].arena.size > 0) {
            tiny_channel_free(&lane->channels[i]);
        }
    }
}

void tiny_lane_fork(struct tiny_lane *lane)
{
    struct rmx_lane_msg message = {
        .type = RMX_LANE_FORK,
        .version = RMX_LANE_WIRE_VERSION,
        .ticket = 42,
        .arena_bytes = lane->berth.arena.size + CHANNELS_BYTES_MAX,
        .flows = lane->berth.pairs_count,
        .memory_max_bytes = 256u << 20,
    };
    struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int pair[2];

    cr_assert_eq(rmx_sock_pair(pair), 0);
    cr_assert_eq(rmx_sock_send(lane->zygote.ctl_fd, &part, 1, &pair[1], 1, 0), 0);
    rmx_base_close(&pair[1]);
    hear(lane->zygote.ctl_fd, &message, RMX_LANE_FORKED, &fds);
    cr_assert_eq(message.ticket, 42);
    cr_assert_eq(message.error, 0);
    cr_assert_eq(fds.count, 1);
    lane->worker = message.pid;
    lane->worker_pidfd = rmx_sock_fds_take(&fds, 0);
    lane->worker_ctl = pair[0];
    hear(pair[0], &message, RMX_LANE_READY, &fds);
}

void tiny_lane_adopt(struct tiny_lane *lane)
{
    struct rmx_lane_msg message = {
        .type = RMX_LANE_ADOPT,
        .version = RMX_LANE_WIRE_VERSION,
        .arena_bytes = lane->berth.arena.size,
        .flows = lane->berth.pairs_count,
        .spin_ns = 20000,
        .prefault = 1,
    };
    struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };
    const int fds[] = { lane->berth.arena.fd, lane->berth.worker_bell.fd,
        lane->berth.lane_bell.fd };

    cr_assert_eq(rmx_sock_send(lane->worker_ctl, &part, 1, fds, 3, 0), 0);
}

void tiny_lane_post(struct tiny_lane *lane, uint32_t kind, uint32_t flow)
{
    struct rmx_note note = { .kind = kind, .flow = flow };

    cr_assert_eq(rmx_mail_post(&lane->berth.to_worker, &note), 0);
    (void)rmx_bell_ring(&lane->berth.worker_bell);
}

/* --- channels -------------------------------------------------------------------------------- */

static void say(struct tiny_lane *lane, const struct rmx_lane_msg *what, const int *fds, int count)
{
    struct rmx_lane_msg message = *what;
    struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };

    message.version = RMX_LANE_WIRE_VERSION;
    cr_assert_eq(rmx_sock_send(lane->worker_ctl, &part, 1, fds, count, 0), 0);
    tiny_lane_post(lane, RMX_NOTE_CTL, 0);
}

struct tiny_channel *tiny_lane_share(struct tiny_lane *lane, uint32_t place, size_t bytes)
{
    struct tiny_channel *channel = &lane->channels[place];
    struct rmx_lane_msg share = { .type = RMX_LANE_SHARE, .ticket = place, .arena_bytes = bytes };

    tiny_channel_make(channel, bytes);
    channel->place = place;
    const int fds[] = { channel->arena.fd, channel->worker_bell.fd, channel->client_bell.fd };
    say(lane, &share, fds, 3);
    return channel;
}

void tiny_lane_unshare(struct tiny_lane *lane, struct tiny_channel *channel)
{
    struct rmx_lane_msg unshare = { .type = RMX_LANE_UNSHARE, .ticket = channel->place };
    uint64_t until = now_ms() + PATIENCE_MS;

    say(lane, &unshare, NULL, 0);
    while ((lane->unshared & 1u << channel->place) == 0) {
        cr_assert_lt(now_ms(), until, "the channel is not given back");
        turn(lane, 100);
    }
    lane->unshared &= ~(1u << channel->place);
    tiny_channel_free(channel);
}

/* To whoever reads or writes the job's other end: its worker, by way of the lane or of the channel.
 */
static void post_for(struct tiny_lane *lane, const struct tiny_job *job, uint32_t kind)
{
    uint32_t side = kind == RMX_NOTE_INPUT ? RMX_PORT_CHANNEL_IN : RMX_PORT_CHANNEL_OUT;

    if ((job->port & side) != 0) {
        tiny_channel_post(job->channel, kind, job->channel_flow);
    } else {
        tiny_lane_post(lane, kind, job->pair->index);
    }
}

/* --- a job's bytes --------------------------------------------------------------------------- */

static bool feed(struct tiny_lane *lane, struct tiny_job *job)
{
    struct rmx_ring *ring = &job->input_ring.ring;
    uint64_t offset;
    uint32_t generation;
    bool fed = false;

    if (job->starve) {
        return false;
    }
    if (rmx_chunk_seek_due(&job->input_ring, &offset, &generation) == 1) {
        job->fed = offset < job->input->size ? offset : job->input->size;
        job->fed_all = false;
    }
    while (!job->fed_all && rmx_ring_reserve_one(ring) == 1) {
        uint64_t left = job->input->size - job->fed;
        uint32_t chunk_bytes = job->input_ring.chunk_bytes;
        struct rmx_chunk chunk = {
            .offset = job->fed,
            .bytes = left < chunk_bytes ? (uint32_t)left : chunk_bytes,
            .generation = job->input_ring.generation,
        };

        job->fed_all = chunk.bytes == left;
        chunk.flags = job->fed_all ? RMX_CHUNK_END : 0;
        memcpy(rmx_chunk_payload(&job->input_ring, 0), job->input->bytes + job->fed, chunk.bytes);
        rmx_chunk_fill(&job->input_ring, 0, &chunk);
        rmx_ring_publish(ring, 1);
        job->fed += chunk.bytes;
        fed = true;
    }
    if (fed && rmx_ring_consumer_asked(ring)) {
        post_for(lane, job, RMX_NOTE_INPUT);
    }
    return fed || (job->fed_all ? !rmx_chunk_seek_ask(&job->input_ring)
                                : !rmx_chunk_room_ask(&job->input_ring));
}

static void store(struct media *output, uint64_t offset, const unsigned char *bytes, uint32_t count)
{
    if (offset + count > output->room) {
        output->room = 2 * (offset + count);
        output->bytes = realloc(output->bytes, output->room);
        cr_assert_not_null(output->bytes);
    }
    if (count == 0) { /* an end without bytes: there may be no memory yet */
        return;
    }
    if (offset > output->size) {
        memset(output->bytes + output->size, 0, offset - output->size);
    }
    memcpy(output->bytes + offset, bytes, count);
    output->size = offset + count > output->size ? offset + count : output->size;
}

static bool drain(struct tiny_lane *lane, struct tiny_job *job)
{
    struct rmx_ring *ring = &job->output_ring.ring;
    struct rmx_chunk chunk;
    bool drained = false;

    if (job->stalled) {
        return false;
    }
    while (rmx_ring_peek_one(ring) == 1) {
        cr_assert_eq(rmx_chunk_read(&job->output_ring, 0, &chunk), 0);
        cr_assert_not(job->ended, "a chunk after the last");
        store(job->output, chunk.offset, rmx_chunk_payload(&job->output_ring, 0), chunk.bytes);
        job->ended = (chunk.flags & RMX_CHUNK_END) != 0;
        rmx_ring_release(ring, 1);
        drained = true;
    }
    if (drained && rmx_ring_producer_asked(ring)) {
        post_for(lane, job, RMX_NOTE_OUTPUT);
    }
    return drained || (!job->done && !rmx_ring_consumer_ask(ring));
}

static bool take_notes(struct tiny_lane *lane)
{
    struct rmx_note note;
    bool taken = false;

    while (rmx_mail_take(&lane->berth.to_lane, &note) == 1) {
        taken = true;
        if (note.kind == RMX_NOTE_UNSHARED) {
            lane->unshared |= 1u << note.flow;
            continue;
        }
        cr_assert_lt(note.flow, lane->berth.pairs_count);
        struct tiny_job *job = lane->berth.pairs[note.flow].owner;

        cr_assert(job != NULL && !job->done, "a note for a job that is over");
        job->done = note.kind == RMX_NOTE_DONE;
    }
    return taken;
}

/* As lane and as every client at once: sleeps until one of their bells rings. */
static void sleep_on_bells(struct tiny_lane *lane, int sleep_ms)
{
    struct pollfd waits[1 + TINY_LANE_CHANNELS] = {
        { .fd = lane->berth.lane_bell.fd, .events = POLLIN },
    };

    for (int i = 0; i < TINY_LANE_CHANNELS; i++) {
        bool there = lane->channels[i].arena.size > 0;

        waits[1 + i].fd = there ? lane->channels[i].client_bell.fd : -1;
        waits[1 + i].events = POLLIN;
    }
    if (poll(waits, 1 + TINY_LANE_CHANNELS, sleep_ms) <= 0) {
        return;
    }
    (void)rmx_bell_hear(&lane->berth.lane_bell);
    for (int i = 0; i < TINY_LANE_CHANNELS; i++) {
        if (waits[1 + i].revents != 0) {
            (void)rmx_bell_hear(&lane->channels[i].client_bell);
        }
    }
}

/* A mailbox the test scribbles in is the test's. */
static bool take_clients_mail(struct tiny_lane *lane)
{
    bool taken = false;

    for (int i = 0; i < TINY_LANE_CHANNELS; i++) {
        struct tiny_channel *channel = &lane->channels[i];

        if (channel->arena.size > 0 && !channel->wild) {
            rmx_bell_arm(&channel->client_bell);
            taken = tiny_channel_take_mail(channel) > 0 || taken;
        }
    }
    return taken;
}

/* Serves all once; sleeps if there was nothing to do. */
static void turn(struct tiny_lane *lane, int sleep_ms)
{
    bool worked;

    rmx_bell_arm(&lane->berth.lane_bell);
    worked = take_clients_mail(lane);
    worked = take_notes(lane) || worked;
    for (int i = 0; i < TINY_LANE_JOBS; i++) {
        struct tiny_job *job = &lane->jobs[i];

        if (job->pair != NULL && job->output != NULL) {
            worked = (!job->done && feed(lane, job)) || worked;
            worked = drain(lane, job) || worked;
        }
    }
    if (!worked) {
        sleep_on_bells(lane, sleep_ms);
    }
}

void tiny_lane_serve(struct tiny_lane *lane, unsigned int milliseconds)
{
    uint64_t until = now_ms() + milliseconds;

    while (now_ms() < until) {
        turn(lane, 1);
    }
}

static struct tiny_job *take_job(
    struct tiny_lane *lane, const struct media *input, struct media *output, uint32_t port)
{
    struct tiny_job *job = lane->jobs;

    while (job->pair != NULL) {
        job++;
        cr_assert_lt(job, lane->jobs + TINY_LANE_JOBS);
    }
    *job = (struct tiny_job){ .input = input, .output = output, .port = port };
    job->pair = rmx_berth_take(&lane->berth, RMX_PAIR_SMALL, 0, 0, RMX_CLASS_NORMAL, job);
    if (job->pair == NULL) {
        job->pair = rmx_berth_take(&lane->berth, RMX_PAIR_BULK, 0, 0, RMX_CLASS_NORMAL, job);
    }
    cr_assert_not_null(job->pair);
    return job;
}

/* Where the job's rings are, in the lane's arena. */
static struct rmx_flow_shm *lay_out(
    struct tiny_lane *lane, struct tiny_job *job, const struct rmx_job_spec *spec)
{
    struct rmx_flow_shm *flow = rmx_berth_flow(&lane->berth, job->pair);
    bool sized = (job->port & RMX_PORT_SEEKABLE_IN) != 0 && job->input != NULL;

    memset(flow, 0, sizeof(*flow));
    flow->spec = *spec;
    flow->input_bytes = sized ? job->input->size : UINT64_MAX;
    flow->input_at = job->pair->input_at;
    flow->output_at = job->pair->output_at;
    flow->input_slots = flow->output_slots = job->pair->slots;
    flow->input_chunk_bytes = flow->output_chunk_bytes = job->pair->chunk_bytes;
    flow->port = job->port;
    return flow;
}

static void start_rings(
    struct tiny_lane *lane, struct tiny_job *job, const struct rmx_flow_shm *flow)
{
    const struct rmx_region *in = &lane->berth.arena;
    const struct rmx_region *out = in;

    in = (job->port & RMX_PORT_CHANNEL_IN) != 0 ? &job->channel->arena : in;
    out = (job->port & RMX_PORT_CHANNEL_OUT) != 0 ? &job->channel->arena : out;
    cr_assert_eq(
        rmx_chunk_ring_init(in, flow->input_at, flow->input_slots, flow->input_chunk_bytes, 0), 0);
    cr_assert_eq(
        rmx_chunk_ring_init(out, flow->output_at, flow->output_slots, flow->output_chunk_bytes, 0),
        0);
    cr_assert_eq(rmx_chunk_ring_attach(&job->input_ring, in, flow->input_at, flow->input_slots,
                     flow->input_chunk_bytes),
        0);
    cr_assert_eq(rmx_chunk_ring_attach(&job->output_ring, out, flow->output_at, flow->output_slots,
                     flow->output_chunk_bytes),
        0);
    tiny_lane_post(lane, RMX_NOTE_RUN, job->pair->index);
}

struct tiny_job *tiny_lane_begin(struct tiny_lane *lane, const struct rmx_job_spec *spec,
    const struct media *input, struct media *output, uint32_t port)
{
    struct tiny_job *job = take_job(lane, input, output, port);

    start_rings(lane, job, lay_out(lane, job, spec));
    return job;
}

struct tiny_job *tiny_lane_begin_in(struct tiny_lane *lane, struct tiny_channel *channel,
    const struct rmx_job_spec *spec, const struct media *input, struct media *output, uint32_t port,
    const struct rmx_job_ring *shape)
{
    struct tiny_job *job = take_job(lane, input, output, port);
    struct rmx_flow_shm *flow = lay_out(lane, job, spec);
    struct rmx_job_spec *said = &flow->spec;

    job->channel = channel;
    job->channel_flow = channel->flows++ % RMX_CHANNEL_FLOWS_MAX;
    flow->channel = channel->place;
    said->channel = channel->place + 1;
    said->channel_flow = job->channel_flow;
    if ((port & RMX_PORT_CHANNEL_IN) != 0) {
        said->input_port = RMX_JOB_RING;
        said->input_ring = tiny_channel_lay(channel, shape->slots, shape->chunk_bytes);
        said->input_bytes = flow->input_bytes;
        flow->input_at = said->input_ring.at;
        flow->input_slots = shape->slots;
        flow->input_chunk_bytes = shape->chunk_bytes;
    }
    if ((port & RMX_PORT_CHANNEL_OUT) != 0) {
        said->output_port = RMX_JOB_RING;
        said->output_ring = tiny_channel_lay(channel, shape->slots, shape->chunk_bytes);
        flow->output_at = said->output_ring.at;
        flow->output_slots = shape->slots;
        flow->output_chunk_bytes = shape->chunk_bytes;
    }
    start_rings(lane, job, flow);
    return job;
}

void tiny_lane_cancel(struct tiny_lane *lane, struct tiny_job *job)
{
    atomic_store(&rmx_berth_flow(&lane->berth, job->pair)->stop, RMX_STATUS_CANCELLED);
    tiny_lane_post(lane, RMX_NOTE_CANCEL, job->pair->index);
}

struct rmx_job_result tiny_lane_finish(struct tiny_lane *lane, struct tiny_job *job)
{
    uint64_t until = now_ms() + PATIENCE_MS;
    struct rmx_job_result result;

    while (!job->done) {
        cr_assert_lt(now_ms(), until, "the job does not end");
        turn(lane, 100);
    }
    if (job->output != NULL) {
        (void)drain(lane, job);
    }
    result = rmx_berth_flow(&lane->berth, job->pair)->result;
    rmx_berth_give(&lane->berth, job->pair);
    job->pair = NULL;
    return result;
}

int tiny_lane_wait_exit(struct tiny_lane *lane)
{
    struct rmx_lane_msg message;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

    wait_readable(lane->worker_pidfd);
    hear(lane->zygote.ctl_fd, &message, RMX_LANE_EXITED, &fds);
    cr_assert_eq(message.ticket, 42);
    cr_assert_eq(message.pid, lane->worker);
    rmx_base_close(&lane->worker_pidfd);
    rmx_base_close(&lane->worker_ctl);
    return message.wait_status;
}
