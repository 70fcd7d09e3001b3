/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a hostile client does to its channel. See hostile_hand.h.
 */
#include "tests/hostile_hand.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/lane_wire.h"
#include "ring/bell.h"
#include "ring/chunk.h"
#include "tests/ring_lie.h"

#define CROWD    4096u
#define FEW_NS   20000
#define WHILE_NS 500000

static const char *const names[HOSTILE_DEEDS] = {
    [HOSTILE_NOTHING] = "nothing",
    [HOSTILE_WORDS] = "words",
    [HOSTILE_HEADS] = "heads",
    [HOSTILE_NUDGES] = "nudges",
    [HOSTILE_PAYLOAD] = "payload",
    [HOSTILE_MAIL] = "mail",
    [HOSTILE_FLOOD] = "flood",
    [HOSTILE_BELLS] = "bells",
    [HOSTILE_ALARM] = "alarm",
    [HOSTILE_FULL] = "full",
    [HOSTILE_HOLES] = "holes",
    [HOSTILE_CRUMBS] = "crumbs",
    [HOSTILE_CROWD] = "crowd",
};

const char *hostile_deed_name(enum hostile_deed deed)
{
    return names[deed];
}

uint64_t hostile_pick(uint64_t *random, uint64_t below)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return (*random * 0x2545f4914f6cdd1dull >> 11) % below;
}

static void rest(long ns)
{
    struct timespec time = { .tv_nsec = ns };

    (void)nanosleep(&time, NULL);
}

/* What is likelier to hurt than noise. */
static uint64_t evil_number(struct hostile_hand *hand)
{
    static const uint64_t telling[] = { 0, 1, 2, UINT32_MAX, UINT64_MAX, INT64_MAX,
        (uint64_t)INT64_MAX + 1, 0x8000, 0x7fffffff, 0x80000000, UINT64_C(1) << 32 };
    uint64_t kind = hostile_pick(&hand->random, 4);

    if (kind == 0) {
        return telling[hostile_pick(&hand->random, sizeof(telling) / sizeof(telling[0]))];
    }
    return kind == 1 ? hostile_pick(&hand->random, 64) : hostile_pick(&hand->random, UINT64_MAX);
}

/* Writes, or changes a little, 1 to 8 bytes at a place of the arena. */
static void spoil(struct hostile_hand *hand, size_t at)
{
    unsigned width = 1u << hostile_pick(&hand->random, 4);
    unsigned char *to = hand->arena + at / width * width;
    uint64_t number = evil_number(hand);

    if (hostile_pick(&hand->random, 2) == 0) { /* near what it is: counts a little off */
        memcpy(&number, to, width);
        number += hostile_pick(&hand->random, 9) - 4;
    }
    memcpy(to, &number, width);
}

static const struct rmx_job_ring *some_ring(struct hostile_hand *hand)
{
    return &hand->rings[hostile_pick(&hand->random, 2 * HOSTILE_JOBS)];
}

static void spoil_head(struct hostile_hand *hand)
{
    const struct rmx_job_ring *ring = some_ring(hand);
    size_t rows =
        rmx_ring_bytes(ring->slots, sizeof(struct rmx_chunk_shm)) - sizeof(struct rmx_ring_shm);
    static const size_t words[] = { 0, 128, 136, 144, 256 }; /* of struct rmx_ring_shm */

    if (hostile_pick(&hand->random, 2) == 0) {
        spoil(hand, ring->at + words[hostile_pick(&hand->random, 5)]);
    } else {
        spoil(hand,
            ring->at + sizeof(struct rmx_ring_shm) + hostile_pick(&hand->random, rows) / 8 * 8);
    }
}

static void spoil_payload(struct hostile_hand *hand)
{
    const struct rmx_job_ring *ring = some_ring(hand);
    size_t bytes = rmx_chunk_ring_bytes(ring->slots, ring->chunk_bytes);
    size_t head = rmx_ring_bytes(ring->slots, sizeof(struct rmx_chunk_shm));

    spoil(hand, ring->at + head + hostile_pick(&hand->random, bytes - head) / 8 * 8);
}

static void spoil_mail(struct hostile_hand *hand)
{
    size_t box = hostile_pick(&hand->random, 2) == 0 ? offsetof(struct rmx_channel_shm, to_worker)
                                                     : offsetof(struct rmx_channel_shm, to_client);
    bool head = hostile_pick(&hand->random, 8) == 0;

    spoil(hand,
        box + hostile_pick(&hand->random, head ? sizeof(struct rmx_ring_shm)
                                               : sizeof(((struct rmx_channel_shm *)0)->to_worker)) /
                  8 * 8);
}

/* Keeps the worker's mailbox full of notes, each of which wakes a job for nothing. */
static void flood(struct hostile_hand *hand)
{
    struct rmx_channel_shm *shm = (struct rmx_channel_shm *)(void *)hand->arena;
    struct rmx_ring ring;

    rmx_assert(rmx_ring_attach(&ring, shm->to_worker, RMX_CHANNEL_MAIL_SLOTS,
                   sizeof(struct rmx_note_shm)) == 0);
    for (uint32_t i = 0; i < ring.slots; i++) {
        *(struct rmx_note_shm *)rmx_ring_entry(&ring, i) = (struct rmx_note_shm){
            .kind = RMX_NOTE_INPUT + (uint32_t)hostile_pick(&hand->random, 2),
            .flow = (uint32_t)hostile_pick(&hand->random, HOSTILE_JOBS + 1),
        };
    }
    ring_lie(&ring, ring.cursor + ring.slots);
}

