/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Each labelled edge of ring/layout.h by itself: two threads, and a plain variable that nothing but
 * this edge carries across. Under TSan an edge that is too weak is a data race; without TSan this
 * checks the values. tests/mutate_edges.py weakens each edge in turn and expects this program to
 * fail. Plain program, because Criterion does not run under TSan.
 *
 * Where a litmus has turns, they are told by a relaxed word: TSan sees no edge in that, which is
 * the point.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "ring/bell.h"
#include "ring/chunk.h"
#include "ring/ring.h"

#define ROUNDS 2000u
#define SLOTS  16u /* three rows */

#define check(cond)                                                                                \
    ((cond) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond), exit(1)))

struct entry {
    uint64_t value;
};

static struct {
    struct rmx_ring_shm shm;
    struct rmx_row_shm rows[RMX_RING_ROWS(SLOTS, sizeof(struct entry))];
} shared;

static struct rmx_bell_shm bell_shm;
static uint64_t notes[ROUNDS + 1];   /* plain: what the edges carry */
static _Atomic uint32_t rounds_done; /* relaxed: whose turn it is */

static struct rmx_ring attach(void)
{
    struct rmx_ring ring;

    check(rmx_ring_attach(&ring, &shared, SLOTS, sizeof(struct entry)) == 0);
    return ring;
}

static void tell_turn(uint32_t round)
{
    atomic_store_explicit(&rounds_done, round, memory_order_relaxed);
}

static void wait_turn(uint32_t round)
{
    while (atomic_load_explicit(&rounds_done, memory_order_relaxed) < round) {
        sched_yield();
    }
}

/* R1 -> A1 carries the entries there, R2 -> A2 the slots back. */
static void *publish_entries(void *arg)
{
    struct rmx_ring ring = attach();
    uint32_t room = 0;

    for (uint64_t value = 1; value <= ROUNDS;) {
        check(rmx_ring_reserve(&ring, &room) == 0);
        for (uint32_t i = 0; i < room; i++) {
            *(struct entry *)rmx_ring_entry(&ring, i) = (struct entry){ .value = value++ };
        }
        rmx_ring_publish(&ring, room);
        sched_yield();
    }
    return arg;
}

static void *peek_entries(void *arg)
{
    struct rmx_ring ring = attach();
    uint32_t ready = 0;

    for (uint64_t value = 1; value <= ROUNDS;) {
        check(rmx_ring_peek(&ring, &ready) == 0);
        for (uint32_t i = 0; i < ready; i++) {
            check(((struct entry *)rmx_ring_entry(&ring, i))->value == value++);
        }
        rmx_ring_release(&ring, ready);
        sched_yield();
    }
    return arg;
}

/* R3 -> A3 carries what a consumer wrote before it sought; and never an older offset. */
static void *seek_often(void *arg)
{
    struct rmx_chunk_ring chunks = { .ring = attach() };

    for (uint32_t i = 1; i <= ROUNDS; i++) {
        notes[i] = i;
        check(rmx_chunk_seek(&chunks, i) == i);
        if (i % 2 == 0) {
            sched_yield(); /* every other seek follows its predecessor at once */
        }
    }
    return arg;
}

static void *see_seeks(void *arg)
{
    struct rmx_chunk_ring chunks = { .ring = attach() };
    uint32_t generation = 0;
    uint64_t offset = 0;

    while (generation < ROUNDS) {
        if (rmx_chunk_seek_due(&chunks, &offset, &generation) == 0) {
            sched_yield();
            continue;
        }
        check(notes[generation] == generation);
        check(offset >= generation);
    }
    return arg;
}

/* R4 -> A4: what the waker did before it took the ask word, both ways round. */
static void *take_asks(void *arg)
{
    struct rmx_ring ring = attach();
    bool (*asked)(struct rmx_ring *) =
        arg == NULL ? rmx_ring_consumer_asked : rmx_ring_producer_asked;

    for (uint32_t i = 1; i <= ROUNDS; i++) {
        notes[i] = i;
        (void)asked(&ring);
        tell_turn(i);
    }
    return arg;
}

static void *ask_to_sleep(void *arg)
{
    struct rmx_ring ring = attach();

    for (uint32_t i = 1; i <= ROUNDS; i++) {
        wait_turn(i);
        /* The ring is empty and nobody publishes or releases: no other edge is near. */
        if (arg == NULL) {
            check(rmx_ring_consumer_ask(&ring));
        } else {
            check(!rmx_ring_producer_ask(&ring));
        }
        check(notes[i] == i);
    }
    return arg;
}

/* R5 -> A5: what the sleeper did before it asked, both ways round. */
static void *ask_with_note(void *arg)
{
    struct rmx_ring ring = attach();
    bool (*ask)(struct rmx_ring *) = arg == NULL ? rmx_ring_consumer_ask : rmx_ring_producer_ask;

    if (arg != NULL) {
        rmx_ring_publish(&ring, SLOTS); /* full: the producer may sleep */
    }
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        notes[i] = i;
        check(ask(&ring));
        wait_turn(i);
    }
    return arg;
}

static void *take_noted_asks(void *arg)
{
    struct rmx_ring ring = attach();
    bool (*asked)(struct rmx_ring *) =
        arg == NULL ? rmx_ring_consumer_asked : rmx_ring_producer_asked;

    for (uint32_t i = 1; i <= ROUNDS; i++) {
        while (!asked(&ring)) {
            sched_yield();
        }
        check(notes[i] == i);
        tell_turn(i);
    }
    return arg;
}

/* R6 -> A6: what the waker did before it rang. */
static void *ring_bell(void *arg)
{
    struct rmx_bell bell = { .shm = &bell_shm, .fd = -1 };

    for (uint32_t i = 1; i <= ROUNDS; i++) {
        notes[i] = i;
        (void)rmx_bell_ring(&bell);
        tell_turn(i);
    }
    return arg;
}

static void *arm_bell(void *arg)
{
    struct rmx_bell bell = { .shm = &bell_shm, .fd = -1 };

    for (uint32_t i = 1; i <= ROUNDS; i++) {
        wait_turn(i);
        rmx_bell_arm(&bell);
        check(notes[i] == i);
        rmx_bell_disarm(&bell);
    }
    return arg;
}

static void run(const char *edge, void *(*one)(void *), void *(*other)(void *), void *arg)
{
    pthread_t threads[2];

    rmx_ring_init(&shared, SLOTS, sizeof(struct entry), UINT64_MAX - 2);
    atomic_init(&bell_shm.asleep, 0);
    tell_turn(0);
    for (uint32_t i = 0; i <= ROUNDS; i++) {
        notes[i] = 0;
    }
    check(pthread_create(&threads[0], NULL, one, arg) == 0);
    check(pthread_create(&threads[1], NULL, other, arg) == 0);
    check(pthread_join(threads[0], NULL) == 0);
    check(pthread_join(threads[1], NULL) == 0);
    printf("%s holds\n", edge);
}

int main(void)
{
    run("R1 -> A1, R2 -> A2", publish_entries, peek_entries, NULL);
    run("R3 -> A3", seek_often, see_seeks, NULL);
    run("R4 -> A4 (consumer asks)", take_asks, ask_to_sleep, NULL);
    run("R4 -> A4 (producer asks)", take_asks, ask_to_sleep, &shared);
    run("R5 -> A5 (consumer asks)", ask_with_note, take_noted_asks, NULL);
    run("R5 -> A5 (producer asks)", ask_with_note, take_noted_asks, &shared);
    run("R6 -> A6", ring_bell, arm_bell, NULL);
    return 0;
}
