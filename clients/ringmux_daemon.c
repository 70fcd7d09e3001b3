/* SPDX-License-Identifier: BSD-2-Clause
 *
 * libringmux's calls about the daemon itself (see ringmux.h). Runs in the client process, on any of
 * the caller's threads.
 */
#include "clients/ringmux.h"

#include <errno.h>
#include <stdbool.h>

#include "clients/clock.h"
#include "clients/handle.h"
#include "ipc/stats.h"

uint32_t rmx_daemon_pid(const struct rmx_client *client)
{
    return client->line.daemon_pid;
}

/* Hears until has_come(line), for at most 10 s. Returns 0, -ETIMEDOUT, -EINTR, or what the line was
 * lost to. */
static int await(struct rmx_client *client, bool (*has_come)(const struct rmx_line *line))
{
    uint64_t until_ns = rmx_clock_in(RMX_LINE_ANSWER_NS);

    while (!has_come(&client->line)) {
        if (client->line.lost != 0) {
            return client->line.lost;
        }
        int awake = rmx_handle_wait(client, RMX_HANDLE_ANYTHING, 0, until_ns);

        if (awake <= 0) {
            return awake < 0 ? awake : -ETIMEDOUT;
        }
    }
    return 0;
}

static bool all_pongs_came(const struct rmx_line *line)
{
    return line->pongs == line->pings;
}

static int ping(struct rmx_client *client)
{
    struct rmx_msg_ping ping = {
        .head = { .type = RMX_MSG_PING, .bytes = sizeof(ping) },
        .nonce = client->line.pings + 1,
    };
    int err = rmx_line_say(&client->line, &ping, sizeof(ping));

    if (err < 0) {
        return err;
    }
    client->line.pings++;
    return await(client, all_pongs_came);
}

int rmx_ping(struct rmx_client *client, uint64_t *rtt_ns)
{
    uint64_t sent_ns = rmx_clock_ns();

    rmx_handle_enter(client);
    int err = ping(client);
    rmx_handle_leave(client);
    if (err < 0) {
        return err;
    }
    *rtt_ns = rmx_clock_ns() - sent_ns;
    return 0;
}

static bool all_stats_came(const struct rmx_line *line)
{
    return line->stats_due == 0;
}

/* A newer daemon may count what we have no name for, an older one less than we know. */
static int fill_counters(const struct rmx_line *line, struct rmx_counter *counters, size_t max)
{
    size_t count = 0;

    for (uint32_t i = 0; i < line->stats_count; i++) {
        if (rmx_stats_name(i) == NULL) {
            continue;
        }
        if (count < max) {
            counters[count] = (struct rmx_counter){
                .name = rmx_stats_name(i),
                .unit = rmx_stats_unit(i),
                .text = rmx_stats_help(i),
                .value = line->stats[i],
            };
        }
        count++;
    }
    return (int)count;
}

static int ask_stats(struct rmx_client *client)
{
    struct rmx_msg_head ask = { .type = RMX_MSG_STATS, .bytes = sizeof(ask) };
    int err = rmx_line_say(&client->line, &ask, sizeof(ask));

    if (err < 0) {
        return err;
    }
    client->line.stats_due++;
    return await(client, all_stats_came);
}

int rmx_stats(struct rmx_client *client, struct rmx_counter *counters, size_t max)
{
    rmx_handle_enter(client);
    int err = ask_stats(client);
    int count = err < 0 ? err : fill_counters(&client->line, counters, max);
    rmx_handle_leave(client);
    return count;
}
