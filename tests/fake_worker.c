/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The other end of a client's channels, for tests (see fake_worker.h).
 */
#include "tests/fake_worker.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "ipc/channel.h"
#include "ipc/status.h"
#include "ring/base.h"

#define PATIENCE_MS 10000

static void adopt(struct fake_channel *channel, int *fd)
{
    struct rmx_channel_shm *shm;
    int err = rmx_region_adopt(
        &channel->region, fd, RMX_CHANNEL_BYTES_MIN, (size_t)RMX_CHANNEL_BYTES_MAX);

    rmx_assert(err == 0);
    shm = channel->region.base;
    channel->worker_bell.shm = &shm->worker_bell;
    channel->worker_bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    channel->client_bell.shm = &shm->client_bell;
    channel->client_bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rmx_assert(channel->worker_bell.fd >= 0 && channel->client_bell.fd >= 0);
    err = rmx_mail_attach(&channel->to_worker, &channel->region,
        offsetof(struct rmx_channel_shm, to_worker), RMX_CHANNEL_MAIL_SLOTS);
    rmx_assert(err == 0);
    err = rmx_mail_attach(&channel->to_client, &channel->region,
        offsetof(struct rmx_channel_shm, to_client), RMX_CHANNEL_MAIL_SLOTS);
    rmx_assert(err == 0);
}

/* As the daemon does it: the client gets an epoll descriptor with the eventfd in it. */
static int wrap(int event_fd)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };
    int fd = epoll_create1(EPOLL_CLOEXEC);

    rmx_assert(fd >= 0 && epoll_ctl(fd, EPOLL_CTL_ADD, event_fd, &event) == 0);
    return fd;
}

static void open_channel(struct fake_worker *worker)
{
    struct fake_channel *channel = &worker->channel[worker->channels++];
    struct rmx_msg_channel_opened opened = {
        .head = { .type = RMX_MSG_CHANNEL_OPENED, .bytes = sizeof(opened) },
        .channel = worker->channels,
    };
    struct iovec part = { .iov_base = &opened, .iov_len = sizeof(opened) };
    int arena = rmx_sock_fds_take(&worker->daemon.fds, 0);

    rmx_assert(worker->channels <= FAKE_WORKER_CHANNELS);
    adopt(channel, &arena);
    int fds[2] = { channel->worker_bell.fd, wrap(channel->client_bell.fd) };
    int err = rmx_sock_send(worker->daemon.fd, &part, 1, fds, 2, 0);
    rmx_assert(err == 0);
    rmx_base_close(&fds[1]);
    if (worker->losses > 0) {
        worker->losses--;
        fake_worker_lose(worker, worker->channels);
    }
}

static void answer_channel(struct fake_worker *worker)
{
    struct rmx_msg_channel_opened refused = {
        .head = { .type = RMX_MSG_CHANNEL_OPENED, .bytes = sizeof(refused) },
        .status = worker->refusal,
    };

    atomic_fetch_add(&worker->asked, 1);
    if (worker->mute) {
        return;
    }
    bool slow = worker->slow;
    if (slow) {
        worker->slow = false;
        fake_daemon_pause(&worker->daemon);
    }
    if (worker->refusals > 0) {
        worker->refusals--;
        fake_daemon_say(&worker->daemon, &refused, sizeof(refused));
    } else {
        open_channel(worker);
    }
    if (slow) {
        fake_daemon_arrived(&worker->daemon);
    }
}

static void take_jobs(struct fake_worker *worker)
{
    struct rmx_msg_head head;

    memcpy(&head, worker->daemon.message, sizeof(head));
    for (uint32_t i = 0; i < head.count; i++) {
        struct fake_job *job = &worker->jobs[(worker->count + i) % FAKE_WORKER_JOBS];
        const char *why = "";

        memset(job, 0, sizeof(*job));
        job->spec = fake_daemon_spec(&worker->daemon, i);
        rmx_assert(rmx_job_check(&job->spec, &why) == 0);
        if (job->spec.channel == 0) {
            continue;
        }
        job->channel = &worker->channel[job->spec.channel - 1];
        if (job->spec.input_port == RMX_JOB_RING) {
            int err =
                rmx_chunk_ring_attach(&job->in, &job->channel->region, job->spec.input_ring.at,
                    job->spec.input_ring.slots, job->spec.input_ring.chunk_bytes);
            rmx_assert(err == 0);
        }
        if (job->spec.output_port == RMX_JOB_RING) {
            int err =
                rmx_chunk_ring_attach(&job->out, &job->channel->region, job->spec.output_ring.at,
                    job->spec.output_ring.slots, job->spec.output_ring.chunk_bytes);
            rmx_assert(err == 0);
        }
    }
    for (uint32_t i = 0; i < head.count; i++) {
        fake_daemon_arrived(&worker->daemon);
    }
    worker->count += head.count;
}

static void answer_ping(struct fake_daemon *daemon)
{
    struct rmx_msg_ping ping;

    memcpy(&ping, daemon->message, sizeof(ping));
    ping.head.type = RMX_MSG_PONG;
    fake_daemon_say(daemon, &ping, sizeof(ping));
}

static void end_group(struct fake_worker *worker)
{
    struct rmx_msg_group_name name;

    memcpy(&name, worker->daemon.message, sizeof(name));
    fake_daemon_group_done(&worker->daemon, name.group, worker->group_status, worker->group_first);
}

