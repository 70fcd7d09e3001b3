/* SPDX-License-Identifier: BSD-2-Clause
 *
 * engine/drain with two writes on their way: the kernel is us, and ends them in any order.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/drain.h"

enum { SLOTS = 16, CHUNK = 4096, WRITE = 4 * CHUNK, STARTED_MAX = 16 };

static struct {
    struct rmx_op *op;
    uint64_t offset;
    uint64_t bytes;
} started[STARTED_MAX]; /* not ended, in order */

static unsigned count;
static struct rmx_op *cancelled[STARTED_MAX];
static unsigned cancels;

static struct rmx_region region = RMX_REGION_INIT;
static struct rmx_chunk_ring producer;
static struct rmx_loop loop;
static struct rmx_stats stats;
static struct rmx_drain_pace pace = { .coalesce_bytes = WRITE, .not_before_ns = UINT64_MAX };
static struct rmx_drain drain;
static struct rmx_file file = RMX_FILE_INIT;
static unsigned moves;

void __wrap_rmx_loop_writev(struct rmx_loop *to, struct rmx_op *op, int fd,
    const struct iovec *iovecs, uint32_t iovec_count, uint64_t offset);
void __wrap_rmx_loop_cancel(struct rmx_loop *to, struct rmx_op *op, struct rmx_op *target);

void __wrap_rmx_loop_writev(struct rmx_loop *to, struct rmx_op *op, int fd,
    const struct iovec *iovecs, uint32_t iovec_count, uint64_t offset)
{
    cr_assert(to == &loop && fd == file.fd && !op->busy && count < STARTED_MAX);
    op->busy = true;
    started[count].op = op;
    started[count].offset = offset;
    started[count].bytes = 0;
    for (uint32_t i = 0; i < iovec_count; i++) {
        started[count].bytes += iovecs[i].iov_len;
    }
    count++;
}

void __wrap_rmx_loop_cancel(struct rmx_loop *to, struct rmx_op *op, struct rmx_op *target)
{
    cr_assert(to == &loop && !op->busy && target->busy && cancels < STARTED_MAX);
    op->busy = true;
    cancelled[cancels++] = op;
}

static void end_op(struct rmx_op *op, int result)
{
    op->busy = false;
    op->done(op, result);
}

/* Ends the `which`-th of those that were started. */
static void end(unsigned which, int result)
{
    struct rmx_op *op = started[which].op;

    cr_assert_lt(which, count);
    for (unsigned i = which; i + 1 < count; i++) {
        started[i] = started[i + 1];
    }
    count--;
    end_op(op, result);
}

static void end_whole(unsigned which)
{
    end(which, (int)started[which].bytes);
}

static void moved(struct rmx_drain *d)
{
    (void)d;
    moves++;
}

static void give(uint64_t offset, uint32_t bytes, uint16_t flags)
{
    struct rmx_chunk chunk = { .offset = offset, .bytes = bytes, .flags = flags };

    cr_assert_eq(rmx_ring_reserve_one(&producer.ring), 1, "there is room");
    rmx_chunk_fill(&producer, 0, &chunk);
    rmx_ring_publish(&producer.ring, 1);
}

static void give_many(uint64_t offset, unsigned chunks)
{
    for (unsigned i = 0; i < chunks; i++) {
        give(offset + i * CHUNK, CHUNK, 0);
    }
}

/* How many chunks could be given now. */
static unsigned room(void)
{
    uint32_t slots = 0;

    cr_assert_eq(rmx_ring_reserve(&producer.ring, &slots), 0);
    return slots;
}

static void expect_started(unsigned which, uint64_t offset, uint64_t bytes)
{
    cr_assert_lt(which, count);
    cr_assert_eq(started[which].offset, offset, "%llu", (unsigned long long)started[which].offset);
    cr_assert_eq(started[which].bytes, bytes, "%llu", (unsigned long long)started[which].bytes);
}

static void set_up(void)
{
    int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    const struct rmx_drain_to to = { .files = { &file, 1 } };
    struct rmx_chunk_ring consumer;

    cr_assert_eq(rmx_file_take_output(&file, &fd), 0);
    cr_assert_eq(file.kind, RMX_FILE_REGULAR);
    cr_assert_eq(rmx_region_create(&region, "test", rmx_chunk_ring_bytes(SLOTS, CHUNK), 0), 0);
    cr_assert_eq(rmx_chunk_ring_init(&region, 0, SLOTS, CHUNK, 0), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&producer, &region, 0, SLOTS, CHUNK), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&consumer, &region, 0, SLOTS, CHUNK), 0);
    rmx_drain_init(&drain, &loop, &stats, &pace, &to, &consumer);
    drain.moved = moved;
}

static void tear_down(void)
{
    rmx_file_fini(&file);
    rmx_region_fini(&region);
}

TestSuite(drain_pair, .init = set_up, .fini = tear_down);

Test(drain_pair, second_write_goes_behind_the_first)
{
    give_many(0, 12);
    rmx_drain_pump(&drain);
    cr_assert_eq(count, 2);
    expect_started(0, 0, WRITE);
    expect_started(1, WRITE, WRITE);
    end_whole(0);
    cr_assert_eq(count, 2, "and a third when the first is done");
    expect_started(1, 2 * WRITE, WRITE);
    give(3 * WRITE, 5, RMX_CHUNK_END);
    end_whole(0);
    cr_assert_eq(count, 1, "little waits for the first");
    end_whole(0);
    expect_started(0, 3 * WRITE, 5);
    cr_assert(!drain.ended && !rmx_drain_idle(&drain));
    end_whole(0);
    cr_assert(drain.ended && rmx_drain_idle(&drain));
    cr_assert_eq(drain.bytes, 3 * WRITE + 5);
    cr_assert_eq(moves, 4);
}

