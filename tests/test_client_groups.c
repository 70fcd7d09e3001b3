/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Groups from the client's side: what is said about them, and how they end, by their jobs, by the
 * caller, and with their daemon.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "clients/ringmux.h"
#include "tests/fake_worker.h"

#define PATIENCE_MS 10000

static struct fake_daemon fake;
static struct rmx_client *client;
static struct rmx_result results[4];
static struct rmx_group_result ended;

static void open_with(void (*script)(struct fake_daemon *daemon))
{
    fake_daemon_start(&fake, script);
    cr_assert_eq(rmx_open(&client, fake.path), 0);
}

static void close_all(void)
{
    rmx_close(&client);
    fake_daemon_stop(&fake);
}

static uint64_t submit_to(uint32_t group, void *user)
{
    struct rmx_job job = RMX_JOB_INIT;
    uint64_t id = 0;

    job.kind = RMX_NOOP;
    job.group = group;
    job.user = user;
    cr_assert_eq(rmx_submit(client, &job, 1, &id), 1);
    return id;
}

static uint32_t open_group(uint32_t flags)
{
    struct rmx_group_options options = RMX_GROUP_OPTIONS_INIT;
    uint32_t group = 0;

    options.flags = flags;
    cr_assert_eq(rmx_group_open(client, &options, &group), 0);
    cr_assert_neq(group, 0);
    return group;
}

/* --- one end ------------------------------------------------------------------------------- */

static void ends_two(struct fake_daemon *daemon)
{
    struct rmx_job_spec spec;

    fake_daemon_welcome(daemon, 4);
    struct rmx_msg_group group = fake_daemon_hear_group(daemon);
    cr_assert_eq(group.flags, RMX_GROUP_COLLECT_ALL);
    cr_assert_eq(group.jobs_max, 3);
    cr_assert_eq(group.deadline_ns, 12345);
    cr_assert_str_eq(group.name, "nightly");
    for (int i = 0; i < 2; i++) {
        fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
        spec = fake_daemon_spec(daemon, 0);
        cr_assert_eq(spec.group, group.group);
        fake_daemon_done(daemon, spec.job, i == 0 ? RMX_OK : RMX_BAD_MEDIA, 1);
    }
    cr_assert_eq(fake_daemon_hear_name(daemon, RMX_MSG_GROUP_CLOSE), group.group);
    fake_daemon_pause(daemon);
    fake_daemon_group_done(daemon, group.group, RMX_BAD_MEDIA, spec.job);
    fake_daemon_hear_end(daemon);
}

Test(client_groups, a_group_has_one_end)
{
    struct rmx_group_options options = RMX_GROUP_OPTIONS_INIT;
    int users[2];
    uint32_t group = 0;

    open_with(ends_two);
    options.flags = RMX_COLLECT_ALL;
    options.jobs_max = 3;
    options.deadline_ns = 12345;
    options.name = "nightly";
    options.user = &fake;
    cr_assert_eq(rmx_group_open(client, &options, &group), 0);
    submit_to(group, &users[0]);
    uint64_t failed = submit_to(group, &users[1]);
    cr_assert_eq(rmx_group_wait(client, group, &ended, 50), 0, "the daemon has not said so");
    cr_assert_eq(ended.group, 0, "untouched");
    fake_daemon_go_on(&fake);
    cr_assert_eq(rmx_group_wait(client, group, &ended, -1), 1);
    cr_assert_eq(ended.group, group);
    cr_assert_eq(ended.status, RMX_BAD_MEDIA);
    cr_assert_eq(ended.user, &fake);
    cr_assert_eq(ended.first.id, failed);
    cr_assert_eq(ended.first.user, &users[1]);
    cr_assert_eq(ended.ended[RMX_OK], 1);
    cr_assert_eq(ended.ended[RMX_BAD_MEDIA], 1);
    cr_assert_eq(rmx_wait(client, results, 4, 0), 2, "its jobs' results are there");
    cr_assert_eq(rmx_group_wait(client, group, &ended, 0), -ENOENT, "it was taken");
    close_all();
}

