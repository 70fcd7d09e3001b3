/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sources and sinks: the library moves the bytes. The daemon and the worker are fake ones, so the
 * test moves the other end.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clients/ringmux.h"
#include "tests/fake_worker.h"

#define CHUNK 512u
#define SLOTS 16u

static struct fake_worker worker;
static struct rmx_client *client;
static struct fake_job *job;
static uint64_t id;
static struct rmx_source source;
static struct rmx_sink sink;

static struct rmx_job describe(void)
{
    struct rmx_job ask = RMX_JOB_INIT;

    ask.input = RMX_RING;
    ask.output = RMX_RING;
    ask.format = "mpegts";
    ask.input_ring_bytes = SLOTS * CHUNK;
    ask.output_ring_bytes = SLOTS * CHUNK;
    ask.source = source.read != NULL ? &source : NULL;
    ask.sink = sink.write != NULL ? &sink : NULL;
    ask.flags = ask.sink != NULL ? RMX_POSITIONAL : 0;
    return ask;
}

static void open_all(void)
{
    fake_worker_start(&worker);
    cr_assert_eq(rmx_open(&client, worker.daemon.path), 0);
}

static void open_job(void)
{
    struct rmx_job ask = describe();

    open_all();
    cr_assert_eq(rmx_submit(client, &ask, 1, &id), 1);
    job = fake_worker_job(&worker);
}

static void close_all(void)
{
    rmx_close(&client);
    fake_worker_stop(&worker);
}

/* Lets the library move what it can. */
static void serve(void)
{
    struct rmx_event events[4];

    cr_assert_geq(rmx_events(client, events, 4, 20), 0);
}

static void next_chunk(uint64_t offset, size_t bytes, uint16_t flags)
{
    struct rmx_chunk chunk;

    fake_worker_take(job, &chunk);
    cr_assert_eq(chunk.offset, offset);
    cr_assert_eq(chunk.bytes, bytes);
    cr_assert_eq(chunk.flags, flags);
    fake_worker_give_back(job);
}

/* --- sources ------------------------------------------------------------------------------- */

static struct rmx_block block;
static unsigned char bytes[4 * CHUNK];

Test(pump, a_block_goes_in_and_its_last_chunk_is_the_end)
{
    block = (struct rmx_block){ .bytes = bytes, .size = CHUNK + 3 };
    rmx_block_source(&block, &source);
    open_job();
    cr_assert_eq(job->spec.input_bytes, CHUNK + 3);
    cr_assert(job->spec.flags & RMX_JOB_SEEKABLE_INPUT);
    cr_assert_not(fake_worker_has(job), "submit calls no source");
    serve();
    next_chunk(0, CHUNK, 0);
    next_chunk(CHUNK, 3, RMX_CHUNK_END);
    close_all();
}

Test(pump, a_block_follows_seeks_even_after_its_end)
{
    block = (struct rmx_block){ .bytes = bytes, .size = 3 };
    rmx_block_source(&block, &source);
    open_job();
    serve();
    next_chunk(0, 3, RMX_CHUNK_END);
    serve(); /* it was told of the room, and asks again */
    (void)rmx_chunk_seek(&job->in, 1);
    cr_assert(rmx_ring_producer_asked(&job->in.ring), "it sleeps at its end");
    fake_worker_tell(job, RMX_NOTE_INPUT);
    serve();
    next_chunk(1, 2, RMX_CHUNK_END);
    (void)rmx_chunk_seek(&job->in, 3);
    fake_worker_tell(job, RMX_NOTE_INPUT);
    serve();
    next_chunk(3, 0, RMX_CHUNK_END);
    close_all();
}

/* What the source below does next. */
static ptrdiff_t plan[8];
static size_t step;

static ptrdiff_t read_plan(void *user, void *to, size_t room)
{
    ptrdiff_t now = plan[step];

    (void)user;
    step += step + 1 < sizeof(plan) / sizeof(plan[0]);
    memset(to, 'x', now > 0 ? (size_t)now : 0);
    cr_assert_leq(now, (ptrdiff_t)room + 1);
    return now;
}

static void source_with(uint64_t size)
{
    source = (struct rmx_source){ .read = read_plan, .size = size };
}

Test(pump, a_source_of_unknown_size_ends_when_it_says_so)
{
    source_with(RMX_SIZE_UNKNOWN);
    plan[0] = 5;
    open_job();
    cr_assert_eq(job->spec.input_bytes, UINT64_MAX);
    cr_assert_eq(job->spec.flags & RMX_JOB_SEEKABLE_INPUT, 0);
    serve();
    next_chunk(0, 5, 0);
    next_chunk(5, 0, RMX_CHUNK_END);
    close_all();
}

static void breaks_with(ptrdiff_t said, int meant)
{
    struct rmx_chunk chunk;

    source_with(RMX_SIZE_UNKNOWN);
    plan[0] = 5;
    plan[1] = said;
    open_job();
    serve();
    next_chunk(0, 5, 0);
    fake_worker_take(job, &chunk);
    cr_assert_eq(chunk.flags, RMX_CHUNK_ERROR);
    cr_assert_eq(chunk.error, meant);
    close_all();
}

