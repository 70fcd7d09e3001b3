/* SPDX-License-Identifier: BSD-2-Clause
 *
 * `rmx ping`: how fast the daemon answers. Runs in the process rmx.
 */
#include "clients/rmx.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "clients/rmx_args.h"
#include "clients/rmx_connect.h"
#include "clients/rmx_report.h"
#include "clients/rmx_say.h"

#define PINGS_DEFAULT 10
#define PINGS_MAX     10000

static const char help[] = "usage: rmx ping [OPTION...]\n"
                           "\n"
                           "Measures how long the daemon takes to answer.\n"
                           "\n"
                           "  -c, --count N        how often to ask; default 10, at most 10000\n"
                           "  --socket P           use the daemon that listens there\n"
                           "  --private            use a daemon of this command's own\n"
                           "\n"
                           "example:\n"
                           "  rmx ping -c 1000\n";

enum { OPT_SOCKET = 256, OPT_PRIVATE };

static const struct option options[] = {
    { "count", required_argument, NULL, 'c' },
    { "socket", required_argument, NULL, OPT_SOCKET },
    { "private", no_argument, NULL, OPT_PRIVATE },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static const struct rmx_args args = { ":c:h", options, help };

/* Returns -1 when there is work to do, else what to exit with. */
static int parse(struct rmx_connect *connect, uint32_t *count, int argc, char **argv)
{
    int option;
    int status;

    while ((option = rmx_args_next(argc, argv, &args, &status)) > 0) {
        switch (option) {
        case 'c':
            if (rmx_args_count(optarg, PINGS_MAX, count) < 0) {
                rmx_say("ping: --count %s: give a number from 1 to %d", optarg, PINGS_MAX);
                return RMX_ARGS_USAGE;
            }
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

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static void ping(struct rmx_client *client, uint32_t count, struct rmx_result *result)
{
    static uint64_t rtt_ns[PINGS_MAX];
    char least[RMX_SAY_BYTES];
    char median[RMX_SAY_BYTES];
    char most[RMX_SAY_BYTES];

    for (uint32_t i = 0; i < count; i++) {
        int err = rmx_ping(client, &rtt_ns[i]);

        if (err < 0) {
            rmx_connect_failed(result, err);
            return;
        }
    }
    qsort(rtt_ns, count, sizeof(rtt_ns[0]), compare);
    printf("%u answers from ringmuxd, process %u: min %s, median %s, max %s\n", count,
        rmx_daemon_pid(client), rmx_say_time(least, rtt_ns[0]),
        rmx_say_time(median, rtt_ns[count / 2]), rmx_say_time(most, rtt_ns[count - 1]));
}

int rmx_ping_main(int argc, char **argv)
{
    static const struct rmx_report nameless;
    struct rmx_connect connect = { .socket = NULL };
    struct rmx_client *client = NULL;
    struct rmx_result result = { .status = RMX_OK };
    uint32_t count = PINGS_DEFAULT;
    int status = parse(&connect, &count, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (rmx_connect_open(&connect, &client, &result) == 0) {
        ping(client, count, &result);
    }
    rmx_close(&client);
    rmx_report_failure(&nameless, &result);
    return rmx_report_exit(&result);
}