/* Says that another one was first than it was heard to be. */
static void names_another(struct fake_daemon *daemon)
{
    uint64_t jobs[2];

    fake_daemon_welcome(daemon, 4);
    uint32_t group = fake_daemon_hear_group(daemon).group;
    for (int i = 0; i < 2; i++) {
        fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
        jobs[i] = fake_daemon_spec(daemon, 0).job;
    }
    fake_daemon_done(daemon, jobs[1], RMX_TRUNCATED, 1);
    fake_daemon_done(daemon, jobs[0], RMX_BAD_MEDIA, 1);
    cr_assert_eq(fake_daemon_hear_name(daemon, RMX_MSG_GROUP_CLOSE), group);
    fake_daemon_group_done(daemon, group, RMX_BAD_MEDIA, jobs[0]);
    fake_daemon_hear_end(daemon);
}

Test(client_groups, the_first_job_is_one_that_the_caller_knows)
{
    struct rmx_group_options options = RMX_GROUP_OPTIONS_INIT;
    uint32_t group = 0;
    int users[2];

    open_with(names_another);
    options.flags = RMX_COLLECT_ALL;
    cr_assert_eq(rmx_group_open(client, &options, &group), 0);
    submit_to(group, &users[0]);
    uint64_t first = submit_to(group, &users[1]);
    cr_assert_eq(rmx_group_wait(client, group, &ended, -1), 1);
    cr_assert_eq(ended.status, RMX_TRUNCATED);
    cr_assert_eq(ended.first.id, first);
    cr_assert_eq(ended.first.status, RMX_TRUNCATED);
    cr_assert_eq(ended.first.user, &users[1]);
    close_all();
}

/* Says that a job failed, and none did. */
static void accuses_one(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 4);
    uint32_t group = fake_daemon_hear_group(daemon).group;
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    uint64_t job = fake_daemon_spec(daemon, 0).job;
    fake_daemon_done(daemon, job, RMX_OK, 1);
    cr_assert_eq(fake_daemon_hear_name(daemon, RMX_MSG_GROUP_CLOSE), group);
    fake_daemon_group_done(daemon, group, RMX_BAD_MEDIA, job);
    fake_daemon_hear_end(daemon);
}

Test(client_groups, no_job_is_the_first_that_did_not_fail)
{
    int user;

    open_with(accuses_one);
    uint32_t group = open_group(0);
    submit_to(group, &user);
    cr_assert_eq(rmx_group_wait(client, group, &ended, -1), 1);
    cr_assert_eq(ended.status, RMX_BAD_MEDIA);
    cr_assert_eq(ended.first.id, 0);
    close_all();
}

static void ends_it_empty(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 4);
    uint32_t group = fake_daemon_hear_group(daemon).group;
    cr_assert_eq(fake_daemon_hear_name(daemon, RMX_MSG_GROUP_CLOSE), group);
    fake_daemon_group_done(daemon, group, RMX_OK, 0);
    fake_daemon_hear_end(daemon);
}

Test(client_groups, an_end_is_an_event)
{
    struct rmx_group_options options = RMX_GROUP_OPTIONS_INIT;
    struct rmx_event event;
    uint32_t group = 0;

    open_with(ends_it_empty);
    struct pollfd watched = { .fd = rmx_fd(client), .events = POLLIN };
    options.user = &options;
    cr_assert_eq(rmx_group_open(client, &options, &group), 0);
    cr_assert_eq(rmx_events(client, &event, 1, 0), 0);
    cr_assert_eq(poll(&watched, 1, 0), 0);
    cr_assert_eq(rmx_group_close(client, group), 0);
    cr_assert_eq(rmx_group_close(client, group), 0, "twice is once");
    cr_assert_eq(poll(&watched, 1, PATIENCE_MS), 1);
    cr_assert_eq(rmx_events(client, &event, 1, PATIENCE_MS), 1);
    cr_assert_eq(event.id, group);
    cr_assert_eq(event.user, &options);
    cr_assert_eq(event.kinds, RMX_GROUP_ENDED);
    cr_assert_eq(rmx_events(client, &event, 1, 0), 0, "told once");
    cr_assert_eq(poll(&watched, 1, 0), 0);
    cr_assert_eq(rmx_group_cancel(client, group), 0, "it has ended: nothing happens");
    cr_assert_eq(rmx_events(client, &event, 1, 0), 0);
    cr_assert_eq(rmx_group_wait(client, group, &ended, 0), 1);
    cr_assert_eq(ended.status, RMX_OK);
    cr_assert_eq(ended.first.id, 0);
    cr_assert_null(ended.first.user);
    close_all();
}