static void serve(struct fake_daemon *daemon)
{
    struct fake_worker *worker = daemon->user;
    uint16_t type;

    fake_daemon_welcome(daemon, worker->credits != 0 ? worker->credits : 64);
    while ((type = fake_daemon_hear_any(daemon)) != 0) {
        switch (type) {
        case RMX_MSG_CHANNEL:
            answer_channel(worker);
            break;
        case RMX_MSG_SUBMIT:
            take_jobs(worker);
            break;
        case RMX_MSG_CANCEL:
            atomic_fetch_add(&worker->cancels, 1);
            break;
        case RMX_MSG_PING:
            answer_ping(daemon);
            break;
        case RMX_MSG_GROUP:
        case RMX_MSG_GROUP_CANCEL:
            break;
        case RMX_MSG_GROUP_CLOSE:
            end_group(worker);
            break;
        default:
            rmx_assert(type == RMX_MSG_GOODBYE);
        }
    }
}

static void clear(struct fake_worker *worker)
{
    for (int i = 0; i < FAKE_WORKER_CHANNELS; i++) {
        worker->channel[i].region = (struct rmx_region)RMX_REGION_INIT;
        worker->channel[i].worker_bell.fd = -1;
        worker->channel[i].client_bell.fd = -1;
    }
}

void fake_worker_start(struct fake_worker *worker)
{
    clear(worker);
    fake_daemon_start_with(&worker->daemon, serve, worker);
}

void fake_worker_succeed(struct fake_worker *worker, struct fake_worker *last)
{
    clear(worker);
    fake_daemon_succeed(&worker->daemon, &last->daemon, serve, worker);
}

void fake_worker_stop(struct fake_worker *worker)
{
    fake_daemon_stop(&worker->daemon);
    for (int i = 0; i < FAKE_WORKER_CHANNELS; i++) {
        rmx_region_fini(&worker->channel[i].region);
        rmx_base_close(&worker->channel[i].worker_bell.fd);
        rmx_base_close(&worker->channel[i].client_bell.fd);
    }
}

struct fake_job *fake_worker_job(struct fake_worker *worker)
{
    fake_daemon_wait(&worker->daemon);
    return &worker->jobs[worker->handed++ % FAKE_WORKER_JOBS];
}

void fake_worker_sleep(struct fake_channel *channel)
{
    struct pollfd watched = { .fd = channel->worker_bell.fd, .events = POLLIN };
    struct rmx_note note;
    int taken = 0;

    rmx_bell_arm(&channel->worker_bell);
    do {
        taken = rmx_mail_take(&channel->to_worker, &note);
        rmx_assert(taken >= 0);
        if (taken > 0) {
            while (rmx_mail_take(&channel->to_worker, &note) > 0) {
            }
            break;
        }
        rmx_assert(poll(&watched, 1, PATIENCE_MS) == 1);
        (void)rmx_bell_hear(&channel->worker_bell);
        rmx_bell_arm(&channel->worker_bell);
    } while (taken == 0);
    rmx_bell_disarm(&channel->worker_bell);
}

bool fake_worker_has(struct fake_job *job)
{
    return rmx_ring_peek_one(&job->in.ring) == 1;
}

const unsigned char *fake_worker_take(struct fake_job *job, struct rmx_chunk *chunk)
{
    for (;;) {
        while (!fake_worker_has(job)) {
            rmx_bell_arm(&job->channel->worker_bell);
            if (rmx_ring_consumer_ask(&job->in.ring)) {
                fake_worker_sleep(job->channel);
            }
        }
        int err = rmx_chunk_read(&job->in, 0, chunk);
        rmx_assert(err == 0);
        if (chunk->generation == job->in.generation) {
            return rmx_chunk_payload(&job->in, 0);
        }
        fake_worker_give_back(job);
    }
}

void fake_worker_give_back(struct fake_job *job)
{
    rmx_ring_release(&job->in.ring, 1);
    if (rmx_ring_producer_asked(&job->in.ring)) {
        fake_worker_tell(job, RMX_NOTE_INPUT);
    }
}

bool fake_worker_room(struct fake_job *job)
{
    return rmx_ring_reserve_one(&job->out.ring) == 1;
}

void fake_worker_put_at(
    struct fake_job *job, uint64_t offset, const void *bytes, size_t size, uint16_t flags)
{
    struct rmx_chunk chunk = { .offset = offset, .bytes = (uint32_t)size, .flags = flags };

    rmx_assert(fake_worker_room(job));
    if (size > 0) {
        memcpy(rmx_chunk_payload(&job->out, 0), bytes, size);
    }
    chunk.error = (flags & RMX_CHUNK_ERROR) != 0 ? -ECANCELED : 0;
    rmx_chunk_fill(&job->out, 0, &chunk);
    rmx_ring_publish(&job->out.ring, 1);
    job->at = offset + size;
    if (rmx_ring_consumer_asked(&job->out.ring)) {
        fake_worker_tell(job, RMX_NOTE_OUTPUT);
    }
}

void fake_worker_put(struct fake_job *job, const void *bytes, size_t size, uint16_t flags)
{
    fake_worker_put_at(job, job->at, bytes, size, flags);
}

void fake_worker_tell(struct fake_job *job, uint32_t kind)
{
    struct rmx_note note = { .kind = kind, .flow = job->spec.channel_flow };
    int err = rmx_mail_post(&job->channel->to_client, &note);

    rmx_assert(err == 0);
    (void)rmx_bell_ring(&job->channel->client_bell);
}

void fake_worker_done(struct fake_worker *worker, const struct fake_job *job, uint32_t status)
{
    fake_daemon_done(&worker->daemon, job->spec.job, status, 1);
}

void fake_worker_lose(struct fake_worker *worker, uint32_t channel)
{
    struct rmx_msg_channel_lost lost = {
        .head = { .type = RMX_MSG_CHANNEL_LOST, .bytes = sizeof(lost) },
        .channel = channel,
    };

    fake_daemon_say(&worker->daemon, &lost, sizeof(lost));
}
