/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A row for each user id. See peer.h.
 */
#include "engine/peer.h"

#include <errno.h>
#include <stdlib.h>

#include "ring/base.h"

#define SECOND_NS 1000000000u

int rmx_peer_init(struct rmx_peers *peers, uint32_t rows_max)
{
    rmx_assert(rows_max > 0);
    peers->rows = calloc(rows_max, sizeof(*peers->rows));
    peers->rows_max = peers->rows != NULL ? rows_max : 0;
    return peers->rows != NULL ? 0 : -ENOMEM;
}

void rmx_peer_fini(struct rmx_peers *peers)
{
    free(peers->rows);
    *peers = (struct rmx_peers){ .rows = NULL };
}

/* Is this one's loss less than that one's? Who owes for deaths is forgotten last. */
static bool forgets_sooner(
    const struct rmx_peer *peer, const struct rmx_peer *than, uint64_t now_ns)
{
    bool owes = rmx_bucket_owes_ns(&peer->deaths, now_ns) > 0;
    bool than_owes = rmx_bucket_owes_ns(&than->deaths, now_ns) > 0;

    return owes != than_owes ? than_owes : peer->seen_ns < than->seen_ns;
}

struct rmx_peer *rmx_peer_take(struct rmx_peers *peers, uid_t uid, uint64_t now_ns)
{
    struct rmx_peer *found = NULL;

    for (uint32_t i = 0; i < peers->rows_max; i++) {
        struct rmx_peer *peer = &peers->rows[i];

        if (peer->used && peer->uid == uid) {
            found = peer;
            break;
        }
        if (peer->holders == 0 && (found == NULL || forgets_sooner(peer, found, now_ns))) {
            found = peer;
        }
    }
    if (found == NULL) {
        return NULL;
    }
    if (!found->used || found->uid != uid) {
        *found = (struct rmx_peer){
            .uid = uid,
            .index = (uint32_t)(found - peers->rows),
            .used = true,
        };
    }
    found->seen_ns = now_ns;
    rmx_peer_hold(found);
    return found;
}

void rmx_peer_hold(struct rmx_peer *peer)
{
    rmx_assert(peer->used && peer->holders < UINT32_MAX);
    peer->holders++;
}

void rmx_peer_drop(struct rmx_peer *peer)
{
    rmx_assert(peer->holders > 0);
    peer->holders--;
    if (peer->holders == 0) {
        rmx_assert(peer->strangers == 0 && peer->sessions == 0 && peer->credits == 0);
        rmx_assert(peer->jobs == 0 && peer->critical == 0 && peer->channel_bytes == 0);
    }
}

void rmx_peer_hurt(struct rmx_peer *peer, uint64_t now_ns)
{
    if (rmx_peer_penalty_ns(peer, now_ns) + RMX_PEER_DEATH_NS <= RMX_PEER_PENALTY_NS_MAX) {
        rmx_bucket_take(&peer->deaths, now_ns, RMX_PEER_DEATH_NS);
    }
}

uint64_t rmx_peer_penalty_ns(const struct rmx_peer *peer, uint64_t now_ns)
{
    return rmx_bucket_wait_ns(&peer->deaths, now_ns, (uint64_t)RMX_PEER_DEATHS * RMX_PEER_DEATH_NS);
}

bool rmx_peer_may_come(struct rmx_peer *peer, uint32_t a_second, uint64_t now_ns)
{
    if (a_second == 0) {
        return true;
    }
    if (rmx_bucket_wait_ns(&peer->comings, now_ns, SECOND_NS - SECOND_NS / a_second) > 0) {
        return false;
    }
    rmx_bucket_take(&peer->comings, now_ns, SECOND_NS / a_second);
    return true;
}

bool rmx_peer_may_log(struct rmx_peer *peer, uint64_t now_ns, uint64_t *missed)
{
    uint64_t most_ns = (uint64_t)(RMX_PEER_LINES - 1) * RMX_PEER_LINE_NS;

    if (rmx_bucket_wait_ns(&peer->lines, now_ns, most_ns) > 0) {
        peer->lines_missed++;
        return false;
    }
    rmx_bucket_take(&peer->lines, now_ns, RMX_PEER_LINE_NS);
    *missed = peer->lines_missed;
    peer->lines_missed = 0;
    return true;
}
