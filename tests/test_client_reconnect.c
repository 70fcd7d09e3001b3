/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client moves on from a daemon that drains, or died: what stays with the old one, what goes to
 * the new one, and all the ways there is no new one. Streams that stay are in test_client_move.c.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

#include "clients/ringmux.h"
#include "ring/base.h"
#include "tests/fake_daemon.h"

#define PATIENCE_MS 10000
#define OLD_ONES    4

static struct fake_daemon old;
static struct fake_daemon new;
static struct rmx_client *client;
static struct rmx_result results[8];

static void open_with(void (*script)(struct fake_daemon *daemon))
{
    fake_daemon_start(&old, script);
    cr_assert_eq(rmx_open(&client, old.path), 0);
}

static void close_all(void)
{
    rmx_close(&client);
    fake_daemon_stop(&new);
    fake_daemon_stop(&old);
}

static int try_submit(uint32_t group, uint64_t *id)
{
    struct rmx_job job = RMX_JOB_INIT;

    job.kind = RMX_NOOP;
    job.group = group;
    return rmx_submit(client, &job, 1, id);
}

static uint64_t submit(void)
{
    uint64_t id = 0;

    cr_assert_eq(try_submit(0, &id), 1);
    return id;
}

static void await_state(int state)
{
    struct pollfd watched = { .fd = rmx_fd(client), .events = POLLIN };

    for (int i = 0; i < 1000 && rmx_state(client) != state; i++) {
        (void)poll(&watched, 1, 10);
    }
    cr_assert_eq(rmx_state(client), state);
}

/* Says DRAINING with a job in hand, which ends when the test says so; then leaves. */
static void drains_with_a_job(struct fake_daemon *daemon)
{
    struct rmx_progress_shm *slots = fake_daemon_slots(daemon);

    fake_daemon_welcome(daemon, 4);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    uint64_t job = fake_daemon_spec(daemon, 0).job;
    atomic_store(&slots[0].bytes_in, 99);
    atomic_store(&slots[0].job, job);
    fake_daemon_goodbye(daemon, RMX_DRAINING);
    fake_daemon_pause(daemon);
    fake_daemon_done(daemon, job, RMX_TRUNCATED, 1);
    fake_daemon_hear_end(daemon);
}

static void ends_all(struct fake_daemon *daemon)
{
    uint16_t type;

    fake_daemon_welcome(daemon, 4);
    while ((type = fake_daemon_hear_any(daemon)) != 0) {
        rmx_assert(type == RMX_MSG_SUBMIT);
        fake_daemon_done(daemon, fake_daemon_spec(daemon, 0).job, RMX_OK, 1);
    }
}

/* --- it drains ----------------------------------------------------------------------------- */

Test(client_reconnect, what_is_in_flight_stays_what_is_new_moves)
{
    struct rmx_progress_bytes progress = { 0 };
    uint64_t none = 77;

    open_with(drains_with_a_job);
    cr_assert_eq(rmx_state(client), RMX_STATE_READY);
    cr_assert_eq(rmx_reconnect(client, 0), -EISCONN);
    uint64_t first = submit();
    await_state(RMX_STATE_DRAINING);
    cr_assert_eq(try_submit(0, &none), -ESHUTDOWN);
    fake_daemon_succeed(&new, &old, ends_all, NULL);
    cr_assert_eq(rmx_reconnect(client, PATIENCE_MS), 0);
    cr_assert_eq(rmx_state(client), RMX_STATE_READY);
    cr_assert_eq(rmx_reconnect(client, 0), -EISCONN);
    uint64_t second = submit();
    cr_assert_neq(first, second);
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    cr_assert_eq(results[0].id, second);
    cr_assert_eq(rmx_progress(client, first, &progress), 0, "its daemon's memory is still read");
    cr_assert_eq(progress.bytes_in, 99);
    fake_daemon_go_on(&old);
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    cr_assert_eq(results[0].id, first);
    cr_assert_eq(results[0].status, RMX_TRUNCATED);
    fake_daemon_stop(&old); /* it sees the end of its session: nothing keeps that */
    submit();
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    rmx_close(&client);
    fake_daemon_stop(&new);
}

static void is_told_to_cancel(struct fake_daemon *daemon)
{
    struct rmx_msg_cancel cancel;

    fake_daemon_welcome(daemon, 4);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    fake_daemon_goodbye(daemon, RMX_DRAINING);
    fake_daemon_hear(daemon, RMX_MSG_CANCEL);
    memcpy(&cancel, daemon->message, sizeof(cancel));
    fake_daemon_done(daemon, cancel.job, RMX_CANCELLED, 1);
    fake_daemon_hear_end(daemon);
}

