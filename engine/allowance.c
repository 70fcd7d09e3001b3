/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much of a lane one user may have. See allowance.h.
 */
#include "engine/allowance.h"

#include "engine/client.h"
#include "engine/lane.h"

/* What is set, or three quarters of all there is. */
static uint64_t most(uint64_t set, uint64_t all)
{
    uint64_t part = all - all / 4;

    return set != 0 ? set : part;
}

bool rmx_allowance_session(const struct rmx_client *client)
{
    const struct rmx_lane *lane = client->lane;

    return client->access.owns ||
           client->peer->sessions < most(lane->config->sessions_per_uid, lane->gate.sessions_max);
}

uint32_t rmx_allowance_credits(const struct rmx_client *client)
{
    const struct rmx_config *config = client->lane->config;
    uint64_t credits = most(config->credits_per_uid, config->jobs_max);

    if (client->access.owns) {
        return UINT32_MAX;
    }
    return client->peer->credits < credits ? (uint32_t)credits - client->peer->credits : 0;
}

bool rmx_allowance_channel(const struct rmx_client *client, uint64_t bytes)
{
    const struct rmx_lane *lane = client->lane;
    uint64_t all = lane->crew.workers * lane->config->channels_bytes;
    uint64_t part = most(lane->config->channel_bytes_per_uid, all);

    return client->access.owns || (bytes <= part && client->peer->channel_bytes <= part - bytes);
}

bool rmx_allowance_critical(const struct rmx_client *client)
{
    const struct rmx_lane *lane = client->lane;
    const struct rmx_peer *peer = client->peer;
    uint32_t set = lane->config->critical_per_uid;

    if (client->access.owns || lane->jobs <= peer->jobs) {
        return true;
    }
    return peer->critical < (set != 0 ? set : (lane->crew.workers + 1) / 2);
}
