/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Items of eight bytes through a ring, one by one and in batches, and to and fro, both ends
 * spinning: ours, the reference, ck_ring, all of 1024 slots. See ring_stage.h.
 */
#include "bench/ck_rival.h"
#include "bench/core.h"
#include "bench/reference.h"
#include "bench/ring_stage.h"
#include "ring/base.h"
#include "ring/ring.h"

static void *at(const struct rmx_ring_stage *stage, uint64_t place)
{
    return stage->region.base + place;
}

static struct rmx_ring attach(const struct rmx_ring_stage *stage, uint64_t place)
{
    struct rmx_ring ring;

    rmx_assert(rmx_ring_attach(&ring, at(stage, place), RMX_STAGE_SLOTS, sizeof(uint64_t)) == 0);
    return ring;
}

/* --- ours --------------------------------------------------------------------------------------
 */

static inline void put(struct rmx_ring *ring, uint64_t item)
{
    while (rmx_ring_reserve_one(ring) == 0) {
        rmx_base_pause();
    }
    *(uint64_t *)rmx_ring_entry(ring, 0) = item;
    rmx_ring_publish(ring, 1);
}

static inline void get(struct rmx_ring *ring, uint64_t item)
{
    while (rmx_ring_peek_one(ring) == 0) {
        rmx_base_pause();
    }
    rmx_assert(*(const uint64_t *)rmx_ring_entry(ring, 0) == item);
    rmx_ring_release_one(ring);
}

static void send_one_by_one(void *user)
{
    const struct rmx_ring_stage *stage = user;
    struct rmx_ring ring = attach(stage, RMX_STAGE_OURS);

    for (uint32_t i = 0; i < stage->items; i++) {
        put(&ring, i);
    }
}

static void take_one_by_one(void *user)
{
    const struct rmx_ring_stage *stage = user;
    struct rmx_ring ring = attach(stage, RMX_STAGE_OURS);

    for (uint32_t i = 0; i < stage->items; i++) {
        get(&ring, i);
    }
}

/* A full row has a number of entries that the compiler knows. */
#define ROW RMX_ROW_ENTRIES(sizeof(uint64_t))

static void fill(const struct rmx_ring *ring, uint64_t item, uint32_t batch)
{
    struct rmx_place place = ring->place;

    for (const uint64_t end = item + batch; item != end;) {
        uint32_t run;
        uint64_t *to = rmx_ring_run(ring, &place, &run);

        if (run == ROW && end - item >= ROW) {
            for (uint32_t i = 0; i < ROW; i++) {
                to[i] = item++;
            }
        } else {
            for (; run > 0 && item != end; run--) {
                *to++ = item++;
            }
        }
    }
}

static void check(const struct rmx_ring *ring, uint64_t item, uint32_t batch)
{
    struct rmx_place place = ring->place;

    for (const uint64_t end = item + batch; item != end;) {
        uint32_t run;
        const uint64_t *from = rmx_ring_run(ring, &place, &run);

        if (run == ROW && end - item >= ROW) {
            for (uint32_t i = 0; i < ROW; i++) {
                rmx_assert(from[i] == item++);
            }
        } else {
            for (; run > 0 && item != end; run--) {
                rmx_assert(*from++ == item++);
            }
        }
    }
}

static void send_batches(void *user)
{
    const struct rmx_ring_stage *stage = user;
    struct rmx_ring ring = attach(stage, RMX_STAGE_OURS);

    for (uint32_t sent = 0; sent < stage->items;) {
        uint32_t room = RMX_STAGE_SLOTS - (uint32_t)(ring.cursor - ring.seen);

        if (room < stage->batch) {
            rmx_assert(rmx_ring_reserve(&ring, &room) == 0);
        }
        if (room < stage->batch) {
            rmx_base_pause();
            continue;
        }
        fill(&ring, sent, stage->batch);
        rmx_ring_publish(&ring, stage->batch);
        sent += stage->batch;
    }
}

