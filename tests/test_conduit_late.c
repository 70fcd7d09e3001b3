/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A channel that whoever asked for it did not wait for: a signal came, or the time was up. It
 * counts as the client's, so it is used. The daemon and the worker are fake ones.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "clients/ringmux.h"
#include "ipc/status.h"
#include "tests/fake_worker.h"

#define PATIENCE_MS 10000

static struct fake_worker worker;
static struct fake_worker successor;
static struct rmx_client *client;
static struct fake_job *job;

static void open_all(void)
{
    fake_worker_start(&worker);
    cr_assert_eq(rmx_open(&client, worker.daemon.path), 0);
}

static void close_all(void)
{
    rmx_close(&client);
    fake_worker_stop(&worker);
}

static int submit(struct fake_worker *to)
{
    struct rmx_job ask = RMX_JOB_INIT;

    ask.input = RMX_RING;
    ask.output = RMX_RING;
    ask.format = "mpegts";
    int taken = rmx_submit(client, &ask, 1, NULL);
    if (taken == 1) {
        job = fake_worker_job(to);
    }
    return taken;
}

/* The answer is on the socket. */
static void answer_at_last(void)
{
    fake_daemon_go_on(&worker.daemon);
    fake_daemon_wait(&worker.daemon);
}

static void hear_all(void)
{
    uint64_t rtt_ns;

    cr_assert_eq(rmx_ping(client, &rtt_ns), 0, "what was said before is heard");
}

/* --- signals --------------------------------------------------------------------------------- */

static _Atomic bool nagging;
static pthread_t waiting;

static void ignore_signal(int number)
{
    (void)number;
}

/* Signals the thread that waits, from when the daemon was asked on: one of them comes as it sleeps.
 */
static void *nag(void *argument)
{
    const struct timespec pause = { .tv_nsec = 1000000 };

    while (atomic_load(&nagging)) {
        if (atomic_load(&worker.asked) > 0) {
            pthread_kill(waiting, SIGALRM);
        }
        nanosleep(&pause, NULL);
    }
    return argument;
}

/* A job that needs a channel, whose answer a signal keeps from coming in time. */
static void submit_impatiently(void)
{
    struct sigaction action = { .sa_handler = ignore_signal };
    pthread_t thread;

    sigaction(SIGALRM, &action, NULL);
    waiting = pthread_self();
    atomic_store(&nagging, true);
    cr_assert_eq(pthread_create(&thread, NULL, nag, NULL), 0);
    int taken = submit(&worker);
    atomic_store(&nagging, false);
    pthread_join(thread, NULL);
    cr_assert_eq(taken, -EINTR);
}

Test(conduit_late, a_signal_ends_the_wait_for_a_channel)
{
    worker.mute = true;
    open_all();
    submit_impatiently();
    close_all();
}

Test(conduit_late, the_next_job_waits_for_the_same_channel)
{
    worker.slow = true;
    open_all();
    submit_impatiently();
    answer_at_last();
    cr_assert_eq(submit(&worker), 1);
    cr_assert_eq(job->spec.channel, 1);
    cr_assert_eq(atomic_load(&worker.asked), 1);
    close_all();
}

Test(conduit_late, it_is_taken_by_whoever_hears_of_it)
{
    worker.slow = true;
    open_all();
    submit_impatiently();
    answer_at_last();
    hear_all();
    for (int i = 0; i < 12; i++) {
        cr_assert_eq(submit(&worker), 1);
    }
    cr_assert_eq(atomic_load(&worker.asked), FAKE_DAEMON_WORKERS, "never more than there may be");
    close_all();
}

Test(conduit_late, its_size_is_settled)
{
    worker.slow = true;
    open_all();
    submit_impatiently();
    cr_assert_eq(rmx_memory(client, 1u << 20), -EALREADY);
    answer_at_last();
    hear_all();
    cr_assert_eq(rmx_memory(client, 1u << 20), -EALREADY);
    close_all();
}

static void be_refused_late(void)
{
    worker.slow = true;
    worker.refusals = 1;
    worker.refusal = RMX_STATUS_OVER_LIMIT;
    open_all();
    submit_impatiently();
    answer_at_last();
}

Test(conduit_late, one_that_was_refused_is_asked_for_again)
{
    be_refused_late();
    hear_all();
    cr_assert_eq(rmx_memory(client, 1u << 20), 0, "so it may be another size");
    cr_assert_eq(submit(&worker), 1);
    cr_assert_eq(job->channel->region.size, 1u << 20);
    cr_assert_eq(atomic_load(&worker.asked), 2);
    close_all();
}

Test(conduit_late, the_next_job_learns_of_a_refusal)
{
    be_refused_late();
    cr_assert_eq(submit(&worker), -E2BIG);
    cr_assert_eq(submit(&worker), 1);
    close_all();
}

Test(conduit_late, one_that_was_lost_is_replaced)
{
    worker.slow = true;
    worker.losses = 1;
    open_all();
    submit_impatiently();
    answer_at_last();
    hear_all();
    cr_assert_eq(submit(&worker), 1);
    cr_assert_eq(job->spec.channel, 2);
    close_all();
}

static void submit_noop(void)
{
    struct rmx_job ask = RMX_JOB_INIT;

    ask.kind = RMX_NOOP;
    cr_assert_eq(rmx_submit(client, &ask, 1, NULL), 1);
    job = fake_worker_job(&worker);
}

/* The old daemon has a job still, and so is listened to. */
Test(conduit_late, one_of_a_daemon_that_drains_is_no_use)
{
    struct rmx_result result;

    worker.slow = true;
    open_all();
    submit_noop();
    struct fake_job *noop = job;
    submit_impatiently();
    fake_daemon_goodbye(&worker.daemon, RMX_STATUS_DRAINING);
    cr_assert_eq(rmx_wait(client, &result, 1, 0), 0);
    fake_worker_succeed(&successor, &worker);
    cr_assert_eq(rmx_reconnect(client, PATIENCE_MS), 0);
    cr_assert_eq(submit(&successor), 1);
    answer_at_last();
    fake_worker_done(&worker, noop, RMX_STATUS_OK);
    cr_assert_eq(rmx_wait(client, &result, 1, PATIENCE_MS), 1);
    cr_assert_eq(submit(&successor), 1);
    cr_assert_eq(atomic_load(&successor.asked), 1, "both jobs are in one channel");
    rmx_close(&client);
    fake_worker_stop(&worker);
    fake_worker_stop(&successor);
}

/* --- time ------------------------------------------------------------------------------------ */

Test(conduit_late, a_daemon_that_never_answers_times_out, .timeout = 30)
{
    worker.mute = true;
    open_all();
    cr_assert_eq(submit(&worker), -ETIMEDOUT);
    cr_assert_eq(submit(&worker), -ETIMEDOUT, "at once, now");
    close_all();
}

Test(conduit_late, a_daemon_that_answers_after_that_is_heard, .timeout = 40)
{
    worker.slow = true;
    open_all();
    cr_assert_eq(submit(&worker), -ETIMEDOUT);
    answer_at_last();
    hear_all();
    cr_assert_eq(submit(&worker), 1);
    cr_assert_eq(atomic_load(&worker.asked), 1);
    close_all();
}
