/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When the rings' memory is mapped: all of it at start, or each page when it is used.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/harness.h"

#define WORKERS_MAX 8

static const struct timespec pause = { .tv_nsec = 10000000 };

static struct harness harness;

TestSuite(e2e_prefault, .timeout = 120);

struct mapped {
    unsigned long size_kib;
    unsigned long here_kib;
};

/* What the line says, if it begins so. */
static unsigned long kib_of(const char *line, const char *begin)
{
    size_t length = strlen(begin);

    return strncmp(line, begin, length) == 0 ? strtoul(line + length, NULL, 10) : 0;
}

/* A process's arenas. */
static struct mapped look_at(pid_t pid)
{
    struct mapped mapped = { 0 };
    bool ours = false;
    char path[64];
    char line[512];
    FILE *maps;

    (void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
    maps = fopen(path, "re");
    cr_assert_not_null(maps, "%s", path);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (line[strspn(line, "0123456789abcdef")] == '-') { /* a mapping's first line */
            ours = strstr(line, "memfd:ringmux-worker") != NULL;
        } else if (ours) {
            mapped.size_kib += kib_of(line, "Size:");
            mapped.here_kib += kib_of(line, "Rss:");
        }
    }
    (void)fclose(maps);
    return mapped;
}

/* That of the one worker which all jobs share: others are for trials, and have less. */
static struct mapped look_at_worker(void)
{
    pid_t pids[WORKERS_MAX];
    size_t count = harness_workers(&harness, pids, WORKERS_MAX);
    struct mapped largest = { 0 };

    for (size_t i = 0; i < count; i++) {
        struct mapped mapped = look_at(pids[i]);

        largest = mapped.size_kib > largest.size_kib ? mapped : largest;
    }
    return largest;
}

static void run_a_job(void)
{
    struct rmx_client *client = harness_client(&harness);

    (void)harness_remux(&harness, client, harness_media("small.mp4"), "mpegts");
    rmx_close(&client);
}

Test(e2e_prefault, all_pages_are_there_before_a_job_is)
{
    static const char *const settings[] = { "--workers=1", NULL };
    struct mapped daemon;
    struct mapped worker;

    harness_start(&harness, settings);
    daemon = look_at(harness.daemon);
    cr_expect_gt(daemon.size_kib, 0);
    cr_expect_eq(daemon.here_kib, daemon.size_kib);
    do { /* it may be at it */
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        worker = look_at_worker();
    } while (worker.size_kib == 0 || worker.here_kib < worker.size_kib);
    harness_stop(&harness);
}

Test(e2e_prefault, pages_come_as_they_are_used_where_that_is_wanted)
{
    static const char *const settings[] = { "--workers=1", "--prefault=off", NULL };
    struct mapped daemon;
    struct mapped worker;

    harness_start(&harness, settings);
    daemon = look_at(harness.daemon);
    do { /* it may be at it */
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        worker = look_at_worker();
    } while (worker.size_kib == 0);
    cr_expect_gt(daemon.size_kib, 0);
    cr_expect_lt(daemon.here_kib, daemon.size_kib / 4);
    cr_expect_lt(worker.here_kib, worker.size_kib / 4);
    run_a_job();
    cr_expect_gt(look_at_worker().here_kib, worker.here_kib);
    harness_stop(&harness);
}

/* Pages that are not mapped can neither be moved nor counted. */
Test(e2e_prefault, huge_pages_are_mapped_by_the_daemon_to_be_counted)
{
    static const char *const settings[] = { "--workers=1", "--prefault=off", "--huge_pages=on",
        NULL };
    struct mapped daemon;

    harness_start(&harness, settings);
    daemon = look_at(harness.daemon);
    cr_expect_gt(daemon.size_kib, 0);
    cr_expect_eq(daemon.here_kib, daemon.size_kib);
    harness_stop(&harness);
}