static void take_batches(void *user)
{
    const struct rmx_ring_stage *stage = user;
    struct rmx_ring ring = attach(stage, RMX_STAGE_OURS);

    for (uint32_t taken = 0; taken < stage->items;) {
        uint32_t ready = (uint32_t)(ring.seen - ring.cursor);

        if (ready < stage->batch) {
            rmx_assert(rmx_ring_peek_for(&ring, stage->batch, &ready) == 0);
        }
        if (ready < stage->batch) {
            rmx_base_pause();
            continue;
        }
        check(&ring, taken, stage->batch);
        rmx_ring_release(&ring, stage->batch);
        taken += stage->batch;
    }
}

static void ask(void *user)
{
    const struct rmx_ring_stage *stage = user;
    struct rmx_ring to = attach(stage, RMX_STAGE_OURS);
    struct rmx_ring from = attach(stage, RMX_STAGE_OURS + RMX_STAGE_BACK);

    for (uint32_t i = 0; i < stage->trips; i++) {
        put(&to, i);
        get(&from, i);
    }
}

static void answer(void *user)
{
    const struct rmx_ring_stage *stage = user;
    struct rmx_ring from = attach(stage, RMX_STAGE_OURS);
    struct rmx_ring to = attach(stage, RMX_STAGE_OURS + RMX_STAGE_BACK);

    for (uint32_t i = 0; i < stage->trips; i++) {
        get(&from, i);
        put(&to, i);
    }
}

/* --- the reference ------------------------------------------------------------------------------
 */

static void push(struct rmx_reference *ring, uint64_t item)
{
    while (!rmx_reference_push(ring, item)) {
        rmx_base_pause();
    }
}

static void pop(struct rmx_reference *ring, uint64_t item)
{
    uint64_t got;

    while (!rmx_reference_pop(ring, &got)) {
        rmx_base_pause();
    }
    rmx_assert(got == item);
}

static void send_reference(void *user)
{
    const struct rmx_ring_stage *stage = user;
    struct rmx_reference *ring = at(stage, RMX_STAGE_REFERENCE);

    for (uint32_t i = 0; i < stage->items; i++) {
        push(ring, i);
    }
}

static void take_reference(void *user)
{
    const struct rmx_ring_stage *stage = user;
    struct rmx_reference *ring = at(stage, RMX_STAGE_REFERENCE);

    for (uint32_t i = 0; i < stage->items; i++) {
        pop(ring, i);
    }
}

static void ask_reference(void *user)
{
    const struct rmx_ring_stage *stage = user;
    struct rmx_reference *to = at(stage, RMX_STAGE_REFERENCE);
    struct rmx_reference *from = at(stage, RMX_STAGE_REFERENCE + RMX_STAGE_BACK);

    for (uint32_t i = 0; i < stage->trips; i++) {
        push(to, i);
        pop(from, i);
    }
}

static void answer_reference(void *user)
{
    const struct rmx_ring_stage *stage = user;
    struct rmx_reference *from = at(stage, RMX_STAGE_REFERENCE);
    struct rmx_reference *to = at(stage, RMX_STAGE_REFERENCE + RMX_STAGE_BACK);

    for (uint32_t i = 0; i < stage->trips; i++) {
        pop(from, i);
        push(to, i);
    }
}

/* --- ck_ring ------------------------------------------------------------------------------------
 */

static void send_ck(void *user)
{
    const struct rmx_ring_stage *stage = user;

    rmx_ck_send(at(stage, RMX_STAGE_CK), stage->items);
}

static void take_ck(void *user)
{
    const struct rmx_ring_stage *stage = user;

    rmx_ck_take(at(stage, RMX_STAGE_CK), stage->items);
}

static void ask_ck(void *user)
{
    const struct rmx_ring_stage *stage = user;

    rmx_ck_ask(at(stage, RMX_STAGE_CK), at(stage, RMX_STAGE_CK + RMX_STAGE_BACK), stage->trips);
}

