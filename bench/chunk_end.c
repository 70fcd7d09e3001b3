/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One end of a chunk ring. See chunk_end.h.
 */
#include "bench/chunk_end.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/core.h"
#include "bench/samples.h"
#include "ring/base.h"

#define MAIL_SLOTS 64u
#define MAIL_BYTES 4096u
#define SLEEP_MS   1000
#define ROOM_SHARE 4u /* as a worker: the producer hears of room a quarter of a ring at a time */

/* Where things lie in the region, by role. */
static const uint64_t bell_at[RMX_CHUNK_ROLES] = { 0, 4096 };
static const uint64_t mail_at[RMX_CHUNK_ROLES] = { 8192, 8192 + MAIL_BYTES };

_Static_assert(8192 + 2 * MAIL_BYTES <= RMX_CHUNK_END_RING_AT, "the ring would lie on the mail");

void rmx_chunk_end_make(const struct rmx_region *region, uint32_t slots, uint32_t chunk_bytes)
{
    memset(region->base, 0, RMX_CHUNK_END_RING_AT);
    for (int i = 0; i < RMX_CHUNK_ROLES; i++) {
        rmx_assert(rmx_mail_init(region, mail_at[i], MAIL_SLOTS, 0) == 0);
    }
    rmx_assert(rmx_chunk_ring_init(region, RMX_CHUNK_END_RING_AT, slots, chunk_bytes, 0) == 0);
}

static struct rmx_bell bell_of(
    const struct rmx_region *region, const int bells[RMX_CHUNK_ROLES], enum rmx_chunk_end_role role)
{
    return (struct rmx_bell){
        .shm = rmx_region_at(region, bell_at[role], sizeof(struct rmx_bell_shm), RMX_LINE),
        .fd = bells[role],
    };
}

void rmx_chunk_end_attach(struct rmx_chunk_end *end, const struct rmx_region *region,
    enum rmx_chunk_end_role role, const int bells[RMX_CHUNK_ROLES], uint32_t slots,
    uint32_t chunk_bytes)
{
    enum rmx_chunk_end_role peer = 1 - role;
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };

    *end = (struct rmx_chunk_end){
        .role = role,
        .own = bell_of(region, bells, role),
        .peer = bell_of(region, bells, peer),
        .epoll = epoll_create1(EPOLL_CLOEXEC),
    };
    rmx_assert(epoll_ctl(end->epoll, EPOLL_CTL_ADD, end->own.fd, &event) == 0);
    rmx_assert(rmx_mail_attach(&end->to_me, region, mail_at[role], MAIL_SLOTS) == 0);
    rmx_assert(rmx_mail_attach(&end->to_peer, region, mail_at[peer], MAIL_SLOTS) == 0);
    rmx_assert(
        rmx_chunk_ring_attach(&end->ring, region, RMX_CHUNK_END_RING_AT, slots, chunk_bytes) == 0);
}

void rmx_chunk_end_fini(struct rmx_chunk_end *end)
{
    close(end->epoll);
}

/* The peer asked: a note, and the bell. */
static void tell(struct rmx_chunk_end *end)
{
    struct rmx_note note = { .kind = 1 };

    rmx_assert(rmx_mail_post(&end->to_peer, &note) == 0);
    if (rmx_bell_ring(&end->peer)) {
        end->calls++;
        end->wakes++;
    }
}

static int look(struct rmx_chunk_end *end)
{
    int found = end->role == RMX_CHUNK_PRODUCER ? rmx_ring_reserve_one(&end->ring.ring)
                                                : rmx_ring_peek_one(&end->ring.ring);

    rmx_assert(found >= 0);
    return found;
}

static bool may_sleep(struct rmx_chunk_end *end)
{
    return end->role == RMX_CHUNK_PRODUCER ? rmx_chunk_room_ask(&end->ring)
                                           : rmx_ring_consumer_ask(&end->ring.ring);
}

/* Until there is room, or a chunk: polls, then sleeps. */
static void await(struct rmx_chunk_end *end)
{
    uint64_t until = rmx_samples_now_ns() + end->spin_ns;
    struct epoll_event event;
    struct rmx_note note;

    while (rmx_samples_now_ns() < until) {
        for (int i = 0; i < 16; i++) {
            if (look(end) != 0) {
                return;
            }
            rmx_base_pause();
        }
    }
    rmx_bell_arm(&end->own);
    if (may_sleep(end)) {
        end->calls++;
        (void)epoll_wait(end->epoll, &event, 1, SLEEP_MS);
    }
    rmx_bell_disarm(&end->own);
    while (rmx_mail_take(&end->to_me, &note) == 1) {
    }
}

unsigned char *rmx_chunk_end_room(struct rmx_chunk_end *end)
{
    while (look(end) == 0) {
        await(end);
    }
    return rmx_chunk_payload(&end->ring, 0);
}

void rmx_chunk_end_publish(struct rmx_chunk_end *end, uint32_t bytes)
{
    struct rmx_chunk chunk = { .bytes = bytes };

    rmx_chunk_fill(&end->ring, 0, &chunk);
    rmx_ring_publish(&end->ring.ring, 1);
    if (rmx_ring_consumer_asked(&end->ring.ring)) {
        tell(end);
    }
}

static void tell_room(struct rmx_chunk_end *end)
{
    end->untold = 0;
    if (rmx_ring_producer_asked(&end->ring.ring)) {
        tell(end);
    }
}

const unsigned char *rmx_chunk_end_next(struct rmx_chunk_end *end, uint32_t *bytes)
{
    struct rmx_chunk chunk;

    while (look(end) == 0) {
        tell_room(end);
        await(end);
    }
    rmx_assert(rmx_chunk_read(&end->ring, 0, &chunk) == 0);
    *bytes = chunk.bytes;
    return rmx_chunk_payload(&end->ring, 0);
}

void rmx_chunk_end_release(struct rmx_chunk_end *end)
{
    rmx_ring_release(&end->ring.ring, 1);
    if (++end->untold >= end->ring.ring.slots / ROOM_SHARE) {
        tell_room(end);
    }
}
