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

#define PATIENCE_MS 10000

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
}

void tiny_lane_fork(struct tiny_lane *lane)
{
    struct rmx_lane_msg message = {
        .type = RMX_LANE_FORK,
        .version = RMX_LANE_WIRE_VERSION,
        .ticket = 42,
        .arena_bytes = lane->berth.arena.size,
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
    cr_assert_eq(message.pid, lane->worker);
}

void tiny_lane_adopt(struct tiny_lane *lane)
{
    struct rmx_lane_msg message = {
        .type = RMX_LANE_ADOPT,
        .version = RMX_LANE_WIRE_VERSION,
        .arena_bytes = lane->berth.arena.size,
        .flows = lane->berth.pairs_count,
        .spin_ns = 20000,
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
        tiny_lane_post(lane, RMX_NOTE_INPUT, job->pair->index);
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

    while (rmx_ring_peek_one(ring) == 1) {
        cr_assert_eq(rmx_chunk_read(&job->output_ring, 0, &chunk), 0);
        cr_assert_not(job->ended, "a chunk after the last");
        store(job->output, chunk.offset, rmx_chunk_payload(&job->output_ring, 0), chunk.bytes);
        job->ended = (chunk.flags & RMX_CHUNK_END) != 0;
        rmx_ring_release(ring, 1);
        drained = true;
    }
    if (drained && rmx_ring_producer_asked(ring)) {
        tiny_lane_post(lane, RMX_NOTE_OUTPUT, job->pair->index);
    }
    return drained || (!job->done && !rmx_ring_consumer_ask(ring));
}

static bool take_notes(struct tiny_lane *lane)
{
    struct rmx_note note;
    bool taken = false;

    while (rmx_mail_take(&lane->berth.to_lane, &note) == 1) {
        cr_assert_lt(note.flow, lane->berth.pairs_count);
        struct tiny_job *job = lane->berth.pairs[note.flow].owner;

        cr_assert(job != NULL && !job->done, "a note for a job that is over");
        job->done = note.kind == RMX_NOTE_DONE;
        taken = true;
    }
    return taken;
}

/* Serves all once; sleeps on the bell if there was nothing to do. */
static void turn(struct tiny_lane *lane, int sleep_ms)
{
    struct pollfd wait = { .fd = lane->berth.lane_bell.fd, .events = POLLIN };
    bool worked;

    rmx_bell_arm(&lane->berth.lane_bell);
    worked = take_notes(lane);
    for (int i = 0; i < TINY_LANE_JOBS; i++) {
        struct tiny_job *job = &lane->jobs[i];

        if (job->pair != NULL && job->output != NULL) {
            worked = (!job->done && feed(lane, job)) || worked;
            worked = drain(lane, job) || worked;
        }
    }
    if (!worked && poll(&wait, 1, sleep_ms) == 1) {
        (void)rmx_bell_hear(&lane->berth.lane_bell);
    }
}

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void tiny_lane_serve(struct tiny_lane *lane, unsigned int milliseconds)
{
    uint64_t until = now_ms() + milliseconds;

    while (now_ms() < until) {
        turn(lane, 1);
    }
}

struct tiny_job *tiny_lane_begin(struct tiny_lane *lane, const struct rmx_job_spec *spec,
    const struct media *input, struct media *output, uint32_t port)
{
    struct tiny_job *job = lane->jobs;
    struct rmx_flow_shm *flow;

    while (job->pair != NULL) {
        job++;
        cr_assert_lt(job, lane->jobs + TINY_LANE_JOBS);
    }
    *job = (struct tiny_job){ .input = input, .output = output };
    job->pair = rmx_berth_take(&lane->berth, RMX_PAIR_SMALL, job);
    cr_assert_not_null(job->pair);
    flow = rmx_berth_flow(&lane->berth, job->pair);
    memset(flow, 0, sizeof(*flow));
    flow->spec = *spec;
    flow->input_bytes = port & RMX_PORT_SEEKABLE_IN && input != NULL ? input->size : UINT64_MAX;
    flow->input_at = job->pair->input_at;
    flow->output_at = job->pair->output_at;
    flow->input_slots = flow->output_slots = job->pair->slots;
    flow->input_chunk_bytes = flow->output_chunk_bytes = job->pair->chunk_bytes;
    flow->port = port;
    cr_assert_eq(rmx_chunk_ring_init(&lane->berth.arena, flow->input_at, job->pair->slots,
                     job->pair->chunk_bytes, 0),
        0);
    cr_assert_eq(rmx_chunk_ring_init(&lane->berth.arena, flow->output_at, job->pair->slots,
                     job->pair->chunk_bytes, 0),
        0);
    cr_assert_eq(rmx_chunk_ring_attach(&job->input_ring, &lane->berth.arena, flow->input_at,
                     job->pair->slots, job->pair->chunk_bytes),
        0);
    cr_assert_eq(rmx_chunk_ring_attach(&job->output_ring, &lane->berth.arena, flow->output_at,
                     job->pair->slots, job->pair->chunk_bytes),
        0);
    tiny_lane_post(lane, RMX_NOTE_RUN, job->pair->index);
    return job;
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
