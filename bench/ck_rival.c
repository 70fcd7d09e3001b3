/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Concurrency Kit's ck_ring doing what ours does. See ck_rival.h.
 */
#include "bench/ck_rival.h"

#if RMX_BENCH_CK
#include <ck_ring.h>

#include "bench/core.h"
#include "ring/base.h"

#define SLOTS 1024 /* one of them always free */

struct rival {
    ck_ring_t ring;
    _Alignas(RMX_LINE) ck_ring_buffer_t buffer[SLOTS];
};

size_t rmx_ck_bytes(void)
{
    return sizeof(struct rival);
}

void rmx_ck_init(void *at)
{
    struct rival *rival = at;

    ck_ring_init(&rival->ring, SLOTS);
}

static void push(struct rival *rival, uintptr_t item)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): its items are pointers */
    while (!ck_ring_enqueue_spsc(&rival->ring, rival->buffer, (void *)item)) {
        rmx_base_pause();
    }
}

static void pop(struct rival *rival, uintptr_t item)
{
    void *got;

    while (!ck_ring_dequeue_spsc(&rival->ring, rival->buffer, &got)) {
        rmx_base_pause();
    }
    rmx_assert((uintptr_t)got == item);
}

void rmx_ck_send(void *at, uint32_t items)
{
    for (uint32_t i = 0; i < items; i++) {
        push(at, i);
    }
}

void rmx_ck_take(void *at, uint32_t items)
{
    for (uint32_t i = 0; i < items; i++) {
        pop(at, i);
    }
}

void rmx_ck_ask(void *to, void *from, uint32_t trips)
{
    for (uint32_t i = 0; i < trips; i++) {
        push(to, i);
        pop(from, i);
    }
}

void rmx_ck_answer(void *to, void *from, uint32_t trips)
{
    for (uint32_t i = 0; i < trips; i++) {
        pop(from, i);
        push(to, i);
    }
}
#else
size_t rmx_ck_bytes(void)
{
    return 0;
}

void rmx_ck_init(void *at)
{
    (void)at;
}

void rmx_ck_send(void *at, uint32_t items)
{
    (void)at;
    (void)items;
}

void rmx_ck_take(void *at, uint32_t items)
{
    (void)at;
    (void)items;
}

void rmx_ck_ask(void *to, void *from, uint32_t trips)
{
    (void)to;
    (void)from;
    (void)trips;
}

void rmx_ck_answer(void *to, void *from, uint32_t trips)
{
    (void)to;
    (void)from;
    (void)trips;
}
#endif