Test(client_reconnect, a_cancel_goes_to_the_daemon_of_its_job)
{
    open_with(is_told_to_cancel);
    uint64_t id = submit();

    await_state(RMX_STATE_DRAINING);
    fake_daemon_succeed(&new, &old, ends_all, NULL);
    cr_assert_eq(rmx_reconnect(client, PATIENCE_MS), 0);
    cr_assert_eq(rmx_cancel(client, id), 0);
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    cr_assert_eq(results[0].id, id);
    cr_assert_eq(results[0].status, RMX_CANCELLED);
    close_all();
}

Test(client_reconnect, from_three_that_drain_it_moves_on_no_further)
{
    static struct fake_daemon daemons[OLD_ONES];

    fake_daemon_start(&daemons[0], drains_with_a_job);
    cr_assert_eq(rmx_open(&client, daemons[0].path), 0);
    for (int i = 1; i < OLD_ONES; i++) {
        submit();
        await_state(RMX_STATE_DRAINING);
        fake_daemon_succeed(&daemons[i], &daemons[i - 1], drains_with_a_job, NULL);
        cr_assert_eq(rmx_reconnect(client, PATIENCE_MS), 0);
    }
    submit();
    await_state(RMX_STATE_DRAINING);
    cr_assert_eq(rmx_reconnect(client, 0), -EAGAIN);
    for (int i = 0; i < OLD_ONES; i++) {
        fake_daemon_go_on(&daemons[i]);
        cr_assert_eq(rmx_wait(client, results, 1, -1), 1);
    }
    fake_daemon_succeed(&new, &daemons[OLD_ONES - 1], ends_all, NULL);
    cr_assert_eq(rmx_reconnect(client, PATIENCE_MS), 0);
    submit();
    cr_assert_eq(rmx_wait(client, results, 1, -1), 1);
    rmx_close(&client);
    fake_daemon_stop(&new);
    for (int i = 0; i < OLD_ONES; i++) {
        fake_daemon_stop(&daemons[i]);
    }
}

/* --- it died ------------------------------------------------------------------------------- */

static void dies_with_a_job(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 4);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
}

Test(client_reconnect, what_was_in_flight_is_unknown_and_that_is_said_first)
{
    open_with(dies_with_a_job);
    uint64_t lost = submit();
    struct pollfd watched = { .fd = rmx_fd(client), .events = POLLIN };

    await_state(RMX_STATE_LOST);
    fake_daemon_succeed(&new, &old, ends_all, NULL);
    cr_assert_eq(rmx_reconnect(client, PATIENCE_MS), 0);
    cr_assert_eq(rmx_state(client), RMX_STATE_READY);
    uint64_t id = submit();
    cr_assert_eq(rmx_wait(client, results, 1, -1), 1);
    cr_assert_eq(results[0].id, lost);
    cr_assert_eq(results[0].status, RMX_DAEMON_LOST);
    cr_assert_eq(rmx_wait(client, results, 1, -1), 1);
    cr_assert_eq(results[0].id, id);
    cr_assert_eq(results[0].status, RMX_OK);
    cr_assert_eq(rmx_wait(client, results, 1, 0), 0);
    cr_assert_eq(poll(&watched, 1, 0), 0, "nothing of the old one is left to see");
    close_all();
}

/* The successor dies while the one before still drains: its jobs' results come, then the loss. */
Test(client_reconnect, results_of_the_old_one_outlive_the_new_one)
{
    open_with(drains_with_a_job);
    uint64_t first = submit();
    struct pollfd watched = { .fd = rmx_fd(client), .events = POLLIN };

    await_state(RMX_STATE_DRAINING);
    fake_daemon_succeed(&new, &old, dies_with_a_job, NULL);
    cr_assert_eq(rmx_reconnect(client, PATIENCE_MS), 0);
    submit();
    await_state(RMX_STATE_LOST);
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    cr_assert_eq(results[0].status, RMX_DAEMON_LOST);
    cr_assert_eq(rmx_wait(client, results, 8, 20), 0, "there is one to come");
    cr_assert_eq(poll(&watched, 1, 20), 0, "and until then nothing to see");
    fake_daemon_go_on(&old);
    cr_assert_eq(poll(&watched, 1, PATIENCE_MS), 1);
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    cr_assert_eq(results[0].id, first);
    cr_assert_eq(rmx_wait(client, results, 8, -1), -ECONNRESET);
    cr_assert_eq(poll(&watched, 1, PATIENCE_MS), 1, "who polls comes to know");
    close_all();
}

/* --- there is no other --------------------------------------------------------------------- */