static void move_bells(struct hostile_hand *hand)
{
    struct rmx_channel_shm *shm = (struct rmx_channel_shm *)(void *)hand->arena;
    uint32_t asleep = (uint32_t)hostile_pick(&hand->random, 3);

    atomic_store_explicit(&shm->worker_bell.asleep, asleep, memory_order_relaxed);
    atomic_store_explicit(&shm->client_bell.asleep, 2 - asleep, memory_order_relaxed);
}

static void ring_worker(struct hostile_hand *hand, uint64_t rings)
{
    (void)!write(hand->wake_fd, &rings, sizeof(rings));
}

/* No write here can block: it would need the counter full and the flag off, and only this thread
 * does either. */
static void play_with_bell(struct hostile_hand *hand)
{
    uint64_t rings;

    (void)fcntl(hand->wake_fd, F_SETFL, O_NONBLOCK);
    switch (hostile_pick(&hand->random, 3)) {
    case 0:
        ring_worker(hand, UINT64_MAX - 1);
        break;
    case 1:
        (void)!read(hand->wake_fd, &rings, sizeof(rings));
        break;
    default:
        ring_worker(hand, 1);
    }
    (void)fcntl(hand->wake_fd, F_SETFL, 0);
}

static void punch(struct hostile_hand *hand)
{
    off_t pages = (off_t)(hand->bytes / 4096);
    off_t first = (off_t)hostile_pick(&hand->random, (uint64_t)pages);
    off_t count = 1 + (off_t)hostile_pick(&hand->random, (uint64_t)(pages - first));

    (void)fallocate(
        hand->arena_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, first * 4096, count * 4096);
}

/* A good producer to look at, of nothing worth having. */
static void scatter_crumbs(struct hostile_hand *hand)
{
    const struct rmx_job_ring *place = &hand->rings[2 * hostile_pick(&hand->random, HOSTILE_JOBS)];
    bool old = hostile_pick(&hand->random, 4) == 0;
    struct rmx_ring ring;

    rmx_assert(rmx_ring_attach(&ring, hand->arena + place->at, place->slots,
                   sizeof(struct rmx_chunk_shm)) == 0);
    for (uint32_t i = 0; i < ring.slots; i++) {
        *(struct rmx_chunk_shm *)rmx_ring_entry(&ring, i) = (struct rmx_chunk_shm){
            .offset = ring.cursor + i,
            .bytes = 1,
            .generation = old ? UINT32_MAX : 0,
        };
    }
    ring_lie(&ring, ring.cursor + ring.slots);
}

/* Each time the worker rings, the kernel looks through all who wait. */
static void crowd(struct hostile_hand *hand)
{
    static struct pollfd waits[CROWD];

    for (unsigned i = 0; i < CROWD; i++) {
        waits[i] = (struct pollfd){ .fd = hand->watch_fd, .events = POLLIN };
    }
    (void)poll(waits, CROWD, 1);
}

static void act(struct hostile_hand *hand)
{
    switch (hand->deed) {
    case HOSTILE_WORDS:
        spoil(hand, hostile_pick(&hand->random, hand->bytes));
        break;
    case HOSTILE_NUDGES:
        rest(WHILE_NS);
        spoil_head(hand);
        break;
    case HOSTILE_HEADS:
        spoil_head(hand);
        rest((long)hostile_pick(&hand->random, 2) * FEW_NS);
        break;
    case HOSTILE_PAYLOAD:
        spoil_payload(hand);
        break;
    case HOSTILE_MAIL:
        rest(FEW_NS);
        spoil_mail(hand);
        break;
    case HOSTILE_FLOOD:
        flood(hand);
        break;
    case HOSTILE_BELLS:
        move_bells(hand);
        break;
    case HOSTILE_ALARM:
        ring_worker(hand, 1);
        break;
    case HOSTILE_FULL:
        play_with_bell(hand);
        break;
    case HOSTILE_HOLES:
        punch(hand);
        rest(FEW_NS);
        break;
    case HOSTILE_CRUMBS:
        scatter_crumbs(hand);
        break;
    case HOSTILE_CROWD:
        crowd(hand);
        break;
    default:
        rest(WHILE_NS);
    }
}

static void *live(void *argument)
{
    struct hostile_hand *hand = argument;

    while (!atomic_load_explicit(&hand->over, memory_order_relaxed)) {
        act(hand);
        hand->done++;
    }
    return NULL;
}

void hostile_hand_start(struct hostile_hand *hand)
{
    atomic_store(&hand->over, false);
    hand->done = 0;
    rmx_assert(pthread_create(&hand->thread, NULL, live, hand) == 0);
}

void hostile_hand_stop(struct hostile_hand *hand)
{
    atomic_store(&hand->over, true);
    rmx_assert(pthread_join(hand->thread, NULL) == 0);
    if (hand->deed == HOSTILE_FULL) {
        (void)fcntl(hand->wake_fd, F_SETFL, O_NONBLOCK);
    }
}
