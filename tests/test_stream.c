/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's stream through the client library: writing, reading, waiting, and every way these calls
 * can fail. The daemon and the worker are fake ones, so the test moves both ends.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "clients/ringmux.h"
#include "tests/fake_worker.h"

#define CHUNK 512u
#define SLOTS 16u

static struct fake_worker worker;
static struct rmx_client *client;
static struct fake_job *job;
static uint64_t id;
static char user;

/* A client with one job whose ends are both rings of 16 chunks of 512 bytes. */
static void open_job(uint32_t flags)
{
    struct rmx_job ask = RMX_JOB_INIT;

    fake_worker_start(&worker);
    cr_assert_eq(rmx_open(&client, worker.daemon.path), 0);
    ask.input = RMX_RING;
    ask.output = RMX_RING;
    ask.format = "mpegts";
    ask.flags = flags;
    ask.input_ring_bytes = SLOTS * CHUNK;
    ask.output_ring_bytes = SLOTS * CHUNK;
    ask.user = &user;
    cr_assert_eq(rmx_submit(client, &ask, 1, &id), 1);
    job = fake_worker_job(&worker);
}

static void close_all(void)
{
    rmx_close(&client);
    fake_worker_stop(&worker);
}

static void end_with(uint32_t status)
{
    struct rmx_result result;

    fake_worker_done(&worker, job, status);
    cr_assert_eq(rmx_wait(client, &result, 1, 10000), 1);
    cr_assert_eq(result.status, status);
    cr_assert_eq(result.id, id);
}

/* --- input --------------------------------------------------------------------------------- */

Test(stream, what_is_committed_arrives_and_then_the_end)
{
    struct rmx_chunk chunk;
    size_t bytes = 0;
    void *to = NULL;
    void *same = NULL;

    open_job(0);
    cr_assert_eq(job->spec.input_bytes, UINT64_MAX);
    cr_assert_eq(rmx_reserve(client, id, &to, &bytes, 0), 0);
    cr_assert_eq(bytes, CHUNK);
    cr_assert_eq(rmx_reserve(client, id, &same, &bytes, 0), 0);
    cr_assert_eq(to, same, "the same room until it is committed");
    memcpy(to, "abc", 3);
    cr_assert_eq(rmx_commit(client, id, 3), 0);
    cr_assert_eq(rmx_write(client, id, "defg", 4, 0), 4);
    cr_assert_eq(rmx_finish(client, id, 0), 0);

    cr_assert_arr_eq(fake_worker_take(job, &chunk), "abc", 3);
    cr_assert_eq(chunk.offset, 0);
    cr_assert_eq(chunk.bytes, 3);
    fake_worker_give_back(job);
    cr_assert_arr_eq(fake_worker_take(job, &chunk), "defg", 4);
    cr_assert_eq(chunk.offset, 3);
    fake_worker_give_back(job);
    fake_worker_take(job, &chunk);
    cr_assert_eq(chunk.bytes, 0);
    cr_assert_eq(chunk.flags, RMX_CHUNK_END);
    cr_assert_eq(rmx_write(client, id, "h", 1, 0), -ENOENT, "that end is closed");
    cr_assert_eq(rmx_finish(client, id, 0), -ENOENT);
    close_all();
}

Test(stream, an_abort_says_why)
{
    struct rmx_chunk chunk;

    open_job(0);
    cr_assert_eq(rmx_abort(client, id, 0, 0), -EINVAL);
    cr_assert_eq(rmx_abort(client, id, -4096, 0), -EINVAL);
    cr_assert_eq(rmx_abort(client, id, -EIO, 0), 0);
    fake_worker_take(job, &chunk);
    cr_assert_eq(chunk.flags, RMX_CHUNK_ERROR);
    cr_assert_eq(chunk.error, -EIO);
    close_all();
}

Test(stream, a_commit_without_room_is_refused)
{
    size_t bytes;
    void *to;

    open_job(0);
    cr_assert_eq(rmx_commit(client, id, 1), -EINVAL, "nothing was reserved");
    cr_assert_eq(rmx_reserve(client, id, &to, &bytes, 0), 0);
    cr_assert_eq(rmx_commit(client, id, 0), -EINVAL);
    cr_assert_eq(rmx_commit(client, id, bytes + 1), -EINVAL);
    cr_assert_eq(rmx_commit(client, id, bytes), 0);
    cr_assert_eq(rmx_commit(client, id, 1), -EINVAL, "it was committed");
    close_all();
}

