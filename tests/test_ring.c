/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tests of ring/ring.h: both ends on one thread, so that every state can be visited in turn.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "ring/ring.h"
#include "tests/ring_lie.h"

#define SLOTS_MAX 16u /* three rows, the last of which is not full */

struct entry {
    uint64_t value;
};

static struct {
    struct rmx_ring_shm shm;
    struct rmx_row_shm rows[RMX_RING_ROWS(SLOTS_MAX, sizeof(struct entry))];
} shared;

static struct rmx_ring producer;
static struct rmx_ring consumer;

/* Where counts start: at the beginning, and just before they pass 32 and 64 bits. */
static const uint64_t first_counts[] = { 0, (UINT64_C(1) << 32) - 3, UINT64_MAX - 2 };

#define EACH(index, table)                                                                         \
    size_t index = 0;                                                                              \
    (index) < sizeof(table) / sizeof((table)[0]);                                                  \
    (index)++

static void start(uint32_t slots, uint64_t first_count)
{
    rmx_ring_init(&shared, slots, sizeof(struct entry), first_count);
    cr_assert_eq(rmx_ring_attach(&producer, &shared, slots, sizeof(struct entry)), 0);
    cr_assert_eq(rmx_ring_attach(&consumer, &shared, slots, sizeof(struct entry)), 0);
}

static void start_with_four_slots(void)
{
    start(4, 0);
}

static uint32_t room(void)
{
    uint32_t count = UINT32_MAX;

    cr_assert_eq(rmx_ring_reserve(&producer, &count), 0);
    return count;
}

static uint32_t ready(void)
{
    uint32_t count = UINT32_MAX;

    cr_assert_eq(rmx_ring_peek(&consumer, &count), 0);
    return count;
}

/* Publishes n entries that hold their own count. */
static void offer(uint32_t n)
{
    cr_assert_geq(room(), n);
    for (uint32_t i = 0; i < n; i++) {
        *(struct entry *)rmx_ring_entry(&producer, i) =
            (struct entry){ .value = producer.cursor + i };
    }
    rmx_ring_publish(&producer, n);
}

/* Releases n entries after a look at what they hold. */
static void take(uint32_t n)
{
    cr_assert_geq(ready(), n);
    for (uint32_t i = 0; i < n; i++) {
        const struct entry *entry = rmx_ring_entry(&consumer, i);

        cr_assert_eq(entry->value, consumer.cursor + i);
    }
    rmx_ring_release(&consumer, n);
}

static void expect_fill(uint32_t slots, uint32_t fill)
{
    cr_assert_eq(ready(), fill);
    cr_assert_eq(room(), slots - fill);
    cr_assert_eq(rmx_ring_peek_one(&consumer), fill > 0);
    cr_assert_eq(rmx_ring_reserve_one(&producer), fill < slots);
}

/* From the given position: every way to fill it and every way to drain that. */
static void visit(uint32_t slots, uint64_t first_count, uint32_t position)
{
    for (uint32_t fill = 0; fill <= slots; fill++) {
        for (uint32_t drain = 0; drain <= fill; drain++) {
            start(slots, first_count);
            for (uint32_t i = 0; i < position; i++) {
                offer(1);
                take(1);
            }
            expect_fill(slots, 0);
            offer(fill);
            expect_fill(slots, fill);
            take(drain);
            expect_fill(slots, fill - drain);
            offer(slots - (fill - drain));
            expect_fill(slots, slots);
            take(slots);
            expect_fill(slots, 0);
        }
    }
}

Test(ring, every_state_of_small_rings_is_right_wherever_the_counts_begin)
{
    for (uint32_t slots = 1; slots <= SLOTS_MAX; slots *= 2) {
        for (EACH(i, first_counts)) {
            for (uint32_t position = 0; position <= 2 * slots; position++) {
                visit(slots, first_counts[i], position);
            }
        }
    }
}

Test(ring, takes_the_documented_geometries_only)
{
    static const struct {
        uint32_t slots, entry_bytes;
        int error;
    } rows[] = {
        { 1, 8, 0 },
        { 65536, 56, 0 },
        { 4, 24, 0 },
        { 0, 8, -EINVAL },
        { 3, 8, -EINVAL },
        { 65535, 8, -EINVAL },
        { 131072, 8, -EINVAL },
        { UINT32_MAX, 8, -EINVAL },
        { 4, 0, -EINVAL },
        { 4, 12, -EINVAL },
        { 4, 64, -EINVAL },
        { 4, UINT32_MAX - 7, -EINVAL },
    };

    for (EACH(i, rows)) {
        struct rmx_ring ring = { .slots = 77 };

        cr_assert_eq(
            rmx_ring_attach(&ring, &shared, rows[i].slots, rows[i].entry_bytes), rows[i].error);
        cr_assert_eq(ring.slots, rows[i].error == 0 ? rows[i].slots : 77, "untouched on failure");
    }
}

