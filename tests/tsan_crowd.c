/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Many threads: eight share one client, eight have one each. They run jobs, submit and cancel them,
 * alone and in groups, ask and collect, all at once; every job has its end, and one only. Plain
 * program, because Criterion does not run under TSan.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/ringmux.h"
#include "tests/fake_daemon.h"

#define check(cond)                                                                                \
    ((cond) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond), exit(1)))

#define SHARERS    8
#define OWNERS     8
#define ROUNDS     300
#define ROUND_JOBS 3  /* that rmx_wait() returns: one alone and two of a group */
#define CREDITS    16 /* more than there are jobs that wait to be cancelled */
#define WAIT_MS    20000

/* --- the daemon: a job of class background ends when it is cancelled, others at once ---------- */

struct held {
    uint64_t job; /* 0 = this place is free */
    uint32_t group;
};

struct served {
    struct held held[CREDITS];
};

static void end_held(struct fake_daemon *daemon, struct held *held)
{
    fake_daemon_done(daemon, held->job, RMX_CANCELLED, 1);
    held->job = 0;
}

static void take(struct fake_daemon *daemon, struct served *served, const struct rmx_job_spec *spec)
{
    struct held *place = served->held;

    if (spec->class_ != RMX_BACKGROUND) {
        fake_daemon_done(daemon, spec->job, RMX_OK, 1);
        return;
    }
    while (place->job != 0) {
        place++;
        check(place < served->held + CREDITS); /* else it has more than its credits */
    }
    *place = (struct held){ .job = spec->job, .group = spec->group };
}

static void take_all(struct fake_daemon *daemon, struct served *served)
{
    struct rmx_msg_head head;

    memcpy(&head, daemon->message, sizeof(head));
    for (uint32_t i = 0; i < head.count; i++) {
        struct rmx_job_spec spec = fake_daemon_spec(daemon, i);

        take(daemon, served, &spec);
    }
}

static void cancel_job(struct fake_daemon *daemon, struct served *served)
{
    struct rmx_msg_cancel cancel;

    memcpy(&cancel, daemon->message, sizeof(cancel));
    for (int i = 0; i < CREDITS; i++) {
        if (served->held[i].job == cancel.job) {
            end_held(daemon, &served->held[i]);
        }
    }
}

static uint32_t group_named(const struct fake_daemon *daemon)
{
    struct rmx_msg_group_name name;

    memcpy(&name, daemon->message, sizeof(name));
    return name.group;
}

static void cancel_group(struct fake_daemon *daemon, struct served *served)
{
    uint32_t group = group_named(daemon);

    for (int i = 0; i < CREDITS; i++) {
        if (served->held[i].job != 0 && served->held[i].group == group) {
            end_held(daemon, &served->held[i]);
        }
    }
}

static void pong(struct fake_daemon *daemon)
{
    struct rmx_msg_ping ping;

    memcpy(&ping, daemon->message, sizeof(ping));
    ping.head.type = RMX_MSG_PONG;
    fake_daemon_say(daemon, &ping, sizeof(ping));
}

static void serves(struct fake_daemon *daemon)
{
    struct served served = { 0 };
    uint16_t type;

    fake_daemon_welcome(daemon, CREDITS);
    while ((type = fake_daemon_hear_any(daemon)) != 0 && type != RMX_MSG_GOODBYE) {
        switch (type) {
        case RMX_MSG_SUBMIT:
            take_all(daemon, &served);
            break;
        case RMX_MSG_CANCEL:
            cancel_job(daemon, &served);
            break;
        case RMX_MSG_GROUP_CANCEL:
            cancel_group(daemon, &served);
            break;
        case RMX_MSG_GROUP_CLOSE: /* each was cancelled before */
            fake_daemon_group_done(daemon, group_named(daemon), RMX_CANCELLED, 0);
            break;
        case RMX_MSG_PING:
            pong(daemon);
            break;
        default:
            check(type == RMX_MSG_GROUP);
        }
    }
}

/* --- the threads ------------------------------------------------------------------------------ */

