/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What it costs to talk to the daemon: a question and its answer, an empty job from submit to done
 * (to the daemon, to a worker and back), one at a time and in batches; beside two processes that
 * send each other a message over a SOCK_SEQPACKET socket and do nothing else.
 *
 *     rmx-bench ipc [--trials N] [--jobs N]      prints JSON; about 20 s
 *
 * Private daemons with one worker: one whose worker sleeps at once, one whose worker polls for two
 * milliseconds.
 *   asleep: the caller has another core than the lane, and whoever has nothing to do sleeps, its
 * core with it. Of the bare socket, the one who sends back is where the lane is. awake: no core is
 * asleep when its turn comes. Worker and lane poll, each on its core, the lane 50 us at most; the
 * caller is on the lane's and sleeps, as whoever would poll there would keep it waiting. Of the
 * bare socket both are on that core, too. (Both polling, each on a core, is told as a measure.)
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/command.h"
#include "bench/core.h"
#include "bench/daemon.h"
#include "bench/echo.h"
#include "bench/frame.h"
#include "bench/process.h"
#include "bench/rounds.h"
#include "clients/ringmux.h"

#define BATCH_MAX   32u
#define WAIT_MS     10000
#define WARM_UPS    3u
#define REST_NS     4000000 /* for who polls, to stop before the next entrant */
#define POLLING     "--spin=2ms"
#define DAEMONS     2
#define BATCHES     6 /* 1 to 32 */
#define RUN_OPS_MIN 16u

enum entrant {
    ECHO_ASLEEP,
    PING,
    NOOP_ASLEEP,
    ECHO_AWAKE,
    NOOP_AWAKE,
    ECHO_POLLING,
    ENTRANTS,
};

struct bench {
    struct rmx_client *client[DAEMONS]; /* whose worker sleeps, and polls */
    struct rmx_echo echo;
    struct rmx_echo polling;
    int lane_core;
    int other_core;
    uint32_t ops;    /* of a run, at most */
    uint64_t run_ns; /* and how long it takes, at most */
};

static struct rmx_histogram all_ns[ENTRANTS];

/* --- what is measured ----------------------------------------------------------------------------
 */

static void submit(struct rmx_client *client, uint32_t count)
{
    struct rmx_job jobs[BATCH_MAX];
    int got;

    for (uint32_t i = 0; i < count; i++) {
        rmx_job_init(&jobs[i]);
        jobs[i].kind = RMX_NOOP;
    }
    got = rmx_submit(client, jobs, count, NULL);
    if (got != (int)count) {
        rmx_process_die("submit", got < 0 ? strerrordesc_np(-got) : "not all were taken");
    }
}

static void collect(struct rmx_client *client, uint32_t count)
{
    struct rmx_result results[BATCH_MAX];

    for (uint32_t done = 0; done < count;) {
        int got = rmx_wait(client, results, BATCH_MAX, WAIT_MS);

        if (got <= 0) {
            rmx_process_die("wait", got < 0 ? strerrordesc_np(-got) : "no answer within 10 s");
        }
        for (int i = 0; i < got; i++) {
            if (results[i].status != RMX_OK) {
                rmx_process_die(rmx_end_name(results[i].status), results[i].text);
            }
        }
        done += (uint32_t)got;
    }
}

static uint64_t noop_ns(struct rmx_client *client, uint32_t count)
{
    uint64_t began = rmx_samples_now_ns();

    submit(client, count);
    collect(client, count);
    return rmx_samples_now_ns() - began;
}

static uint64_t once_ns(struct bench *bench, enum entrant which)
{
    uint64_t ns = 0;

    switch (which) {
    case ECHO_ASLEEP:
    case ECHO_AWAKE:
        return rmx_echo_ns(&bench->echo);
    case ECHO_POLLING:
        return rmx_echo_ns(&bench->polling);
    case NOOP_ASLEEP:
        return noop_ns(bench->client[0], 1);
    case NOOP_AWAKE:
        return noop_ns(bench->client[1], 1);
    case PING:
        if (rmx_ping(bench->client[0], &ns) < 0) {
            rmx_process_die("ping", "no answer");
        }
        return ns;
    case ENTRANTS:
        break;
    }
    return ns;
}

static void rest(void)
{
    const struct timespec time = { .tv_nsec = REST_NS };

    (void)nanosleep(&time, NULL);
}

/* The median of a run, in microseconds. */
static double median_us(struct bench *bench, enum entrant which)
{
    static struct rmx_histogram run_ns;
    bool awake = which == ECHO_AWAKE || which == NOOP_AWAKE;
    uint64_t until;

    memset(&run_ns, 0, sizeof(run_ns));
    rmx_core_pin(awake ? bench->lane_core : bench->other_core);
    (void)once_ns(bench, which);
    until = rmx_samples_now_ns() + bench->run_ns;
    for (uint32_t i = 0; i < bench->ops && rmx_samples_now_ns() < until; i++) {
        rmx_histogram_add(&run_ns, once_ns(bench, which));
    }
    rmx_histogram_merge(&all_ns[which], &run_ns);
    rest();
    return (double)rmx_histogram_percentile(&run_ns, 0.5) / 1e3;
}

static double echo_asleep(void *user)
{
    return median_us(user, ECHO_ASLEEP);
}

static double echo_awake(void *user)
{
    return median_us(user, ECHO_AWAKE);
}

