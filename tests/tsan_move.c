/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One client, many threads, one daemon after the other: threads run jobs, alone and in groups,
 * another collects, another asks, while their daemon drains and the next one is there, again and
 * again. No job may be lost by it. Plain program, because Criterion does not run under TSan.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/ringmux.h"
#include "tests/fake_daemon.h"

#define check(cond)                                                                                \
    ((cond) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond), exit(1)))

#define DAEMONS     5
#define DAEMON_JOBS 150 /* before it drains; the last does not */
#define RUNNERS     3
#define GROUP_JOBS  4
#define GROUPS      60
#define RUNS        200

static struct fake_daemon daemons[DAEMONS];
static struct rmx_client *client;
static _Atomic bool no_more;

struct served { /* by one daemon */
    bool drains;
    uint32_t group; /* that is open; 0 = none: only one thread has groups */
};

static void end_group(struct fake_daemon *daemon, struct served *served)
{
    if (served->group != 0) {
        fake_daemon_group_done(daemon, served->group, RMX_OK, 0);
        served->group = 0;
    }
}

/* Jobs end at once; those that come too late are refused. */
static void end_jobs(struct fake_daemon *daemon, const struct served *served)
{
    struct rmx_msg_head head;

    memcpy(&head, daemon->message, sizeof(head));
    for (uint32_t i = 0; i < head.count; i++) {
        uint64_t job = fake_daemon_spec(daemon, i).job;

        if (served->drains) {
            fake_daemon_refuse(daemon, job);
        } else {
            fake_daemon_done(daemon, job, RMX_OK, 1);
        }
    }
}

static void answer(struct fake_daemon *daemon, uint16_t type, struct served *served)
{
    struct rmx_msg_group group;
    struct rmx_msg_ping ping;

    switch (type) {
    case RMX_MSG_SUBMIT:
        end_jobs(daemon, served);
        break;
    case RMX_MSG_GROUP:
        memcpy(&group, daemon->message, sizeof(group));
        served->group = group.group;
        if (served->drains) {
            end_group(daemon, served);
        }
        break;
    case RMX_MSG_GROUP_CLOSE:
        end_group(daemon, served);
        break;
    default:
        check(type == RMX_MSG_PING);
        memcpy(&ping, daemon->message, sizeof(ping));
        ping.head.type = RMX_MSG_PONG;
        fake_daemon_say(daemon, &ping, sizeof(ping));
    }
}

static void serves_and_drains(struct fake_daemon *daemon)
{
    bool last = daemon == &daemons[DAEMONS - 1];
    struct served served = { .drains = false };
    uint16_t type;
    int submits = 0;

    fake_daemon_welcome(daemon, 16);
    while ((type = fake_daemon_hear_any(daemon)) != 0) {
        answer(daemon, type, &served);
        submits += type == RMX_MSG_SUBMIT;
        if (submits == DAEMON_JOBS && !last && !served.drains) {
            served.drains = true;
            fake_daemon_arrived(daemon);
            fake_daemon_pause(daemon); /* until there is another */
            fake_daemon_goodbye(daemon, RMX_DRAINING);
            end_group(daemon, &served); /* a daemon that drains closes it */
        }
    }
}

static void *runs(void *arg)
{
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;

    job.kind = RMX_NOOP;
    for (int i = 0; i < RUNS; i++) {
        check(rmx_run(client, &job, &result, 20000) == 0);
        check(result.status == RMX_OK);
    }
    return arg;
}

/* Submits a job, wherever there is a daemon for it. */
static void submit_member(uint32_t group)
{
    struct rmx_job job = RMX_JOB_INIT;
    int taken;

    job.kind = RMX_NOOP;
    job.group = group;
    while ((taken = rmx_submit(client, &job, 1, NULL)) != 1) {
        check(taken == -EAGAIN || taken == -ESHUTDOWN);
        int err = taken == -EAGAIN ? 0 : rmx_reconnect(client, 20000);
        check(err == 0 || err == -EISCONN);
        (void)poll(NULL, 0, taken == -EAGAIN);
    }
}

static void *groups(void *arg)
{
    struct rmx_group_result result;
    uint32_t group;

    for (int i = 0; i < GROUPS; i++) {
        int err = -ESHUTDOWN;

        while ((err = rmx_group_open(client, NULL, &group)) == -ESHUTDOWN) {
            err = rmx_reconnect(client, 20000);
            check(err == 0 || err == -EISCONN);
        }
        check(err == 0);
        for (int n = 0; n < GROUP_JOBS; n++) {
            submit_member(group);
        }
        check(rmx_group_wait(client, group, &result, 20000) == 1);
        uint64_t sum = 0;
        for (int status = 0; status < RMX_END_KINDS; status++) {
            sum += result.ended[status];
        }
        check(sum == GROUP_JOBS);
        check(result.status == RMX_OK); /* also if a job of it was refused */
    }
    return arg;
}

static void *collects_members(void *arg)
{
    struct rmx_result collected[8];
    int left = GROUPS * GROUP_JOBS;

    while (left > 0) {
        int count = rmx_wait(client, collected, 8, 20000);

        check(count > 0);
        left -= count;
    }
    return arg;
}

static void *looks(void *arg)
{
    uint64_t rtt_ns;

    while (!atomic_load(&no_more)) {
        check(rmx_state(client) != RMX_STATE_LOST);
        check(rmx_ping(client, &rtt_ns) == 0);
    }
    return arg;
}

static void start(pthread_t *thread, void *(*run)(void *arg))
{
    check(pthread_create(thread, NULL, run, NULL) == 0);
}

int main(void)
{
    pthread_t threads[RUNNERS + 3];

    fake_daemon_start(&daemons[0], serves_and_drains);
    check(rmx_open(&client, daemons[0].path) == 0);
    for (int i = 0; i < RUNNERS; i++) {
        start(&threads[i], runs);
    }
    start(&threads[RUNNERS], groups);
    start(&threads[RUNNERS + 1], collects_members);
    start(&threads[RUNNERS + 2], looks);
    for (int i = 1; i < DAEMONS; i++) {
        fake_daemon_wait(&daemons[i - 1]);
        fake_daemon_succeed(&daemons[i], &daemons[i - 1], serves_and_drains, NULL);
        fake_daemon_go_on(&daemons[i - 1]);
    }
    for (int i = 0; i < RUNNERS + 2; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&no_more, true);
    pthread_join(threads[RUNNERS + 2], NULL);
    rmx_close(&client);
    for (int i = 0; i < DAEMONS; i++) {
        fake_daemon_stop(&daemons[i]);
    }
    return 0;
}
