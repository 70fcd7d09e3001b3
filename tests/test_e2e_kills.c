/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Workers are killed at random while jobs of all kinds that can run again are under way: not one is
 * lost, and not one byte is wrong. The seed is printed; RMX_SEED sets it.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/worker/sanitizer.h"
#include "tests/harness.h"

#define JOBS    16u
#define KILLS   (RMX_WITH_SANITIZER ? 40u : 200u)
#define WORKERS 2u

static struct harness harness;
static struct rmx_client *client;
static uint64_t state;

/* What a job makes of what, and what comes of it when nothing happens. */
static struct {
    const char *input;
    const char *format;
    uint64_t wanted;
} kinds[] = {
    { "live.ts", "mpegts", 0 },
    { "live.ts", "matroska", 0 },
    { "small.mp4", "fmp4", 0 },
    { "live.ts", "mp4", 0 },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct {
    uint64_t id;
    size_t kind;
    int output;
} jobs[JOBS];

static void set_up(void)
{
    static const char *const settings[] = { "--workers=2", "--flows-small=8", "--flows-bulk=8",
        NULL };
    const char *seed = getenv("RMX_SEED");

    state = seed != NULL ? strtoull(seed, NULL, 0) : harness_now_ns();
    (void)fprintf(stderr, "RMX_SEED=%llu\n", (unsigned long long)state);
    harness_start(&harness, settings);
    client = harness_client(&harness);
}

static void tear_down(void)
{
    harness_counter_becomes(client, "fds_open", 0);
    harness_counter_becomes(client, "jobs_in_flight", 0);
    rmx_close(&client);
    harness_stop(&harness);
}

TestSuite(e2e_kills, .init = set_up, .fini = tear_down, .timeout = 300);

static uint64_t dice(uint64_t sides)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (state >> 33) % sides;
}

static void start(uint32_t i, size_t kind)
{
    struct rmx_job job = RMX_JOB_INIT;
    char name[16];

    (void)snprintf(name, sizeof(name), "job%u", i);
    job.input = harness_input(harness_media(kinds[kind].input));
    job.output = harness_output(&harness, name);
    job.format = kinds[kind].format;
    job.flags = RMX_BITEXACT;
    jobs[i].kind = kind;
    jobs[i].output = job.output;
    cr_assert_eq(rmx_submit(client, &job, 1, &jobs[i].id), 1);
    close(job.input);
}

/* Takes one end. Returns whose it was. */
static uint32_t finish(void)
{
    struct rmx_result result = harness_wait(client);
    uint32_t i = 0;

    while (jobs[i].id != result.id) {
        i++;
        cr_assert_lt(i, JOBS, "two ends of one job");
    }
    cr_assert_eq(result.status, RMX_OK, "%s to %s: %s: %s", kinds[jobs[i].kind].input,
        kinds[jobs[i].kind].format, rmx_end_name(result.status), result.text);
    jobs[i].id = 0;
    return i;
}

static uint64_t take_output(uint32_t i)
{
    uint64_t hash = harness_hash(jobs[i].output);

    close(jobs[i].output);
    return hash;
}

/* Kills one of the workers that jobs share. */
static void kill_one(void)
{
    pid_t workers[WORKERS + 1];
    size_t count = harness_workers(&harness, workers, WORKERS + 1);

    if (count > 0) {
        (void)kill(workers[dice(count)], SIGKILL);
    }
}

Test(e2e_kills, of_workers_cost_no_job_and_alter_no_byte)
{
    uint64_t deaths = 0;

    for (size_t kind = 0; kind < KINDS; kind++) {
        start(0, kind);
        kinds[kind].wanted = take_output(finish());
    }
    for (uint32_t i = 0; i < JOBS; i++) {
        start(i, dice(KINDS));
    }
    while (deaths < KILLS) {
        struct pollfd readable = { .fd = rmx_fd(client), .events = POLLIN };

        if (poll(&readable, 1, (int)dice(10)) > 0) {
            uint32_t i = finish();

            cr_assert_eq(take_output(i), kinds[jobs[i].kind].wanted);
            start(i, dice(KINDS));
        }
        if (dice(3) == 0) {
            kill_one();
        }
        deaths = harness_counter(client, "worker_deaths");
    }
    for (uint32_t left = JOBS; left > 0; left--) {
        uint32_t i = finish();

        cr_assert_eq(take_output(i), kinds[jobs[i].kind].wanted);
    }
    (void)fprintf(stderr, "%llu deaths: %llu jobs ran again, %llu were tried alone\n",
        (unsigned long long)deaths, (unsigned long long)harness_counter(client, "jobs_replayed"),
        (unsigned long long)harness_counter(client, "jobs_tried_alone"));
}
