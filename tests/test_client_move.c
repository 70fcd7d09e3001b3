/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a client that moves on takes along: streams that are open, and rmx_run(), which moves on by
 * itself.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients/ringmux.h"
#include "ring/base.h"
#include "tests/fake_worker.h"

#define PATIENCE_MS 10000

static struct fake_worker old;
static struct fake_worker new;
static struct rmx_client *client;
static struct rmx_result result;

static void open_all(void)
{
    fake_worker_start(&old);
    cr_assert_eq(rmx_open(&client, old.daemon.path), 0);
}

static void move(void)
{
    fake_worker_succeed(&new, &old);
    cr_assert_eq(rmx_reconnect(client, PATIENCE_MS), 0);
}

static void close_all(void)
{
    rmx_close(&client);
    fake_worker_stop(&new);
    fake_worker_stop(&old);
}

static struct rmx_job with_rings(void)
{
    struct rmx_job job = RMX_JOB_INIT;

    job.input = RMX_RING;
    job.output = RMX_RING;
    job.format = "mpegts";
    return job;
}

static struct fake_job *submit(struct fake_worker *worker, uint64_t *id)
{
    struct rmx_job job = with_rings();

    cr_assert_eq(rmx_submit(client, &job, 1, id), 1);
    return fake_worker_job(worker);
}

static void drain_old(void)
{
    fake_daemon_goodbye(&old.daemon, RMX_DRAINING);
    while (rmx_state(client) != RMX_STATE_DRAINING) {
    }
}

static void kill_old(void)
{
    cr_assert_eq(shutdown(old.daemon.fd, SHUT_RDWR), 0);
    while (rmx_state(client) != RMX_STATE_LOST) {
    }
}

/* Sends a few bytes through the job and back, and perhaps the end. */
static void echo(struct fake_job *job, uint64_t id, const char *text, uint16_t end)
{
    struct rmx_chunk chunk;
    char got[16] = "";
    size_t bytes = strlen(text);

    cr_assert_eq(rmx_write(client, id, text, bytes, 0), (ptrdiff_t)bytes);
    const unsigned char *payload = fake_worker_take(job, &chunk);
    cr_assert_eq(chunk.bytes, bytes);
    fake_worker_put(job, payload, chunk.bytes, end);
    fake_worker_give_back(job);
    cr_assert_eq(rmx_read(client, id, got, sizeof(got), PATIENCE_MS), (ptrdiff_t)bytes);
    cr_assert_str_eq(got, text);
}

/* --- streams ------------------------------------------------------------------------------- */

Test(client_move, streams_go_on_at_both)
{
    uint64_t first = 0;
    uint64_t second = 0;
    char byte;

    open_all();
    struct fake_job *stays = submit(&old, &first);
    echo(stays, first, "before", 0);
    drain_old();
    echo(stays, first, "draining", 0);
    move();
    struct fake_job *moves = submit(&new, &second);
    cr_assert_eq(moves->spec.channel, 1, "a channel of the new daemon's own");
    echo(moves, second, "new", 0);
    echo(stays, first, "old", RMX_CHUNK_END);
    echo(moves, second, "end", RMX_CHUNK_END);
    fake_worker_done(&old, stays, RMX_OK);
    fake_worker_done(&new, moves, RMX_OK);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(rmx_wait(client, &result, 1, -1), 1);
        cr_assert_eq(result.status, RMX_OK);
    }
    cr_assert_eq(rmx_read(client, first, &byte, 1, 0), 0);
    fake_worker_stop(&old); /* it sees the end of its session: nothing keeps that */
    cr_assert_eq(rmx_read(client, second, &byte, 1, 0), 0);
    rmx_close(&client);
    fake_worker_stop(&new);
}

/* The memory is the client's: a daemon that had said how a job ended may go. */
Test(client_move, what_a_daemon_left_in_a_ring_is_read_when_it_is_gone)
{
    char got[8] = "";
    uint64_t id = 0;

    open_all();
    struct fake_job *job = submit(&old, &id);
    fake_worker_put(job, "left", 4, 0);
    fake_worker_put(job, "over", 4, RMX_CHUNK_END);
    fake_worker_done(&old, job, RMX_OK);
    cr_assert_eq(rmx_wait(client, &result, 1, -1), 1);
    kill_old();
    move();
    cr_assert_eq(rmx_read(client, id, got, 8, 0), 8);
    cr_assert_eq(memcmp(got, "leftover", 8), 0);
    cr_assert_eq(rmx_read(client, id, got, 8, 0), 0);
    cr_assert_eq(rmx_read(client, id, got, 8, 0), -ENOENT);
    close_all();
}

