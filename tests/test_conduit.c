/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client's channels: how they are opened, refused, shared out, lost and given back; and the one
 * descriptor that callers poll. The daemon and the worker are fake ones.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clients/clock.h"
#include "clients/ringmux.h"
#include "ipc/channel.h"
#include "ipc/status.h"
#include "ring/base.h"
#include "tests/fake_worker.h"

static struct fake_worker worker;
static struct rmx_client *client;
static struct fake_job *job;
static uint64_t id;

static struct rmx_job with_rings(uint32_t ring_bytes)
{
    struct rmx_job ask = RMX_JOB_INIT;

    ask.input = RMX_RING;
    ask.output = RMX_RING;
    ask.format = "mpegts";
    ask.input_ring_bytes = ring_bytes;
    ask.output_ring_bytes = ring_bytes;
    return ask;
}

static void open_all(void)
{
    fake_worker_start(&worker);
    cr_assert_eq(rmx_open(&client, worker.daemon.path), 0);
}

static int submit(uint32_t ring_bytes)
{
    struct rmx_job ask = with_rings(ring_bytes);
    int taken = rmx_submit(client, &ask, 1, &id);

    if (taken == 1) {
        job = fake_worker_job(&worker);
    }
    return taken;
}

static void end_job(void)
{
    struct rmx_result result;

    fake_worker_done(&worker, job, RMX_CANCELLED);
    cr_assert_eq(rmx_wait(client, &result, 1, 10000), 1);
    cr_assert_eq(rmx_drop(client, result.id), 0);
}

static void close_all(void)
{
    rmx_close(&client);
    fake_worker_stop(&worker);
}

/* --- opening ------------------------------------------------------------------------------- */

Test(conduit, the_arena_is_ours_sealed_and_of_the_size_asked_for)
{
    open_all();
    cr_assert_eq(rmx_memory(client, RMX_CHANNEL_BYTES_MIN - 1), -EINVAL);
    cr_assert_eq(rmx_memory(client, RMX_CHANNEL_BYTES_MAX + 1), -EINVAL);
    cr_assert_eq(rmx_memory(client, RMX_CHANNEL_BYTES_MIN + 1), 0);
    cr_assert_eq(submit(8192), 1);
    cr_assert_eq(job->channel->region.size, RMX_CHANNEL_BYTES_MIN + 4096);
    cr_assert_eq(fcntl(job->channel->region.fd, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW),
        F_SEAL_SHRINK | F_SEAL_GROW);
    cr_assert_eq(rmx_memory(client, RMX_CHANNEL_BYTES_MIN), -EALREADY);
    close_all();
}

Test(conduit, jobs_without_rings_need_none)
{
    struct rmx_job ask = RMX_JOB_INIT;

    open_all();
    ask.kind = RMX_NOOP;
    cr_assert_eq(rmx_submit(client, &ask, 1, NULL), 1);
    ask = with_rings(8192);
    ask.format = "no such";
    cr_assert_eq(rmx_submit(client, &ask, 1, NULL), -EINVAL);
    fake_worker_job(&worker);
    cr_assert_eq(atomic_load(&worker.asked), 0);
    close_all();
}

Test(conduit, a_busy_daemon_is_asked_again)
{
    worker.refusal = RMX_STATUS_BUSY;
    worker.refusals = 3;
    open_all();
    cr_assert_eq(submit(8192), 1);
    cr_assert_eq(atomic_load(&worker.asked), 4);
    close_all();
}

static void is_refused_with(uint32_t status, int err)
{
    worker.refusal = status;
    worker.refusals = UINT32_MAX;
    open_all();
    cr_assert_eq(rmx_memory(client, 1u << 20), 0);
    cr_assert_eq(submit(8192), err);
    cr_assert_eq(rmx_memory(client, 2u << 20), 0, "so it may be another size");
    cr_assert_eq(submit(8192), err, "and no worse the second time");
    close_all();
}

Test(conduit, a_daemon_that_stays_busy_is_left_alone)
{
    is_refused_with(RMX_STATUS_BUSY, -EBUSY);
}