static void is_cancelled(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 4);
    uint32_t group = fake_daemon_hear_group(daemon).group;
    cr_assert_eq(fake_daemon_hear_name(daemon, RMX_MSG_GROUP_CANCEL), group);
    cr_assert_eq(fake_daemon_hear_name(daemon, RMX_MSG_GROUP_CLOSE), group);
    fake_daemon_group_done(daemon, group, RMX_CANCELLED, 0);
    fake_daemon_hear_end(daemon);
}

Test(client_groups, one_that_is_cancelled_says_so_even_without_jobs)
{
    open_with(is_cancelled);
    uint32_t group = open_group(0);

    cr_assert_eq(rmx_group_cancel(client, group), 0);
    cr_assert_eq(rmx_group_cancel(client, group), 0, "twice is once");
    cr_assert_eq(rmx_group_wait(client, group, &ended, -1), 1);
    cr_assert_eq(ended.status, RMX_CANCELLED);
    cr_assert_eq(ended.first.id, 0);
    close_all();
}

/* --- errors -------------------------------------------------------------------------------- */

static void only_listens(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 4);
    while (fake_daemon_hear_any(daemon) != 0) {
    }
}

static void bad(const struct rmx_group_options *options)
{
    uint32_t group = 77;

    cr_assert_eq(rmx_group_open(client, options, &group), -EINVAL);
    cr_assert_eq(group, 77);
}

Test(client_groups, options_that_make_no_sense_are_refused)
{
    struct rmx_group_options options = RMX_GROUP_OPTIONS_INIT;

    open_with(only_listens);
    options.flags = 2;
    bad(&options);
    options = (struct rmx_group_options)RMX_GROUP_OPTIONS_INIT;
    options.reserved[3] = 1;
    bad(&options);
    options = (struct rmx_group_options)RMX_GROUP_OPTIONS_INIT;
    options.name = "a name of thirty-two characters.";
    bad(&options);
    options.name = "line\nbreak";
    bad(&options);
    close_all();
}

Test(client_groups, there_are_64_at_most)
{
    uint32_t group = 0;

    open_with(only_listens);
    for (int i = 0; i < 64; i++) {
        (void)open_group(0);
    }
    cr_assert_eq(rmx_group_open(client, NULL, &group), -ENOBUFS);
    close_all();
}

Test(client_groups, what_is_no_open_group_takes_no_jobs)
{
    struct rmx_job jobs[2] = { RMX_JOB_INIT, RMX_JOB_INIT };

    open_with(only_listens);
    uint32_t group = open_group(0);
    jobs[0].kind = RMX_NOOP;
    jobs[1].kind = RMX_NOOP;
    jobs[1].group = group + 1;
    cr_assert_eq(rmx_submit(client, jobs, 2, NULL), 1, "the first has none");
    cr_assert_eq(rmx_submit(client, &jobs[1], 1, NULL), -EINVAL);
    cr_assert_eq(rmx_group_close(client, group), 0);
    jobs[1].group = group;
    cr_assert_eq(rmx_submit(client, &jobs[1], 1, NULL), -EINVAL, "it was closed");
    cr_assert_eq(rmx_group_close(client, group + 1), -ENOENT);
    cr_assert_eq(rmx_group_cancel(client, 0), -ENOENT);
    cr_assert_eq(rmx_group_wait(client, group + 64, &ended, 0), -ENOENT);
    close_all();
}

static void drains(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 4);
    fake_daemon_goodbye(daemon, RMX_DRAINING);
    fake_daemon_arrived(daemon);
    fake_daemon_hear_end(daemon);
}

Test(client_groups, none_is_opened_with_a_daemon_that_drains)
{
    uint32_t group = 0;

    open_with(drains);
    fake_daemon_wait(&fake);
    cr_assert_eq(rmx_state(client), RMX_STATE_DRAINING);
    cr_assert_eq(rmx_group_open(client, NULL, &group), -ESHUTDOWN);
    close_all();
}

/* Ends a group nobody closed. */
static void ends_too_early(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 4);
    fake_daemon_group_done(daemon, fake_daemon_hear_group(daemon).group, RMX_OK, 0);
    cr_assert_eq(fake_daemon_hear_any(daemon), RMX_MSG_GOODBYE);
}

