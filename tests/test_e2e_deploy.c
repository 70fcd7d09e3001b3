/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A daemon that is replaced while its clients work: no job fails, no process stays behind.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/deploy_case.h"

enum { CLIENTS = 4, REPLACEMENTS = 3, BETWEEN_MS = 1000 };

static const char *const replacing[] = { "--replace", NULL };
static struct harness place;

TestSuite(e2e_deploy, .timeout = 120);

/* --- clients that work, each on its thread --------------------------------------------------- */

enum { FLIGHT = 3 }; /* jobs that each keeps in flight */

struct worker {
    pthread_t thread;
    struct rmx_client *client;
    bool reconnects;
    struct {
        uint64_t id; /* 0 = none */
        int output;
    } jobs[FLIGHT];
    uint32_t in_flight;
    uint32_t done;
    uint32_t moves;  /* to another daemon */
    uint32_t failed; /* jobs that ended otherwise than they should */
    char why[256];   /* of the first */
};

static atomic_bool stop;
static uint64_t right_hash;
static int input = -1;

static void note(struct worker *worker, const char *what, const char *why)
{
    if (worker->failed++ == 0) {
        (void)snprintf(worker->why, sizeof(worker->why), "%s: %s", what, why);
    }
}

static void collect(struct worker *worker)
{
    struct rmx_result result;
    int error = rmx_wait(worker->client, &result, 1, 20000);
    uint32_t i = 0;

    if (error != 1) {
        note(worker, "rmx_wait", error == 0 ? "no end came" : strerror(-error));
        worker->in_flight = 0;
        return;
    }
    while (worker->jobs[i].id != result.id) {
        i++;
    }
    if (result.status == RMX_OK && harness_hash(worker->jobs[i].output) != right_hash) {
        note(worker, "output", "wrong bytes");
    } else if (result.status != RMX_OK && result.status != RMX_DRAINING) {
        note(worker, rmx_end_name(result.status), result.text);
    }
    worker->done += result.status == RMX_OK;
    close(worker->jobs[i].output);
    worker->jobs[i].id = 0;
    worker->in_flight--;
}

/* To the daemon that listens now: with the jobs in flight left to the last one, or as somebody who
 * comes anew. */
static void move(struct worker *worker)
{
    int error;

    if (worker->reconnects) {
        error = rmx_reconnect(worker->client, 10000);
        error = error == -EISCONN ? 0 : error;
    } else {
        while (worker->in_flight > 0) {
            collect(worker);
        }
        rmx_close(&worker->client);
        error = rmx_open(&worker->client, place.socket);
    }
    if (error < 0) {
        note(worker, "moving on", strerror(-error));
    }
    worker->moves++;
}

