/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a connection becomes a session. See hello.h.
 */
#include "engine/hello.h"

#include <unistd.h>

#include "engine/allowance.h"
#include "engine/door.h"
#include "engine/lane.h"
#include "engine/log.h"
#include "engine/operator.h"

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t grantable(const struct rmx_client *client)
{
    const struct rmx_gate *gate = &client->lane->gate;
    uint32_t others = gate->sessions_max - gate->sessions - 1; /* each may come, and gets one */
    uint32_t left = least(rmx_gate_spare(gate, others), rmx_allowance_credits(client));

    return least(left, client->lane->config->credits);
}

static void turn_away(struct rmx_client *client, enum rmx_status status, const char *why)
{
    rmx_client_say_goodbye(client, status);
    rmx_client_part(client, why);
}

/* How many credits it gets. 0 for an operator; else there is no room for it, and *why says so. */
static uint32_t find_room(struct rmx_client *client, bool operates, const char **why)
{
    struct rmx_lane *lane = client->lane;
    uint32_t credits;

    if (operates) {
        *why = rmx_operator_come(client) ? NULL : "there are as many operators as may be";
        return 0;
    }
    if (lane->gate.sessions == lane->gate.sessions_max) {
        *why = "there are sessions_max clients already";
        return 0;
    }
    if (!rmx_allowance_session(client)) {
        *why = "sessions_per_uid: its user has as many";
        return 0;
    }
    credits = grantable(client);
    *why = credits > 0 ? NULL : "no credit is left for it";
    return credits;
}

/* From here on it is a session, or an operator's. */
static void count_in(struct rmx_client *client, uint32_t credits)
{
    struct rmx_lane *lane = client->lane;
    struct rmx_gate *gate = &lane->gate;

    client->welcome = true;
    client->session = gate->sessions_named++ * lane->lanes_count + lane->index + 1;
    if (client->errand != NULL) {
        gate->operators++;
        return;
    }
    client->credits = credits;
    client->peer->credits += credits;
    client->peer->sessions++;
    gate->credits_granted += credits;
    gate->sessions++;
    rmx_stats_set(&lane->stats, RMX_STATS_SESSIONS_OPEN, gate->sessions);
    (void)rmx_session_grant(&client->talk, credits);
    rmx_stats_add(&lane->stats, RMX_STATS_CREDITS_GRANTED, credits);
}

static void welcome(struct rmx_client *client, const struct rmx_msg_hello *hello, uint32_t version,
    uint32_t credits)
{
    struct rmx_lane *lane = client->lane;
    struct rmx_msg_welcome message = {
        .head = { .type = RMX_MSG_WELCOME, .bytes = sizeof(message) },
        .version = version,
        .credits = credits,
        .features = client->errand != NULL ? RMX_FEATURE_OPERATOR : 0,
        .arena_bytes = client->arena.size,
        .progress_slots = client->credits_most,
        .daemon_pid = (uint32_t)getpid(),
        .workers = lane->crew.workers,
        .channel_bytes = lane->config->channel_bytes,
    };

    if (!rmx_client_say(client, &message, sizeof(message), &client->arena.fd, 1)) {
        rmx_client_part(client, "it did not take the welcome");
        return;
    }
    if (lane->draining) {
        rmx_client_drain(client);
    }
    if (rmx_client_may_log(client)) {
        rmx_log(RMX_LOG_INFO, client->errand != NULL ? "operator_came" : "client_came",
            RMX_LOG_U64("client", client->index), RMX_LOG_U64("session", client->session),
            RMX_LOG_I64("pid", client->pid), RMX_LOG_U64("uid", client->uid),
            RMX_LOG_STR("name", hello->name), RMX_LOG_U64("credits", credits));
    }
}

void rmx_hello_take(struct rmx_client *client, const struct rmx_msg_hello *hello)
{
    bool operates = (hello->features & RMX_FEATURE_OPERATOR) != 0 && client->access.operates;
    int version = rmx_session_version(hello);
    const char *why = NULL;
    uint32_t credits;
    int error;

    rmx_door_pass(client);
    if (version < 0) {
        turn_away(
            client, RMX_STATUS_UNSUPPORTED, "it speaks no version of the protocol that we speak");
        return;
    }
    if (client->late && !operates) {
        turn_away(client, RMX_STATUS_DRAINING, "it came when we drained, and is no operator");
        return;
    }
    credits = find_room(client, operates, &why);
    if (why != NULL) {
        turn_away(client, RMX_STATUS_BUSY, why);
        return;
    }
    error = rmx_client_make_arena(client, operates ? 0 : client->lane->config->credits);
    if (error < 0) {
        rmx_log(RMX_LOG_ERROR, "session_arena", RMX_LOG_ERRNO("why", error));
        turn_away(client, RMX_STATUS_BUSY, "no memory for its arena");
        return;
    }
    count_in(client, credits);
    welcome(client, hello, (uint32_t)version, credits);
}
