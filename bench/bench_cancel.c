/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How long a job that is to end goes on, in a daemon that has as much to do as it can: from
 * rmx_cancel(), or from the deadline, until its result is here.
 *
 *     rmx-bench cancel [-n TIMES]      prints JSON
 *
 * Another client keeps 64 jobs under way meanwhile. In turn, so that all meet the same machine, a
 * job that waits for input, one that is busy, and one that was just sent are cancelled, and
 * the first two have a deadline. Exits 1 if a job ends in another way than it may, or if what it
 * held does not come back.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench/command.h"
#include "bench/daemon.h"
#include "bench/histogram.h"
#include "bench/process.h"
#include "bench/samples.h"

#define LOAD_JOBS   64
#define WAIT_MS     10000
#define LONG_BYTES  (256u << 20)       /* some tenths of a second of work */
#define BEGUN_NS    UINT64_C(10000000) /* after that a job is under way */
#define DEADLINE_NS UINT64_C(15000000)

enum measure { CANCEL_WAITING, CANCEL_BUSY, CANCEL_UNSTARTED, LATE_WAITING, LATE_BUSY, MEASURES };

static const char *const names[MEASURES] = { "cancel_waiting", "cancel_busy", "cancel_unstarted",
    "deadline_waiting", "deadline_busy" };
static struct rmx_histogram times[MEASURES];
static uint64_t other_ends; /* a busy job may have been done before */

struct bench {
    struct rmx_daemon daemon;
    struct rmx_client *client;
    int long_input;
    int nothing;
    _Atomic bool over;
    uint64_t load_done;
};

/* --- the load --------------------------------------------------------------------------------- */

static void *keep_busy(void *argument)
{
    struct bench *bench = argument;
    struct rmx_client *client = rmx_daemon_client(&bench->daemon);
    struct rmx_result results[LOAD_JOBS];
    struct rmx_job job;
    int in_flight = 0;

    rmx_daemon_job(&bench->daemon, &job);
    while (!atomic_load_explicit(&bench->over, memory_order_relaxed) || in_flight > 0) {
        while (in_flight < LOAD_JOBS && !atomic_load_explicit(&bench->over, memory_order_relaxed) &&
               rmx_submit(client, &job, 1, NULL) == 1) {
            in_flight++;
        }
        int got = rmx_wait(client, results, LOAD_JOBS, WAIT_MS);

        if (got < 0) {
            rmx_process_die("the load", strerrordesc_np(-got));
        }
        in_flight -= got;
        bench->load_done += (uint64_t)got;
    }
    close(job.input);
    close(job.output);
    rmx_close(&client);
    return NULL;
}

/* --- the jobs that are to end ----------------------------------------------------------------- */

/* A transport stream, over and over. */
static void make_long_input(struct bench *bench)
{
    char path[sizeof(bench->daemon.clip) + 8];
    unsigned char *bytes;
    size_t size;

    (void)snprintf(path, sizeof(path), "%s.ts", bench->daemon.clip);
    rmx_process_ffmpeg((const char *const[]){ "-i", bench->daemon.clip, "-c", "copy", path, NULL });
    bytes = rmx_process_slurp(path, &size);
    (void)unlink(path);
    bench->long_input = memfd_create("bench_cancel", MFD_CLOEXEC);
    for (size_t written = 0; written < LONG_BYTES; written += size) {
        if (write(bench->long_input, bytes, size) != (ssize_t)size) {
            rmx_process_die("memfd", strerrordesc_np(errno));
        }
    }
    free(bytes);
    (void)lseek(bench->long_input, 0, SEEK_SET);
}

static uint64_t submit(struct bench *bench, struct rmx_job *job, int input)
{
    uint64_t id = 0;
    int got;

    job->input = input;
    job->output = bench->nothing;
    job->format = "matroska";
    got = rmx_submit(bench->client, job, 1, &id);
    if (got != 1) {
        rmx_process_die("rmx_submit", strerrordesc_np(-got));
    }
    return id;
}

/* Returns when the result is here. */
static void expect(struct bench *bench, enum measure what, enum rmx_end end, uint64_t from_ns)
{
    struct rmx_result result;
    int got = rmx_wait(bench->client, &result, 1, WAIT_MS);
    uint64_t now_ns = rmx_samples_now_ns();

    if (got != 1) {
        rmx_process_die(names[what], got == 0 ? "no end came" : strerrordesc_np(-got));
    }
    if (result.status == RMX_OK && (what == CANCEL_BUSY || what == LATE_BUSY)) {
        other_ends++;
        return;
    }
    if (result.status != end) {
        rmx_process_die(rmx_end_name(result.status), result.text);
    }
    rmx_histogram_add(&times[what], now_ns > from_ns ? now_ns - from_ns : 0);
}

