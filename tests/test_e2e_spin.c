/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A daemon whose worker polls, and where there are two cpus its lane as well: what comes while
 * nobody sleeps is served like what wakes somebody, and nobody polls for ever.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "tests/harness.h"

#define JOBS   2000
#define CROWD  200
#define REST_S 1

static struct harness harness;
static struct rmx_client *client;
static char names[CROWD]; /* whose addresses the jobs bear */

static void begin(void)
{
    static const char *const settings[] = { "--workers=1", "--lanes=1", "--spin=2ms",
        "--credits=256", NULL };

    harness_start(&harness, settings);
    client = harness_client(&harness);
}

static void end(void)
{
    rmx_close(&client);
    harness_stop(&harness);
}

TestSuite(e2e_spin, .timeout = 180, .init = begin, .fini = end);

static void submit_nothing(char *name)
{
    struct rmx_job job;

    rmx_job_init(&job);
    job.kind = RMX_NOOP;
    job.user = name;
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
}

Test(e2e_spin, one_job_after_another)
{
    for (int i = 0; i < JOBS; i++) {
        char *name = &names[i % CROWD];
        struct rmx_result result;

        submit_nothing(name);
        result = harness_wait(client);
        cr_assert_eq(result.status, RMX_OK, "%s", result.text);
        cr_assert_eq(result.user, (void *)name);
    }
}

Test(e2e_spin, a_crowd_and_a_file_among_them)
{
    int files = 0;

    (void)harness_submit(&harness, client, harness_media("small.mp4"), "mpegts");
    for (int i = 0; i < CROWD; i++) {
        submit_nothing(&names[i]);
    }
    for (int i = 0; i <= CROWD; i++) {
        struct rmx_result result = harness_wait(client);
        char *name = result.user;

        cr_assert_eq(result.status, RMX_OK, "%s", result.text);
        files += name == NULL ? 1 : 0;
        if (name != NULL) {
            (*name)++;
        }
    }
    cr_assert_eq(files, 1);
    for (int i = 0; i < CROWD; i++) {
        cr_assert_eq(names[i], 1);
    }
}

/* The CPU time that a process has had. */
static uint64_t cpu_ns(pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    cr_assert_eq(clock_getcpuclockid(pid, &clock), 0);
    cr_assert_eq(clock_gettime(clock, &used), 0);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

Test(e2e_spin, nobody_polls_for_a_job_that_waits)
{
    const struct timespec rest = { .tv_sec = REST_S };
    int ends[2];
    struct rmx_job job;
    struct rmx_result result;
    uint64_t before;

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    rmx_job_init(&job);
    job.input = ends[0];
    job.output = harness_output(&harness, "out.ts");
    job.format = "mpegts";
    cr_assert_eq(rmx_submit(client, &job, 1, NULL), 1);
    (void)close(ends[0]);
    (void)nanosleep(&rest, NULL); /* it has begun by now, or waits to: its input is silent */
    before = cpu_ns(harness.daemon);
    (void)nanosleep(&rest, NULL);
    cr_assert_lt(cpu_ns(harness.daemon) - before, REST_S * 500000000u);
    (void)close(ends[1]);
    result = harness_wait(client);
    cr_assert_neq(result.status, RMX_OK); /* there was nothing in it */
    (void)close(job.output);
}
