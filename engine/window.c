/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How many jobs a session may have in flight. See window.h.
 */
#include "engine/window.h"

#include "engine/allowance.h"
#include "engine/client.h"
#include "engine/lane.h"

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t rmx_window_spare(const struct rmx_client *client)
{
    const struct rmx_gate *gate = &client->lane->gate;
    uint32_t all = rmx_gate_spare(gate, gate->sessions_max - gate->sessions);

    return least(all, rmx_allowance_credits(client));
}

void rmx_window_move(struct rmx_client *client, uint32_t credits, uint32_t given)
{
    struct rmx_lane *lane = client->lane;
    uint32_t had = client->credits;

    rmx_assert(credits <= client->credits_most);
    (void)rmx_session_grant(&client->talk, given);
    lane->gate.credits_granted += credits - had; /* modulo 2^32 */
    client->peer->credits += credits - had;
    client->credits = credits;
    rmx_stats_add(&lane->stats, RMX_STATS_CREDITS_GRANTED, credits > had ? credits - had : 0);
    rmx_stats_add(&lane->stats, RMX_STATS_CREDITS_NARROWED, credits < had ? had - credits : 0);
}

bool rmx_window_widen(struct rmx_client *client)
{
    uint32_t lacks = client->credits_most - client->credits;
    struct rmx_msg_credit credit = {
        .head = { .type = RMX_MSG_CREDIT, .bytes = sizeof(credit) },
        .credits = least(lacks, rmx_window_spare(client)),
    };

    if (client->lane->meter.load.level == 0 && credit.credits > 0 &&
        rmx_session_may_send(&client->talk, RMX_MSG_CREDIT) == 0) {
        if (!rmx_client_say(client, &credit, sizeof(credit), NULL, 0)) {
            return false;
        }
        rmx_window_move(client, client->credits + credit.credits, credit.credits);
    }
    client->credits_due = false;
    return true;
}