static void submit(struct worker *worker)
{
    struct rmx_job job = RMX_JOB_INIT;
    uint32_t i = 0;
    int error;

    while (worker->jobs[i].id != 0) {
        i++;
    }
    job.input = input;
    job.output = open(place.dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    job.format = "mpegts";
    job.flags = RMX_BITEXACT;
    error = rmx_submit(worker->client, &job, 1, &worker->jobs[i].id);
    if (error == 1) {
        worker->jobs[i].output = job.output;
        worker->in_flight++;
        return;
    }
    close(job.output);
    worker->jobs[i].id = 0;
    if (error == -ESHUTDOWN || error == -ECONNRESET) {
        move(worker);
    } else {
        note(worker, "rmx_submit", strerror(-error));
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;

    while (!atomic_load(&stop) && worker->client != NULL) {
        if (worker->in_flight < FLIGHT) {
            submit(worker);
        } else {
            collect(worker);
        }
    }
    while (worker->in_flight > 0) {
        collect(worker);
    }
    rmx_close(&worker->client);
    return NULL;
}

/* A client that comes, has one job done, and goes, over and over. */
static void *visit(void *argument)
{
    struct worker *worker = argument;

    while (!atomic_load(&stop) && worker->failed == 0) {
        struct rmx_job noop = RMX_JOB_INIT;
        struct rmx_result result;
        int error = rmx_open(&worker->client, place.socket);

        if (error < 0) {
            note(worker, "rmx_open", strerror(-error));
            continue;
        }
        noop.kind = RMX_NOOP;
        error = rmx_run(worker->client, &noop, &result, 20000);
        if (error < 0 || result.status != RMX_OK) {
            note(worker, "rmx_run", error < 0 ? strerror(-error) : result.text);
        }
        worker->done++;
        rmx_close(&worker->client);
    }
    return NULL;
}

/* --- the story ------------------------------------------------------------------------------- */

/* All workers of a daemon's that are there now must be gone when it is. */
static void assert_ends_alone(struct harness *old)
{
    pid_t workers[16];
    size_t count = harness_workers(old, workers, 16);

    cr_assert_eq(deploy_exit(old), 0);
    for (size_t i = 0; i < count; i++) {
        for (int j = 0; j < 2000 && harness_lives(workers[i]); j++) {
            (void)poll(NULL, 0, 1);
        }
        cr_assert_not(harness_lives(workers[i]), "worker %d stays", (int)workers[i]);
    }
}

static void start_clients(struct worker *workers, void *(*act)(void *))
{
    for (int i = 0; i < CLIENTS; i++) {
        workers[i].reconnects = i % 2 == 0;
        workers[i].client = act == work ? harness_client(&place) : NULL;
        cr_assert_eq(pthread_create(&workers[i].thread, NULL, act, &workers[i]), 0);
    }
}

static void end_clients(struct worker *workers)
{
    atomic_store(&stop, true);
    for (int i = 0; i < CLIENTS; i++) {
        cr_assert_eq(pthread_join(workers[i].thread, NULL), 0);
        cr_expect_eq(
            workers[i].failed, 0, "%u of client %d: %s", workers[i].failed, i, workers[i].why);
        cr_expect_gt(workers[i].done, REPLACEMENTS);
    }
}

static void start_first(struct harness *daemon)
{
    deploy_make_place(&place);
    deploy_spawn(&place, daemon, replacing, NULL);
    deploy_await(daemon, "ready", 1, "");
}

/* Leaves the last of them in *daemon. */
static void replace_it(struct harness *daemon)
{
    for (int i = 0; i < REPLACEMENTS; i++) {
        struct harness old = *daemon;

        (void)poll(NULL, 0, BETWEEN_MS);
        deploy_spawn(&place, daemon, replacing, NULL);
        deploy_await(daemon, "ready", 1, "");
        assert_ends_alone(&old);
    }
    (void)poll(NULL, 0, BETWEEN_MS);
}

Test(e2e_deploy, daemon_is_replaced_three_times_and_no_job_fails)
{
    static struct worker workers[CLIENTS];
    struct harness daemon;
    struct rmx_client *client;
    struct stat before;
    struct stat after;

    start_first(&daemon);
    cr_assert_eq(stat(place.socket, &before), 0);
    input = harness_input(harness_media("small.mp4"));
    client = harness_client(&place);
    right_hash = harness_remux(&place, client, harness_media("small.mp4"), "mpegts");
    rmx_close(&client);
    start_clients(workers, work);
    replace_it(&daemon);
    end_clients(workers);
    for (int i = 0; i < CLIENTS; i++) {
        cr_expect_geq(workers[i].moves, REPLACEMENTS);
    }
    cr_assert_eq(stat(place.socket, &after), 0);
    cr_assert_eq(after.st_ino, before.st_ino);
    close(input);
    harness_stop(&daemon);
}

Test(e2e_deploy, who_comes_at_any_moment_is_served)
{
    static struct worker workers[CLIENTS];
    struct harness daemon;

    start_first(&daemon);
    start_clients(workers, visit);
    replace_it(&daemon);
    end_clients(workers);
    harness_stop(&daemon);
}

static void assert_ended(struct rmx_client *client)
{
    struct rmx_result result = harness_wait(client);

    cr_assert(result.status == RMX_OK || result.status == RMX_DRAINING, "%s: %s",
        rmx_end_name(result.status), result.text);
}

/* Jobs are submitted until the daemon takes none: each that it was sent has an end, and none is
 * lost. */
Test(e2e_deploy, jobs_that_come_as_the_daemon_ends_have_an_end)
{
    struct rmx_job noop = RMX_JOB_INIT;
    struct harness daemon;

    noop.kind = RMX_NOOP;
    for (int i = 0; i < 5; i++) {
        struct rmx_client *client;
        uint32_t in_flight = 0;
        int submitted = 1;

        start_first(&daemon);
        client = harness_client(&place);
        (void)kill(daemon.daemon, SIGTERM);
        while (submitted == 1 || submitted == -EAGAIN) {
            submitted = rmx_submit(client, &noop, 1, NULL);
            in_flight += submitted == 1;
            if (in_flight > 0 && (submitted == -EAGAIN || in_flight % 2 == 0)) {
                assert_ended(client);
                in_flight--;
            }
        }
        for (; in_flight > 0; in_flight--) {
            assert_ended(client);
        }
        rmx_close(&client);
        cr_assert_eq(deploy_exit(&daemon), 0);
        deploy_remove_place(&place);
    }
}

Test(e2e_deploy, daemon_that_cannot_start_leaves_no_socket)
{
    static const char *const settings[] = { "--worker-program=/nonexistent", NULL };
    struct harness harness;
    struct harness daemon;

    deploy_make_place(&harness);
    deploy_spawn(&harness, &daemon, settings, NULL);
    cr_assert_eq(deploy_exit(&daemon), 1);
    cr_assert_not_null(strstr(deploy_log(&daemon), "ringmux-worker cannot be started"));
    cr_assert_eq(access(harness.socket, F_OK), -1);
    cr_assert_eq(errno, ENOENT);
    deploy_remove_place(&harness);
}

Test(e2e_deploy, stats_tell_who_is_ready_and_who_drains)
{
    struct harness first;
    struct harness second;
    struct rmx_client *old;
    struct rmx_client *fresh;
    struct rmx_job job = RMX_JOB_INIT;

    deploy_make_place(&place);
    deploy_spawn(&place, &first, replacing, NULL);
    deploy_await(&first, "ready", 1, "");
    old = harness_client(&place);
    harness_counter_becomes(old, "ready", 1);
    cr_assert_eq(harness_counter(old, "draining"), 0);
    job.input = RMX_RING; /* which stays empty */
    job.output = RMX_RING;
    job.format = "mpegts";
    job.deadline_ns = rmx_deadline_in(2000000000);
    cr_assert_eq(rmx_submit(old, &job, 1, NULL), 1);
    deploy_spawn(&place, &second, replacing, NULL);
    deploy_await(&second, "ready", 1, "");
    harness_counter_becomes(old, "draining", 1);
    cr_assert_eq(harness_counter(old, "handovers"), 1);
    fresh = harness_client(&place);
    cr_assert_eq(harness_counter(fresh, "ready"), 1);
    cr_assert_eq(harness_counter(fresh, "draining"), 0);
    (void)harness_wait(old);
    rmx_close(&old);
    rmx_close(&fresh);
    cr_assert_eq(deploy_exit(&first), 0);
    harness_stop(&second);
}