Test(ring, refuses_memory_that_is_not_aligned)
{
    struct rmx_ring ring = { .slots = 77 };

    cr_assert_eq(rmx_ring_attach(&ring, (char *)&shared + 64, 2, 8), -EINVAL);
    cr_assert_eq(ring.slots, 77);
}

Test(ring, takes_its_head_and_its_rows)
{
    cr_assert_eq(rmx_ring_bytes(1, 8), 384 + 64);
    cr_assert_eq(rmx_ring_bytes(8, 8), 384 + 2 * 64);
    cr_assert_eq(rmx_ring_bytes(65536, 24), 384 + (size_t)32768 * 64);
    cr_assert_eq(rmx_ring_bytes(65536, 56), 384 + (size_t)65536 * 64);
}

Test(ring, size_of_a_ring_that_cannot_be_is_our_bug, .signal = SIGABRT)
{
    (void)rmx_ring_bytes(3, 8);
}

Test(ring, consumer_may_attach_after_the_first_publish, .init = start_with_four_slots)
{
    offer(3);
    cr_assert_eq(rmx_ring_attach(&consumer, &shared, 4, sizeof(struct entry)), 0);
    take(3);
    cr_assert_eq(ready(), 0);
}

Test(ring, initialising_forgets_what_was_there, .init = start_with_four_slots)
{
    offer(2);
    cr_assert(rmx_ring_consumer_ask(&consumer) == false);
    atomic_store(&shared.shm.consumer_asks, 1);
    atomic_store(&shared.shm.seek_generation, 9);
    start(4, 0);

    cr_assert_eq(ready(), 0);
    cr_assert_not(rmx_ring_consumer_asked(&producer));
    cr_assert_eq(atomic_load(&shared.shm.seek_generation), 0);
}

Test(ring, looks_again_only_when_the_last_look_is_used_up, .init = start_with_four_slots)
{
    offer(2);
    cr_assert_eq(rmx_ring_peek_one(&consumer), 1);
    ring_lie(&producer, 99); /* a lie, but there is no need to look */
    cr_assert_eq(rmx_ring_peek_one(&consumer), 1);
    rmx_ring_release(&consumer, 2);
    cr_assert_eq(rmx_ring_peek_one(&consumer), -EBADMSG);
}

/* A peer's count is believed if it lies between what we last saw and what we let it reach; a
 * published one below that says nothing. */
Test(ring, every_impossible_published_count_is_refused)
{
    for (EACH(i, first_counts)) {
        for (int64_t lie = -9; lie <= 9; lie++) {
            uint32_t count = 7;
            bool possible = lie <= 5; /* seen 2 of 4, the first of them released */
            uint32_t wanted = lie > 2 ? (uint32_t)lie - 1 : 1; /* too small: an older batch's */

            start(4, first_counts[i]);
            offer(2);
            take(1);
            ring_lie(&producer, first_counts[i] + (uint64_t)lie);

            cr_assert_eq(rmx_ring_peek(&consumer, &count), possible ? 0 : -EBADMSG);
            cr_assert_eq(count, possible ? wanted : 7, "untouched on failure");
        }
    }
}

Test(ring, every_impossible_released_count_is_refused)
{
    for (EACH(i, first_counts)) {
        for (int64_t lie = -9; lie <= 9; lie++) {
            uint32_t count = 7;
            bool possible = lie >= 1 && lie <= 3; /* 3 published, 1 seen released */

            start(4, first_counts[i]);
            offer(3);
            take(1);
            (void)room();
            atomic_store(&shared.shm.released, first_counts[i] + (uint64_t)lie);

            cr_assert_eq(rmx_ring_reserve(&producer, &count), possible ? 0 : -EBADMSG);
            cr_assert_eq(count, possible ? (uint32_t)lie + 1 : 7, "untouched on failure");
        }
    }
}

