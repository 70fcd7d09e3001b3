/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker's desk on one thread, its lane and a client on another, for ThreadSanitizer: jobs whose
 * rings lie in a channel, with both sides asleep whenever they can be. Under TSan a byte, a note or
 * a word that crosses without its edge is a data race; without it this checks the bytes. Plain
 * program, because Criterion does not run under TSan.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/worker/desk.h"
#include "engine/worker/remux.h"
#include "ipc/channel.h"
#include "ipc/lane_wire.h"
#include "ipc/sock.h"
#include "ipc/status.h"
#include "ring/chunk.h"
#include "ring/mail.h"
#include "tests/media.h"

#define FLOWS         2u
#define ROUNDS        20
#define CHANNEL_BYTES RMX_CHANNEL_BYTES_MIN
#define SLOTS         4u
#define CHUNK_BYTES   2048u
#define PATIENCE_MS   10000

#define check(cond)                                                                                \
    ((cond) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond), exit(1)))

/* One peer of the desk: the lane, or the client. */
struct peer {
    struct rmx_mail to_desk;
    struct rmx_mail from_desk;
    struct rmx_bell desk_bell;
    struct rmx_bell own_bell;
};

static struct rmx_region arena = RMX_REGION_INIT;
static struct rmx_region channel = RMX_REGION_INIT;
static struct peer lane;
static struct peer client;
static int ctl[2];
static struct media input;
static struct media wanted = { .stream = true };

static void make_peer(struct peer *peer, const struct rmx_region *region, size_t to_desk,
    size_t from_desk, uint32_t slots)
{
    check(rmx_mail_init(region, to_desk, slots, 0) == 0);
    check(rmx_mail_init(region, from_desk, slots, 0) == 0);
    check(rmx_mail_attach(&peer->to_desk, region, to_desk, slots) == 0);
    check(rmx_mail_attach(&peer->from_desk, region, from_desk, slots) == 0);
    peer->desk_bell.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    peer->own_bell.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    check(peer->desk_bell.fd >= 0 && peer->own_bell.fd >= 0);
}

static void set_up(void)
{
    struct rmx_worker_shm *shm;
    struct rmx_channel_shm *shared;

    check(rmx_region_create(&arena, "tsan-arena",
              sizeof(struct rmx_worker_shm) + FLOWS * sizeof(struct rmx_flow_shm), 0) == 0);
    check(rmx_region_create(&channel, "tsan-channel", CHANNEL_BYTES, 0) == 0);
    make_peer(&lane, &arena, offsetof(struct rmx_worker_shm, to_worker),
        offsetof(struct rmx_worker_shm, to_lane), RMX_WORKER_MAIL_SLOTS);
    make_peer(&client, &channel, offsetof(struct rmx_channel_shm, to_worker),
        offsetof(struct rmx_channel_shm, to_client), RMX_CHANNEL_MAIL_SLOTS);
    shm = arena.base;
    shared = channel.base;
    lane.desk_bell.shm = &shm->worker_bell;
    lane.own_bell.shm = &shm->lane_bell;
    client.desk_bell.shm = &shared->worker_bell;
    client.own_bell.shm = &shared->client_bell;
    check(rmx_sock_pair(ctl) == 0);
}

static void *run_desk(void *arg)
{
    const struct rmx_desk_plan plan = {
        .arena = &arena,
        .flows = FLOWS,
        .worker_bell_fd = lane.desk_bell.fd,
        .lane_bell_fd = lane.own_bell.fd,
        .ctl_fd = ctl[1],
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
    };

    check(plan.epoll_fd >= 0);
    check(rmx_desk_run(&plan) == 0);
    (void)close(plan.epoll_fd);
    return arg;
}

static void post(struct peer *peer, enum rmx_note_kind kind, uint32_t flow)
{
    struct rmx_note note = { .kind = kind, .flow = flow };

    check(rmx_mail_post(&peer->to_desk, &note) == 0);
    (void)rmx_bell_ring(&peer->desk_bell);
}

