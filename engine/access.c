/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who may talk to us. See access.h.
 */
#include "engine/access.h"

#include <unistd.h>

#include "ipc/sock.h"

/* Of one that is in more groups only its first one counts. */
#define GROUPS_MAX 1024

struct caller {
    const struct ucred *peer;
    gid_t groups[GROUPS_MAX];
    int count;
};

static bool is_in(const struct caller *caller, const struct rmx_identities *gids)
{
    bool in = rmx_identity_has(gids, caller->peer->gid);

    for (int i = 0; i < caller->count && !in; i++) {
        in = rmx_identity_has(gids, caller->groups[i]);
    }
    return in;
}

static bool is_open(const struct rmx_config *config)
{
    return config->allow_uids.count == 0 && config->allow_gids.count == 0;
}

void rmx_access_judge(
    const struct rmx_config *config, int sock, struct ucred *peer, struct rmx_access *access)
{
    struct caller caller = { .peer = peer };

    *access = (struct rmx_access){ .talks = false };
    *peer = (struct ucred){ .uid = RMX_ACCESS_NOBODY, .gid = RMX_ACCESS_NOBODY };
    if (rmx_sock_peer(sock, peer) == 0 && peer->uid != RMX_ACCESS_NOBODY) {
        access->owns = peer->uid == 0 || peer->uid == geteuid();
    }
    if (config->allow_gids.count > 0 || config->operator_gids.count > 0) {
        caller.count = rmx_sock_peer_groups(sock, caller.groups, GROUPS_MAX);
    }
    access->operates = access->owns || is_in(&caller, &config->operator_gids);
    access->talks = access->operates || is_open(config) ||
                    rmx_identity_has(&config->allow_uids, peer->uid) ||
                    is_in(&caller, &config->allow_gids);
}