static void says_unsupported(struct fake_daemon *daemon)
{
    fake_daemon_hear(daemon, RMX_MSG_HELLO);
    fake_daemon_goodbye(daemon, RMX_UNSUPPORTED);
}

static void says_draining(struct fake_daemon *daemon)
{
    fake_daemon_hear(daemon, RMX_MSG_HELLO);
    fake_daemon_goodbye(daemon, RMX_DRAINING);
}

static void says_busy(struct fake_daemon *daemon)
{
    fake_daemon_hear(daemon, RMX_MSG_HELLO);
    fake_daemon_goodbye(daemon, RMX_BUSY);
}

static void says_nothing(struct fake_daemon *daemon)
{
    fake_daemon_hear(daemon, RMX_MSG_HELLO);
    fake_daemon_pause(daemon);
}

/* It stays with the one that drains, whose job comes to its end. */
static void stays(uint64_t id)
{
    cr_assert_eq(rmx_state(client), RMX_STATE_DRAINING);
    fake_daemon_go_on(&old);
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    cr_assert_eq(results[0].id, id);
    cr_assert_eq(results[0].status, RMX_TRUNCATED);
    rmx_close(&client);
    fake_daemon_stop(&old);
}

/* Asks again until there is an answer. */
static int reconnect(int timeout_ms)
{
    int err = -EINPROGRESS;

    for (int i = 0; i < PATIENCE_MS && err == -EINPROGRESS; i++) {
        (void)poll(NULL, 0, 1);
        err = rmx_reconnect(client, timeout_ms);
    }
    return err;
}

static void finds(void (*script)(struct fake_daemon *daemon), int timeout_ms, int error)
{
    open_with(drains_with_a_job);
    uint64_t id = submit();

    await_state(RMX_STATE_DRAINING);
    fake_daemon_succeed(&new, &old, script, NULL);
    cr_assert_eq(reconnect(timeout_ms), error);
    fake_daemon_go_on(&new); /* if it pauses */
    fake_daemon_stop(&new);
    stays(id);
}

Test(client_reconnect, one_of_another_version_is_none)
{
    finds(says_unsupported, PATIENCE_MS, -EPROTONOSUPPORT);
}

Test(client_reconnect, nor_is_one_that_drains_too)
{
    finds(says_draining, 0, -ESHUTDOWN);
}

Test(client_reconnect, nor_one_without_room)
{
    finds(says_busy, 0, -EBUSY);
}

Test(client_reconnect, nor_one_that_does_not_answer_in_time)
{
    finds(says_nothing, 50, -ETIMEDOUT);
}

static void answers_in_a_while(struct fake_daemon *daemon)
{
    fake_daemon_pause(daemon);
    ends_all(daemon);
}

Test(client_reconnect, of_0_waits_for_no_answer_and_hears_it_later)
{
    open_with(dies_with_a_job);
    submit();
    await_state(RMX_STATE_LOST);
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    fake_daemon_succeed(&new, &old, answers_in_a_while, NULL);
    cr_assert_eq(rmx_reconnect(client, 0), -EINPROGRESS);
    cr_assert_eq(rmx_reconnect(client, 0), -EINPROGRESS);
    cr_assert_eq(rmx_state(client), RMX_STATE_LOST);
    fake_daemon_go_on(&new);
    cr_assert_eq(reconnect(0), 0);
    submit();
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    close_all();
}

Test(client_reconnect, of_0_is_gone_on_with_by_one_that_waits)
{
    open_with(dies_with_a_job);
    submit();
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    fake_daemon_succeed(&new, &old, answers_in_a_while, NULL);
    cr_assert_eq(rmx_reconnect(client, 0), -EINPROGRESS);
    fake_daemon_go_on(&new); /* it has one session: what waits must not open another */
    cr_assert_eq(rmx_reconnect(client, PATIENCE_MS), 0);
    close_all();
}

Test(client_reconnect, where_nobody_listens_it_waits_for_somebody)
{
    char path[sizeof(old.path)];

    open_with(drains_with_a_job);
    uint64_t id = submit();
    await_state(RMX_STATE_DRAINING);
    memcpy(path, old.path, sizeof(path));
    rmx_base_close(&old.listener);
    cr_assert_eq(rmx_reconnect(client, 0), -ECONNREFUSED);
    cr_assert_eq(rmx_reconnect(client, 50), -ECONNREFUSED);
    cr_assert_eq(rmx_state(client), RMX_STATE_DRAINING, "as it was");
    fake_daemon_return(&new, path, ends_all, NULL);
    cr_assert_eq(rmx_reconnect(client, PATIENCE_MS), 0);
    submit();
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    fake_daemon_go_on(&old);
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    cr_assert_eq(results[0].id, id);
    close_all();
}