/* Instead of the real one: mapped twice in one process, each byte would be two to TSan. */
int __wrap_rmx_region_adopt(struct rmx_region *region, int *fd, size_t least, size_t most);

int __wrap_rmx_region_adopt(struct rmx_region *region, int *fd, size_t least, size_t most)
{
    check(least <= channel.size && channel.size <= most);
    *region =
        (struct rmx_region){ .fd = rmx_take_fd(fd), .base = channel.base, .size = channel.size };
    return 0;
}

static void share(void)
{
    const int fds[] = { channel.fd, client.desk_bell.fd, client.own_bell.fd };
    struct rmx_lane_msg message = {
        .type = RMX_LANE_SHARE, .version = RMX_LANE_WIRE_VERSION, .arena_bytes = CHANNEL_BYTES
    };
    struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };

    check(rmx_sock_send(ctl[0], &part, 1, fds, 3, 0) == 0);
    post(&lane, RMX_NOTE_CTL, 0);
}

/* --- a job, as the client has it ------------------------------------------------------------- */

struct job {
    uint32_t flow;
    struct rmx_chunk_ring in;
    struct rmx_chunk_ring out;
    size_t fed;
    size_t got;
    bool ended; /* its last chunk came */
    bool done;  /* the lane heard of its end */
};

static void begin(struct job *job, uint32_t flow)
{
    struct rmx_flow_shm *shm = &((struct rmx_worker_shm *)arena.base)->flows[flow];
    size_t ring_bytes = rmx_chunk_ring_bytes(SLOTS, CHUNK_BYTES);
    uint64_t in_at = RMX_CHANNEL_RINGS_AT + flow * 2 * ring_bytes;
    uint64_t out_at = in_at + ring_bytes;

    check(arena.base != NULL);
    *job = (struct job){ .flow = flow };
    check(rmx_chunk_ring_init(&channel, in_at, SLOTS, CHUNK_BYTES, 0) == 0);
    check(rmx_chunk_ring_init(&channel, out_at, SLOTS, CHUNK_BYTES, 0) == 0);
    check(rmx_chunk_ring_attach(&job->in, &channel, in_at, SLOTS, CHUNK_BYTES) == 0);
    check(rmx_chunk_ring_attach(&job->out, &channel, out_at, SLOTS, CHUNK_BYTES) == 0);
    memset(shm, 0, sizeof(*shm));
    shm->spec = media_job("mpegts");
    shm->spec.job = flow + 1;
    shm->spec.input_port = RMX_JOB_RING;
    shm->spec.output_port = RMX_JOB_RING;
    shm->spec.channel = 1;
    shm->spec.channel_flow = flow;
    shm->spec.input_bytes = UINT64_MAX;
    shm->spec.input_ring = (struct rmx_job_ring){ in_at, SLOTS, CHUNK_BYTES };
    shm->spec.output_ring = (struct rmx_job_ring){ out_at, SLOTS, CHUNK_BYTES };
    shm->input_bytes = UINT64_MAX;
    shm->input_at = in_at;
    shm->output_at = out_at;
    shm->input_slots = shm->output_slots = SLOTS;
    shm->input_chunk_bytes = shm->output_chunk_bytes = CHUNK_BYTES;
    shm->port = RMX_PORT_CHANNEL_IN | RMX_PORT_CHANNEL_OUT;
    post(&lane, RMX_NOTE_RUN, flow);
}

/* Returns whether it did anything, or may not sleep. */
static bool feed(struct job *job)
{
    bool fed = false;

    while (job->fed < input.size && rmx_ring_reserve_one(&job->in.ring) == 1) {
        size_t left = input.size - job->fed;
        struct rmx_chunk chunk = {
            .offset = job->fed,
            .bytes = left < CHUNK_BYTES ? (uint32_t)left : CHUNK_BYTES,
            .flags = left <= CHUNK_BYTES ? RMX_CHUNK_END : 0,
        };

        memcpy(rmx_chunk_payload(&job->in, 0), input.bytes + job->fed, chunk.bytes);
        rmx_chunk_fill(&job->in, 0, &chunk);
        rmx_ring_publish(&job->in.ring, 1);
        job->fed += chunk.bytes;
        fed = true;
    }
    if (fed && rmx_ring_consumer_asked(&job->in.ring)) {
        post(&client, RMX_NOTE_INPUT, job->flow);
    }
    return fed || (job->fed < input.size && !rmx_chunk_room_ask(&job->in));
}