Test(drain_pair, slots_go_back_in_order_though_the_second_ends_first)
{
    give_many(0, SLOTS);
    rmx_drain_pump(&drain);
    end_whole(1);
    cr_assert_eq(room(), 0, "the first one's chunks are still read");
    cr_assert_eq(count, 1);
    end_whole(0);
    cr_assert_eq(room(), 8);
    expect_started(0, 2 * WRITE, WRITE);
    expect_started(1, 3 * WRITE, WRITE);
    cr_assert_eq(drain.output[0].end, 2 * WRITE);
}

Test(drain_pair, last_chunk_in_the_second_is_the_end_when_both_are_done)
{
    give_many(0, 7);
    give(7 * CHUNK, 9, RMX_CHUNK_END);
    rmx_drain_pump(&drain);
    expect_started(1, WRITE, 3 * CHUNK + 9);
    end_whole(1);
    cr_assert_not(drain.ended);
    end_whole(0);
    cr_assert(drain.ended && rmx_drain_idle(&drain));
}

Test(drain_pair, patch_waits_for_what_it_may_patch)
{
    give_many(0, 4);
    give_many(0, 4); /* all of it again */
    rmx_drain_pump(&drain);
    cr_assert_eq(count, 1);
    end_whole(0);
    expect_started(0, 0, WRITE);
}

Test(drain_pair, patch_behind_two_writes_waits_for_both)
{
    give_many(0, 8);
    give_many(4, 4);
    rmx_drain_pump(&drain);
    cr_assert_eq(count, 2);
    end_whole(0);
    cr_assert_eq(count, 1);
    end_whole(0);
    expect_started(0, 4, WRITE);
}

Test(drain_pair, short_first_write_goes_on_where_it_stopped)
{
    give_many(0, 8);
    rmx_drain_pump(&drain);
    end(0, CHUNK + 1);
    cr_assert_eq(count, 2);
    expect_started(1, CHUNK + 1, WRITE - CHUNK - 1);
    end_whole(0);
    cr_assert_eq(room(), 8, "no more than what was free before");
    end_whole(0);
    cr_assert_eq(room(), SLOTS);
    cr_assert_eq(drain.bytes, 2 * WRITE);
}

Test(drain_pair, first_that_fails_ends_both_and_throws_the_rest_away)
{
    give_many(0, 15);
    give(15 * CHUNK, 1, RMX_CHUNK_END);
    rmx_drain_pump(&drain);
    end(0, -ENOSPC);
    cr_assert_eq(drain.error, -ENOSPC);
    cr_assert_not(drain.ended, "the second is still read by the kernel");
    cr_assert_eq(count, 1);
    cr_assert_eq(room(), 4);
    end_whole(0);
    cr_assert(drain.ended && rmx_drain_idle(&drain));
    cr_assert_eq(drain.bytes, 0, "what lies behind a gap does not count");
    cr_assert_eq(drain.output[0].end, 2 * WRITE);
}

Test(drain_pair, first_that_fails_after_the_second_ended_leaves_it_uncounted)
{
    give_many(0, 8);
    rmx_drain_pump(&drain);
    end_whole(1);
    cr_assert_eq(drain.bytes, 0, "the first may fail yet");
    cr_assert_eq(rmx_stats_get(&stats, RMX_STATS_BYTES_OUT), 0);
    end(0, CHUNK);
    end(0, -EIO);
    cr_assert(rmx_drain_idle(&drain));
    cr_assert_eq(drain.error, -EIO);
    cr_assert_eq(drain.bytes, CHUNK);
    cr_assert_eq(rmx_stats_get(&stats, RMX_STATS_BYTES_OUT), CHUNK);
    cr_assert_eq(drain.output[0].end, 2 * WRITE, "it is there all the same");
}

Test(drain_pair, second_that_fails_ends_both_too)
{
    give_many(0, 15);
    give(15 * CHUNK, 1, RMX_CHUNK_END);
    rmx_drain_pump(&drain);
    end(1, -EFBIG);
    cr_assert_eq(drain.error, -EFBIG);
    cr_assert_eq(room(), 0);
    end(0, -EFBIG);
    cr_assert(drain.ended && rmx_drain_idle(&drain));
    cr_assert_eq(room(), SLOTS);
    cr_assert_eq(drain.bytes, 0);
}

Test(drain_pair, stop_cancels_both_and_waits_for_them)
{
    give_many(0, 12);
    rmx_drain_pump(&drain);
    rmx_drain_stop(&drain);
    cr_assert_eq(cancels, 2);
    end(0, -ECANCELED);
    end_op(cancelled[0], 0);
    cr_assert_not(rmx_drain_idle(&drain));
    end_op(cancelled[1], -ENOENT);
    cr_assert_not(rmx_drain_idle(&drain));
    end_whole(0); /* it was too late */
    cr_assert(rmx_drain_idle(&drain));
    cr_assert_eq(drain.bytes, 0);
    cr_assert_eq(drain.output[0].end, 2 * WRITE);
    cr_assert_eq(count, 0);
}

Test(drain_pair, worker_that_lies_behind_the_first_write_is_found_out)
{
    struct rmx_chunk chunk = { .offset = WRITE + CHUNK, .bytes = CHUNK, .part = 1 };

    give_many(0, 5);
    cr_assert_eq(rmx_ring_reserve_one(&producer.ring), 1);
    rmx_chunk_fill(&producer, 0, &chunk);
    rmx_ring_publish(&producer.ring, 1);
    rmx_drain_pump(&drain);
    cr_assert(drain.corrupt);
    rmx_drain_stop(&drain);
    end(0, -ECANCELED);
    end_op(cancelled[0], 0);
    cr_assert(rmx_drain_idle(&drain));
}
