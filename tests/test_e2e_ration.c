/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What one job may have of its worker: memory and CPU time. Who wants more ends OVER_LIMIT, told of
 * the setting, and the worker lives.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "engine/worker/sanitizer.h"
#include "tests/harness.h"

#define BEGINNING_BYTES 65536

static struct harness harness;
static struct rmx_client *client;
static pid_t worker;

TestSuite(e2e_ration, .timeout = 180);

static void begin(const char *setting)
{
    const char *const settings[] = { "--workers=1", setting, NULL };

    harness_start(&harness, settings);
    client = harness_client(&harness);
    cr_assert_eq(harness_workers(&harness, &worker, 1), 1);
}

static void end(void)
{
    cr_assert(harness_lives(worker));
    cr_assert_eq(harness_counter(client, "worker_deaths"), 0);
    rmx_close(&client);
    harness_stop(&harness);
}

static void expect_over_limit(const char *setting)
{
    struct rmx_result result = harness_wait(client);

    cr_assert_eq(result.status, RMX_OVER_LIMIT, "%d: %s", result.status, result.text);
    cr_assert_not_null(strstr(result.text, setting), "%s", result.text);
}

Test(e2e_ration, job_that_wants_more_memory_than_it_may_have_is_OVER_LIMIT,
    .disabled = RMX_WITH_SANITIZER) /* without our heap */
{
    begin("--job-memory-bytes=64KiB");
    (void)harness_submit(&harness, client, harness_media("small.mp4"), "mpegts");
    expect_over_limit("job_memory_bytes");
    end();
}

Test(e2e_ration, worker_says_how_much_its_jobs_had_at_once, .disabled = RMX_WITH_SANITIZER)
{
    begin("--job-memory-bytes=64MiB");
    (void)harness_remux(&harness, client, harness_media("small.mp4"), "mpegts");
    uint64_t peak = 0;

    for (int rounds = 0; peak <= 65536; rounds++) { /* its turn ends after its answer */
        cr_assert_lt(rounds, 1000);
        (void)poll(NULL, 0, 10);
        peak = harness_counter(client, "worker_memory_peak");
    }
    cr_assert_leq(peak, (uint64_t)64 << 20);
    end();
}

/* It has computed for longer than a microsecond, and waits for the rest of its input. */
Test(e2e_ration, job_that_uses_more_CPU_time_than_it_may_is_OVER_LIMIT)
{
    unsigned char bytes[BEGINNING_BYTES];
    struct rmx_job job = RMX_JOB_INIT;
    int clip = harness_input(harness_media("small.ts"));
    int ends[2];
    uint64_t id;

    begin("--job-cpu=1us");
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(read(clip, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    cr_assert_eq(write(ends[1], bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    job.input = ends[0];
    job.output = harness_output(&harness, "out.mkv");
    job.format = "matroska";
    cr_assert_eq(rmx_submit(client, &job, 1, &id), 1);
    expect_over_limit("job_cpu");
    close(ends[0]);
    close(ends[1]);
    close(job.output);
    close(clip);
    end();
}