Test(conduit, a_job_waits_for_its_channel_no_longer_than_for_its_end)
{
    struct rmx_job ask = with_rings(8192);

    worker.refusal = RMX_STATUS_BUSY;
    worker.refusals = UINT32_MAX;
    open_all();
    ask.deadline_ns = rmx_deadline_in(100000000);
    cr_assert_eq(rmx_submit(client, &ask, 1, NULL), -EBUSY);
    cr_assert_leq(atomic_load(&worker.asked), 10, "each 20 ms, for 100 ms");
    close_all();
}

Test(conduit, more_memory_than_allowed_is_said)
{
    is_refused_with(RMX_STATUS_OVER_LIMIT, -E2BIG);
}

Test(conduit, memory_the_daemon_cannot_take_is_said)
{
    is_refused_with(RMX_STATUS_PEER_CORRUPT, -EOPNOTSUPP);
}

Test(conduit, more_memory_than_the_daemon_allows_is_not_even_made)
{
    open_all();
    cr_assert_eq(rmx_memory(client, 2 * FAKE_DAEMON_CHANNEL_BYTES), 0);
    cr_assert_eq(submit(8192), -E2BIG);
    cr_assert_eq(atomic_load(&worker.asked), 0u);
    close_all();
}

Test(conduit, a_size_nobody_chose_is_no_more_than_allowed)
{
    open_all();
    cr_assert_eq(submit(8192), 1);
    cr_assert_eq(job->channel->region.size, FAKE_DAEMON_CHANNEL_BYTES);
    close_all();
}

/* --- sharing out --------------------------------------------------------------------------- */

Test(conduit, many_jobs_get_a_second_worker)
{
    uint32_t jobs[2] = { 0, 0 };

    open_all();
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(submit(8192), 1);
        jobs[job->spec.channel - 1]++;
    }
    cr_assert_eq(worker.channels, 2, "the daemon said that there are two");
    cr_assert_eq(jobs[0], 10);
    cr_assert_eq(jobs[1], 10);
    close_all();
}

Test(conduit, rings_do_not_overlap_and_come_back)
{
    open_all();
    cr_assert_eq(rmx_memory(client, 1u << 20), 0);
    cr_assert_eq(submit(1u << 20), -ENOBUFS);
    for (int round = 0; round < 100; round++) {
        uint32_t bytes = 8192u << round % 4;

        cr_assert_eq(submit(bytes), 1);
        struct fake_job *first = job;
        uint64_t in = job->spec.input_ring.at;
        uint64_t out = job->spec.output_ring.at;
        uint64_t size =
            rmx_chunk_ring_bytes(job->spec.input_ring.slots, job->spec.input_ring.chunk_bytes);
        cr_assert(in >= RMX_CHANNEL_RINGS_AT && out >= RMX_CHANNEL_RINGS_AT);
        cr_assert(in + size <= out || out + size <= in);
        cr_assert_eq(submit(bytes), 1);
        end_job();
        job = first;
        end_job();
    }
    close_all();
}

Test(conduit, without_memory_it_waits_for_some)
{
    struct rmx_result result;
    int held = 0;

    open_all();
    cr_assert_eq(rmx_memory(client, 1u << 20), 0);
    while (submit(65536) == 1) {
        held++;
    }
    cr_assert_geq(held, 12, "two channels of six jobs each");
    cr_assert_eq(submit(65536), -EAGAIN);
    fake_worker_done(&worker, job, RMX_CANCELLED);
    cr_assert_eq(rmx_wait(client, &result, 1, 10000), 1);
    cr_assert_eq(submit(65536), -EAGAIN, "its output may still be read");
    cr_assert_eq(rmx_drop(client, result.id), 0);
    cr_assert_eq(submit(65536), 1);
    close_all();
}