static void answer_ck(void *user)
{
    const struct rmx_ring_stage *stage = user;

    rmx_ck_answer(at(stage, RMX_STAGE_CK + RMX_STAGE_BACK), at(stage, RMX_STAGE_CK), stage->trips);
}

/* --- the entrants -------------------------------------------------------------------------------
 */

/* The near end takes: what it has when it is done has been through. Items a microsecond. */
static double rate(struct rmx_ring_stage *stage, rmx_pair_part *take, rmx_pair_part *send)
{
    return stage->items * 1e3 / rmx_pair_run(&stage->pair, take, send);
}

static void make_ours(struct rmx_ring_stage *stage)
{
    rmx_ring_init(at(stage, RMX_STAGE_OURS), RMX_STAGE_SLOTS, sizeof(uint64_t), 0);
    rmx_ring_init(at(stage, RMX_STAGE_OURS + RMX_STAGE_BACK), RMX_STAGE_SLOTS, sizeof(uint64_t), 0);
}

static void make_reference(struct rmx_ring_stage *stage)
{
    struct rmx_reference *there = at(stage, RMX_STAGE_REFERENCE);
    struct rmx_reference *back = at(stage, RMX_STAGE_REFERENCE + RMX_STAGE_BACK);

    *there = (struct rmx_reference){ .written = 0 };
    *back = (struct rmx_reference){ .written = 0 };
}

static void make_ck(struct rmx_ring_stage *stage)
{
    rmx_ck_init(at(stage, RMX_STAGE_CK));
    rmx_ck_init(at(stage, RMX_STAGE_CK + RMX_STAGE_BACK));
}

static double run_ours(void *user)
{
    make_ours(user);
    return rate(user, take_one_by_one, send_one_by_one);
}

static double run_batch(void *user)
{
    make_ours(user);
    return rate(user, take_batches, send_batches);
}

static double run_reference(void *user)
{
    make_reference(user);
    return rate(user, take_reference, send_reference);
}

static double run_ck(void *user)
{
    make_ck(user);
    return rate(user, take_ck, send_ck);
}

static double trip_ns(struct rmx_ring_stage *stage, rmx_pair_part *near, rmx_pair_part *far)
{
    return rmx_pair_run(&stage->pair, near, far) / stage->trips;
}

static double trip_ours(void *user)
{
    make_ours(user);
    return trip_ns(user, ask, answer);
}

static double trip_reference(void *user)
{
    make_reference(user);
    return trip_ns(user, ask_reference, answer_reference);
}

static double trip_ck(void *user)
{
    make_ck(user);
    return trip_ns(user, ask_ck, answer_ck);
}

struct rmx_entrant *rmx_ring_items(size_t *count)
{
    static struct rmx_entrant entrants[] = {
        [RMX_ITEMS_OURS] = { .run = run_ours,
            .samples = { .name = "items_one_by_one", .unit = "M/s" } },
        [RMX_ITEMS_BATCH] = { .run = run_batch,
            .samples = { .name = "items_by_32", .unit = "M/s" } },
        [RMX_ITEMS_REFERENCE] = { .run = run_reference,
            .samples = { .name = "items_reference", .unit = "M/s" } },
        [RMX_TRIP_OURS] = { .run = trip_ours,
            .samples = { .name = "round_trip_spinning", .unit = "ns" } },
        [RMX_TRIP_REFERENCE] = { .run = trip_reference,
            .samples = { .name = "round_trip_reference", .unit = "ns" } },
        [RMX_ITEMS_CK] = { .run = run_ck, .samples = { .name = "items_ck_ring", .unit = "M/s" } },
        [RMX_TRIP_CK] = { .run = trip_ck,
            .samples = { .name = "round_trip_ck_ring", .unit = "ns" } },
    };

    *count = sizeof(entrants) / sizeof(entrants[0]) - (rmx_ck_bytes() == 0 ? 2 : 0);
    return entrants;
}
