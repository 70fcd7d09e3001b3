/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When the rings' memory is mapped: all of it at start, or each page when it is used.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness.h"

#define WAIT_US 10000

static struct harness harness;

TestSuite(e2e_prefault, .timeout = 120);

struct mapped {
    unsigned long size_kib;
    unsigned long here_kib;
};

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
        unsigned long kib;

        if (sscanf(line, "%*x-%*x %*s %lx", &kib) == 1) { /* a mapping's first line */
            ours = strstr(line, "memfd:ringmux-worker") != NULL;
        }
        if (ours && sscanf(line, "Size: %lu", &kib) == 1) {
            mapped.size_kib += kib;
        }
        if (ours && sscanf(line, "Rss: %lu", &kib) == 1) {
            mapped.here_kib += kib;
        }
    }
    (void)fclose(maps);
    return mapped;
}

static pid_t one_worker(void)
{
    pid_t pid;

    cr_assert_eq(harness_workers(&harness, &pid, 1), 1);
    return pid;
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
        (void)usleep(WAIT_US);
        worker = look_at(one_worker());
    } while (worker.here_kib < worker.size_kib);
    cr_expect_gt(worker.size_kib, 0);
    harness_stop(&harness);
}

Test(e2e_prefault, pages_come_as_they_are_used_where_that_is_wanted)
{
    static const char *const settings[] = { "--workers=1", "--prefault=off", NULL };
    struct mapped daemon;
    struct mapped worker;

    harness_start(&harness, settings);
    daemon = look_at(harness.daemon);
    worker = look_at(one_worker());
    cr_expect_gt(daemon.size_kib, 0);
    cr_expect_lt(daemon.here_kib, daemon.size_kib / 4);
    cr_expect_lt(worker.here_kib, worker.size_kib / 4);
    run_a_job();
    cr_expect_gt(look_at(one_worker()).here_kib, worker.here_kib);
    harness_stop(&harness);
}