static void *moves_on(void *arg)
{
    int *err = arg;

    *err = rmx_reconnect(client, PATIENCE_MS);
    return arg;
}

/* Two threads ask for it at once: one connects, which the successor's one session shows. */
Test(client_reconnect, two_threads_share_one_successor)
{
    char path[sizeof(old.path)];
    pthread_t threads[2];
    int errors[2] = { 1, 1 };

    open_with(dies_with_a_job);
    submit();
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    memcpy(path, old.path, sizeof(path));
    rmx_base_close(&old.listener);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, moves_on, &errors[i]), 0);
    }
    (void)poll(NULL, 0, 30);
    fake_daemon_return(&new, path, ends_all, NULL);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        cr_assert(errors[i] == 0 || errors[i] == -EISCONN, "it came when all was done");
    }
    submit();
    cr_assert_eq(rmx_wait(client, results, 8, -1), 1);
    close_all();
}

static void ignore(int signal_number)
{
    (void)signal_number;
}

Test(client_reconnect, a_signal_ends_it)
{
    const struct timeval soon = { .tv_usec = 50000 }; /* and again: it may come before the wait */
    const struct itimerval often = { .it_value = soon, .it_interval = soon };
    struct sigaction action = { .sa_handler = ignore };

    open_with(dies_with_a_job);
    submit();
    await_state(RMX_STATE_LOST);
    rmx_base_close(&old.listener);
    cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
    cr_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    cr_assert_eq(rmx_reconnect(client, -1), -EINTR);
    rmx_close(&client);
    fake_daemon_stop(&old);
}

/* --- groups -------------------------------------------------------------------------------- */

static uint64_t first_job;

/* Keeps a job of a group until it is cancelled, since one failed elsewhere. */
static void keeps_a_member(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 4);
    uint32_t group = fake_daemon_hear_group(daemon).group;
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    first_job = fake_daemon_spec(daemon, 0).job;
    fake_daemon_goodbye(daemon, RMX_DRAINING); /* which closes all groups */
    cr_assert_eq(fake_daemon_hear_name(daemon, RMX_MSG_GROUP_CANCEL), group);
    fake_daemon_done(daemon, first_job, RMX_CANCELLED, 1);
    fake_daemon_group_done(daemon, group, RMX_CANCELLED, first_job);
    fake_daemon_hear_end(daemon);
}

static void fails_a_member(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 4);
    struct rmx_msg_group group = fake_daemon_hear_group(daemon);
    cr_assert_eq(group.jobs_max, 5);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    struct rmx_job_spec spec = fake_daemon_spec(daemon, 0);
    cr_assert_eq(spec.group, group.group);
    fake_daemon_done(daemon, spec.job, RMX_BAD_MEDIA, 1);
    cr_assert_eq(fake_daemon_hear_name(daemon, RMX_MSG_GROUP_CLOSE), group.group);
    fake_daemon_pause(daemon);
    fake_daemon_group_done(daemon, group.group, RMX_BAD_MEDIA, spec.job);
    fake_daemon_hear_end(daemon);
}

Test(client_reconnect, a_group_goes_on_at_both)
{
    struct rmx_group_options options = RMX_GROUP_OPTIONS_INIT;
    struct rmx_group_result ended;
    uint32_t group = 0;
    uint64_t id = 0;

    open_with(keeps_a_member);
    options.jobs_max = 5;
    cr_assert_eq(rmx_group_open(client, &options, &group), 0);
    cr_assert_eq(try_submit(group, &id), 1);
    await_state(RMX_STATE_DRAINING);
    fake_daemon_succeed(&new, &old, fails_a_member, NULL);
    cr_assert_eq(rmx_reconnect(client, PATIENCE_MS), 0);
    cr_assert_eq(try_submit(group, &id), 1);
    cr_assert_eq(rmx_wait(client, results, 2, -1), 1);
    cr_assert_eq(results[0].status, RMX_BAD_MEDIA);
    cr_assert_eq(rmx_wait(client, results, 2, -1), 1, "what fails at one ends at the other");
    cr_assert_eq(results[0].id, first_job);
    cr_assert_eq(results[0].status, RMX_CANCELLED);
    cr_assert_eq(rmx_group_wait(client, group, &ended, 20), 0);
    fake_daemon_go_on(&new);
    cr_assert_eq(rmx_group_wait(client, group, &ended, -1), 1);
    cr_assert_eq(ended.first.id, id);
    cr_assert_eq(ended.status, RMX_BAD_MEDIA);
    cr_assert_eq(ended.ended[RMX_BAD_MEDIA], 1);
    cr_assert_eq(ended.ended[RMX_CANCELLED], 1);
    close_all();
}