Test(pump, a_source_that_breaks_says_why)
{
    breaks_with(-ENOTCONN, -ENOTCONN);
}

Test(pump, what_is_no_error_is_one)
{
    breaks_with(-100000, -EIO);
}

Test(pump, a_source_that_claims_more_than_the_room_is_broken)
{
    breaks_with(CHUNK + 1, -EIO);
}

static int cannot_seek(void *user, uint64_t offset)
{
    (void)user;
    (void)offset;
    return -EACCES;
}

Test(pump, a_seek_that_fails_breaks_the_input)
{
    struct rmx_chunk chunk;

    source_with(100);
    source.seek = cannot_seek;
    plan[0] = 5;
    plan[1] = -EAGAIN;
    open_job();
    serve();
    next_chunk(0, 5, 0);
    (void)rmx_chunk_seek(&job->in, 50);
    fake_worker_tell(job, RMX_NOTE_INPUT);
    serve();
    fake_worker_take(job, &chunk);
    cr_assert_eq(chunk.error, -EACCES);
    close_all();
}

Test(pump, a_source_with_nothing_now_goes_on_when_it_is_ready)
{
    source_with(RMX_SIZE_UNKNOWN);
    plan[0] = 5;
    plan[1] = -EAGAIN;
    plan[2] = 6;
    plan[3] = -EAGAIN;
    open_job();
    serve();
    next_chunk(0, 5, 0);
    serve();
    cr_assert_eq(step, 2, "it is not asked again");
    cr_assert_eq(rmx_ready(client, id), 0);
    struct pollfd watched = { .fd = rmx_fd(client), .events = POLLIN };
    cr_assert_eq(poll(&watched, 1, 10000), 1, "whoever polls comes to serve it");
    serve();
    next_chunk(5, 6, 0);
    cr_assert_eq(poll(&watched, 1, 0), 0);
    close_all();
}

/* --- sinks --------------------------------------------------------------------------------- */

static struct rmx_buffer buffer;

static void end_with(uint32_t status)
{
    struct rmx_result result;

    fake_worker_done(&worker, job, job->at > 0 && status != RMX_CANCELLED ? RMX_OK : status);
    cr_assert_eq(rmx_wait(client, &result, 1, 10000), 1);
    cr_assert_eq(result.status, status);
}

Test(pump, a_buffer_takes_pieces_in_any_order)
{
    rmx_buffer_sink(&buffer, &sink);
    open_job();
    fake_worker_put_at(job, 0, "abc", 3, 0);
    fake_worker_put_at(job, 5, "fg", 2, 0);
    fake_worker_put_at(job, 1, "B", 1, 0);
    fake_worker_put_at(job, 7, "h", 1, RMX_CHUNK_END);
    end_with(RMX_OK);
    cr_assert_eq(buffer.size, 8);
    cr_assert_arr_eq(buffer.bytes, "aBc\0\0fgh", 8);
    rmx_buffer_free(&buffer);
    cr_assert_null(buffer.bytes);
    close_all();
}

Test(pump, a_buffer_has_a_limit)
{
    buffer.max = 4;
    rmx_buffer_sink(&buffer, &sink);
    open_job();
    fake_worker_put_at(job, 0, "abcd", 4, 0);
    fake_worker_put_at(job, 4, "e", 1, RMX_CHUNK_END);
    end_with(RMX_OUTPUT_FULL);
    cr_assert_eq(buffer.size, 4);
    rmx_buffer_free(&buffer);
    close_all();
}

Test(pump, a_buffer_grows)
{
    rmx_buffer_sink(&buffer, &sink);
    open_job();
    fake_worker_put_at(job, 1000000, "abcd", 4, RMX_CHUNK_END);
    end_with(RMX_OK);
    cr_assert_eq(buffer.size, 1000004);
    cr_assert_eq(buffer.bytes[999999], 0);
    rmx_buffer_free(&buffer);
    close_all();
}

static int answers[3]; /* of the sink below, piece by piece */
static int pieces;

static int write_plan(void *user, const struct rmx_piece *piece)
{
    int answer = answers[pieces];

    (void)user;
    (void)piece;
    pieces += pieces < 2;
    return answer;
}

Test(pump, a_result_waits_for_its_sink)
{
    struct rmx_result result;

    sink.write = write_plan;
    answers[1] = -EAGAIN;
    open_job();
    fake_worker_put(job, "abc", 3, 0);
    fake_worker_put(job, "def", 3, RMX_CHUNK_END);
    fake_worker_done(&worker, job, RMX_OK);
    cr_assert_eq(rmx_wait(client, &result, 1, 50), 0);
    cr_assert_eq(rmx_ready(client, id), 0);
    cr_assert_eq(rmx_wait(client, &result, 1, 10000), 1);
    cr_assert_eq(result.status, RMX_OK);
    close_all();
}

