/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What protects costs: the same build with a protection and without it, in turn.
 *
 *     rmx-bench onoff [--trials N] [--worker PROGRAM]      prints JSON; about 30 s
 *
 * The sandbox: a small job, at daemons whose worker is caged and is not; only the tests' odd-worker
 * (PROGRAM) can do without, and is both. Credits and accounts cannot be left out of the protocol:
 * on is the default, off is as far as settings go, credits for as many jobs as a session may have,
 * and no user's rates or shares counted. Each daemon has one worker, and whoever has nothing to do
 * sleeps: what a wake-up takes, and so whether one polls, each would measure for itself. Each value
 * is a run's median.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/daemon.h"
#include "bench/frame.h"
#include "bench/growth_media.h"
#include "bench/process.h"
#include "bench/rounds.h"

#define OPS         100u /* of a run */
#define WORKERS_MAX 16

enum { CAGED, FREE, CREDITS, NO_CREDITS, ACCOUNTS, NO_ACCOUNTS, ENTRANTS };

static struct bench {
    struct rmx_client *client[ENTRANTS];
    struct rmx_samples cpu_us[2]; /* of a job of a caged worker, and of a free one */
    struct rmx_growth_media media;
    uint32_t ops;
} bench;

static void run_noop(struct rmx_client *client)
{
    struct rmx_result result;
    struct rmx_job job;

    rmx_job_init(&job);
    job.kind = RMX_NOOP;
    rmx_daemon_run(client, &job, &result);
}

static void run_small(struct rmx_client *client)
{
    struct rmx_result result;
    struct rmx_job job;

    rmx_job_init(&job);
    job.input = open(bench.media.clip, O_RDONLY | O_CLOEXEC);
    job.output = open("/dev/null", O_WRONLY | O_CLOEXEC);
    job.format = "fmp4";
    if (job.input < 0 || job.output < 0) {
        rmx_process_die(bench.media.clip, strerrordesc_np(errno));
    }
    rmx_daemon_run(client, &job, &result);
    (void)close(job.input);
    (void)close(job.output);
}

static double median_us(int which, void (*run)(struct rmx_client *client))
{
    static struct rmx_histogram ns;

    memset(&ns, 0, sizeof(ns));
    for (uint32_t i = 0; i < bench.ops; i++) {
        uint64_t began = rmx_samples_now_ns();

        run(bench.client[which]);
        rmx_histogram_add(&ns, rmx_samples_now_ns() - began);
    }
    return (double)rmx_histogram_percentile(&ns, 0.5) / 1e3;
}

static double workers_cpu_us(int which)
{
    pid_t workers[WORKERS_MAX];
    pid_t daemon = (pid_t)rmx_daemon_pid(bench.client[which]);
    size_t count = rmx_process_workers(daemon, workers, WORKERS_MAX);
    uint64_t ns = 0;

    for (size_t i = 0; i < count; i++) {
        ns += rmx_process_cpu_ns(workers[i]);
    }
    return (double)ns / 1e3;
}

/* The kernel's count, too: the one to trust on a busy machine. */
static double median_and_cpu_us(int which)
{
    double before = workers_cpu_us(which);
    double median = median_us(which, run_small);

    rmx_samples_add(&bench.cpu_us[which - CAGED], (workers_cpu_us(which) - before) / bench.ops);
    return median;
}

static double caged(void *user)
{
    (void)user;
    return median_and_cpu_us(CAGED);
}

static double uncaged(void *user)
{
    (void)user;
    return median_and_cpu_us(FREE);
}

static double credits(void *user)
{
    (void)user;
    return median_us(CREDITS, run_noop);
}

static double no_credits(void *user)
{
    (void)user;
    return median_us(NO_CREDITS, run_noop);
}

static double accounts(void *user)
{
    (void)user;
    return median_us(ACCOUNTS, run_noop);
}

static double no_accounts(void *user)
{
    (void)user;
    return median_us(NO_ACCOUNTS, run_noop);
}

static struct rmx_entrant entrants[ENTRANTS] = {
    [CAGED] = { .run = caged, .samples = { .name = "small_job_caged", .unit = "us" } },
    [FREE] = { .run = uncaged, .samples = { .name = "small_job_free", .unit = "us" } },
    [CREDITS] = { .run = credits, .samples = { .name = "noop_credits", .unit = "us" } },
    [NO_CREDITS] = { .run = no_credits, .samples = { .name = "noop_no_credits", .unit = "us" } },
    [ACCOUNTS] = { .run = accounts, .samples = { .name = "noop_accounts", .unit = "us" } },
    [NO_ACCOUNTS] = { .run = no_accounts, .samples = { .name = "noop_no_accounts", .unit = "us" } },
};