static unsigned char block[SLOTS * CHUNK];

Test(stream, a_full_ring_says_so_and_tells_when_there_is_room)
{
    struct rmx_event events[4];
    struct rmx_chunk chunk;

    open_job(0);
    cr_assert_eq(rmx_write(client, id, block, sizeof(block), 0), sizeof(block));
    cr_assert_eq(rmx_write(client, id, block, 1, 0), -EAGAIN);
    cr_assert_eq(rmx_finish(client, id, 0), -EAGAIN);
    cr_assert_eq(rmx_events(client, events, 4, 0), 0);
    fake_worker_take(job, &chunk);
    fake_worker_give_back(job);
    cr_assert_eq(rmx_events(client, events, 4, 10000), 1);
    cr_assert_eq(events[0].id, id);
    cr_assert_eq(events[0].kinds, RMX_CAN_WRITE);
    cr_assert_eq(events[0].user, &user);
    cr_assert_eq(rmx_events(client, events, 4, 0), 0, "told once");
    cr_assert_eq(rmx_write(client, id, block, 1, 0), 1);
    cr_assert_eq(rmx_write(client, id, block, 1, 20), -EAGAIN, "the time passed");
    close_all();
}

static void *empties_the_ring(void *arg)
{
    struct rmx_chunk chunk;

    (void)arg;
    do {
        fake_worker_take(job, &chunk);
        fake_worker_give_back(job);
    } while (chunk.flags == 0);
    return NULL;
}

Test(stream, a_write_larger_than_the_ring_waits_for_room)
{
    pthread_t thread;

    open_job(0);
    rmx_spin(client, 20000);
    cr_assert_eq(pthread_create(&thread, NULL, empties_the_ring, NULL), 0);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(rmx_write(client, id, block, sizeof(block), -1), sizeof(block));
    }
    cr_assert_eq(rmx_finish(client, id, -1), 0);
    pthread_join(thread, NULL);
    close_all();
}

static void *ends_the_job(void *arg)
{
    while (atomic_load(&job->in.ring.shm->producer_asks) == 0) { /* it is about to wait */
        (void)sched_yield();
    }
    fake_worker_done(&worker, job, *(uint32_t *)arg);
    return NULL;
}

Test(stream, the_end_of_the_job_ends_a_write_that_waits)
{
    uint32_t status = RMX_OK;
    pthread_t thread;
    size_t bytes;
    void *to;

    open_job(0);
    cr_assert_eq(rmx_write(client, id, block, sizeof(block), 0), sizeof(block));
    cr_assert_eq(pthread_create(&thread, NULL, ends_the_job, &status), 0);
    cr_assert_eq(rmx_write(client, id, block, 1, -1), -EPIPE);
    pthread_join(thread, NULL);
    cr_assert_eq(rmx_reserve(client, id, &to, &bytes, -1), -EPIPE);
    cr_assert_eq(rmx_finish(client, id, -1), 0, "a job that has ended has nothing against it");
    close_all();
}

/* --- output -------------------------------------------------------------------------------- */

Test(stream, pieces_come_in_order_and_then_the_end)
{
    struct rmx_piece piece;
    struct rmx_piece same;

    open_job(0);
    cr_assert_eq(rmx_release(client, id), -EINVAL);
    cr_assert_eq(rmx_peek(client, id, &piece, 0), -EAGAIN);
    fake_worker_put(job, "abc", 3, RMX_CHUNK_FLUSH);
    fake_worker_put(job, "de", 2, RMX_CHUNK_END);
    cr_assert_eq(rmx_peek(client, id, &piece, 1000), 1);
    cr_assert_arr_eq(piece.bytes, "abc", 3);
    cr_assert_eq(piece.size, 3);
    cr_assert_eq(piece.flags, RMX_PIECE_FLUSH);
    cr_assert_eq(rmx_peek(client, id, &same, 0), 1);
    cr_assert_eq(same.bytes, piece.bytes, "the same until it is released");
    cr_assert_eq(rmx_release(client, id), 0);
    cr_assert_eq(rmx_peek(client, id, &piece, 0), 1);
    cr_assert_eq(piece.offset, 3);
    cr_assert_eq(piece.flags, RMX_PIECE_END);
    cr_assert_eq(rmx_release(client, id), 0);
    cr_assert_eq(rmx_peek(client, id, &piece, 0), 0);
    cr_assert_eq(rmx_peek(client, id, &piece, 0), 0, "and again");
    end_with(RMX_OK);
    cr_assert_eq(rmx_peek(client, id, &piece, 0), -ENOENT, "its memory was given back");
    close_all();
}