Test(client_move, a_stream_that_was_lost_stays_lost)
{
    char got[8];
    uint64_t id = 0;

    open_all();
    struct fake_job *job = submit(&old, &id);
    fake_worker_put(job, "half", 4, 0);
    kill_old();
    move();
    cr_assert_eq(rmx_write(client, id, "more", 4, 0), -ECONNRESET);
    cr_assert_eq(rmx_read(client, id, got, 8, 0), 4, "what there is may be had");
    cr_assert_eq(rmx_read(client, id, got, 8, 0), -ECONNRESET);
    cr_assert_eq(rmx_wait(client, &result, 1, -1), 1);
    cr_assert_eq(result.status, RMX_DAEMON_LOST);
    cr_assert_eq(rmx_read(client, id, got, 8, 0), -ENOENT, "its rings were given back");
    job = submit(&new, &id);
    echo(job, id, "new", RMX_CHUNK_END);
    close_all();
}

/* A worker that is gone leaves its channel to what is still to be read there. */
Test(client_move, channels_that_are_gone_make_room_once_they_were_read)
{
    struct rmx_job job = with_rings();
    uint64_t ids[RMX_CHANNELS_MAX];
    uint64_t id = 0;

    open_all();
    cr_assert_eq(rmx_memory(client, 1 << 20), 0);
    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        struct fake_job *lost = submit(&old, &ids[i]);

        fake_worker_lose(&old, i + 1);
        fake_worker_done(&old, lost, RMX_WORKER_LOST);
        cr_assert_eq(rmx_wait(client, &result, 1, -1), 1);
    }
    cr_assert_eq(rmx_submit(client, &job, 1, &id), -EAGAIN);
    cr_assert_eq(rmx_drop(client, ids[3]), 0);
    struct fake_job *last = submit(&old, &id);
    echo(last, id, "new", RMX_CHUNK_END);
    rmx_close(&client);
    fake_worker_stop(&old);
}

/* --- rmx_run() ----------------------------------------------------------------------------- */

static struct rmx_job noop(void)
{
    struct rmx_job job = RMX_JOB_INIT;

    job.kind = RMX_NOOP;
    return job;
}

static void ends_one(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 1);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    fake_daemon_done(daemon, fake_daemon_spec(daemon, 0).job, RMX_OK, 1);
    fake_daemon_hear_end(daemon);
}

static void only_drains(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 1);
    fake_daemon_goodbye(daemon, RMX_DRAINING);
    fake_daemon_hear_end(daemon);
}

/* The submit crosses the goodbye on the way. */
static void refuses(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 1);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    fake_daemon_goodbye(daemon, RMX_DRAINING);
    fake_daemon_refuse(daemon, fake_daemon_spec(daemon, 0).job);
    fake_daemon_hear_end(daemon);
}

static void only_greets(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 1);
}

static void dies_of_it(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 1);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
}

/* Opens a client with a daemon that runs one script, and has another ready. */
static void open_two(
    void (*first)(struct fake_daemon *daemon), void (*second)(struct fake_daemon *daemon))
{
    fake_daemon_start(&old.daemon, first);
    cr_assert_eq(rmx_open(&client, old.daemon.path), 0);
    fake_daemon_succeed(&new.daemon, &old.daemon, second, NULL);
}

static void close_two(void)
{
    rmx_close(&client);
    fake_daemon_stop(&new.daemon);
    fake_daemon_stop(&old.daemon);
}

/* Runs a job once the first of them is in this state; the second does it. */
static void run_over(void (*first)(struct fake_daemon *daemon), int state)
{
    struct rmx_job job = noop();

    open_two(first, ends_one);
    while (rmx_state(client) != state) {
    }
    cr_assert_eq(rmx_run(client, &job, &result, PATIENCE_MS), 0);
    cr_assert_eq(result.status, RMX_OK);
    close_two();
}

Test(client_move, run_moves_on_from_a_daemon_that_drains)
{
    run_over(only_drains, RMX_STATE_DRAINING);
}

Test(client_move, run_moves_on_from_a_daemon_that_died_before)
{
    run_over(only_greets, RMX_STATE_LOST);
}

Test(client_move, run_sends_a_job_again_that_was_refused)
{
    run_over(refuses, RMX_STATE_READY);
}

Test(client_move, run_does_not_repeat_what_may_have_been_done)
{
    struct rmx_job job = noop();

    open_two(dies_of_it, ends_one);
    cr_assert_eq(rmx_run(client, &job, &result, PATIENCE_MS), 0);
    cr_assert_eq(result.status, RMX_DAEMON_LOST);
    cr_assert_eq(rmx_run(client, &job, &result, PATIENCE_MS), 0, "the next one moves on");
    cr_assert_eq(result.status, RMX_OK);
    close_two();
}

