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
enum { WARM_UP = 200, JOBS = 1000, COMPARES_MEMORY = 0 };
#else
enum { WARM_UP = 1000, JOBS = 10000, COMPARES_MEMORY = 1 };
#endif

/* Allocators keep a little; a leak of 100 bytes a job would be 900,000. */
static const uint64_t slack_bytes = 768 * 1024;

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

static void compare(const struct holdings *before, const struct holdings *after)
{
    cr_assert_eq(after->descriptors, before->descriptors);
    cr_assert_eq(after->workers, before->workers);
    for (size_t i = 0; i < after->workers; i++) {
        cr_assert_eq(after->worker[i], before->worker[i], "a worker died");
        cr_assert_eq(after->worker_descriptors[i], before->worker_descriptors[i]);
        if (COMPARES_MEMORY) {
            (void)fprintf(stderr, "worker: %llu KiB, then %llu KiB\n",
                (unsigned long long)before->worker_bytes[i] / 1024,
                (unsigned long long)after->worker_bytes[i] / 1024);
            cr_assert_leq(after->worker_bytes[i], before->worker_bytes[i] + slack_bytes);
        }
    }
    if (COMPARES_MEMORY) {
        (void)fprintf(stderr, "daemon: %llu KiB, then %llu KiB\n",
            (unsigned long long)before->daemon_bytes / 1024,
            (unsigned long long)after->daemon_bytes / 1024);
        cr_assert_leq(after->daemon_bytes, before->daemon_bytes + slack_bytes);
    }
}

Test(e2e_leaks, ten_thousand_jobs_leave_nothing_behind, .timeout = 300)
{
    struct harness harness;
    struct rmx_client *client;
    struct holdings before;
    struct holdings after;

    harness_start(&harness, NULL);
    client = harness_client(&harness);
    run_jobs(&harness, client, WARM_UP);
    look(&harness, &before);
    run_jobs(&harness, client, JOBS - WARM_UP);
    look(&harness, &after);

    compare(&before, &after);
    cr_assert_eq(harness_counter(client, "jobs_ended_OK"), JOBS);
    cr_assert_eq(harness_counter(client, "fds_open"), 0);
    cr_assert_eq(harness_counter(client, "pairs_small_used"), 0);
    cr_assert_eq(harness_counter(client, "pairs_bulk_used"), 0);
    rmx_close(&client);
    harness_stop(&harness);
}

Test(e2e_leaks, connecting_and_leaving_leaves_nothing_behind, .timeout = 120)
{
    struct harness harness;
    struct rmx_client *client;
    size_t before;

    harness_start(&harness, NULL);
    client = harness_client(&harness);
    before = harness_descriptors(harness.daemon);
    for (int i = 0; i < 500; i++) {
        struct rmx_client *other = harness_client(&harness);

        (void)harness_submit(&harness, other, harness_media("small.mp4"), "mpegts");
        rmx_close(&other);
    }
    harness_counter_becomes(client, "sessions_open", 1);
    harness_counter_becomes(client, "jobs_in_flight", 0);

    cr_assert_eq(harness_descriptors(harness.daemon), before);
    rmx_close(&client);
    harness_stop(&harness);
}