Test(client_groups, an_end_that_cannot_be_is_a_lie)
{
    open_with(ends_too_early);
    uint32_t group = open_group(0);

    cr_assert_eq(rmx_wait(client, results, 1, PATIENCE_MS), -EPROTO);
    cr_assert_eq(rmx_group_wait(client, group, &ended, 0), 1, "it went with the daemon");
    cr_assert_eq(ended.status, RMX_OK, "no job of it failed");
    close_all();
}

static void refuses_one(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 4);
    uint32_t group = fake_daemon_hear_group(daemon).group;
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    fake_daemon_done(daemon, fake_daemon_spec(daemon, 0).job, RMX_BUSY, 1);
    cr_assert_eq(fake_daemon_hear_name(daemon, RMX_MSG_GROUP_CLOSE), group, "it was not cancelled");
    fake_daemon_group_done(daemon, group, RMX_OK, 0);
    fake_daemon_hear_end(daemon);
}

Test(client_groups, a_job_that_is_refused_is_no_failure)
{
    open_with(refuses_one);
    uint32_t group = open_group(0);

    submit_to(group, NULL);
    cr_assert_eq(rmx_wait(client, results, 4, -1), 1);
    cr_assert_eq(results[0].status, RMX_BUSY);
    cr_assert_eq(rmx_group_wait(client, group, &ended, -1), 1);
    cr_assert_eq(ended.status, RMX_OK);
    cr_assert_eq(ended.first.id, 0);
    cr_assert_eq(ended.ended[RMX_BUSY], 1);
    close_all();
}

/* --- the daemon dies ----------------------------------------------------------------------- */

static void ends_one_and_dies(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 4);
    fake_daemon_hear_group(daemon);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
    fake_daemon_done(daemon, fake_daemon_spec(daemon, 0).job, RMX_OK, 1);
    fake_daemon_hear(daemon, RMX_MSG_SUBMIT);
}

Test(client_groups, a_group_ends_with_its_daemon)
{
    int users[2];

    open_with(ends_one_and_dies);
    uint32_t group = open_group(0);
    submit_to(group, &users[0]);
    uint64_t lost = submit_to(group, &users[1]);
    cr_assert_eq(rmx_group_wait(client, group, &ended, -1), 1);
    cr_assert_eq(ended.status, RMX_DAEMON_LOST);
    cr_assert_eq(ended.first.id, lost);
    cr_assert_eq(ended.first.user, &users[1]);
    cr_assert_eq(ended.ended[RMX_OK], 1);
    cr_assert_eq(ended.ended[RMX_DAEMON_LOST], 1);
    cr_assert_eq(rmx_wait(client, results, 4, -1), 2);
    cr_assert_eq(rmx_wait(client, results, 4, -1), -ECONNRESET);
    close_all();
}

/* --- what the caller saw ------------------------------------------------------------------- */

static int refuse(void *user, const struct rmx_piece *piece)
{
    (void)user;
    (void)piece;
    return -ENOSPC;
}

/* The daemon hears of a cancel and no more; the group's error is the sink's all the same. */
Test(client_groups, a_sink_that_fails_is_the_groups_error)
{
    static struct fake_worker worker;
    struct rmx_sink sink = { .write = refuse };
    struct rmx_job ask = RMX_JOB_INIT;
    uint64_t id = 0;

    fake_worker_start(&worker);
    cr_assert_eq(rmx_open(&client, worker.daemon.path), 0);
    ask.input = 0;
    ask.output = RMX_RING;
    ask.format = "mpegts";
    ask.sink = &sink;
    ask.group = open_group(0);
    cr_assert_eq(rmx_submit(client, &ask, 1, &id), 1);
    struct fake_job *job = fake_worker_job(&worker);
    fake_worker_put(job, "abc", 3, 0);
    while (atomic_load(&worker.cancels) == 0) {
        cr_assert_eq(rmx_wait(client, results, 1, 10), 0);
    }
    worker.group_status = RMX_CANCELLED;
    worker.group_first = id;
    fake_worker_done(&worker, job, RMX_CANCELLED);
    cr_assert_eq(rmx_group_wait(client, ask.group, &ended, -1), 1);
    cr_assert_eq(ended.status, RMX_OUTPUT_FULL);
    cr_assert_eq(ended.first.id, id);
    cr_assert_eq(ended.first.cause, -ENOSPC);
    cr_assert_eq(ended.ended[RMX_OUTPUT_FULL], 1);
    cr_assert_eq(rmx_wait(client, results, 1, -1), 1);
    rmx_close(&client);
    fake_worker_stop(&worker);
}
