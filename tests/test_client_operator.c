/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An operator's client: what it asks, what it hears, and what it may not.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "clients/ringmux.h"
#include "ring/base.h"
#include "tests/fake_daemon.h"

static struct fake_daemon fake;
static struct rmx_client *client;

static void open_with(void (*script)(struct fake_daemon *daemon))
{
    fake_daemon_start(&fake, script);
    cr_assert_eq(rmx_open_operator(&client, fake.path), 0);
}

static void close_all(void)
{
    rmx_close(&client);
    fake_daemon_stop(&fake);
}

static void reply(struct fake_daemon *daemon, uint32_t from, uint32_t count, uint32_t last)
{
    unsigned char message[sizeof(struct rmx_msg_jobs_reply) + 2 * sizeof(struct rmx_jobs_item)];
    struct rmx_msg_jobs_reply head = {
        .head = { .type = RMX_MSG_JOBS_REPLY, .count = count },
        .last = last,
    };

    rmx_assert(count <= 2);
    head.head.bytes = (uint32_t)(sizeof(head) + count * sizeof(struct rmx_jobs_item));
    memcpy(message, &head, sizeof(head));
    for (uint32_t i = 0; i < count; i++) {
        const struct rmx_jobs_item item = {
            .session = 7,
            .pid = 4711,
            .uid = 1000,
            .state = RMX_JOB_RUNNING,
            .class_ = RMX_CLASS_BACKGROUND,
            .job = from + i,
            .age_ns = 5,
            .left_ns = UINT64_MAX,
            .bytes_in = 11,
            .bytes_out = 12,
            .format = "mp4",
            .group = "nightly",
            .traceparent = "00-1",
        };

        memcpy(message + sizeof(head) + i * sizeof(item), &item, sizeof(item));
    }
    fake_daemon_say(daemon, message, head.head.bytes);
}

static void shows_three(struct fake_daemon *daemon)
{
    fake_daemon_welcome_operator(daemon);
    for (int i = 0; i < 2; i++) {
        fake_daemon_hear(daemon, RMX_MSG_JOBS);
        reply(daemon, 1, 2, 0);
        reply(daemon, 3, 1, 1);
    }
    fake_daemon_hear(daemon, RMX_MSG_JOBS);
    reply(daemon, 0, 0, 1);
    fake_daemon_hear_end(daemon);
}

Test(client_operator, sees_the_jobs_of_everybody)
{
    struct rmx_job_info jobs[4] = { { .job = 0 } };

    open_with(shows_three);
    cr_assert_eq(rmx_jobs(client, jobs, 4), 3);
    for (uint64_t i = 0; i < 3; i++) {
        cr_assert_eq(jobs[i].job, i + 1);
        cr_assert_eq(jobs[i].session, 7);
        cr_assert_eq(jobs[i].pid, 4711);
        cr_assert_eq(jobs[i].uid, 1000);
        cr_assert_eq(jobs[i].stage, RMX_STAGE_RUNNING);
        cr_assert_eq(jobs[i].job_class, RMX_BACKGROUND);
        cr_assert_eq(jobs[i].age_ns, 5);
        cr_assert_eq(jobs[i].left_ns, UINT64_MAX);
        cr_assert_eq(jobs[i].bytes_in, 11);
        cr_assert_eq(jobs[i].bytes_out, 12);
        cr_assert_str_eq(jobs[i].format, "mp4");
        cr_assert_str_eq(jobs[i].group, "nightly");
        cr_assert_str_eq(jobs[i].traceparent, "00-1");
    }
    memset(jobs, 0, sizeof(jobs));
    cr_assert_eq(rmx_jobs(client, jobs, 1), 3, "there are more than it has room for");
    cr_assert_eq(jobs[0].job, 1);
    cr_assert_eq(jobs[1].job, 0);
    cr_assert_eq(rmx_jobs(client, NULL, 0), 0);
    close_all();
}