static double echo_polling(void *user)
{
    return median_us(user, ECHO_POLLING);
}

static double ping(void *user)
{
    return median_us(user, PING);
}

static double noop_asleep(void *user)
{
    return median_us(user, NOOP_ASLEEP);
}

static double noop_awake(void *user)
{
    return median_us(user, NOOP_AWAKE);
}

static struct rmx_entrant entrants[ENTRANTS] = {
    [ECHO_ASLEEP] = { .run = echo_asleep, .samples = { .name = "seqpacket_asleep", .unit = "us" } },
    [PING] = { .run = ping, .samples = { .name = "ping", .unit = "us" } },
    [NOOP_ASLEEP] = { .run = noop_asleep, .samples = { .name = "noop_asleep", .unit = "us" } },
    [ECHO_AWAKE] = { .run = echo_awake, .samples = { .name = "seqpacket_awake", .unit = "us" } },
    [NOOP_AWAKE] = { .run = noop_awake, .samples = { .name = "noop_awake", .unit = "us" } },
    [ECHO_POLLING] = { .run = echo_polling,
        .samples = { .name = "seqpacket_polling", .unit = "us" } },
};

/* --- batches -------------------------------------------------------------------------------------
 */

static void run_batches(struct rmx_frame *frame, struct bench *bench)
{
    struct rmx_samples samples[BATCHES] = { { .unit = "us" } };
    struct rmx_frame_point points[BATCHES];
    const struct rmx_frame_series series = {
        .name = "noop_by_batch",
        .x = "jobs in a batch",
        .y = "time for each of its jobs, us",
        .points = points,
        .count = BATCHES,
    };

    for (uint32_t trial = 0; trial < frame->trials; trial++) {
        for (uint32_t i = 0; i < BATCHES; i++) {
            uint64_t ns = 0;
            uint32_t jobs = 0;

            for (; jobs < bench->ops && ns < bench->run_ns; jobs += 1u << i) {
                ns += noop_ns(bench->client[0], 1u << i);
            }
            rmx_samples_add(&samples[i], (double)ns / 1e3 / (double)jobs);
        }
    }
    for (uint32_t i = 0; i < BATCHES; i++) {
        struct rmx_spread spread = rmx_spread_of(&samples[i], NULL);

        points[i] = (struct rmx_frame_point){
            .x = 1u << i, .y = spread.median, .low = spread.low, .high = spread.high
        };
        rmx_samples_fini(&samples[i]);
    }
    rmx_frame_series(frame, &series);
}

/* --- all of it -----------------------------------------------------------------------------------
 */

static struct rmx_client *open_private(const char *spin)
{
    const char *const settings[] = { "--log-level=error", "--workers=1", spin, NULL };

    return rmx_daemon_private(settings);
}

static void print(struct rmx_frame *frame)
{
    for (size_t i = 0; i < ENTRANTS; i++) {
        rmx_frame_measure(frame, &entrants[i].samples);
        rmx_frame_histogram(frame, entrants[i].samples.name, "us", &all_ns[i], 1e3);
    }
    rmx_rounds_row(frame, RMX_AIM_control_round_trip, &entrants[PING].samples,
        &entrants[ECHO_ASLEEP].samples, NULL);
    rmx_rounds_row(frame, RMX_AIM_noop_awake, &entrants[NOOP_AWAKE].samples,
        &entrants[ECHO_AWAKE].samples, NULL);
    rmx_rounds_row(frame, RMX_AIM_noop_asleep, &entrants[NOOP_ASLEEP].samples,
        &entrants[ECHO_ASLEEP].samples, NULL);
}

int rmx_bench_ipc_run(int argc, char **argv)
{
    static struct rmx_frame_option options[] = {
        { .name = "ops", .text = "of a run", .value = 300, .min = RUN_OPS_MIN, .max = 100000 },
        { .name = NULL },
    };
    static const struct rmx_frame_plan plan = { .name = "ipc",
        .options = options,
        .trials = 41,
        .quick_trials = 15,
        .ms = 20,
        .quick_ms = 20 };
    struct bench bench = { .ops = RUN_OPS_MIN };
    const struct rmx_rounds rounds = {
        .entrants = entrants, .count = ENTRANTS, .warm_ups = WARM_UPS, .user = &bench
    };
    struct rmx_frame frame;

    rmx_frame_begin(&frame, &plan, argc, argv);
    bench.run_ns = frame.ns;
    if (!frame.tiny) {
        bench.ops = (uint32_t)rmx_frame_option(&frame, "ops")->value;
    }
    bench.client[0] = open_private("--spin=0");
    bench.client[1] = open_private(POLLING);
    bench.lane_core = rmx_process_lane_core((pid_t)rmx_daemon_pid(bench.client[0]));
    bench.other_core = bench.lane_core == 0 ? 1 : 0;
    rmx_echo_start(&bench.echo, bench.lane_core, false);
    rmx_echo_start(&bench.polling, bench.lane_core, true);
    rmx_rounds_run(&rounds, frame.trials);
    print(&frame);
    run_batches(&frame, &bench);
    rmx_echo_stop(&bench.echo);
    rmx_echo_stop(&bench.polling);
    for (int i = 0; i < DAEMONS; i++) {
        rmx_close(&bench.client[i]);
    }
    return rmx_frame_end(&frame);
}