/* Opens a channel, for which the client has no descriptors left. */
static void opens_for_nobody(struct fake_daemon *daemon)
{
    struct rmx_msg_channel_opened opened = {
        .head = { .type = RMX_MSG_CHANNEL_OPENED, .bytes = sizeof(opened) },
        .channel = 1,
    };
    struct iovec part = { .iov_base = &opened, .iov_len = sizeof(opened) };
    struct rlimit limit;

    fake_daemon_welcome(daemon, 1);
    fake_daemon_hear(daemon, RMX_MSG_CHANNEL);
    int bells[2] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
    rmx_assert(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 3; /* poll(2) does with no fewer */
    rmx_assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    rmx_assert(rmx_sock_send(daemon->fd, &part, 1, bells, 2, 0) == 0);
    fake_daemon_hear_end(daemon);
    close(bells[0]);
    close(bells[1]);
}

Test(client_move, run_that_had_no_descriptors_connects_anew_once_there_are_some)
{
    struct rmx_block block = { .bytes = "", .size = 0 };
    struct rmx_buffer buffer = { 0 };
    struct rmx_source source;
    struct rmx_sink sink;
    struct rmx_job job = with_rings();
    struct rmx_job none = noop();
    struct rlimit usual;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    rmx_block_source(&block, &source);
    rmx_buffer_sink(&buffer, &sink);
    job.source = &source;
    job.sink = &sink;
    open_two(opens_for_nobody, ends_one);
    cr_assert_eq(rmx_run(client, &job, &result, PATIENCE_MS), -EMFILE);
    cr_assert_eq(rmx_run(client, &none, &result, -1), -EMFILE, "there are none yet");
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
    cr_assert_eq(rmx_run(client, &none, &result, PATIENCE_MS), 0);
    cr_assert_eq(result.status, RMX_OK);
    close_two();
    rmx_buffer_free(&buffer);
}

Test(client_move, run_gives_a_refusal_when_there_is_no_other)
{
    struct rmx_job job = noop();

    fake_daemon_start(&old.daemon, refuses);
    cr_assert_eq(rmx_open(&client, old.daemon.path), 0);
    rmx_base_close(&old.daemon.listener);
    cr_assert_eq(rmx_run(client, &job, &result, 1000), 0);
    cr_assert_eq(result.status, RMX_DRAINING);
    cr_assert_eq(rmx_run(client, &job, &result, 50), -ECONNREFUSED);
    rmx_close(&client);
    fake_daemon_stop(&old.daemon);
}

static ptrdiff_t give(void *user, void *to, size_t bytes)
{
    size_t *left = user;
    size_t some = *left < bytes ? *left : bytes;

    memset(to, 'x', some);
    *left -= some;
    return (ptrdiff_t)some;
}

static int go_back(void *user, uint64_t offset)
{
    size_t *left = user;

    cr_assert_eq(offset, 0);
    *left = 100;
    return 0;
}

/* A job whose input was read already is refused; the next daemon's takes all of it. */
static void *refuses_after_reading(void *arg)
{
    struct fake_job *job = fake_worker_job(&old);
    struct rmx_chunk chunk;

    (void)fake_worker_take(job, &chunk);
    fake_worker_succeed(&new, &old);
    fake_daemon_goodbye(&old.daemon, RMX_DRAINING);
    fake_daemon_refuse(&old.daemon, job->spec.job);
    if (arg == NULL) {
        return NULL;
    }
    job = fake_worker_job(&new);
    (void)fake_worker_take(job, &chunk);
    cr_assert_eq(chunk.offset, 0);
    cr_assert_eq(chunk.bytes, 100);
    fake_worker_done(&new, job, RMX_OK);
    return NULL;
}

static void run_with_source(int (*seek)(void *user, uint64_t offset), uint32_t status)
{
    size_t left = 100;
    struct rmx_source source = { .read = give, .seek = seek, .size = 100, .user = &left };
    struct rmx_job job = with_rings();
    pthread_t worker;

    open_all();
    job.output = 1;
    job.source = &source;
    cr_assert_eq(
        pthread_create(&worker, NULL, refuses_after_reading, seek != NULL ? &left : NULL), 0);
    cr_assert_eq(rmx_run(client, &job, &result, PATIENCE_MS), 0);
    cr_assert_eq(result.status, status);
    pthread_join(worker, NULL);
    cr_assert_eq(rmx_reconnect(client, PATIENCE_MS), seek != NULL ? -EISCONN : 0);
    close_all();
}

Test(client_move, run_repeats_a_job_whose_source_goes_back)
{
    run_with_source(go_back, RMX_OK);
}

Test(client_move, run_repeats_none_whose_input_was_read)
{
    run_with_source(NULL, RMX_DRAINING);
}

/* Nobody has heard of that yet when the job's time is up. */
static ptrdiff_t kill_and_wait(void *user, void *to, size_t bytes)
{
    (void)user;
    (void)to;
    (void)bytes;
    cr_assert_eq(shutdown(old.daemon.fd, SHUT_RDWR), 0);
    return -EAGAIN;
}

Test(client_move, run_that_gives_up_as_its_daemon_dies_leaves_nothing)
{
    struct rmx_source source = { .read = kill_and_wait, .size = 100 };
    struct rmx_job job = with_rings();
    uint64_t id = 0;

    open_all();
    job.output = 1;
    job.source = &source;
    cr_assert_eq(rmx_run(client, &job, &result, 0), -EAGAIN);
    cr_assert_eq(rmx_wait(client, &result, 1, 0), -ECONNRESET, "the job was nobody's any more");
    move();
    (void)submit(&new, &id);
    close_all();
}
