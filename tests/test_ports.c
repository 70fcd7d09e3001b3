/* SPDX-License-Identifier: BSD-2-Clause
 *
 * engine/feed and engine/drain with several descriptors: each chunk comes from, and goes to, the
 * one it says; a slow output that may be dropped is, and no other loses a byte.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/drain.h"
#include "engine/feed.h"

enum { SLOTS = 8, CHUNK = 4096, TURNS_MAX = 4000, FILES = 3 };

static struct rmx_loop loop;
static struct rmx_stats stats;
static struct rmx_region region = RMX_REGION_INIT;
static struct rmx_chunk_ring ours; /* the worker's end */
static struct rmx_chunk_ring theirs;
static struct rmx_drain_pace pace = { .coalesce_bytes = 4 * CHUNK };
static struct rmx_drain drain;
static struct rmx_feed feed;
static struct rmx_file files[FILES] = { RMX_FILE_INIT, RMX_FILE_INIT, RMX_FILE_INIT };
static int far_ends[FILES] = { -1, -1, -1 };
static unsigned watches;

static void set_up(void)
{
    const char *remedy = "";

    cr_assert_eq(rmx_loop_init(&loop, 64, &remedy), 0, "%s", remedy);
    cr_assert_eq(rmx_region_create(&region, "test", rmx_chunk_ring_bytes(SLOTS, CHUNK), 0), 0);
    cr_assert_eq(rmx_chunk_ring_init(&region, 0, SLOTS, CHUNK, 0), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&ours, &region, 0, SLOTS, CHUNK), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&theirs, &region, 0, SLOTS, CHUNK), 0);
    (void)signal(SIGPIPE, SIG_IGN); /* as the daemon does */
}

static void tear_down(void)
{
    for (int i = 0; i < FILES; i++) {
        rmx_file_fini(&files[i]);
        rmx_base_close(&far_ends[i]);
    }
    rmx_loop_fini(&loop);
    rmx_region_fini(&region);
}

TestSuite(ports, .init = set_up, .fini = tear_down);

static unsigned char byte_at(uint32_t part, uint64_t offset)
{
    return (unsigned char)(offset * 13 + offset / 4096 + part * 101);
}

/* --- outputs --------------------------------------------------------------------------------- */

static void drained(struct rmx_drain *d)
{
    (void)d;
}

static void watch(struct rmx_drain *d)
{
    cr_assert_neq(rmx_drain_due_ns(d), UINT64_MAX);
    watches++;
}

/* The first is a file on the disk, the second one in memory, the third a pipe. */
static void start_drain(uint32_t may_drop, uint64_t patience_ns)
{
    const struct rmx_drain_to to = { { files, FILES }, may_drop, patience_ns };
    int pipe_fds[2];
    int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    cr_assert_eq(rmx_file_take_output(&files[0], &fd), 0);
    fd = memfd_create("test", MFD_CLOEXEC);
    cr_assert_eq(rmx_file_take_output(&files[1], &fd), 0);
    cr_assert_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    far_ends[2] = pipe_fds[0];
    cr_assert_eq(rmx_file_take_output(&files[2], &pipe_fds[1]), 0);
    rmx_drain_init(&drain, &loop, &stats, &pace, &to, &theirs);
    drain.moved = drained;
    drain.watch = watch;
    rmx_drain_pump(&drain);
}

static void turn_drain(void)
{
    if (rmx_ring_consumer_asked(&ours.ring) || drain.more) {
        rmx_drain_pump(&drain);
    }
    cr_assert_geq(rmx_loop_turn(&loop, 1000000), 0);
    rmx_drain_check_time(&drain, rmx_clock_ns());
}

static void give(uint32_t part, uint64_t offset, uint32_t bytes, uint16_t flags)
{
    const struct rmx_chunk chunk = {
        .offset = offset, .bytes = bytes, .part = (uint16_t)part, .flags = flags
    };
    int room = 0;

    for (int i = 0; i < TURNS_MAX && room == 0; i++) {
        room = rmx_ring_reserve_one(&ours.ring);
        if (room == 0) {
            turn_drain();
        }
    }
    cr_assert_eq(room, 1, "the drain takes nothing");
    for (uint32_t i = 0; i < bytes; i++) {
        rmx_chunk_payload(&ours, 0)[i] = byte_at(part, offset + i);
    }
    rmx_chunk_fill(&ours, 0, &chunk);
    rmx_ring_publish(&ours.ring, 1);
}