Test(conduit, a_lost_channel_is_replaced)
{
    struct rmx_result result;

    open_all();
    cr_assert_eq(submit(8192), 1);
    fake_worker_lose(&worker, 1);
    fake_worker_done(&worker, job, RMX_WORKER_LOST);
    cr_assert_eq(rmx_wait(client, &result, 1, 10000), 1);
    cr_assert_eq(result.status, RMX_WORKER_LOST);
    cr_assert_eq(submit(8192), 1);
    cr_assert_eq(job->spec.channel, 2);
    cr_assert_eq(rmx_drop(client, result.id), 0);
    cr_assert_eq(rmx_write(client, id, "abc", 3, 0), 3);
    close_all();
}

static _Atomic bool hearing;

static void *hears(void *arg)
{
    struct rmx_result result;

    while (atomic_load(&hearing)) {
        (void)rmx_wait(client, &result, 1, 0);
    }
    return arg;
}

/* Another thread hears of the loss, at times before the one that opened the channel goes on. */
Test(conduit, a_channel_that_is_lost_as_it_opens_is_replaced)
{
    pthread_t thread;
    uint64_t rtt_ns;

    for (int round = 0; round < 50; round++) {
        worker = (struct fake_worker){ .losses = 1 };
        open_all();
        atomic_store(&hearing, true);
        cr_assert_eq(pthread_create(&thread, NULL, hears, NULL), 0);
        cr_assert_eq(submit(8192), 1);
        cr_assert_eq(rmx_ping(client, &rtt_ns), 0, "by then the loss was heard");
        cr_assert_eq(submit(8192), 1);
        cr_assert_eq(job->spec.channel, 2);
        atomic_store(&hearing, false);
        pthread_join(thread, NULL);
        close_all();
    }
}

Test(conduit, a_dead_daemon_ends_a_read_that_waits)
{
    char to[4];

    open_all();
    cr_assert_eq(submit(8192), 1);
    shutdown(worker.daemon.fd, SHUT_RDWR);
    cr_assert_eq(rmx_read(client, id, to, 1, -1), -ECONNRESET);
    cr_assert_eq(rmx_write(client, id, "a", 1, -1), -ECONNRESET);
    cr_assert_eq(rmx_submit(client, &(struct rmx_job)RMX_JOB_INIT, 1, NULL), -ECONNRESET);
    close_all();
}

/* --- the descriptor ------------------------------------------------------------------------ */

/* Go's poller registers all of it, edge-triggered, and once. */
static int register_as_go_does(void)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
    int fd = epoll_create1(EPOLL_CLOEXEC);

    cr_assert_geq(fd, 0);
    cr_assert_eq(epoll_ctl(fd, EPOLL_CTL_ADD, rmx_fd(client), &event), 0);
    return fd;
}

static void drain_events(uint32_t kinds)
{
    struct rmx_event events[4];

    cr_assert_eq(rmx_events(client, events, 4, 0), kinds != 0);
    cr_assert(kinds == 0 || events[0].kinds == kinds);
}

Test(conduit, an_edge_triggered_poller_is_woken_each_time)
{
    struct epoll_event event;
    struct rmx_result result;
    char to[4];

    open_all();
    cr_assert_eq(submit(8192), 1);
    int poller = register_as_go_does();
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(rmx_read(client, id, to, 1, 0), -EAGAIN);
        cr_assert_eq(epoll_wait(poller, &event, 1, 0), 0, "round %d", i);
        fake_worker_put(job, "a", 1, 0);
        cr_assert_eq(epoll_wait(poller, &event, 1, 10000), 1, "round %d", i);
        drain_events(RMX_CAN_READ);
        drain_events(0);
        cr_assert_eq(rmx_read(client, id, to, 1, 0), 1);
    }
    fake_worker_done(&worker, job, RMX_OK);
    cr_assert_eq(epoll_wait(poller, &event, 1, 10000), 1);
    cr_assert_eq(rmx_wait(client, &result, 1, 0), 1);
    cr_assert_eq(epoll_wait(poller, &event, 1, 0), 0);
    close(poller);
    close_all();
}

