/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Several threads on one client: what one of them hears for another reaches it, and nothing of a
 * caller's is used after the result said that the job is over. The daemon and the worker are fake
 * ones.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "clients/clock.h"
#include "clients/ringmux.h"
#include "tests/fake_worker.h"

#define ROUNDS      300
#define PATIENCE_MS 5000 /* a wake-up that takes so long was lost */
#define NS_PER_MS   UINT64_C(1000000)

TestSuite(stream_threads, .timeout = 60);

static struct fake_worker worker;
static struct rmx_client *client;
static struct fake_job *job;
static uint64_t id;

static void open_client(void)
{
    fake_worker_start(&worker);
    cr_assert_eq(rmx_open(&client, worker.daemon.path), 0);
}

static void submit(const struct rmx_source *source)
{
    struct rmx_job ask = RMX_JOB_INIT;

    ask.input = RMX_RING;
    ask.output = RMX_RING;
    ask.format = "mpegts";
    ask.source = source;
    cr_assert_eq(rmx_submit(client, &ask, 1, &id), 1);
    job = fake_worker_job(&worker);
}

static void close_all(void)
{
    rmx_close(&client);
    fake_worker_stop(&worker);
}

/* --- waking --------------------------------------------------------------------------------- */

static _Atomic int rounds; /* -1: it waited in vain */

static void *reads(void *arg)
{
    struct rmx_piece piece;

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t until_ns = rmx_clock_in_ms(PATIENCE_MS);

        (void)rmx_peek(client, id, &piece, PATIENCE_MS);
        (void)rmx_release(client, id);
        if (rmx_clock_ns() >= until_ns) {
            atomic_store(&rounds, -1);
            break;
        }
        atomic_store(&rounds, i + 1);
    }
    return arg;
}

Test(stream_threads, who_polls_takes_nobodys_wake_up)
{
    struct rmx_event event;
    pthread_t reader;

    open_client();
    submit(NULL);
    cr_assert_eq(pthread_create(&reader, NULL, reads, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        fake_worker_put(job, "x", 1, 0);
        while (atomic_load(&rounds) <= i) {
            cr_assert_geq(atomic_load(&rounds), 0, "its wake-up was lost in round %d", i);
            cr_assert_eq(rmx_events(client, &event, 1, 0), 0);
        }
    }
    pthread_join(reader, NULL);
    close_all();
}

static sem_t started;
static uint64_t waited_ns;

static void *waits(void *arg)
{
    struct rmx_result result;
    uint64_t from_ns = rmx_clock_ns();

    sem_post(&started);
    (void)rmx_wait(client, &result, 1, PATIENCE_MS);
    waited_ns = rmx_clock_ns() - from_ns;
    return arg;
}

Test(stream_threads, what_another_hears_ends_the_wait_of_who_spins)
{
    pthread_t waiter;
    uint64_t rtt_ns;

    open_client();
    submit(NULL);
    sem_init(&started, 0, 0);
    rmx_spin(client, 200 * NS_PER_MS);
    cr_assert_eq(pthread_create(&waiter, NULL, waits, NULL), 0);
    sem_wait(&started);
    (void)poll(NULL, 0, 20); /* it spins by now; if not, the test proves less */
    fake_worker_done(&worker, job, RMX_OK);
    cr_assert_eq(rmx_ping(client, &rtt_ns), 0, "which hears the end of the job as well");
    pthread_join(waiter, NULL);
    cr_assert_lt(waited_ns, PATIENCE_MS * NS_PER_MS);
    close_all();
}

Test(stream_threads, who_spins_hears_that_a_job_has_ended)
{
    pthread_t waiter;

    open_client();
    submit(NULL);
    sem_init(&started, 0, 0);
    rmx_spin(client, PATIENCE_MS * NS_PER_MS);
    cr_assert_eq(pthread_create(&waiter, NULL, waits, NULL), 0);
    sem_wait(&started);
    (void)poll(NULL, 0, 20); /* as above */
    fake_worker_done(&worker, job, RMX_OK);
    pthread_join(waiter, NULL);
    cr_assert_lt(waited_ns, PATIENCE_MS * NS_PER_MS);
    close_all();
}

Test(stream_threads, spinning_ends_in_time)
{
    struct rmx_result result;
    struct rmx_piece piece;
    uint64_t from_ns = rmx_clock_ns();

    open_client();
    submit(NULL);
    rmx_spin(client, PATIENCE_MS * NS_PER_MS);
    cr_assert_eq(rmx_wait(client, &result, 1, 10), 0);
    cr_assert_eq(rmx_peek(client, id, &piece, 10), -EAGAIN);
    cr_assert_lt(rmx_clock_ns() - from_ns, PATIENCE_MS * NS_PER_MS);
    close_all();
}

/* --- what is the caller's -------------------------------------------------------------------- */

static sem_t in_read;
static sem_t may_return;
static _Atomic bool reading;
static struct rmx_result collected;
static bool in_use; /* when its result came */

static ptrdiff_t read_slowly(void *user, void *to, size_t bytes)
{
    (void)user;
    (void)to;
    (void)bytes;
    atomic_store(&reading, true);
    sem_post(&in_read);
    sem_wait(&may_return);
    atomic_store(&reading, false);
    return 0;
}

static void *collects(void *arg)
{
    collected.id = 0;
    (void)rmx_wait(client, &collected, 1, PATIENCE_MS);
    in_use = atomic_load(&reading);
    return arg;
}

/* A job ends while a thread is in its source: `other` is what the other thread's wait gives. */
static void end_while_reading(void (*end)(void), int other)
{
    struct rmx_source source = { .read = read_slowly, .size = RMX_SIZE_UNKNOWN };
    struct rmx_result result;
    pthread_t pumper;

    sem_init(&in_read, 0, 0);
    sem_init(&may_return, 0, 0);
    open_client();
    submit(&source);
    cr_assert_eq(pthread_create(&pumper, NULL, collects, NULL), 0);
    sem_wait(&in_read);
    end();
    cr_assert_eq(rmx_wait(client, &result, 1, 50), other, "the other thread is in the source");
    sem_post(&may_return);
    pthread_join(pumper, NULL);
    cr_assert_eq(collected.id, id);
    cr_assert_not(in_use);
}

static void fail_job(void)
{
    fake_worker_done(&worker, job, RMX_BAD_MEDIA);
}

static void lose_daemon(void)
{
    cr_assert_eq(shutdown(worker.daemon.fd, SHUT_RDWR), 0);
}

Test(stream_threads, a_result_waits_for_a_source_that_is_being_read)
{
    end_while_reading(fail_job, 0);
    cr_assert_eq(collected.status, RMX_BAD_MEDIA);
    close_all();
}

Test(stream_threads, also_that_of_a_daemon_that_died)
{
    end_while_reading(lose_daemon, 0);
    cr_assert_eq(collected.status, RMX_DAEMON_LOST);
    close_all();
}
