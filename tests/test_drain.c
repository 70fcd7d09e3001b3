/* SPDX-License-Identifier: BSD-2-Clause
 *
 * engine/drain: what arrives at a descriptor of every kind, and what a failing one does.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/drain.h"
#include "tests/ring_lie.h"

enum { SLOTS = 8, CHUNK = 4096, TURNS_MAX = 2000 };

static struct rmx_loop loop;
static struct rmx_stats stats;
static struct rmx_region region = RMX_REGION_INIT;
static struct rmx_chunk_ring producer;
static struct rmx_drain_pace pace;
static struct rmx_drain drain;
static struct rmx_file file = RMX_FILE_INIT;
static unsigned moves;

static void moved(struct rmx_drain *d)
{
    (void)d;
    moves++;
}

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)(offset * 13 + offset / 4096);
}

static void set_up(void)
{
    const char *remedy = "";

    cr_assert_eq(rmx_loop_init(&loop, 64, &remedy), 0, "%s", remedy);
    cr_assert_eq(rmx_region_create(&region, "test", rmx_chunk_ring_bytes(SLOTS, CHUNK), 0), 0);
    cr_assert_eq(rmx_chunk_ring_init(&region, 0, SLOTS, CHUNK, 0), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&producer, &region, 0, SLOTS, CHUNK), 0);
    (void)signal(SIGPIPE, SIG_IGN); /* as the daemon does */
}

static void tear_down(void)
{
    rmx_file_fini(&file);
    rmx_loop_fini(&loop);
    rmx_region_fini(&region);
}

TestSuite(drain, .init = set_up, .fini = tear_down);

static void start(int fd)
{
    struct rmx_chunk_ring consumer;

    cr_assert_eq(rmx_file_take_output(&file, &fd), 0);
    cr_assert_eq(rmx_chunk_ring_attach(&consumer, &region, 0, SLOTS, CHUNK), 0);
    pace.coalesce_bytes = 3 * CHUNK;
    const struct rmx_drain_to to = { .files = { &file, 1 } };

    rmx_drain_init(&drain, &loop, &stats, &pace, &to, &consumer);
    drain.moved = moved;
    rmx_drain_pump(&drain);
}

static void turn(void)
{
    if (rmx_ring_consumer_asked(&producer.ring)) {
        rmx_drain_pump(&drain);
    }
    cr_assert_geq(rmx_loop_turn(&loop, 1000000), 0);
}

static void give(uint64_t offset, uint32_t bytes, uint16_t flags)
{
    struct rmx_chunk chunk = { .offset = offset, .bytes = bytes, .flags = flags };
    int room = 0;

    for (int i = 0; i < TURNS_MAX && room == 0; i++) {
        room = rmx_ring_reserve_one(&producer.ring);
        if (room == 0) {
            turn();
        }
    }
    cr_assert_eq(room, 1, "the drain takes nothing");
    for (uint32_t i = 0; i < bytes; i++) {
        rmx_chunk_payload(&producer, 0)[i] = byte_at(offset + i);
    }
    rmx_chunk_fill(&producer, 0, &chunk);
    rmx_ring_publish(&producer.ring, 1);
}

static void finish(void)
{
    for (int i = 0; i < TURNS_MAX && !drain.ended && !drain.corrupt; i++) {
        turn();
    }
}

static void check_file(int fd, uint64_t bytes)
{
    unsigned char *data = malloc(bytes + 1);

    cr_assert_eq(pread(fd, data, bytes + 1, 0), (ssize_t)bytes);
    for (uint64_t i = 0; i < bytes; i++) {
        cr_assert_eq(data[i], byte_at(i), "at %llu", (unsigned long long)i);
    }
    free(data);
}

static int temporary(void)
{
    int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0);
    return fd;
}

static void give_stream(uint64_t chunks, uint32_t last_bytes)
{
    for (uint64_t i = 0; i < chunks; i++) {
        give(i * CHUNK, CHUNK, 0);
    }
    give(chunks * CHUNK, last_bytes, RMX_CHUNK_END);
    finish();
}

Test(drain, file_gets_every_byte_and_chunks_are_coalesced)
{
    pace.not_before_ns = UINT64_MAX; /* no write in place */
    start(temporary());
    give_stream(100, 17);

    cr_assert(drain.ended);
    cr_assert_eq(drain.bytes, 100 * CHUNK + 17);
    check_file(file.fd, 100 * CHUNK + 17);
    cr_assert_lt(rmx_stats_get(&stats, RMX_STATS_URING_WRITES), 80);
}

Test(drain, file_on_tmpfs_is_written_in_place)
{
    start(memfd_create("test", MFD_CLOEXEC));
    give_stream(30, 1);

    cr_assert(drain.ended);
    check_file(file.fd, 30 * CHUNK + 1);
    cr_assert_eq(rmx_stats_get(&stats, RMX_STATS_URING_WRITES), 0);
}

Test(drain, small_output_is_written_in_place_and_the_rest_of_a_large_one_is_not)
{
    start(temporary());
    give_stream(100, 17);
    cr_assert_eq(rmx_stats_get(&stats, RMX_STATS_URING_WRITES), 0);
    check_file(file.fd, 100 * CHUNK + 17);
    drain.ended = false;
    drain.bytes = 1u << 30;
    give(100 * CHUNK + 17, CHUNK, RMX_CHUNK_END);
    rmx_drain_pump(&drain);
    finish();

    cr_assert_eq(rmx_stats_get(&stats, RMX_STATS_URING_WRITES), 1);
    check_file(file.fd, 101 * CHUNK + 17);
}