Test(conduit, poll_sees_news_until_they_are_told)
{
    char to[4];

    open_all();
    cr_assert_eq(submit(8192), 1);
    struct pollfd watched = { .fd = rmx_fd(client), .events = POLLIN };
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(rmx_read(client, id, to, 1, 0), -EAGAIN);
        cr_assert_eq(poll(&watched, 1, 0), 0);
        fake_worker_put(job, "a", 1, 0);
        cr_assert_eq(poll(&watched, 1, 10000), 1);
        cr_assert_eq(poll(&watched, 1, 0), 1, "until somebody hears it");
        drain_events(RMX_CAN_READ);
        cr_assert_eq(poll(&watched, 1, 0), 0);
        cr_assert_eq(rmx_read(client, id, to, 1, 0), 1);
    }
    close_all();
}

static void *reads_one(void *arg)
{
    char to[4];

    cr_assert_eq(rmx_read(client, *(uint64_t *)arg, to, 1, -1), 1);
    return NULL;
}

Test(conduit, what_a_waiting_thread_heard_is_told_to_who_polls)
{
    struct rmx_event events[4];
    pthread_t thread;
    char to[4];

    open_all();
    cr_assert_eq(submit(8192), 1);
    struct fake_job *other = job;
    uint64_t other_id = id;
    cr_assert_eq(submit(8192), 1);
    int poller = register_as_go_does();
    struct epoll_event event;
    for (int i = 0; i < 200; i++) {
        cr_assert_eq(pthread_create(&thread, NULL, reads_one, &other_id), 0);
        cr_assert_eq(rmx_read(client, id, to, 1, 0), -EAGAIN);
        if (i % 2 == 0) {
            sched_yield();
        }
        fake_worker_put(job, "a", 1, 0);
        do {
            cr_assert_eq(epoll_wait(poller, &event, 1, 10000), 1, "round %d", i);
        } while (rmx_events(client, events, 4, 0) == 0);
        cr_assert_eq(events[0].id, id);
        cr_assert_eq(rmx_read(client, id, to, 1, 0), 1);
        fake_worker_put(other, "b", 1, 0);
        pthread_join(thread, NULL);
        cr_assert_eq(rmx_events(client, events, 4, 0), 0);
    }
    close(poller);
    close_all();
}

/* --- a guest's manners --------------------------------------------------------------------- */

Test(conduit, signals_and_the_terminal_are_left_alone)
{
    struct sigaction before[NSIG];
    struct sigaction after;
    int ends[2];
    char said;

    for (int i = 1; i < NSIG; i++) {
        memset(&before[i], 0, sizeof(before[i]));
        (void)sigaction(i, NULL, &before[i]);
    }
    cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
    int err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    open_all();
    int taken = submit(8192);
    ptrdiff_t written = rmx_write(client, id, "abc", 3, -1);
    shutdown(worker.daemon.fd, SHUT_RDWR);
    ptrdiff_t dead = rmx_write(client, id, "abc", 3, -1);
    dead = dead < 0 ? dead : rmx_submit(client, &(struct rmx_job)RMX_JOB_INIT, 1, NULL);
    close_all();
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    cr_assert_eq(taken, 1);
    cr_assert_eq(written, 3);
    cr_assert_lt(dead, 0);
    cr_assert_lt(read(ends[0], &said, 1), 0, "nothing was said");
    for (int i = 1; i < NSIG; i++) {
        memset(&after, 0, sizeof(after));
        (void)sigaction(i, NULL, &after);
        cr_assert_eq(after.sa_handler, before[i].sa_handler, "signal %d", i);
    }
}

Test(conduit, a_worker_that_punches_holes_kills_nobody)
{
    char to[4] = "xyz";

    open_all();
    cr_assert_eq(submit(8192), 1);
    cr_assert_eq(fallocate(job->channel->region.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                     (off_t)job->channel->region.size),
        0);
    cr_assert_eq(rmx_read(client, id, to, 1, 0), -EAGAIN);
    cr_assert_lt(ftruncate(job->channel->region.fd, 0), 0);
    close_all();
}
