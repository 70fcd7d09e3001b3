/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a connection becomes a session. See hello.h.
 */
#include "engine/hello.h"

#include <unistd.h>

#include "engine/lane.h"
#include "engine/log.h"

static uint32_t grantable(const struct rmx_lane *lane)
{
    const struct rmx_gate *gate = &lane->gate;
    uint32_t others = gate->sessions_max - gate->sessions - 1; /* each may come, and gets one */
    uint32_t taken = gate->credits_granted + others; /* more than there are: of jobs left behind */
    uint32_t left = taken < lane->config->jobs_max ? lane->config->jobs_max - taken : 0;

    return left < lane->config->credits ? left : lane->config->credits;
}

void rmx_hello_take(struct rmx_client *client, const struct rmx_msg_hello *hello)
{
    struct rmx_lane *lane = client->lane;
    int version = rmx_session_version(hello);
    bool full = lane->gate.sessions == lane->gate.sessions_max;
    uint32_t credits = full ? 0 : grantable(lane);
    struct rmx_msg_welcome welcome = {
        .head = { .type = RMX_MSG_WELCOME, .bytes = sizeof(welcome) },
        .credits = credits,
        .progress_slots = credits,
        .daemon_pid = (uint32_t)getpid(),
        .workers = lane->crew.count,
        .channel_bytes = lane->config->channel_bytes,
    };
    int error;

    if (version < 0) {
        rmx_client_say_goodbye(client, RMX_STATUS_UNSUPPORTED);
        rmx_client_part(client, "it speaks no version of the protocol that we speak");
        return;
    }
    if (credits == 0) {
        rmx_client_say_goodbye(client, RMX_STATUS_BUSY);
        rmx_client_part(
            client, full ? "there are sessions_max clients already" : "no credit is left for it");
        return;
    }
    error = rmx_client_make_arena(client, credits);
    if (error < 0) {
        rmx_log(RMX_LOG_ERROR, "session_arena", RMX_LOG_ERRNO("why", error));
        rmx_client_say_goodbye(client, RMX_STATUS_BUSY);
        rmx_client_part(client, "no memory for its arena");
        return;
    }
    welcome.version = (uint32_t)version;
    welcome.arena_bytes = client->arena.size;
    client->credits = credits;
    client->welcome = true;
    lane->gate.credits_granted += credits;
    lane->gate.sessions++;
    rmx_stats_set(&lane->stats, RMX_STATS_SESSIONS_OPEN, lane->gate.sessions);
    (void)rmx_session_grant(&client->talk, credits);
    rmx_stats_add(&lane->stats, RMX_STATS_CREDITS_GRANTED, credits);
    if (!rmx_client_say(client, &welcome, sizeof(welcome), &client->arena.fd, 1)) {
        rmx_client_part(client, "it did not take the welcome");
        return;
    }
    if (lane->draining) {
        rmx_client_say_goodbye(client, RMX_STATUS_DRAINING);
    }
    rmx_log(RMX_LOG_INFO, "client_came", RMX_LOG_U64("client", client->index),
        RMX_LOG_I64("pid", client->pid), RMX_LOG_U64("uid", client->uid),
        RMX_LOG_STR("name", hello->name), RMX_LOG_U64("credits", credits));
}
