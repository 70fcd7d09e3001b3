/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ten thousand small jobs, 64 at once, through one daemon: what daemon and workers hold after job
 * 1,000 they hold after job 10,000. Under a sanitizer, whose allocator keeps freed memory back,
 * fewer jobs run and only descriptors and counters are compared; the leak checker does the rest.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/harness.h"

enum { AT_ONCE = 64, WORKERS_MAX = 64 };

#if defined(__SANITIZE_ADDRESS__)
enum { JOBS = 1000, COMPARES_MEMORY = 0 };
#else
enum { JOBS = 10000, COMPARES_MEMORY = 1 };
#endif

/* What a worker holds swings with how many of the 64 jobs happen to be half done at once, and
 * allocators keep the most it ever was: up to 14 MiB on a busy machine, level after 15,000 jobs. So
 * the least held at the end is compared with the most held at the beginning, and only a leak of two
 * KiB a job shows here; the leak checker of the asan build finds the smaller ones. */
static const uint64_t slack_bytes = 16 * 1024 * 1024;
enum { LOOKS = 10, EDGE = 3 }; /* a look after each tenth of the jobs; so many at either end */

struct holdings {
    size_t descriptors;
    uint64_t daemon_bytes;
    size_t workers;
    pid_t worker[WORKERS_MAX];
    size_t worker_descriptors[WORKERS_MAX];
    uint64_t worker_bytes[WORKERS_MAX];
};

static void look(const struct harness *harness, struct holdings *holdings)
{
    holdings->descriptors = harness_descriptors(harness->daemon);
    holdings->daemon_bytes = harness_resident_bytes(harness->daemon);
    holdings->workers = harness_workers(harness, holdings->worker, WORKERS_MAX);
    for (size_t i = 0; i < holdings->workers; i++) {
        holdings->worker_descriptors[i] = harness_descriptors(holdings->worker[i]);
        holdings->worker_bytes[i] = harness_resident_bytes(holdings->worker[i]);
    }
}

static void run_jobs(const struct harness *harness, struct rmx_client *client, unsigned jobs)
{
    const char *formats[] = { "fmp4", "mpegts", "matroska", "mp4", "flv" };
    unsigned submitted = 0;
    unsigned ended = 0;

    while (ended < jobs) {
        while (submitted < jobs && submitted - ended < AT_ONCE) {
            (void)harness_submit(
                harness, client, harness_media("small.mp4"), formats[submitted % 5]);
            submitted++;
        }
        struct rmx_result result = harness_wait(client);

        cr_assert_eq(result.status, RMX_OK, "%s: %s", rmx_end_name(result.status), result.text);
        ended++;
    }
}

static uint64_t least(const uint64_t *bytes, int count)
{
    uint64_t result = bytes[0];

    for (int i = 1; i < count; i++) {
        result = bytes[i] < result ? bytes[i] : result;
    }
    return result;
}

static uint64_t most(const uint64_t *bytes, int count)
{
    uint64_t result = bytes[0];

    for (int i = 1; i < count; i++) {
        result = bytes[i] > result ? bytes[i] : result;
    }
    return result;
}

static void compare_memory(const char *who, const uint64_t bytes[LOOKS])
{
    (void)fprintf(stderr, "%s, KiB:", who);
    for (int i = 0; i < LOOKS; i++) {
        (void)fprintf(stderr, " %llu", (unsigned long long)bytes[i] / 1024);
    }
    (void)fputc('\n', stderr);
    cr_assert(
        !COMPARES_MEMORY || least(bytes + LOOKS - EDGE, EDGE) <= most(bytes, EDGE) + slack_bytes,
        "%s grows", who);
}

static void compare(const struct harness *harness, const struct holdings looks[LOOKS])
{
    const struct holdings *first = &looks[0];
    const struct holdings *last = &looks[LOOKS - 1];
    uint64_t bytes[LOOKS];

    harness_descriptors_at_most(harness->daemon, first->descriptors);
    cr_assert_eq(last->workers, first->workers);
    for (size_t w = 0; w < first->workers; w++) {
        cr_assert_eq(last->worker[w], first->worker[w], "a worker died");
        cr_assert_eq(last->worker_descriptors[w], first->worker_descriptors[w]);
        for (int i = 0; i < LOOKS; i++) {
            bytes[i] = looks[i].worker_bytes[w];
        }
        compare_memory("worker", bytes);
    }
    for (int i = 0; i < LOOKS; i++) {
        bytes[i] = looks[i].daemon_bytes;
    }
    compare_memory("daemon", bytes);
}

Test(e2e_leaks, ten_thousand_jobs_leave_nothing_behind, .timeout = 300)
{
    struct harness harness;
    struct rmx_client *client;
    /* One worker has all 64 at once, so that all its fibers' stacks are in use from the start; on a
     * busy machine too, where fewer credits would be given back. */
    static const char *const settings[] = { "--workers=1", "--overload_cpu=0", "--overload_queue=0",
        "--overload_rings=0", NULL };
    static struct holdings looks[LOOKS];

    harness_start(&harness, settings);
    client = harness_client(&harness);
    for (int i = 0; i < LOOKS; i++) {
        run_jobs(&harness, client, JOBS / LOOKS);
        look(&harness, &looks[i]);
    }

    compare(&harness, looks);
    cr_assert_eq(harness_counter(client, "jobs_ended_OK"), JOBS);
    harness_counter_becomes(client, "fds_open", 0);
    cr_assert_eq(harness_counter(client, "pairs_small_used"), 0);
    cr_assert_eq(harness_counter(client, "pairs_bulk_used"), 0);
    rmx_close(&client);
    harness_stop(&harness);
}

static void come_and_go(const struct harness *harness, struct rmx_client *client, int times)
{
    for (int i = 0; i < times; i++) {
        struct rmx_client *other = harness_client(harness);

        (void)harness_submit(harness, other, harness_media("small.mp4"), "mpegts");
        rmx_close(&other);
    }
    harness_counter_becomes(client, "sessions_open", 1);
    harness_counter_becomes(client, "jobs_in_flight", 0);
}

Test(e2e_leaks, connecting_and_leaving_leaves_nothing_behind, .timeout = 120)
{
    struct harness harness;
    struct rmx_client *client;
    size_t before;

    harness_start(&harness, NULL);
    client = harness_client(&harness);
    come_and_go(&harness, client, 50);
    before = harness_descriptors(harness.daemon);
    come_and_go(&harness, client, 500);

    harness_descriptors_at_most(harness.daemon, before + 4); /* a spare may have come */
    rmx_close(&client);
    harness_stop(&harness);
}
