/* SPDX-License-Identifier: BSD-2-Clause
 *
 * engine/feed: what a consumer finds in the input ring, for every kind of descriptor.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/feed.h"

enum { SLOTS = 8, CHUNK = 4096, TURNS_MAX = 2000 };

static struct rmx_loop loop;
static struct rmx_stats stats;
static struct rmx_region region = RMX_REGION_INIT;
static struct rmx_chunk_ring consumer;
static struct rmx_feed feed;
static struct rmx_file file = RMX_FILE_INIT;
static unsigned moves;

static void moved(struct rmx_feed *f)
{
    (void)f;
    moves++;
}

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)(offset * 31 + offset / 4096);
}

static void set_up(void)
{
    const char *remedy = "";

    cr_assert_eq(rmx_loop_init(&loop, 64, &remedy), 0, "%s", remedy);
    cr_assert_eq(rmx_region_create(&region, "test", rmx_chunk_ring_bytes(SLOTS, CHUNK), 0), 0);
    cr_assert_eq(rmx_chunk_ring_init(&region, 0, SLOTS, CHUNK, 0), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&consumer, &region, 0, SLOTS, CHUNK), 0);
}

static void tear_down(void)
{
    rmx_file_fini(&file);
    rmx_loop_fini(&loop);
    rmx_region_fini(&region);
}

TestSuite(feed, .init = set_up, .fini = tear_down);

static void start(int fd)
{
    struct rmx_chunk_ring producer;

    cr_assert_eq(rmx_file_take_input(&file, &fd), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&producer, &region, 0, SLOTS, CHUNK), 0);
    const struct rmx_files files = { &file, 1 };

    rmx_feed_init(&feed, &loop, &stats, &files, &producer, 4);
    feed.moved = moved;
    rmx_feed_pump(&feed);
}

static int temporary(const char *dir, uint64_t bytes)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    unsigned char *data = malloc(bytes + 1);

    cr_assert_geq(fd, 0);
    for (uint64_t i = 0; i < bytes; i++) {
        data[i] = byte_at(i);
    }
    cr_assert_eq(pwrite(fd, data, bytes, 0), (ssize_t)bytes);
    free(data);
    return fd;
}

/* Waits for the next chunk, as a worker would: asks, and pumps when it was told to. */
static struct rmx_chunk next(void)
{
    struct rmx_chunk chunk = { 0 };

    for (int turn = 0; turn < TURNS_MAX; turn++) {
        int ready = rmx_ring_peek_one(&consumer.ring);

        cr_assert_geq(ready, 0);
        if (ready == 1) {
            cr_assert_eq(rmx_chunk_read(&consumer, 0, &chunk), 0);
            return chunk;
        }
        if (rmx_ring_producer_asked(&consumer.ring)) {
            rmx_feed_pump(&feed);
        }
        cr_assert_geq(rmx_loop_turn(&loop, 1000000), 0);
    }
    cr_assert_fail("no chunk came");
    return chunk;
}

static void drop(void)
{
    rmx_ring_release(&consumer.ring, 1);
}

/* Reads on until END; every byte must be the file's, from `from` on. Returns where it ends. */
static uint64_t read_all(uint64_t from)
{
    for (;;) {
        struct rmx_chunk chunk = next();
        const unsigned char *bytes = rmx_chunk_payload(&consumer, 0);

        if (chunk.generation == consumer.generation) {
            cr_assert_eq(chunk.offset, from);
            for (uint32_t i = 0; i < chunk.bytes; i++) {
                cr_assert_eq(bytes[i], byte_at(from + i), "at %llu", (unsigned long long)from + i);
            }
            from += chunk.bytes;
            cr_assert_eq(chunk.flags & RMX_CHUNK_ERROR, 0);
            if (chunk.flags & RMX_CHUNK_END) {
                drop();
                return from;
            }
        }
        drop();
    }
}

Test(feed, file_arrives_whole_and_in_order)
{
    start(temporary("/var/tmp", 1000003));

    cr_assert_eq(read_all(0), 1000003);
    cr_assert_eq(feed.bytes, 1000003);
    cr_assert(rmx_feed_idle(&feed));
}

Test(feed, file_on_tmpfs_arrives_whole_without_io_uring)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    unsigned char data[20000];

    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = byte_at(i);
    }
    cr_assert_eq(pwrite(fd, data, sizeof(data), 0), (ssize_t)sizeof(data));
    start(fd);

    cr_assert_eq(file.kind, RMX_FILE_MEMORY);
    cr_assert_eq(read_all(0), sizeof(data));
    cr_assert_eq(rmx_stats_get(&stats, RMX_STATS_URING_READS), 0);
}

