/* SPDX-License-Identifier: BSD-2-Clause
 *
 * `rmx stat`, the daemon's counters, and `rmx formats`, what can be written. Runs in the process
 * rmx.
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
#include "clients/rmx_report.h"

#define COUNTERS_MAX 256

static const char help[] = "usage: rmx stat [OPTION...]\n"
                           "\n"
                           "Shows if the daemon takes jobs, and its counters.\n"
                           "\n"
                           "  --json               as one JSON object, name to value\n"
                           "  --socket P           use the daemon that listens there\n"
                           "  --private            use a daemon of this command's own\n"
                           "\n"
                           "examples:\n"
                           "  rmx stat\n"
                           "  watch rmx stat\n"
                           "  rmx stat --json | jq .jobs_submitted\n";

enum { OPT_JSON = 256, OPT_SOCKET, OPT_PRIVATE };

static const struct option options[] = {
    { "json", no_argument, NULL, OPT_JSON },
    { "socket", required_argument, NULL, OPT_SOCKET },
    { "private", no_argument, NULL, OPT_PRIVATE },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static const struct rmx_args args = { ":h", options, help };

/* Returns -1 when there is work to do, else what to exit with. */
static int parse(struct rmx_connect *connect, bool *json, int argc, char **argv)
{
    int option;
    int status;

    while ((option = rmx_args_next(argc, argv, &args, &status)) > 0) {
        switch (option) {
        case OPT_JSON:
            *json = true;
            break;
        case OPT_SOCKET:
            connect->socket = optarg;
            break;
        case OPT_PRIVATE:
            connect->is_private = true;
            break;
        default:
            break;
        }
    }
    if (option < 0) {
        return status;
    }
    return argc == optind ? -1 : rmx_args_miscount(argv, "no arguments");
}

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
    struct rmx_connect connect = { .may_operate = true };
    struct rmx_client *client = NULL;
    struct rmx_result result = { .status = RMX_OK };
    bool json = false;
    int status = parse(&connect, &json, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (rmx_connect_open(&connect, &client, &result) == 0) {
        show(client, json, &result);
    }
    rmx_close(&client);
    rmx_report_failure(&nameless, &result);
    return rmx_report_exit(&result);
}
