/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client's end of a channel. See tiny_channel.h.
 */
#include "tests/tiny_channel.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ring/chunk.h"

static const uint64_t to_worker_at = offsetof(struct rmx_channel_shm, to_worker);
static const uint64_t to_client_at = offsetof(struct rmx_channel_shm, to_client);

void tiny_channel_make(struct tiny_channel *channel, size_t bytes)
{
    const struct rmx_region *arena = &channel->arena;

    memset(channel, 0, sizeof(*channel));
    cr_assert_eq(rmx_region_create(&channel->arena, "tiny-channel", bytes, 0), 0);
    channel->shm = arena->base;
    cr_assert_eq(
        rmx_mail_attach(&channel->to_worker, arena, to_worker_at, RMX_CHANNEL_MAIL_SLOTS), 0);
    cr_assert_eq(
        rmx_mail_attach(&channel->to_client, arena, to_client_at, RMX_CHANNEL_MAIL_SLOTS), 0);
    channel->worker_bell.shm = &channel->shm->worker_bell;
    channel->client_bell.shm = &channel->shm->client_bell;
    channel->worker_bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    channel->client_bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    cr_assert(channel->worker_bell.fd >= 0 && channel->client_bell.fd >= 0);
    channel->next_at = RMX_CHANNEL_RINGS_AT;
}

void tiny_channel_free(struct tiny_channel *channel)
{
    rmx_base_close(&channel->worker_bell.fd);
    rmx_base_close(&channel->client_bell.fd);
    rmx_region_fini(&channel->arena);
}

struct rmx_job_ring tiny_channel_lay(
    struct tiny_channel *channel, uint32_t slots, uint32_t chunk_bytes)
{
    struct rmx_job_ring ring = {
        .at = channel->next_at, .slots = slots, .chunk_bytes = chunk_bytes
    };

    cr_assert_eq(rmx_chunk_ring_init(&channel->arena, ring.at, slots, chunk_bytes, 0), 0);
    channel->next_at += rmx_chunk_ring_bytes(slots, chunk_bytes);
    return ring;
}

void tiny_channel_post(struct tiny_channel *channel, uint32_t kind, uint32_t channel_flow)
{
    struct rmx_note note = { .kind = kind, .flow = channel_flow };

    cr_assert_eq(rmx_mail_post(&channel->to_worker, &note), 0);
    (void)rmx_bell_ring(&channel->worker_bell);
}

void tiny_channel_ring(struct tiny_channel *channel)
{
    uint64_t once = 1;

    (void)!write(channel->worker_bell.fd, &once, sizeof(once));
}

uint32_t tiny_channel_take_mail(struct tiny_channel *channel)
{
    struct rmx_note note;
    uint32_t taken = 0;

    while (rmx_mail_take(&channel->to_client, &note) == 1) {
        taken++;
    }
    return taken;
}