static void sleep_ns(uint64_t ns)
{
    struct timespec time = { .tv_nsec = (long)ns };

    (void)nanosleep(&time, NULL);
}

static void cancel(struct bench *bench, enum measure what, uint64_t id)
{
    uint64_t from_ns = rmx_samples_now_ns();
    int error = rmx_cancel(bench->client, id);

    if (error < 0 && error != -ENOENT) {
        rmx_process_die("rmx_cancel", strerrordesc_np(-error));
    }
    expect(bench, what, RMX_CANCELLED, from_ns);
}

/* Jobs that wait for input have their pipe's beginning. */
static void open_pipe(int ends[2])
{
    static unsigned char sync[188 * 8];

    for (size_t i = 0; i < sizeof(sync); i += 188) {
        memcpy(sync + i, (const unsigned char[]){ 0x47, 0x1f, 0xff, 0x10 }, 4); /* null packets */
    }
    if (pipe2(ends, O_CLOEXEC) < 0 || write(ends[1], sync, sizeof(sync)) < 0) {
        rmx_process_die("pipe", strerrordesc_np(errno));
    }
}

static void measure(struct bench *bench, enum measure what)
{
    struct rmx_job job = RMX_JOB_INIT;
    bool waits = what == CANCEL_WAITING || what == LATE_WAITING || what == CANCEL_UNSTARTED;
    int ends[2] = { -1, -1 };
    uint64_t id;

    if (waits) {
        open_pipe(ends);
        job.input_format = "mpegts";
    }
    if (what == LATE_WAITING || what == LATE_BUSY) {
        job.deadline_ns = rmx_deadline_in(DEADLINE_NS);
        (void)submit(bench, &job, waits ? ends[0] : bench->long_input);
        expect(bench, what, RMX_DEADLINE, job.deadline_ns);
    } else {
        id = submit(bench, &job, waits ? ends[0] : bench->long_input);
        if (what != CANCEL_UNSTARTED) {
            sleep_ns(BEGUN_NS);
        }
        cancel(bench, what, id);
    }
    if (waits) {
        close(ends[0]);
        close(ends[1]);
    }
}

static void print(const struct bench *bench, uint64_t back_ns)
{
    printf("{\n  \"bench\": \"cancel\", \"load_jobs\": %d, \"load_done\": %llu, "
           "\"done_before\": %llu,\n",
        LOAD_JOBS, (unsigned long long)bench->load_done, (unsigned long long)other_ends);
    for (size_t i = 0; i < MEASURES; i++) {
        printf("  \"%s\": ", names[i]);
        rmx_histogram_print(&times[i], "ms", 1e6, stdout);
        printf(",\n");
    }
    printf("  \"all_back_ms\": %.3g\n}\n", (double)back_ns / 1e6);
}

int rmx_bench_cancel_run(int argc, char **argv)
{
    static const char *const settings[] = { "--credits=128", NULL };
    static struct bench bench;
    unsigned long count = 300;
    uint64_t back_ns;
    pthread_t load;
    int option;

    while ((option = getopt(argc, argv, "n:")) != -1) {
        count = option == 'n' ? strtoul(optarg, NULL, 10) : 0;
    }
    if (count < 1 || count > 100000 || optind != argc) {
        (void)fprintf(stderr, "usage: rmx-bench cancel [-n TIMES: 1 to 100000]\n");
        return 2;
    }
    rmx_daemon_start(&bench.daemon, "2", settings);
    bench.client = rmx_daemon_client(&bench.daemon);
    bench.nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    make_long_input(&bench);
    if (pthread_create(&load, NULL, keep_busy, &bench) != 0) {
        rmx_process_die("the load", "no thread");
    }
    sleep_ns(500000000);
    for (unsigned long i = 0; i < count; i++) {
        for (enum measure what = 0; what < MEASURES; what++) {
            measure(&bench, what);
        }
    }
    atomic_store_explicit(&bench.over, true, memory_order_relaxed);
    (void)pthread_join(load, NULL);
    back_ns = rmx_daemon_quiet(bench.client);
    print(&bench, back_ns);
    rmx_close(&bench.client);
    rmx_daemon_stop(&bench.daemon);
    return 0;
}