Test(stream, read_copies_across_pieces)
{
    struct rmx_piece piece;
    char to[16] = "";

    open_job(0);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), 0), -EAGAIN);
    fake_worker_put(job, "abc", 3, 0);
    fake_worker_put(job, "defgh", 5, 0);
    cr_assert_eq(rmx_read(client, id, to, 4, 1000), 4);
    cr_assert_arr_eq(to, "abcd", 4);
    cr_assert_eq(rmx_peek(client, id, &piece, 0), 1, "what read left");
    cr_assert_eq(piece.offset, 4);
    cr_assert_eq(piece.size, 4);
    cr_assert_arr_eq(piece.bytes, "efgh", 4);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), -1), 4, "what there is, is enough");
    fake_worker_put(job, "i", 1, 0);
    fake_worker_put(job, NULL, 0, RMX_CHUNK_END);
    end_with(RMX_OK);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), 1000), 1);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), 1000), 0, "the end is told by itself");
    close_all();
}

Test(stream, output_stays_after_the_result_was_collected)
{
    char to[16];

    open_job(0);
    fake_worker_put(job, "abc", 3, RMX_CHUNK_END);
    end_with(RMX_OK);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), 0), 3);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), 0), 0);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), 0), -ENOENT);
    close_all();
}

Test(stream, a_job_that_failed_gives_what_there_is_and_then_says_so)
{
    struct rmx_piece piece;
    char to[16];

    open_job(0);
    fake_worker_put(job, "abc", 3, 0);
    end_with(RMX_BAD_MEDIA);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), -1), 3);
    cr_assert_eq(rmx_peek(client, id, &piece, -1), -ECANCELED);
    cr_assert_eq(rmx_peek(client, id, &piece, -1), -ENOENT);
    close_all();
}

Test(stream, an_error_chunk_is_the_end_of_a_failed_job)
{
    struct rmx_piece piece;

    open_job(0);
    fake_worker_put(job, "abc", 3, RMX_CHUNK_ERROR);
    cr_assert_eq(rmx_peek(client, id, &piece, 1000), 1);
    cr_assert_eq(piece.size, 3);
    cr_assert_eq(piece.flags, 0);
    cr_assert_eq(rmx_release(client, id), 0);
    cr_assert_eq(rmx_peek(client, id, &piece, 1000), -ECANCELED);
    cr_assert_eq(rmx_peek(client, id, &piece, 1000), -ECANCELED);
    end_with(RMX_BAD_MEDIA);
    close_all();
}

Test(stream, positional_pieces_are_not_for_read)
{
    struct rmx_piece piece;
    char to[16];

    open_job(RMX_POSITIONAL);
    fake_worker_put_at(job, 0, "abcd", 4, 0);
    fake_worker_put_at(job, 1, "X", 1, 0);
    fake_worker_put_at(job, 4, "e", 1, RMX_CHUNK_END);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), 1000), 4);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), 1000), -ESPIPE);
    cr_assert_eq(rmx_peek(client, id, &piece, 0), 1);
    cr_assert_eq(piece.offset, 1);
    cr_assert_eq(rmx_release(client, id), 0);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), 0), -ESPIPE);
    cr_assert_eq(rmx_drop(client, id), 0);
    cr_assert_eq(rmx_peek(client, id, &piece, 0), -ENOENT);
    close_all();
}

Test(stream, parts_begin_with_their_name)
{
    struct rmx_piece piece;
    char to[16];

    open_job(RMX_PARTS);
    fake_worker_put_at(job, 0, "a.m3u8", 6, RMX_CHUNK_NAME);
    fake_worker_put_at(job, 0, "xyz", 3, RMX_CHUNK_END);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), 1000), -ESPIPE);
    cr_assert_eq(rmx_peek(client, id, &piece, 1000), 1);
    cr_assert_eq(piece.flags, RMX_PIECE_NAME);
    cr_assert_arr_eq(piece.bytes, "a.m3u8", 6);
    cr_assert_eq(rmx_release(client, id), 0);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), 1000), 3);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), 1000), 0);
    close_all();
}

