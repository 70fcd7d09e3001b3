/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Workers are replaced between jobs, and no client sees it.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/worker/sanitizer.h"
#include "tests/harness.h"

#define JOBS       (RMX_WITH_SANITIZER ? 1000u : 10000u)
#define JOBS_MAX   "100"
#define LIVES      (JOBS / 100 / 2)
#define IN_FLIGHT  16u
#define PIDS_MAX   8
#define WAIT_MS    20000
#define ONE_WORKER "--workers=1"

static struct harness harness;
static struct rmx_client *client;

TestSuite(e2e_recycle, .timeout = 300);

static void begin(const char *workers, const char *limit)
{
    const char *const settings[] = { workers, limit, NULL };

    harness_start(&harness, settings);
    client = harness_client(&harness);
}

static void end(void)
{
    rmx_close(&client);
    harness_stop(&harness);
}

static void take_end(void)
{
    struct rmx_result result = harness_wait(client);

    cr_assert_eq(result.status, RMX_OK, "%d: %s", result.status, result.text);
}

/* So many jobs, some always in flight. */
static void run_jobs(uint32_t count)
{
    const char *clip = harness_media("small.mp4");

    for (uint32_t i = 0; i < count; i++) {
        if (i >= IN_FLIGHT) {
            take_end();
        }
        (void)harness_submit(&harness, client, clip, "mpegts");
    }
    for (uint32_t i = 0; i < (count < IN_FLIGHT ? count : IN_FLIGHT); i++) {
        take_end();
    }
}

static bool is_among(pid_t pid, const pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pids[i] == pid) {
            return true;
        }
    }
    return false;
}

Test(e2e_recycle, ten_thousand_jobs_go_through_a_hundred_processes_and_all_end_well)
{
    pid_t before[PIDS_MAX];
    pid_t after[PIDS_MAX];

    begin("--workers=2", "--worker-jobs-max=" JOBS_MAX);
    size_t count = harness_workers(&harness, before, PIDS_MAX);

    cr_assert_eq(count, 2);
    run_jobs(JOBS);
    for (int round = 0; round < 20 && harness_counter(client, "worker_recycles") < LIVES; round++) {
        run_jobs(JOBS / 10); /* a machine that is slow has its spares late */
    }
    cr_assert_geq(harness_counter(client, "worker_recycles"), LIVES);
    cr_assert_eq(harness_counter(client, "worker_deaths"), 0, "none is a death");
    cr_assert_eq(harness_counter(client, "jobs_ended_WORKER_LOST"), 0);
    count = harness_workers(&harness, after, PIDS_MAX);
    cr_assert_eq(count, 2);
    for (size_t i = 0; i < count; i++) {
        cr_assert_not(is_among(after[i], before, 2), "worker %d is the first still", after[i]);
    }
    end();
}

Test(e2e_recycle, only_worker_of_a_lane_is_replaced_too)
{
    begin(ONE_WORKER, "--worker-jobs-max=" JOBS_MAX);
    for (int round = 0; round < 20 && harness_counter(client, "worker_recycles") < 2; round++) {
        run_jobs(JOBS / 10); /* it waits for a moment without jobs, and not for long */
    }
    cr_assert_geq(harness_counter(client, "worker_recycles"), 2);
    cr_assert_eq(harness_counter(client, "worker_deaths"), 0);
    end();
}

Test(e2e_recycle, memory_that_stays_is_a_reason)
{
    pid_t before;
    pid_t after;

    begin(ONE_WORKER, "--worker-recycle-bytes=1"); /* each worker has more, always */
    cr_assert_eq(harness_workers(&harness, &before, 1), 1);
    harness_counter_becomes(client, "worker_recycles", 1);
    run_jobs(1);
    cr_assert_eq(harness_workers(&harness, &after, 1), 1);
    cr_assert_neq(before, after);
    end();
}

Test(e2e_recycle, job_that_lasts_keeps_its_worker_and_holds_up_nobody)
{
    struct rmx_job job = RMX_JOB_INIT;
    uint64_t id;
    int ends[2];

    begin(ONE_WORKER, "--worker-jobs-max=10");
    cr_assert_eq(pipe(ends), 0);
    job.input = ends[0];
    job.output = harness_output(&harness, "lasting.ts");
    job.format = "mpegts";
    cr_assert_eq(rmx_submit(client, &job, 1, &id), 1);
    cr_assert_eq(write(ends[1], "G", 1), 1); /* it has its worker from now on */
    harness_counter_becomes(client, "bytes_in", 1);
    run_jobs(100);
    cr_assert_eq(harness_counter(client, "worker_recycles"), 0);
    close(ends[1]);
    cr_assert_neq(harness_wait(client).status, RMX_WORKER_LOST);
    harness_counter_becomes(client, "worker_recycles", 1);
    close(ends[0]);
    close(job.output);
    end();
}