/* So many chunks for each output, in turns; then the end. */
static void give_all(uint32_t chunks)
{
    for (uint32_t i = 0; i < chunks * FILES; i++) {
        give(i % FILES, (uint64_t)(i / FILES) * CHUNK, CHUNK, 0);
    }
    give(0, (uint64_t)chunks * CHUNK, 0, RMX_CHUNK_END);
    for (int i = 0; i < TURNS_MAX && !drain.ended && !drain.corrupt; i++) {
        turn_drain();
    }
}

static void check_file(uint32_t part, uint64_t bytes)
{
    unsigned char *data = malloc(bytes + 1);
    bool reads = far_ends[part] >= 0;

    for (uint64_t got = 0; got < bytes;) { /* a pipe gives no more than it has */
        ssize_t n = reads ? read(far_ends[part], data + got, bytes - got)
                          : pread(files[part].fd, data + got, bytes + 1 - got, (off_t)got);

        cr_assert_gt(n, 0);
        got += (uint64_t)n;
        cr_assert_leq(got, bytes);
    }
    for (uint64_t i = 0; i < bytes; i++) {
        cr_assert_eq(data[i], byte_at(part, i), "output %u at %llu", part, (unsigned long long)i);
    }
    free(data);
}

Test(ports, each_output_gets_its_own_bytes)
{
    start_drain(0, 0);
    give_all(16);

    cr_assert(drain.ended);
    for (uint32_t part = 0; part < FILES; part++) {
        cr_assert_eq(drain.output[part].end, 16 * CHUNK);
        check_file(part, 16 * CHUNK);
    }
    cr_assert_eq(watches, 0, "no output may be dropped");
    cr_assert_not(rmx_drain_is_deserted(&drain));
}

Test(ports, files_may_be_patched_in_turns)
{
    start_drain(0, 0);
    give(0, 0, CHUNK, 0);
    give(1, CHUNK, CHUNK, 0);
    give(0, CHUNK, CHUNK, 0);
    give(1, 0, CHUNK, 0);
    give(0, 0, 0, RMX_CHUNK_END);
    for (int i = 0; i < TURNS_MAX && !drain.ended; i++) {
        turn_drain();
    }

    check_file(0, 2 * CHUNK);
    check_file(1, 2 * CHUNK);
}

Test(ports, a_slow_output_is_dropped_and_the_others_have_all)
{
    start_drain(1u << 2, 1000000);
    give_all(64); /* 256 KiB: a pipe nobody reads takes 64 */

    cr_assert(drain.ended);
    cr_assert_eq(drain.error, 0);
    cr_assert_eq(drain.output[2].error, -ETIME);
    cr_assert_gt(watches, 0);
    check_file(0, 64 * CHUNK);
    check_file(1, 64 * CHUNK);
    check_file(2, drain.output[2].end);
    cr_assert(rmx_drain_idle(&drain));
}

Test(ports, an_output_that_breaks_is_dropped_if_it_may_be)
{
    start_drain(1u << 2, UINT64_C(1000000000));
    rmx_base_close(&far_ends[2]);
    give_all(8);

    cr_assert(drain.ended);
    cr_assert_eq(drain.output[2].error, -EPIPE);
    cr_assert_eq(drain.error, 0);
    check_file(0, 8 * CHUNK);
    check_file(1, 8 * CHUNK);
}

Test(ports, an_output_that_breaks_ends_the_job_if_it_may_not)
{
    start_drain(0, 0);
    rmx_base_close(&far_ends[2]);
    give_all(8);

    cr_assert_eq(drain.error, -EPIPE);
}

Test(ports, when_all_are_dropped_nobody_is_left)
{
    const struct rmx_drain_to to = { { &files[2], 1 }, 1, 1000000 };

    start_drain(0, 0);
    rmx_drain_init(&drain, &loop, &stats, &pace, &to, &theirs);
    drain.moved = drained;
    drain.watch = watch;
    rmx_base_close(&far_ends[2]);
    give(0, 0, CHUNK, RMX_CHUNK_END);
    for (int i = 0; i < TURNS_MAX && !drain.ended; i++) {
        turn_drain();
    }

    cr_assert(rmx_drain_is_deserted(&drain));
}

Test(ports, a_chunk_for_no_output_is_a_lie)
{
    start_drain(0, 0);
    give(FILES, 0, CHUNK, 0);
    turn_drain();

    cr_assert(drain.corrupt);
}