Test(stream, a_slow_reader_is_told_when_there_is_more)
{
    struct rmx_event events[4];
    struct rmx_piece piece;

    open_job(0);
    cr_assert_eq(rmx_peek(client, id, &piece, 0), -EAGAIN);
    cr_assert_eq(rmx_peek(client, id, &piece, 20), -EAGAIN);
    fake_worker_put(job, "abc", 3, 0);
    cr_assert_eq(rmx_events(client, events, 4, 10000), 1);
    cr_assert_eq(events[0].kinds, RMX_CAN_READ);
    cr_assert_eq(rmx_peek(client, id, &piece, 0), 1);
    cr_assert_eq(rmx_release(client, id), 0);
    cr_assert_eq(rmx_peek(client, id, &piece, 0), -EAGAIN);
    fake_worker_done(&worker, job, RMX_BAD_MEDIA);
    cr_assert_eq(rmx_events(client, events, 4, 10000), 1);
    cr_assert_eq(events[0].kinds, RMX_CAN_READ | RMX_HAS_ENDED);
    cr_assert_eq(rmx_peek(client, id, &piece, 0), -ECANCELED);
    close_all();
}

Test(stream, an_output_nobody_wants_ends_the_job)
{
    struct rmx_result result;
    struct rmx_piece piece;

    open_job(0);
    fake_worker_put(job, "abc", 3, 0);
    cr_assert_eq(rmx_peek(client, id, &piece, 1000), 1);
    cr_assert_eq(rmx_drop(client, id), 0);
    cr_assert_eq(rmx_drop(client, id), 0);
    cr_assert_eq(rmx_release(client, id), -EINVAL);
    fake_worker_done(&worker, job, RMX_CANCELLED);
    cr_assert_eq(rmx_wait(client, &result, 1, 10000), 1);
    while (atomic_load(&worker.cancels) == 0) {
    }
    cr_assert_eq(rmx_drop(client, id), -ENOENT);
    close_all();
}

/* --- progress ------------------------------------------------------------------------------ */

Test(stream, progress_counts_what_passed_the_rings)
{
    struct rmx_progress_bytes progress;
    char to[16];

    open_job(0);
    cr_assert_eq(rmx_write(client, id, "abcd", 4, 0), 4);
    fake_worker_put(job, "abc", 3, 0);
    cr_assert_eq(rmx_read(client, id, to, sizeof(to), 1000), 3);
    cr_assert_eq(rmx_progress(client, id, &progress), 0);
    cr_assert_eq(progress.bytes_in, 4);
    cr_assert_eq(progress.bytes_out, 3);
    cr_assert_eq(progress.bytes_total, 0);
    end_with(RMX_BAD_MEDIA);
    cr_assert_eq(rmx_progress(client, id, &progress), -ENOENT);
    close_all();
}

/* --- who may call what --------------------------------------------------------------------- */

Test(stream, jobs_without_that_end_have_no_such_calls)
{
    struct rmx_piece piece;
    struct rmx_job noop = RMX_JOB_INIT;
    uint64_t other = 0;
    char to[4];

    open_job(0);
    noop.kind = RMX_NOOP;
    cr_assert_eq(rmx_submit(client, &noop, 1, &other), 1);
    for (uint64_t wrong = other; wrong == other || wrong == 999; wrong += 999 - other) {
        cr_assert_eq(rmx_write(client, wrong, "a", 1, -1), -ENOENT);
        cr_assert_eq(rmx_commit(client, wrong, 1), -ENOENT);
        cr_assert_eq(rmx_finish(client, wrong, -1), -ENOENT);
        cr_assert_eq(rmx_abort(client, wrong, -EIO, -1), -ENOENT);
        cr_assert_eq(rmx_peek(client, wrong, &piece, -1), -ENOENT);
        cr_assert_eq(rmx_release(client, wrong), -ENOENT);
        cr_assert_eq(rmx_read(client, wrong, to, 1, -1), -ENOENT);
        cr_assert_eq(rmx_drop(client, wrong), -ENOENT);
        cr_assert_eq(rmx_ready(client, wrong), -ENOENT);
        if (wrong == 999) {
            break;
        }
    }
    cr_assert_eq(rmx_ready(client, id), -ENOENT, "it has no source");
    close_all();
}
