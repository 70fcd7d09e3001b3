/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a greedy client costs the others: ten clients with one job in flight each, for a while
 * alone, for a while beside one that keeps 256 in flight, and so on, in turn.
 *
 *     rmx-bench fair [-t SECONDS] [-r ROUNDS] [-g JOBS]      prints JSON
 *
 * A job is the same two seconds of MP4 into fragmented MP4 for all of them, of the same class.
 * Exits 1 if a job does not end OK.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/daemon.h"
#include "bench/histogram.h"
#include "bench/process.h"
#include "bench/samples.h"

#define SMALL    10
#define BATCH    64
#define WAIT_MS  10000
#define JOBS_MAX 1024

struct bench {
    struct rmx_daemon daemon;
    struct rmx_job job;
    int greed; /* jobs of the greedy one */
    _Atomic bool over;
    uint64_t greedy_done;
};

static struct rmx_histogram alone;
static struct rmx_histogram beside;

static void check(const struct rmx_result *results, int got)
{
    if (got < 0) {
        rmx_process_die("rmx_wait", strerrordesc_np(-got));
    }
    for (int i = 0; i < got; i++) {
        if (results[i].status != RMX_OK) {
            rmx_process_die(rmx_end_name(results[i].status), results[i].text);
        }
    }
}

/* --- the greedy one --------------------------------------------------------------------------- */

static void *be_greedy(void *argument)
{
    struct bench *bench = argument;
    struct rmx_client *client = rmx_daemon_client(&bench->daemon);
    struct rmx_result results[BATCH];
    int in_flight = 0;
    bool over = false;

    while (!over || in_flight > 0) {
        over = over || atomic_load_explicit(&bench->over, memory_order_relaxed);
        while (!over && in_flight < bench->greed && rmx_submit(client, &bench->job, 1, NULL) == 1) {
            in_flight++;
        }
        int got = rmx_wait(client, results, BATCH, WAIT_MS);

        check(results, got);
        in_flight -= got;
        bench->greedy_done += (uint64_t)got;
    }
    rmx_close(&client);
    return NULL;
}

/* --- the small ones --------------------------------------------------------------------------- */

struct small {
    struct rmx_client *client;
    uint64_t sent_ns;
};

static void send_job(const struct bench *bench, struct small *small)
{
    int got;

    small->sent_ns = rmx_samples_now_ns();
    got = rmx_submit(small->client, &bench->job, 1, NULL);
    if (got != 1) {
        rmx_process_die("rmx_submit", strerrordesc_np(-got));
    }
}

/* Keeps one job of each in flight until then. */
static void run_small(
    const struct bench *bench, struct small *small, uint64_t until_ns, struct rmx_histogram *times)
{
    struct pollfd fds[SMALL];
    int in_flight = SMALL;

    for (int i = 0; i < SMALL; i++) {
        fds[i] = (struct pollfd){ .fd = rmx_fd(small[i].client), .events = POLLIN };
        send_job(bench, &small[i]);
    }
    while (in_flight > 0) {
        if (poll(fds, SMALL, WAIT_MS) <= 0) {
            rmx_process_die("poll", "no end came");
        }
        for (int i = 0; i < SMALL; i++) {
            struct rmx_result result;
            int got = fds[i].revents != 0 ? rmx_wait(small[i].client, &result, 1, 0) : 0;

            check(&result, got);
            if (got == 1) {
                rmx_histogram_add(times, rmx_samples_now_ns() - small[i].sent_ns);
                in_flight--;
            }
            if (got == 1 && rmx_samples_now_ns() < until_ns) {
                send_job(bench, &small[i]);
                in_flight++;
            }
        }
    }
}

static void run_stretch(struct bench *bench, struct small *small, double seconds, bool greedy)
{
    uint64_t ns = (uint64_t)(seconds * 1e9);
    static struct rmx_histogram warm; /* which nobody asks for */
    pthread_t thread;

    atomic_store_explicit(&bench->over, false, memory_order_relaxed);
    if (greedy && pthread_create(&thread, NULL, be_greedy, bench) != 0) {
        rmx_process_die("the greedy one", "no thread");
    }
    run_small(bench, small, rmx_samples_now_ns() + ns / 10, &warm);
    run_small(bench, small, rmx_samples_now_ns() + ns, greedy ? &beside : &alone);
    if (greedy) {
        atomic_store_explicit(&bench->over, true, memory_order_relaxed);
        (void)pthread_join(thread, NULL);
    }
}

static void print(const struct bench *bench, double seconds, long rounds)
{
    double ratio = (double)rmx_histogram_percentile(&beside, 0.99) /
                   (double)rmx_histogram_percentile(&alone, 0.99);

    printf("{\n  \"bench\": \"fair\", \"seconds\": %.3g, \"rounds\": %ld, \"greedy_jobs\": %d, "
           "\"greedy_done\": %llu,\n  \"alone\": ",
        seconds, rounds, bench->greed, (unsigned long long)bench->greedy_done);
    rmx_histogram_print(&alone, "ms", 1e6, stdout);
    printf(",\n  \"beside\": ");
    rmx_histogram_print(&beside, "ms", 1e6, stdout);
    printf(",\n  \"beside_to_alone_p99\": %.3g\n}\n", ratio);
}

int rmx_bench_fair_run(int argc, char **argv)
{
    static const char *const settings[] = { "--credits=1024", "--jobs-max=4096", NULL };
    static struct bench bench = { .greed = 256 };
    static struct small small[SMALL];
    double seconds = 5;
    long rounds = 3;
    int option;

    while ((option = getopt(argc, argv, "t:r:g:")) != -1) {
        seconds = option == 't' ? strtod(optarg, NULL) : seconds;
        rounds = option == 'r' ? strtol(optarg, NULL, 10) : rounds;
        bench.greed = option == 'g' ? (int)strtol(optarg, NULL, 10) : bench.greed;
        rounds = option == '?' ? 0 : rounds;
    }
    if (rounds < 1 || seconds < 0.1 || bench.greed < 1 || bench.greed > JOBS_MAX) {
        (void)fprintf(
            stderr, "usage: rmx-bench fair [-t SECONDS] [-r ROUNDS] [-g JOBS: 1 to 1024]\n");
        return 2;
    }
    rmx_daemon_start(&bench.daemon, "2", settings);
    rmx_daemon_job(&bench.daemon, &bench.job);
    for (int i = 0; i < SMALL; i++) {
        small[i].client = rmx_daemon_client(&bench.daemon);
    }
    for (long round = 0; round < rounds; round++) {
        run_stretch(&bench, small, seconds, false);
        run_stretch(&bench, small, seconds, true);
    }
    (void)rmx_daemon_quiet(small[0].client);
    print(&bench, seconds, rounds);
    for (int i = 0; i < SMALL; i++) {
        rmx_close(&small[i].client);
    }
    rmx_daemon_stop(&bench.daemon);
    return 0;
}