/* odd: what RMX_ODD says to the tests' worker; NULL = the usual one. */
static struct rmx_client *open_one(const char *worker, const char *odd, const char *const *more)
{
    char program[600];
    const char *settings[12] = { "--log-level=error", "--workers=1", "--spin=0" };
    size_t count = 3;

    if (odd != NULL) {
        (void)snprintf(program, sizeof(program), "--worker-program=%s", worker);
        settings[count++] = program;
        settings[count++] = "--user=root";
        (void)setenv("RMX_ODD", odd, 1);
    }
    for (; *more != NULL; more++) {
        settings[count++] = *more;
    }
    return rmx_daemon_private(settings);
}

static void run_pair(struct rmx_frame *frame, enum rmx_aim_name name, int on)
{
    const struct rmx_rounds rounds = { .entrants = &entrants[on], .count = 2, .warm_ups = 2 };

    rmx_rounds_run(&rounds, frame->trials);
    rmx_frame_measure(frame, &entrants[on].samples);
    rmx_frame_measure(frame, &entrants[on + 1].samples);
    rmx_rounds_row(frame, name, &entrants[on].samples, &entrants[on + 1].samples, NULL);
}

static void run_sandbox(struct rmx_frame *frame, const char *worker)
{
    static const char *const none[] = { NULL };

    if (access(worker, X_OK) < 0) {
        rmx_frame_miss(frame, RMX_AIM_sandbox_cost, "no tests/odd-worker: build the tests, too");
        return;
    }
    if (geteuid() != 0) {
        rmx_frame_miss(frame, RMX_AIM_sandbox_cost, "only root has a worker without a sandbox");
        return;
    }
    bench.client[CAGED] = open_one(worker, "", none);
    bench.client[FREE] = open_one(worker, "free", none);
    (void)unsetenv("RMX_ODD");
    run_pair(frame, RMX_AIM_sandbox_cost, CAGED);
    bench.cpu_us[0].name = "worker_cpu_caged";
    bench.cpu_us[1].name = "worker_cpu_free";
    for (int i = 0; i < 2; i++) {
        bench.cpu_us[i].unit = "us";
        rmx_frame_measure(frame, &bench.cpu_us[i]);
    }
}

int rmx_bench_onoff_run(int argc, char **argv)
{
    static struct rmx_frame_option options[] = {
        { .name = "worker", .text = "that can do without a sandbox", .word = RMX_BENCH_ODD_WORKER },
        { .name = "dir", .text = "for the clip", .word = "/var/tmp" },
        { .name = NULL },
    };
    static const struct rmx_frame_plan plan = { .name = "onoff",
        .options = options,
        .trials = 41,
        .quick_trials = 11,
        .ms = 1,
        .quick_ms = 1 };
    static const char *const none[] = { NULL };
    static const char *const all_credits[] = { "--credits=1024", NULL };
    static const char *const no_limits[] = { "--messages-per-session=0",
        "--message-bytes-per-session=0", "--connections-per-uid=0", NULL };
    struct rmx_frame frame;

    rmx_frame_begin(&frame, &plan, argc, argv);
    bench.ops = frame.tiny ? 2 : OPS;
    rmx_growth_media_make(&bench.media, rmx_frame_option(&frame, "dir")->word);
    bench.client[CREDITS] = bench.client[ACCOUNTS] = open_one(NULL, NULL, none);
    bench.client[NO_CREDITS] = open_one(NULL, NULL, all_credits);
    bench.client[NO_ACCOUNTS] = open_one(NULL, NULL, no_limits);
    run_sandbox(&frame, rmx_frame_option(&frame, "worker")->word);
    run_pair(&frame, RMX_AIM_credits_cost, CREDITS);
    run_pair(&frame, RMX_AIM_accounting_cost, ACCOUNTS);
    bench.client[ACCOUNTS] = NULL;
    for (int i = 0; i < ENTRANTS; i++) {
        rmx_close(&bench.client[i]);
    }
    rmx_growth_media_end(&bench.media);
    return rmx_frame_end(&frame);
}
