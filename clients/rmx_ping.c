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

struct request {
    struct rmx_connect connect;
    uint32_t count;
};

static const char help[] = "usage: rmx ping [OPTION...]\n"
                           "\n"
                           "Measures how long the daemon takes to answer.\n"
                           "\n"
                           "  -c, --count N        how often to ask; default 10, at most "
                           "10000\n" RMX_CONNECT_TEXT "\n"
                           "example:\n"
                           "  rmx ping -c 1000\n";

static const struct option options[] = {
    { "count", required_argument, NULL, 'c' },
    RMX_CONNECT_ROWS,
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static int take(void *to, int option, char why[RMX_ARGS_WHY_BYTES])
{
    struct request *request = to;

    return option == 'c' ? rmx_args_count(optarg, PINGS_MAX, &request->count, why)
                         : rmx_connect_take(&request->connect, option);
}

static const struct rmx_args args = { ":c:h", options, help, take, 0, "no arguments" };

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
    struct request request = { .count = PINGS_DEFAULT };
    struct rmx_client *client = NULL;
    struct rmx_result result = { .status = RMX_OK };
    int status = rmx_args_read(argc, argv, &args, &request);

    if (status >= 0) {
        return status;
    }
    if (rmx_connect_open(&request.connect, &client, &result) == 0) {
        ping(client, request.count, &result);
    }
    rmx_close(&client);
    rmx_report_failure(&nameless, &result);
    return rmx_report_exit(&result);
}
