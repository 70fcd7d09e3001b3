/* SPDX-License-Identifier: BSD-2-Clause
 *
 * `rmx stat`: the daemon's counters. Runs in the process rmx.
 */
#include "clients/rmx.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "clients/rmx_args.h"
#include "clients/rmx_connect.h"
#include "clients/rmx_json.h"
#include "clients/rmx_manner.h"
#include "clients/rmx_report.h"

#define COUNTERS_MAX 256

static const char help[] = "usage: rmx stat [OPTION...]\n"
                           "\n"
                           "Shows if the daemon takes jobs, and its counters.\n"
                           "\n"
                           "  --json               as one JSON object, name to "
                           "value\n" RMX_CONNECT_TEXT "\n"
                           "examples:\n"
                           "  rmx stat\n"
                           "  watch rmx stat\n"
                           "  rmx stat --json | jq .jobs_submitted\n";

static const struct option options[] = {
    RMX_MANNER_JSON_ROW,
    RMX_CONNECT_ROWS,
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static int take(void *to, int option, char why[RMX_ARGS_WHY_BYTES])
{
    return rmx_manner_take(to, option, why);
}

static const struct rmx_args args = { ":h", options, help, take, 0, "no arguments" };

static void print_json(const struct rmx_counter *counters, int count)
{
    putchar('{');
    for (int i = 0; i < count; i++) {
        fputs(i > 0 ? "," : "", stdout);
        rmx_json_string(stdout, counters[i].name);
        printf(":%" PRIu64, counters[i].value);
    }
    puts("}");
}

static uint64_t value_of(const struct rmx_counter *counters, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(counters[i].name, name) == 0) {
            return counters[i].value;
        }
    }
    return 0;
}

/* What one wants to know first: does it take jobs, and whose? */
static void print_head(const struct rmx_counter *counters, int count, uint32_t pid)
{
    static const char *const refused[] = {
        "no class is refused",
        "background jobs are refused",
        "background and normal jobs are refused",
        "all jobs are refused",
    };
    uint64_t level = value_of(counters, count, "load_level");
    const char *state = value_of(counters, count, "draining") != 0 ? "draining"
                        : value_of(counters, count, "ready") != 0  ? "ready"
                                                                   : "starting";

    printf("ringmuxd, process %" PRIu32 ": %s; load level %" PRIu64 ": %s\n\n", pid, state, level,
        refused[level < 3 ? level : 3]);
}

static void print_table(const struct rmx_counter *counters, int count)
{
    for (int i = 0; i < count; i++) {
        printf("%-34s %20" PRIu64 " %-12s %s\n", counters[i].name, counters[i].value,
            counters[i].unit, counters[i].text);
    }
}

static void show(struct rmx_client *client, bool json, struct rmx_result *result)
{
    struct rmx_counter counters[COUNTERS_MAX];
    int count = rmx_stats(client, counters, COUNTERS_MAX);

    if (count < 0) {
        rmx_connect_failed(result, count);
    } else if (json) {
        print_json(counters, count);
    } else {
        count = count < COUNTERS_MAX ? count : COUNTERS_MAX;
        print_head(counters, count, rmx_daemon_pid(client));
        print_table(counters, count);
    }
}

int rmx_stat_main(int argc, char **argv)
{
    static const struct rmx_report nameless;
    struct rmx_manner manner = { .connect = { .may_operate = true } };
    struct rmx_client *client = NULL;
    struct rmx_result result = { .status = RMX_OK };
    int status = rmx_args_read(argc, argv, &args, &manner);

    if (status >= 0) {
        return status;
    }
    if (rmx_connect_open(&manner.connect, &client, &result) == 0) {
        show(client, manner.json, &result);
    }
    rmx_close(&client);
    rmx_report_failure(&nameless, &result);
    return rmx_report_exit(&result);
}