Test(feed, empty_file_ends_at_once)
{
    start(temporary("/var/tmp", 0));

    cr_assert_eq(read_all(0), 0);
}

Test(feed, file_of_exactly_the_ring_is_read_at_once)
{
    start(temporary("/var/tmp", SLOTS * CHUNK));
    cr_assert_geq(rmx_loop_turn(&loop, 1000000), 0);

    cr_assert(feed.ended, "without any release");
    cr_assert_eq(read_all(0), SLOTS * CHUNK);
}

enum { WIDE_SLOTS = 256, FILE_CHUNKS = 2 * WIDE_SLOTS };

/* The feed of such a file into a ring that is larger than what it reads ahead at first. */
static void start_wide(uint64_t bytes)
{
    int fd = temporary("/var/tmp", bytes);
    struct rmx_chunk_ring producer;

    rmx_region_fini(&region);
    cr_assert_eq(rmx_region_create(&region, "test", rmx_chunk_ring_bytes(WIDE_SLOTS, CHUNK), 0), 0);
    cr_assert_eq(rmx_chunk_ring_init(&region, 0, WIDE_SLOTS, CHUNK, 0), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&consumer, &region, 0, WIDE_SLOTS, CHUNK), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&producer, &region, 0, WIDE_SLOTS, CHUNK), 0);
    cr_assert_eq(rmx_file_take_input(&file, &fd), 0);
    const struct rmx_files files = { &file, 1 };

    rmx_feed_init(&feed, &loop, &stats, &files, &producer, 4);
    feed.moved = moved;
}

/* An index in front, or what lies behind a short beginning: looked for before anything is used. */
Test(feed, consumer_that_sleeps_for_more_and_gives_nothing_back_sees_a_whole_ring)
{
    uint32_t ready = 0;

    start_wide((uint64_t)FILE_CHUNKS * CHUNK);
    rmx_feed_pump(&feed);
    for (int turn = 0; turn < TURNS_MAX && ready < WIDE_SLOTS; turn++) {
        rmx_ring_ask(&consumer.ring.shm->consumer_asks);
        if (rmx_ring_producer_asked(&consumer.ring)) {
            rmx_feed_pump(&feed);
        }
        cr_assert_geq(rmx_loop_turn(&loop, 1000000), 0);
        cr_assert_eq(rmx_ring_peek(&consumer.ring, &ready), 0);
    }

    cr_assert_eq(ready, WIDE_SLOTS);
    cr_assert_eq(read_all(0), (uint64_t)FILE_CHUNKS * CHUNK);
}

Test(feed, consumer_that_sleeps_for_nothing_is_read_little_ahead)
{
    uint32_t ready = 0;

    start_wide((uint64_t)FILE_CHUNKS * CHUNK);
    for (int turn = 0; turn < 50; turn++) {
        rmx_feed_pump(&feed);
        cr_assert_geq(rmx_loop_turn(&loop, 100000), 0);
    }
    cr_assert_eq(rmx_ring_peek(&consumer.ring, &ready), 0);

    cr_assert_eq(ready * CHUNK, 256 * 1024);
    cr_assert_eq(read_all(0), (uint64_t)FILE_CHUNKS * CHUNK);
}

Test(feed, reading_starts_at_the_descriptors_position)
{
    int fd = temporary("/var/tmp", 10000);

    cr_assert_eq(lseek(fd, 4096, SEEK_SET), 4096);
    start(fd);

    cr_assert_eq(file.base, 4096);
    cr_assert_eq(file.size, 10000 - 4096);
    struct rmx_chunk chunk = next();
    cr_assert_eq(chunk.offset, 0);
    cr_assert_eq(*rmx_chunk_payload(&consumer, 0), byte_at(4096));
}

Test(feed, seek_goes_on_there_and_what_was_read_ahead_is_older)
{
    start(temporary("/var/tmp", 300000));
    (void)next();

    (void)rmx_chunk_seek(&consumer, 123457);
    (void)rmx_ring_producer_asked(&consumer.ring);
    rmx_feed_pump(&feed);

    cr_assert_eq(read_all(123457), 300000);
}

Test(feed, seek_back_after_the_end_works)
{
    start(temporary("/var/tmp", 30000));
    cr_assert_eq(read_all(0), 30000);

    (void)rmx_chunk_seek(&consumer, 5);
    rmx_feed_pump(&feed);

    cr_assert_eq(read_all(5), 30000);
}