Test(drain, muxer_that_goes_back_patches_in_order)
{
    pace.not_before_ns = UINT64_MAX;
    start(temporary());
    for (int i = 0; i < 20; i++) {
        give((uint64_t)(19 - i) * CHUNK, CHUNK, 0);
    }
    give(20 * CHUNK, 5, 0);
    give(3, 100, 0);
    give(0, 0, RMX_CHUNK_END);
    finish();

    cr_assert(drain.ended);
    check_file(file.fd, 20 * CHUNK + 5);
}

Test(drain, empty_output_is_an_empty_file)
{
    start(temporary());
    give(0, 0, RMX_CHUNK_END);
    finish();

    cr_assert(drain.ended);
    check_file(file.fd, 0);
}

Test(drain, pipe_that_is_slow_gets_everything)
{
    int ends[2];
    uint64_t got = 0;
    unsigned char data[CHUNK];

    cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    cr_assert_eq(fcntl(ends[1], F_SETPIPE_SZ, CHUNK), CHUNK);
    start(ends[1]);
    for (uint64_t i = 0; i < 50; i++) {
        give(i * CHUNK, CHUNK, i == 49 ? RMX_CHUNK_END : 0);
        turn();
        ssize_t bytes = read(ends[0], data, sizeof(data));
        got += bytes > 0 ? (uint64_t)bytes : 0;
    }
    for (int i = 0; i < TURNS_MAX && !drain.ended; i++) {
        ssize_t bytes = read(ends[0], data, sizeof(data));
        got += bytes > 0 ? (uint64_t)bytes : 0;
        turn();
    }

    cr_assert(drain.ended);
    ssize_t rest = read(ends[0], data, sizeof(data));
    cr_assert_eq(got + (rest > 0 ? (uint64_t)rest : 0), 50 * CHUNK);
    close(ends[0]);
}

Test(drain, full_device_is_ENOSPC_and_the_rest_is_thrown_away)
{
    start(open("/dev/full", O_WRONLY | O_CLOEXEC));
    give_stream(20, 1);

    cr_assert(drain.ended, "so that the worker is not held up");
    cr_assert_eq(drain.error, -ENOSPC);
    cr_assert_eq(drain.bytes, 0);
}

Test(drain, reader_that_went_away_is_EPIPE)
{
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    start(ends[1]);
    give_stream(2, 1);

    cr_assert_eq(drain.error, -EPIPE);
}

Test(drain, file_size_limit_is_EFBIG_with_what_was_written_counted)
{
    struct rlimit limit = { .rlim_cur = 2 * CHUNK + 100, .rlim_max = RLIM_INFINITY };

    (void)signal(SIGXFSZ, SIG_IGN);
    pace.not_before_ns = UINT64_MAX;
    start(temporary());
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    give_stream(20, 1);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);

    cr_assert_eq(drain.error, -EFBIG);
    cr_assert_eq(drain.bytes, 2 * CHUNK + 100);
}

static int up_to_two_chunks(struct rmx_drain *d, uint64_t end)
{
    (void)d;
    return end <= 2 * CHUNK ? 0 : -E2BIG;
}

Test(drain, output_that_may_not_grow_is_not_written_beyond_and_ends)
{
    start(temporary());
    drain.may_grow = up_to_two_chunks;
    give(0, CHUNK, 0);
    turn();
    give(CHUNK, CHUNK, 0);
    turn();
    give(0, 100, 0); /* a patch */
    turn();
    give(2 * CHUNK, 1, 0);
    give(2 * CHUNK + 1, 1, RMX_CHUNK_END);
    for (int i = 0; i < TURNS_MAX && !drain.ended; i++) {
        turn();
    }

    cr_assert(drain.ended, "so that the worker is not held up");
    cr_assert_eq(drain.error, -E2BIG);
    cr_assert_eq(lseek(file.fd, 0, SEEK_END), 2 * CHUNK);
}

Test(drain, stop_cancels_a_write_that_would_wait_for_ever)
{
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(fcntl(ends[1], F_SETPIPE_SZ, CHUNK), CHUNK);
    start(ends[1]);
    give(0, CHUNK, 0);
    give(CHUNK, CHUNK, 0);
    turn();
    turn();
    rmx_drain_stop(&drain);
    for (int i = 0; i < TURNS_MAX && !rmx_drain_idle(&drain); i++) {
        turn();
    }

    cr_assert(rmx_drain_idle(&drain));
    close(ends[0]);
}

Test(drain, worker_that_publishes_more_than_the_ring_is_found_out)
{
    start(temporary());
    ring_lie(&producer.ring, SLOTS + 1);
    rmx_drain_pump(&drain);

    cr_assert(drain.corrupt);
}

Test(drain, worker_that_lies_about_a_length_is_found_out)
{
    start(temporary());
    struct rmx_chunk_shm *shared = rmx_ring_entry(&producer.ring, 0);
    shared->bytes = CHUNK + 1;
    rmx_ring_publish(&producer.ring, 1);
    rmx_drain_pump(&drain);

    cr_assert(drain.corrupt);
}

Test(drain, worker_that_begins_a_second_file_is_found_out)
{
    start(temporary());
    give(0, 4, RMX_CHUNK_NAME);
    rmx_drain_pump(&drain);

    cr_assert(drain.corrupt);
}

Test(drain, worker_that_goes_back_on_a_stream_is_found_out)
{
    int ends[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    start(ends[1]);
    give(0, 100, 0);
    turn();
    turn();
    give(50, 10, 0);
    for (int i = 0; i < 10; i++) {
        turn();
    }

    cr_assert(drain.corrupt);
    close(ends[0]);
}