Test(ring, wild_counts_are_refused, .init = start_with_four_slots)
{
    static const uint64_t wild[] = { UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN, UINT32_MAX,
        UINT64_C(1) << 32, 5 };

    for (EACH(i, wild)) {
        uint32_t count = 7;

        ring_lie(&producer, wild[i]);
        atomic_store(&shared.shm.released, wild[i]);
        cr_assert_eq(rmx_ring_reserve(&producer, &count), -EBADMSG);
        if ((int64_t)wild[i] < 0) {
            cr_assert_eq(rmx_ring_peek_one(&consumer), 0, "older than anything");
            continue;
        }
        cr_assert_eq(rmx_ring_peek(&consumer, &count), -EBADMSG);
        cr_assert_eq(rmx_ring_peek_one(&consumer), -EBADMSG);
        cr_assert_eq(count, 7, "untouched on failure");
    }
}

Test(ring, full_ring_with_a_wild_released_count_is_refused_by_the_single_form,
    .init = start_with_four_slots)
{
    offer(4);
    atomic_store(&shared.shm.released, 5);
    cr_assert_eq(rmx_ring_reserve_one(&producer), -EBADMSG);
}

Test(ring, our_own_counts_in_shared_memory_do_not_move_us, .init = start_with_four_slots)
{
    offer(2);
    take(1);
    atomic_store(&shared.shm.released, 0); /* the producer writes the consumer's line */
    rmx_ring_release(&consumer, 1);
    cr_assert_eq(atomic_load(&shared.shm.released), 2);
    cr_assert_eq(ready(), 0);
}

/* --- rows ------------------------------------------------------------------------------------ */

#define ROW RMX_ROW_ENTRIES(sizeof(struct entry))

static uint64_t released(void)
{
    return atomic_load(&shared.shm.released);
}

Test(ring, runs_are_the_rows_of_a_batch)
{
    static const struct {
        uint32_t run, first; /* of 16 slots, begun at the sixth: rows of 7, 7 and 2 */
    } rows[] = { { 2, 0 }, { 7, 2 }, { 2, 9 }, { 7, 11 } };
    struct rmx_place place;

    start(SLOTS_MAX, 0);
    offer(5);
    take(5);
    place = producer.place;
    for (EACH(i, rows)) {
        uint32_t run = 0;
        void *entries = rmx_ring_run(&producer, &place, &run);

        cr_assert_eq(run, rows[i].run);
        cr_assert_eq(entries, rmx_ring_entry(&producer, rows[i].first));
    }
}

Test(ring, a_look_for_a_few_goes_no_further)
{
    uint32_t count = 0;

    start(SLOTS_MAX, 0);
    offer(3);
    offer(3);
    offer(3);
    offer(3);
    cr_assert_eq(rmx_ring_peek_for(&consumer, 1, &count), 0);
    cr_assert_eq(count, 9, "three batches began in the first row, and its word is the last one's");
    cr_assert_eq(rmx_ring_peek_for(&consumer, 9, &count), 0);
    cr_assert_eq(count, 9);
    cr_assert_eq(rmx_ring_peek_for(&consumer, 10, &count), 0);
    cr_assert_eq(count, 12);
}

Test(ring, a_word_of_an_older_batch_is_true_and_nothing_more)
{
    start(SLOTS_MAX, 0);
    offer(SLOTS_MAX); /* said in the first row; the other rows are as they were */
    take(SLOTS_MAX);
    offer(8);
    take(8); /* the cursor is in the second row, where no batch ever began */
    cr_assert_eq(ready(), 0);
    offer(8);
    cr_assert_eq(ready(), 8);
    take(8); /* the first row says 24, which we have seen, and the second 32 */
    cr_assert_eq(ready(), 0);
    offer(1);
    cr_assert_eq(ready(), 1);
}

Test(ring, entries_released_one_by_one_are_told_by_the_row)
{
    start(SLOTS_MAX, 0);
    offer(SLOTS_MAX);
    cr_assert_eq(ready(), SLOTS_MAX);
    for (uint32_t i = 1; i <= SLOTS_MAX; i++) {
        rmx_ring_release_one(&consumer);
        cr_assert_eq(released(), i == SLOTS_MAX ? i : i / ROW * ROW);
    }
}

Test(ring, what_is_not_told_yet_is_told_when_the_ring_is_empty)
{
    start(SLOTS_MAX, 0);
    offer(2);
    cr_assert_eq(rmx_ring_peek_one(&consumer), 1);
    rmx_ring_release_one(&consumer);
    cr_assert_eq(rmx_ring_peek_one(&consumer), 1);
    rmx_ring_release_one(&consumer);
    cr_assert_eq(released(), 0);
    cr_assert_eq(rmx_ring_peek_one(&consumer), 0);
    cr_assert_eq(released(), 2);
}