static bool drain(struct job *job)
{
    struct rmx_chunk chunk;
    bool drained = false;

    while (!job->ended && rmx_ring_peek_one(&job->out.ring) == 1) {
        check(rmx_chunk_read(&job->out, 0, &chunk) == 0);
        check(chunk.offset == job->got && job->got + chunk.bytes <= wanted.size);
        check(memcmp(rmx_chunk_payload(&job->out, 0), wanted.bytes + job->got, chunk.bytes) == 0);
        job->got += chunk.bytes;
        job->ended = (chunk.flags & RMX_CHUNK_END) != 0;
        rmx_ring_release(&job->out.ring, 1);
        drained = true;
    }
    if (drained && rmx_ring_producer_asked(&job->out.ring)) {
        post(&client, RMX_NOTE_OUTPUT, job->flow);
    }
    return drained || (!job->ended && !rmx_ring_consumer_ask(&job->out.ring));
}

static bool take_notes(struct job *jobs)
{
    struct rmx_note note;
    bool taken = false;

    while (rmx_mail_take(&client.from_desk, &note) == 1) {
        taken = true;
    }
    while (rmx_mail_take(&lane.from_desk, &note) == 1) {
        check(note.kind == RMX_NOTE_DONE && note.flow < FLOWS);
        jobs[note.flow].done = true;
        taken = true;
    }
    return taken;
}

static void serve(struct job *jobs)
{
    struct pollfd bells[] = {
        { .fd = lane.own_bell.fd, .events = POLLIN },
        { .fd = client.own_bell.fd, .events = POLLIN },
    };
    bool worked;

    rmx_bell_arm(&lane.own_bell);
    rmx_bell_arm(&client.own_bell);
    worked = take_notes(jobs);
    for (uint32_t flow = 0; flow < FLOWS; flow++) {
        worked = feed(&jobs[flow]) || worked;
        worked = drain(&jobs[flow]) || worked;
    }
    if (!worked && !(jobs[0].done && jobs[1].done)) {
        check(poll(bells, 2, PATIENCE_MS) > 0);
        (void)rmx_bell_hear(&lane.own_bell);
        (void)rmx_bell_hear(&client.own_bell);
    }
}

static void run_jobs(void)
{
    struct rmx_worker_shm *shm = arena.base;
    struct job jobs[FLOWS];

    for (uint32_t flow = 0; flow < FLOWS; flow++) {
        begin(&jobs[flow], flow);
    }
    while (!(jobs[0].done && jobs[0].ended && jobs[1].done && jobs[1].ended)) {
        serve(jobs);
    }
    for (uint32_t flow = 0; flow < FLOWS; flow++) {
        check(shm->flows[flow].result.status == RMX_STATUS_OK);
        check(jobs[flow].got == wanted.size);
    }
}

int main(void)
{
    struct rmx_job_spec spec = media_job("mpegts");
    pthread_t thread;

    rmx_remux_init_process(256u << 20);
    media_make_mp4(&input, "+frag_keyframe+empty_moov");
    input.stream = true;
    check(media_run(&spec, &input, &wanted).status == RMX_STATUS_OK);
    set_up();
    check(pthread_create(&thread, NULL, run_desk, NULL) == 0);
    share();
    for (int round = 0; round < ROUNDS; round++) {
        run_jobs();
    }
    rmx_base_close(&ctl[0]);
    check(pthread_join(thread, NULL) == 0);
    printf("%d rounds of %u jobs hold\n", ROUNDS, FLOWS);
    media_free(&input);
    media_free(&wanted);
    rmx_region_fini(&arena);
    rmx_region_fini(&channel);
    return 0;
}