Test(feed, seek_to_and_beyond_the_end_is_an_end)
{
    start(temporary("/var/tmp", 30000));
    (void)rmx_chunk_seek(&consumer, 30000);
    rmx_feed_pump(&feed);
    cr_assert_eq(read_all(30000), 30000);

    (void)rmx_chunk_seek(&consumer, 99999);
    rmx_feed_pump(&feed);
    cr_assert_eq(read_all(99999), 99999);
}

Test(feed, many_seeks_in_a_row_end_with_the_last)
{
    start(temporary("/var/tmp", 300000));
    for (uint64_t i = 0; i < 100; i++) {
        (void)rmx_chunk_seek(&consumer, i * 2503);
        rmx_feed_pump(&feed);
        if (i % 3 == 0) {
            cr_assert_geq(rmx_loop_turn(&loop, 0), 0);
        }
    }
    cr_assert_eq(read_all(99 * 2503), 300000);
}

static void pipe_with(int ends[2], int flags)
{
    cr_assert_eq(pipe2(ends, O_CLOEXEC | flags), 0);
}

Test(feed, pipe_arrives_as_it_is_written_and_ends_when_it_closes)
{
    int ends[2];
    unsigned char data[10000];

    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = byte_at(i);
    }
    pipe_with(ends, 0);
    start(ends[0]);
    cr_assert_geq(rmx_loop_turn(&loop, 0), 0);
    cr_assert_eq(rmx_ring_peek_one(&consumer.ring), 0, "nothing was written");
    cr_assert_eq(write(ends[1], data, 100), 100);
    cr_assert_eq(next().bytes, 100);
    cr_assert_eq(write(ends[1], data + 100, sizeof(data) - 100), (ssize_t)sizeof(data) - 100);
    close(ends[1]);

    cr_assert_eq(read_all(0), sizeof(data));
}

Test(feed, non_blocking_pipe_is_waited_for)
{
    int ends[2];
    unsigned char data[] = { byte_at(0), byte_at(1) };

    pipe_with(ends, O_NONBLOCK);
    start(ends[0]);
    cr_assert_geq(rmx_loop_turn(&loop, 0), 0);
    cr_assert_eq(write(ends[1], data, 2), 2);
    close(ends[1]);

    cr_assert_eq(read_all(0), 2);
}

Test(feed, socket_that_breaks_is_an_error_with_its_cause)
{
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    cr_assert_eq(write(ends[0], "x", 1), 1); /* unread at close: the peer sees a reset */
    start(ends[0]);
    close(ends[1]);

    struct rmx_chunk chunk = next();
    cr_assert_eq(chunk.flags, RMX_CHUNK_ERROR);
    cr_assert_eq(chunk.error, -ECONNRESET);
    cr_assert_eq(feed.error, -ECONNRESET);
}

Test(feed, stop_cancels_a_read_that_would_wait_for_ever)
{
    int ends[2];

    pipe_with(ends, 0);
    start(ends[0]);
    cr_assert_geq(rmx_loop_turn(&loop, 0), 0);
    cr_assert(!rmx_feed_idle(&feed));
    rmx_feed_stop(&feed);
    for (int turn = 0; turn < TURNS_MAX && !rmx_feed_idle(&feed); turn++) {
        cr_assert_geq(rmx_loop_turn(&loop, 1000000), 0);
    }

    cr_assert(rmx_feed_idle(&feed));
    cr_assert_gt(moves, 0, "and says so");
}

Test(feed, worker_that_releases_what_it_never_had_is_found_out)
{
    start(temporary("/var/tmp", 1000000));
    cr_assert_geq(rmx_loop_turn(&loop, 1000000), 0);
    atomic_store(&consumer.ring.shm->released, 1u << 20);
    rmx_feed_pump(&feed);

    cr_assert(feed.corrupt);
}

Test(feed, worker_that_seeks_on_a_pipe_is_found_out)
{
    int ends[2];

    pipe_with(ends, 0);
    start(ends[0]);
    (void)rmx_chunk_seek(&consumer, 0);
    rmx_feed_pump(&feed);

    cr_assert(feed.corrupt);
    rmx_feed_stop(&feed);
    for (int turn = 0; turn < TURNS_MAX && !rmx_feed_idle(&feed); turn++) {
        cr_assert_geq(rmx_loop_turn(&loop, 1000000), 0);
    }
}

Test(feed, descriptors_that_cannot_be_read_are_refused)
{
    struct rmx_file refused = RMX_FILE_INIT;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    cr_assert_eq(rmx_file_take_input(&refused, &fd), -EBADF);
    cr_assert_geq(fd, 0, "it stays the caller's");
    cr_assert_eq(rmx_file_take_input(&refused, &dir), -EISDIR);
    close(fd);
    close(dir);
}
