/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Page faults on the way of a new daemon's first jobs: small clips, as many at once as there are
 * ring pairs, so that each pair of the fresh arena is used for the first time; then as many again.
 *
 *     rmx-bench faults [--trials N]      prints JSON; a daemon each trial, about 3 s
 *
 * Counted by the kernel, of the lane's process and the worker: all minor faults, whatever they are
 * of (ring, stack, the media library's heap). And pages of arenas that were not mapped in before
 * the first job, from /proc/PID/smaps: each would be a fault.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/daemon.h"
#include "bench/frame.h"
#include "bench/process.h"
#include "bench/rounds.h"

#define JOBS 60u /* a session has 64 credits */

struct count {
    uint64_t daemon;
    uint64_t worker;
};

static struct count faults_of(pid_t daemon, pid_t worker)
{
    return (struct count){ rmx_process_faults(daemon), rmx_process_faults(worker) };
}

static void run_jobs(struct rmx_client *client, const char *clip)
{
    struct rmx_result results[JOBS];
    struct rmx_job jobs[JOBS];
    uint32_t done = 0;

    for (uint32_t i = 0; i < JOBS; i++) {
        rmx_job_init(&jobs[i]);
        jobs[i].input = open(clip, O_RDONLY | O_CLOEXEC);
        jobs[i].output = open("/dev/null", O_WRONLY | O_CLOEXEC);
        jobs[i].format = "fmp4";
        if (jobs[i].input < 0) {
            rmx_process_die(clip, strerrordesc_np(errno));
        }
    }
    for (uint32_t sent = 0; sent < JOBS;) {
        int got = rmx_submit(client, jobs + sent, JOBS - sent, NULL);

        if (got < 0) {
            rmx_process_die("submit", strerrordesc_np(-got));
        }
        sent += (uint32_t)got;
    }
    while (done < JOBS) {
        int got = rmx_wait(client, results, JOBS, 60000);

        if (got <= 0 || results[0].status != RMX_OK) {
            rmx_process_die("wait", "a job did not end well");
        }
        done += (uint32_t)got;
    }
    for (uint32_t i = 0; i < JOBS; i++) {
        (void)close(jobs[i].input);
        (void)close(jobs[i].output);
    }
}

enum { FIRST_LANE, FIRST_WORKER, NEXT_LANE, NEXT_WORKER, UNMAPPED, MEASURES };

/* The worker is told from the spare by the time it has taken. */
static void wake_worker(struct rmx_client *client)
{
    struct rmx_result result;
    struct rmx_job job;

    rmx_job_init(&job);
    job.kind = RMX_NOOP;
    rmx_daemon_run(client, &job, &result);
}

static void run_once(const char *clip, struct rmx_samples *samples)
{
    static const char *const settings[] = { "--log-level=error", "--workers=1", NULL };
    struct rmx_client *client = rmx_daemon_private(settings);
    pid_t daemon = (pid_t)rmx_daemon_pid(client);
    struct count before;
    struct count first;
    struct count next;
    pid_t worker;

    wake_worker(client);
    worker = rmx_process_worker(daemon);
    before = faults_of(daemon, worker);
    rmx_samples_add(&samples[UNMAPPED],
        (double)rmx_process_absent_pages(daemon) + (double)rmx_process_absent_pages(worker));
    run_jobs(client, clip);
    first = faults_of(daemon, worker);
    run_jobs(client, clip);
    next = faults_of(daemon, worker);
    rmx_samples_add(&samples[FIRST_LANE], (double)(first.daemon - before.daemon));
    rmx_samples_add(&samples[FIRST_WORKER], (double)(first.worker - before.worker));
    rmx_samples_add(&samples[NEXT_LANE], (double)(next.daemon - first.daemon));
    rmx_samples_add(&samples[NEXT_WORKER], (double)(next.worker - first.worker));
    rmx_close(&client);
}

int rmx_bench_faults_run(int argc, char **argv)
{
    static const struct rmx_frame_plan plan = {
        .name = "faults", .trials = 7, .quick_trials = 3, .ms = 1, .quick_ms = 1
    };
    struct rmx_samples samples[MEASURES] = {
        [FIRST_LANE] = { .name = "first_60_jobs_lane", .unit = "faults" },
        [FIRST_WORKER] = { .name = "first_60_jobs_worker", .unit = "faults" },
        [NEXT_LANE] = { .name = "next_60_jobs_lane", .unit = "faults" },
        [NEXT_WORKER] = { .name = "next_60_jobs_worker", .unit = "faults" },
        [UNMAPPED] = { .name = "arena_pages_not_mapped_before", .unit = "pages" },
    };
    char clip[] = "/tmp/rmx-bench-XXXXXX";
    struct rmx_frame frame;
    struct rmx_frame_row row;
    struct rmx_spread lane;
    char note[160];
    int fd;

    rmx_frame_begin(&frame, &plan, argc, argv);
    fd = mkstemp(clip);
    if (fd < 0) {
        rmx_process_die(clip, strerrordesc_np(errno));
    }
    rmx_daemon_clip(clip, "2");
    for (uint32_t i = 0; i < frame.trials; i++) {
        run_once(clip, samples);
    }
    (void)unlink(clip);
    (void)close(fd);
    for (size_t i = 0; i < MEASURES; i++) {
        rmx_frame_measure(&frame, &samples[i]);
    }
    lane = rmx_spread_of(&samples[FIRST_LANE], NULL);
    row = (struct rmx_frame_row){
        .ours = lane.median + rmx_spread_of(&samples[FIRST_WORKER], NULL).median, .note = note
    };
    (void)snprintf(note, sizeof(note),
        "of 60 jobs at once: lane %.0f, worker %.0f, of %.0f arena pages; of the next 60: %.0f, "
        "%.0f",
        lane.median, row.ours - lane.median, rmx_spread_of(&samples[UNMAPPED], NULL).median,
        rmx_spread_of(&samples[NEXT_LANE], NULL).median,
        rmx_spread_of(&samples[NEXT_WORKER], NULL).median);
    rmx_frame_row(&frame, RMX_AIM_fresh_faults, &row);
    return rmx_frame_end(&frame);
}