static void cancels_two(struct fake_daemon *daemon)
{
    struct rmx_msg_cancel_reply told = {
        .head = { .type = RMX_MSG_CANCEL_REPLY, .bytes = sizeof(told) },
        .jobs = 2,
    };
    struct rmx_msg_cancel_jobs match;

    fake_daemon_welcome_operator(daemon);
    fake_daemon_hear(daemon, RMX_MSG_CANCEL_JOBS);
    memcpy(&match, daemon->message, sizeof(match));
    cr_assert_eq(match.session, 7);
    cr_assert_eq(match.job, 3);
    cr_assert_eq(match.all, 0);
    cr_assert_str_eq(match.group, "nightly");
    fake_daemon_say(daemon, &told, sizeof(told));
    fake_daemon_hear(daemon, RMX_MSG_CANCEL_JOBS);
    memcpy(&match, daemon->message, sizeof(match));
    cr_assert_eq(match.all, 1);
    fake_daemon_say(daemon, &told, sizeof(told));
    fake_daemon_hear_end(daemon);
}

Test(client_operator, ends_the_jobs_of_anybody)
{
    struct rmx_job_match match = RMX_JOB_MATCH_INIT;
    uint64_t count = 0;

    open_with(cancels_two);
    match.session = 7;
    match.job = 3;
    match.group = "nightly";
    cr_assert_eq(rmx_cancel_jobs(client, &match, &count), 0);
    cr_assert_eq(count, 2);
    match = (struct rmx_job_match)RMX_JOB_MATCH_INIT;
    match.all = 1;
    cr_assert_eq(rmx_cancel_jobs(client, &match, NULL), 0);
    close_all();
}

static void only_listens(struct fake_daemon *daemon)
{
    fake_daemon_welcome_operator(daemon);
    fake_daemon_hear_end(daemon);
}

static void bad(const struct rmx_job_match *match)
{
    uint64_t count = 77;

    cr_assert_eq(rmx_cancel_jobs(client, match, &count), -EINVAL);
    cr_assert_eq(count, 77);
}

Test(client_operator, has_to_say_which_and_cannot_have_jobs)
{
    struct rmx_job_match match = RMX_JOB_MATCH_INIT;
    struct rmx_job job = RMX_JOB_INIT;
    uint32_t group = 0;

    open_with(only_listens);
    bad(&match);
    match.group = "";
    bad(&match);
    match.group = "a name of thirty-two characters.";
    bad(&match);
    match.group = "line\nbreak";
    bad(&match);
    match.group = "nightly";
    match.job = 3;
    bad(&match);
    match.job = 0;
    match.all = 1;
    bad(&match);
    match.all = 2;
    bad(&match);
    match.all = 0;
    match.reserved[0] = 1;
    bad(&match);
    job.kind = RMX_NOOP;
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), -EPERM);
    cr_assert_eq(rmx_group_open(client, NULL, &group), -EPERM);
    close_all();
}

static void dies_of_the_question(struct fake_daemon *daemon)
{
    fake_daemon_welcome_operator(daemon);
    fake_daemon_hear(daemon, RMX_MSG_JOBS);
    reply(daemon, 1, 2, 0);
}

Test(client_operator, hears_when_the_daemon_dies)
{
    struct rmx_job_info jobs[4];

    open_with(dies_of_the_question);
    cr_assert_eq(rmx_jobs(client, jobs, 4), -ECONNRESET);
    close_all();
}

static void takes_it_for_anybody(struct fake_daemon *daemon)
{
    fake_daemon_welcome(daemon, 1);
    fake_daemon_hear_end(daemon);
}

Test(client_operator, is_not_anybody)
{
    struct rmx_job_match match = RMX_JOB_MATCH_INIT;

    fake_daemon_start(&fake, takes_it_for_anybody);
    client = NULL;
    cr_assert_eq(rmx_open_operator(&client, fake.path), -EPERM);
    cr_assert_null(client);
    fake_daemon_stop(&fake);
    fake_daemon_start(&fake, takes_it_for_anybody);
    cr_assert_eq(rmx_open(&client, fake.path), 0);
    match.all = 1;
    cr_assert_eq(rmx_cancel_jobs(client, &match, NULL), -EPERM);
    cr_assert_eq(rmx_jobs(client, NULL, 0), -EPERM);
    close_all();
}