struct crowd { /* around one client */
    struct fake_daemon daemon;
    struct rmx_client *client;
    int threads;
    _Atomic int cancelled; /* results, by their status */
    _Atomic int done;
};

static int collected(struct crowd *crowd)
{
    return atomic_load(&crowd->cancelled) + atomic_load(&crowd->done);
}

/* Results of anybody's jobs. */
static void collect(struct crowd *crowd, int timeout_ms)
{
    struct rmx_result results[4];
    int count = rmx_wait(crowd->client, results, 4, timeout_ms);

    check(count >= 0);
    for (int i = 0; i < count; i++) {
        check(results[i].status == RMX_OK || results[i].status == RMX_CANCELLED);
        atomic_fetch_add(results[i].status == RMX_OK ? &crowd->done : &crowd->cancelled, 1);
    }
}

static uint64_t submit(struct crowd *crowd, uint32_t group, uint32_t job_class)
{
    struct rmx_job job = RMX_JOB_INIT;
    uint64_t id;
    int taken;

    job.kind = RMX_NOOP;
    job.job_class = job_class;
    job.group = group;
    while ((taken = rmx_submit(crowd->client, &job, 1, &id)) == -EAGAIN) {
        collect(crowd, 1);
    }
    check(taken == 1);
    return id;
}

static void submit_and_cancel(struct crowd *crowd)
{
    struct rmx_progress_bytes progress;
    uint64_t id = submit(crowd, 0, RMX_BACKGROUND);
    int err;

    check(rmx_progress(crowd->client, id, &progress) <= 0);
    while ((err = rmx_cancel(crowd->client, id)) == -EAGAIN) {
        collect(crowd, 1);
    }
    check(err == 0);
}

static void open_and_cancel(struct crowd *crowd)
{
    struct rmx_group_result result;
    uint32_t group;

    check(rmx_group_open(crowd->client, NULL, &group) == 0);
    submit(crowd, group, RMX_NORMAL);
    submit(crowd, group, RMX_BACKGROUND);
    check(rmx_group_cancel(crowd->client, group) == 0);
    check(rmx_group_wait(crowd->client, group, &result, WAIT_MS) == 1);
    check(result.status == RMX_CANCELLED);
    check(rmx_group_cancel(crowd->client, group) == -ENOENT);
}

static void *mills(void *arg)
{
    struct crowd *crowd = arg;
    struct rmx_job job = RMX_JOB_INIT;
    struct rmx_result result;
    uint64_t rtt_ns;

    job.kind = RMX_NOOP;
    for (int i = 0; i < ROUNDS; i++) {
        submit_and_cancel(crowd);
        check(rmx_run(crowd->client, &job, &result, WAIT_MS) == 0 && result.status == RMX_OK);
        open_and_cancel(crowd);
        check(rmx_ping(crowd->client, &rtt_ns) == 0);
        check(rmx_state(crowd->client) == RMX_STATE_READY);
        collect(crowd, 0);
    }
    while (collected(crowd) < crowd->threads * ROUNDS * ROUND_JOBS) {
        collect(crowd, 20);
    }
    return NULL;
}

int main(void)
{
    static struct crowd crowds[1 + OWNERS];
    pthread_t threads[SHARERS + OWNERS];

    for (int i = 0; i < 1 + OWNERS; i++) {
        crowds[i].threads = i == 0 ? SHARERS : 1;
        fake_daemon_start(&crowds[i].daemon, serves);
        check(rmx_open(&crowds[i].client, crowds[i].daemon.path) == 0);
    }
    for (int i = 0; i < SHARERS + OWNERS; i++) {
        struct crowd *crowd = &crowds[i < SHARERS ? 0 : 1 + i - SHARERS];

        check(pthread_create(&threads[i], NULL, mills, crowd) == 0);
    }
    for (int i = 0; i < SHARERS + OWNERS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < 1 + OWNERS; i++) {
        check(atomic_load(&crowds[i].cancelled) == crowds[i].threads * ROUNDS * 2);
        check(atomic_load(&crowds[i].done) == crowds[i].threads * ROUNDS);
        rmx_close(&crowds[i].client);
        fake_daemon_stop(&crowds[i].daemon);
    }
    return 0;
}
