/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One channel from the client's side (see conduit.h). Runs in the client process, under the
 * client's lock.
 */
#include "clients/conduit.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "ipc/channel.h"
#include "ring/base.h"

#define PAGE_BYTES RMX_CHUNK_ALIGN

static uint32_t pages_of(const struct rmx_job_ring *ring)
{
    return (uint32_t)(rmx_chunk_ring_bytes(ring->slots, ring->chunk_bytes) / PAGE_BYTES);
}

/* The mailboxes and the bells, in memory that is all zero. */
static void lay_out(struct rmx_conduit *channel)
{
    struct rmx_channel_shm *shm = channel->region.base;
    int err = rmx_mail_attach(&channel->to_worker, &channel->region,
        offsetof(struct rmx_channel_shm, to_worker), RMX_CHANNEL_MAIL_SLOTS);

    rmx_assert(err == 0);
    err = rmx_mail_attach(&channel->to_client, &channel->region,
        offsetof(struct rmx_channel_shm, to_client), RMX_CHANNEL_MAIL_SLOTS);
    rmx_assert(err == 0);
    channel->worker_bell = (struct rmx_bell){ .shm = &shm->worker_bell, .fd = -1 };
    channel->client_bell = (struct rmx_bell){ .shm = &shm->client_bell, .fd = -1 };
    rmx_bell_arm(&channel->client_bell);
    rmx_pages_init(&channel->pages, (uint32_t)(RMX_CHANNEL_RINGS_AT / PAGE_BYTES),
        (uint32_t)((channel->region.size - RMX_CHANNEL_RINGS_AT) / PAGE_BYTES));
}

int rmx_conduit_new(struct rmx_conduit **channel, size_t bytes)
{
    struct rmx_conduit *made = calloc(1, sizeof(*made));

    if (made == NULL) {
        return -ENOMEM;
    }
    made->heard_fd = -1;
    made->worker_bell.fd = -1;
    made->region = (struct rmx_region)RMX_REGION_INIT;
    pthread_mutex_init(&made->telling, NULL); /* cannot fail for a plain one */
    int err = rmx_region_create(&made->region, "ringmux-channel", bytes, 0);
    if (err == 0) {
        err = rmx_region_prefault(&made->region);
    }
    if (err < 0) {
        rmx_conduit_free(&made);
        return err;
    }
    lay_out(made);
    *channel = made;
    return 0;
}

void rmx_conduit_free(struct rmx_conduit **channel)
{
    struct rmx_conduit *gone = *channel;

    if (gone == NULL) {
        return;
    }
    rmx_base_close(&gone->heard_fd);
    rmx_base_close(&gone->worker_bell.fd);
    rmx_region_fini(&gone->region);
    pthread_mutex_destroy(&gone->telling);
    free(gone);
    *channel = NULL;
}

void rmx_conduit_open(
    struct rmx_conduit *channel, uint32_t line, uint32_t name, int *wake_fd, int *heard_fd)
{
    rmx_assert(channel->name == 0 && name != 0);
    channel->line = line;
    channel->name = name;
    channel->worker_bell.fd = rmx_take_fd(wake_fd);
    channel->heard_fd = rmx_take_fd(heard_fd);
}

int rmx_conduit_place(
    struct rmx_conduit *channel, struct rmx_job_ring *ring, struct rmx_chunk_ring *end)
{
    uint32_t at = 0;
    uint32_t count = pages_of(ring);

    if (count > (channel->region.size - RMX_CHANNEL_RINGS_AT) / PAGE_BYTES) {
        return -ENOBUFS;
    }
    if (rmx_pages_take(&channel->pages, count, &at) < 0) {
        return -EAGAIN;
    }
    ring->at = (uint64_t)at * PAGE_BYTES;
    int err = rmx_chunk_ring_init(&channel->region, ring->at, ring->slots, ring->chunk_bytes, 0);
    rmx_assert(err == 0);
    err = rmx_chunk_ring_attach(end, &channel->region, ring->at, ring->slots, ring->chunk_bytes);
    rmx_assert(err == 0);
    return 0;
}

void rmx_conduit_clear(struct rmx_conduit *channel, const struct rmx_job_ring *ring)
{
    rmx_pages_give(&channel->pages, (uint32_t)(ring->at / PAGE_BYTES), pages_of(ring));
}

int rmx_conduit_tell(struct rmx_conduit *channel, uint32_t kind, uint32_t flow)
{
    struct rmx_note note = { .kind = kind, .flow = flow };

    pthread_mutex_lock(&channel->telling);
    int err = rmx_mail_post(&channel->to_worker, &note);
    pthread_mutex_unlock(&channel->telling);
    if (err < 0) {
        return -EBADMSG;
    }
    (void)rmx_bell_ring(&channel->worker_bell);
    return 0;
}

void rmx_conduit_arm(struct rmx_conduit *channel)
{
    rmx_bell_arm(&channel->client_bell);
}

int rmx_conduit_take(struct rmx_conduit *channel, struct rmx_note *note)
{
    return rmx_mail_take(&channel->to_client, note);
}

void rmx_conduit_hush(struct rmx_conduit *channel)
{
    struct epoll_event event;

    channel->rung = false;
    (void)epoll_wait(channel->heard_fd, &event, 1, 0); /* the edge is taken */
}