/* --- inputs ---------------------------------------------------------------------------------- */

static void fed(struct rmx_feed *f)
{
    (void)f;
}

static int file_of(uint32_t part, uint64_t bytes)
{
    int fd = part == 0 ? open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
                       : memfd_create("test", MFD_CLOEXEC);

    for (uint64_t i = 0; i < bytes; i++) {
        unsigned char byte = byte_at(part, i);

        cr_assert_eq(pwrite(fd, &byte, 1, (off_t)i), 1);
    }
    return fd;
}

/* Of the third, a pipe, `piped` bytes are there, and then its end. */
static void start_feed(uint64_t bytes, uint64_t piped)
{
    const struct rmx_files from = { files, FILES };
    int pipe_fds[2];

    for (uint32_t part = 0; part < 2; part++) {
        int fd = file_of(part, bytes);

        cr_assert_eq(rmx_file_take_input(&files[part], &fd), 0);
    }
    cr_assert_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    for (uint64_t i = 0; i < piped; i++) {
        unsigned char byte = byte_at(2, i);

        cr_assert_eq(write(pipe_fds[1], &byte, 1), 1);
    }
    rmx_base_close(&pipe_fds[1]);
    cr_assert_eq(rmx_file_take_input(&files[2], &pipe_fds[0]), 0);
    rmx_feed_init(&feed, &loop, &stats, &from, &theirs, 4);
    feed.moved = fed;
    rmx_feed_pump(&feed);
}

static void turn_feed(void)
{
    if (rmx_ring_producer_asked(&ours.ring) || feed.more) {
        rmx_feed_pump(&feed);
    }
    cr_assert_geq(rmx_loop_turn(&loop, 1000000), 0);
}

/* Reads on from `at` of the input that was asked for: so many bytes, or to its end. Returns where
 * it came to. */
static uint64_t read_on(uint64_t at, uint64_t wanted)
{
    uint64_t end = at + wanted;

    for (int i = 0; i < TURNS_MAX && at < end && !feed.corrupt; i++) {
        struct rmx_chunk chunk;

        if (rmx_ring_peek_one(&ours.ring) == 0) {
            turn_feed();
            continue;
        }
        cr_assert_eq(rmx_chunk_read(&ours, 0, &chunk), 0);
        if (chunk.generation == ours.generation) {
            cr_assert_eq(chunk.part, ours.part);
            cr_assert_eq(chunk.offset, at);
            for (uint32_t j = 0; j < chunk.bytes; j++, at++) {
                cr_assert_eq(rmx_chunk_payload(&ours, 0)[j], byte_at(chunk.part, at));
            }
            end = (chunk.flags & RMX_CHUNK_END) != 0 ? at : end;
        }
        rmx_ring_release(&ours.ring, 1);
    }
    return at;
}

static void turn_to(uint16_t part, uint64_t offset)
{
    (void)rmx_chunk_turn_to(&ours, part, offset);
    rmx_feed_pump(&feed);
}

Test(ports, inputs_are_read_in_turns)
{
    start_feed(100000, 5000);
    cr_assert_geq(read_on(0, 30000), 30000);
    turn_to(1, 0);
    cr_assert_geq(read_on(0, 60000), 60000);
    turn_to(0, 12345);
    cr_assert_eq(read_on(12345, UINT32_MAX), 100000);
    turn_to(1, 99999);
    cr_assert_eq(read_on(99999, UINT32_MAX), 100000);
    turn_to(2, 0);
    cr_assert_eq(read_on(0, UINT32_MAX), 5000);
    turn_to(0, 1);
    cr_assert_eq(read_on(1, UINT32_MAX), 100000);
}

Test(ports, a_stream_is_turned_to_once)
{
    start_feed(10000, 5000);
    turn_to(2, 0);
    cr_assert_eq(read_on(0, UINT32_MAX), 5000);
    turn_to(1, 0);
    cr_assert_eq(read_on(0, UINT32_MAX), 10000);
    turn_to(2, 0);
    (void)read_on(0, 1);

    cr_assert(feed.corrupt);
}

Test(ports, a_stream_has_no_other_place_than_its_start)
{
    start_feed(10000, 5000);
    turn_to(2, 1);

    cr_assert(feed.corrupt);
}

Test(ports, there_is_no_such_input)
{
    start_feed(10000, 0);
    turn_to(FILES, 0);

    cr_assert(feed.corrupt);
}