Test(ring, what_is_not_told_yet_is_told_before_the_producer_is_woken)
{
    start(4, 0);
    offer(4);
    cr_assert(rmx_ring_producer_ask(&producer));
    cr_assert_eq(rmx_ring_peek_one(&consumer), 1);
    rmx_ring_release_one(&consumer);
    cr_assert_eq(room(), 0);
    cr_assert(rmx_ring_producer_asked(&consumer));
    cr_assert_eq(room(), 1);
}

Test(ring, publishing_more_than_was_reserved_is_our_bug, .init = start_with_four_slots,
    .signal = SIGABRT)
{
    rmx_ring_publish(&producer, 5);
}

Test(
    ring, releasing_more_than_was_seen_is_our_bug, .init = start_with_four_slots, .signal = SIGABRT)
{
    offer(2);
    rmx_ring_release(&consumer, 1); /* it never looked */
}

Test(ring, entry_beyond_the_ring_is_our_bug, .init = start_with_four_slots, .signal = SIGABRT)
{
    (void)rmx_ring_entry(&producer, 4);
}

Test(ring, consumer_may_sleep_when_empty_and_is_remembered, .init = start_with_four_slots)
{
    cr_assert_not(rmx_ring_consumer_asked(&producer), "nobody asked yet");
    cr_assert(rmx_ring_consumer_ask(&consumer));
    offer(1);
    cr_assert(rmx_ring_consumer_asked(&producer));
    cr_assert_not(rmx_ring_consumer_asked(&producer), "once is enough");
}

Test(ring, consumer_may_not_sleep_when_there_is_an_entry, .init = start_with_four_slots)
{
    offer(1);
    cr_assert_not(rmx_ring_consumer_ask(&consumer));
    cr_assert_not(rmx_ring_consumer_asked(&producer), "the ask is withdrawn");
}

Test(ring, producer_may_sleep_when_full_and_is_remembered, .init = start_with_four_slots)
{
    offer(4);
    cr_assert_not(rmx_ring_producer_asked(&consumer), "nobody asked yet");
    cr_assert(rmx_ring_producer_ask(&producer));
    take(1);
    cr_assert(rmx_ring_producer_asked(&consumer));
    cr_assert_not(rmx_ring_producer_asked(&consumer), "once is enough");
}

Test(ring, producer_may_not_sleep_when_there_is_room, .init = start_with_four_slots)
{
    offer(3);
    cr_assert_not(rmx_ring_producer_ask(&producer));
    cr_assert_not(rmx_ring_producer_asked(&consumer), "the ask is withdrawn");
}

Test(ring, nobody_sleeps_on_a_corrupt_ring, .init = start_with_four_slots)
{
    ring_lie(&producer, 99);
    atomic_store(&shared.shm.released, 99);
    cr_assert_not(rmx_ring_consumer_ask(&consumer));
    cr_assert_not(rmx_ring_producer_ask(&producer));
}

Test(ring, any_value_in_the_ask_word_is_an_ask, .init = start_with_four_slots)
{
    atomic_store(&shared.shm.consumer_asks, UINT32_MAX);
    atomic_store(&shared.shm.producer_asks, 0x80000000u);
    cr_assert(rmx_ring_consumer_asked(&producer));
    cr_assert(rmx_ring_producer_asked(&consumer));
}

/* --- asserts themselves --------------------------------------------------------------------- */

static void say_last_words(const char *expr, const char *file, int line)
{
    bool complete = strcmp(expr, "1 == 2") == 0 && strstr(file, "test_ring.c") != NULL && line > 0;

    _exit(complete ? 17 : 18);
}

Test(base, failing_assert_calls_the_hook_first, .exit_code = 17)
{
    rmx_base_assert_hook = say_last_words;
    rmx_assert(1 == 2);
}

Test(base, closing_keeps_errno_and_forgets_the_descriptor)
{
    int fd = 1000000; /* not open: close() fails */
    int none = -1;

    errno = EDOM;
    rmx_base_close(&fd);
    rmx_base_close(&none);
    cr_assert_eq(errno, EDOM);
    cr_assert_eq(fd, -1);
}

Test(base, taking_a_descriptor_leaves_none)
{
    int fd = 5;

    cr_assert_eq(rmx_take_fd(&fd), 5);
    cr_assert_eq(fd, -1);
}