/* Else a deadline, or a cancel, would never come to who waits for it. */
Test(pump, a_result_that_was_wanted_early_waits_for_no_sink)
{
    const uint32_t ends[] = { RMX_DEADLINE, RMX_CANCELLED };

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct rmx_result result;

        pieces = 0;
        sink.write = write_plan;
        answers[0] = 0;
        answers[1] = -EAGAIN;
        open_job();
        fake_worker_put(job, "abc", 3, 0);
        fake_worker_put(job, "def", 3, 0);
        cr_assert_eq(rmx_wait(client, &result, 1, 50), 0, "the sink rests");
        fake_worker_done(&worker, job, ends[i]);
        cr_assert_eq(rmx_wait(client, &result, 1, 10000), 1);
        cr_assert_eq(result.status, ends[i]);
        cr_assert_eq(rmx_ready(client, id), -ENOENT);
        close_all();
    }
}

Test(pump, a_sink_that_fails_cancels_the_job)
{
    sink.write = write_plan;
    answers[0] = -EPIPE;
    open_job();
    fake_worker_put(job, "abc", 3, 0);
    serve();
    while (atomic_load(&worker.cancels) == 0) {
    }
    end_with(RMX_OUTPUT_IO);
    close_all();
}

Test(pump, its_ends_are_not_for_other_calls)
{
    struct rmx_piece piece;
    size_t room;
    void *to;

    block = (struct rmx_block){ .bytes = bytes, .size = 3 };
    rmx_block_source(&block, &source);
    rmx_buffer_sink(&buffer, &sink);
    open_job();
    cr_assert_eq(rmx_reserve(client, id, &to, &room, 0), -EBUSY);
    cr_assert_eq(rmx_write(client, id, "a", 1, 0), -EBUSY);
    cr_assert_eq(rmx_finish(client, id, 0), -EBUSY);
    cr_assert_eq(rmx_peek(client, id, &piece, 0), -EBUSY);
    cr_assert_eq(rmx_read(client, id, bytes, 1, 0), -EBUSY);
    cr_assert_eq(rmx_drop(client, id), -EBUSY);
    close_all();
}

/* --- one call ------------------------------------------------------------------------------ */

static void *copies(void *arg)
{
    struct rmx_chunk chunk;

    (void)arg;
    job = fake_worker_job(&worker);
    do {
        const unsigned char *from = fake_worker_take(job, &chunk);

        while (!fake_worker_room(job)) {
        }
        fake_worker_put(job, from, chunk.bytes, chunk.flags);
        fake_worker_give_back(job);
    } while (chunk.flags == 0);
    fake_worker_done(&worker, job, RMX_OK);
    return NULL;
}

Test(pump, run_does_all_of_it)
{
    size_t size = 1000003;
    unsigned char *from = malloc(size);
    struct rmx_result result;
    pthread_t thread;

    for (size_t i = 0; i < size; i++) {
        from[i] = (unsigned char)(i * 7 + i / 251);
    }
    block = (struct rmx_block){ .bytes = from, .size = size };
    rmx_block_source(&block, &source);
    rmx_buffer_sink(&buffer, &sink);
    struct rmx_job ask = describe();
    open_all();
    cr_assert_eq(pthread_create(&thread, NULL, copies, NULL), 0);
    cr_assert_eq(rmx_run(client, &ask, &result, 10000), 0);
    cr_assert_eq(result.status, RMX_OK);
    cr_assert_eq(buffer.size, size);
    cr_assert_eq(memcmp(buffer.bytes, from, size), 0);
    pthread_join(thread, NULL);
    rmx_buffer_free(&buffer);
    free(from);
    close_all();
}

Test(pump, run_that_takes_too_long_cancels_and_leaves_nothing)
{
    struct rmx_result result;

    block = (struct rmx_block){ .bytes = bytes, .size = sizeof(bytes) };
    rmx_block_source(&block, &source);
    rmx_buffer_sink(&buffer, &sink);
    struct rmx_job ask = describe();
    open_all();
    cr_assert_eq(rmx_run(client, &ask, &result, 50), -EAGAIN);
    while (atomic_load(&worker.cancels) == 0) {
    }
    job = fake_worker_job(&worker);
    fake_worker_put(job, "abc", 3, RMX_CHUNK_END);
    fake_worker_done(&worker, job, RMX_CANCELLED);
    cr_assert_eq(rmx_wait(client, &result, 1, 50), 0, "its result is nobody's");
    cr_assert_null(buffer.bytes, "and so is its output");
    close_all();
}

Test(pump, run_moves_the_bytes_so_it_must_be_able_to)
{
    struct rmx_result result;
    struct rmx_job ask = describe();

    open_all();
    cr_assert_eq(rmx_run(client, &ask, &result, 50), -EINVAL);
    ask = (struct rmx_job)RMX_JOB_INIT;
    cr_assert_eq(rmx_run(client, &ask, &result, 50), -EINVAL, "that is no job");
    close_all();
}

Test(pump, run_without_a_daemon_ends_when_no_other_came)
{
    struct rmx_result result;
    struct rmx_job ask = RMX_JOB_INIT;

    open_all();
    shutdown(worker.daemon.fd, SHUT_RDWR);
    ask.kind = RMX_NOOP;
    cr_assert_eq(rmx_run(client, &ask, &result, 50), -ETIMEDOUT, "nobody greets us");
    close_all();
}
