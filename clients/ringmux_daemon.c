/* SPDX-License-Identifier: BSD-2-Clause
 *
 * libringmux's calls about the daemon itself (see ringmux.h). Runs in the client process, on any of
 * the caller's threads.
 */
#include "clients/ringmux.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "clients/clock.h"
#include "clients/handle.h"
#include "ipc/stats.h"

uint32_t rmx_daemon_pid(const struct rmx_client *client)
{
    struct rmx_client *self = client->self;

    rmx_handle_enter(self);
    uint32_t pid = self->line->daemon_pid;
    rmx_handle_leave(self);
    return pid;
}

static int await_pinned(
    struct rmx_client *client, struct rmx_line *line, bool (*has_come)(const struct rmx_line *line))
{
    uint64_t until_ns = rmx_clock_in(RMX_LINE_ANSWER_NS);

    while (!has_come(line)) {
        if (line->lost != 0) {
            return line->lost;
        }
        int awake = rmx_handle_wait(client, RMX_HANDLE_ANYTHING, 0, until_ns);

        if (awake <= 0) {
            return awake < 0 ? awake : -ETIMEDOUT;
        }
    }
    return 0;
}

/* Hears until has_come(line), for at most 10 s. Returns 0, -ETIMEDOUT, -EINTR, or what the line was
 * lost to. It is not freed before the caller leaves. */
static int await(
    struct rmx_client *client, struct rmx_line *line, bool (*has_come)(const struct rmx_line *line))
{
    line->pins++;
    int err = await_pinned(client, line, has_come);
    line->pins--;
    return err;
}

static bool all_pongs_came(const struct rmx_line *line)
{
    return line->pongs == line->pings;
}

static int ping(struct rmx_client *client)
{
    struct rmx_line *line = client->line;
    struct rmx_msg_ping ping = {
        .head = { .type = RMX_MSG_PING, .bytes = sizeof(ping) },
        .nonce = line->pings + 1,
    };
    int err = rmx_line_say(line, &ping, sizeof(ping));

    if (err < 0) {
        return err;
    }
    line->pings++;
    return await(client, line, all_pongs_came);
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

static int ask_stats(struct rmx_client *client, struct rmx_line *line)
{
    struct rmx_msg_head ask = { .type = RMX_MSG_STATS, .bytes = sizeof(ask) };
    int err = rmx_line_say(line, &ask, sizeof(ask));

    if (err < 0) {
        return err;
    }
    line->stats_due++;
    return await(client, line, all_stats_came);
}

int rmx_stats(struct rmx_client *client, struct rmx_counter *counters, size_t max)
{
    rmx_handle_enter(client);
    struct rmx_line *line = client->line;
    int err = ask_stats(client, line);
    int count = err < 0 ? err : fill_counters(line, counters, max);
    rmx_handle_leave(client);
    return count;
}

/* --- operators ----------------------------------------------------------------------------- */

static bool nobody_asks(const struct rmx_line *line)
{
    return !line->inquiry.busy && !line->inquiry.due;
}

static bool answer_came(const struct rmx_line *line)
{
    return !line->inquiry.due;
}

/* Asks what is in `inquiry`, which then has the answer. Returns 0 or -errno. */
static int inquire_now(struct rmx_client *client, struct rmx_line *line, const void *message,
    size_t bytes, struct rmx_line_inquiry *inquiry)
{
    int err = rmx_line_say(line, message, bytes);

    if (err < 0) {
        return err;
    }
    line->inquiry = *inquiry;
    line->inquiry.busy = true;
    line->inquiry.due = true;
    err = await(client, line, answer_came);
    *inquiry = line->inquiry;
    line->inquiry.busy = false;
    line->inquiry.max = 0; /* an answer that comes later goes nowhere */
    rmx_handle_wake(client, RMX_HANDLE_ANYTHING, 0);
    return err;
}

/* The same, once all who asked before have their answers. */
static int inquire(
    struct rmx_client *client, const void *message, size_t bytes, struct rmx_line_inquiry *inquiry)
{
    int err = -EPERM;

    rmx_handle_enter(client);
    struct rmx_line *line = client->line;
    if ((client->features & RMX_FEATURE_OPERATOR) != 0) {
        err = await(client, line, nobody_asks);
    }
    if (err == 0) {
        err = inquire_now(client, line, message, bytes, inquiry);
    }
    rmx_handle_leave(client);
    return err;
}

int rmx_jobs(struct rmx_client *client, struct rmx_job_info *jobs, size_t max)
{
    struct rmx_msg_head ask = { .type = RMX_MSG_JOBS, .bytes = sizeof(ask) };
    struct rmx_line_inquiry inquiry = { .jobs = jobs, .max = max };
    int err = inquire(client, &ask, sizeof(ask), &inquiry);

    return err < 0 ? err : (int)inquiry.count;
}

/* Returns 0 or -EINVAL. */
static int fill_match(struct rmx_msg_cancel_jobs *to, const struct rmx_job_match *match)
{
    size_t bytes = match->group != NULL ? strlen(match->group) : 0;
    bool some = match->session != 0 || bytes > 0;
    uint64_t reserved = 0;

    for (size_t i = 0; i < sizeof(match->reserved) / sizeof(match->reserved[0]); i++) {
        reserved |= match->reserved[i];
    }
    if (reserved != 0 || match->all > 1 || some == (match->all == 1) ||
        (match->job != 0 && match->session == 0) || bytes >= sizeof(to->group)) {
        return -EINVAL;
    }
    *to = (struct rmx_msg_cancel_jobs){
        .head = { .type = RMX_MSG_CANCEL_JOBS, .bytes = sizeof(*to) },
        .job = match->job,
        .session = match->session,
        .all = match->all,
    };
    if (bytes > 0) {
        memcpy(to->group, match->group, bytes);
    }
    return rmx_job_is_text(to->group, sizeof(to->group)) ? 0 : -EINVAL;
}

int rmx_cancel_jobs(struct rmx_client *client, const struct rmx_job_match *match, uint64_t *count)
{
    struct rmx_msg_cancel_jobs message;
    struct rmx_line_inquiry inquiry = { .max = 0 };
    int err = fill_match(&message, match);

    if (err == 0) {
        err = inquire(client, &message, sizeof(message), &inquiry);
    }
    if (err == 0 && count != NULL) {
        *count = inquiry.told;
    }
    return err;
}
