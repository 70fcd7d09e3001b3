/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A session's portion of what the workers have: pairs for its jobs; room for its channels, and how
 * often it may ask for one. Runs on the lane's thread. Must never let one session take what all of
 * them need.
 *
 * What a session may have of a worker's pairs depends on how many are free, not on how many
 * sessions there are: alone it has most of them, and what it leaves is enough for the next ones to
 * begin with, while its own become fewer. Likewise the last of them are left for higher classes.
 * The very last go to sessions that have none at all, each of which may have one: however many
 * jobs of a session stand still, they keep no newcomer from its first. And of these the last half
 * goes to users who have none, but for root and who runs us: nor do all sessions of one user.
 */
#ifndef RMX_ENGINE_PORTION_H
#define RMX_ENGINE_PORTION_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/berth.h"

struct rmx_client;

/* What a job would like. */
struct rmx_wish {
    enum rmx_pair_size size;
    uint32_t class_; /* enum rmx_job_class */
    uint32_t party;  /* the session's; RMX_PARTY_NOBODY: what it may not have, no session may */
    uint32_t user;   /* its row in engine/peer.h; RMX_USER_NOBODY likewise */
    bool owns;       /* this user is under no limit */
};

/* The size of the pair it may have in this berth now: the one it would like; or, if that is not to
 * be had, the other, but a bare one is only ever for who wants that. RMX_PAIR_NONE: none. */
enum rmx_pair_size rmx_portion_pair(const struct rmx_berth *berth, const struct rmx_wish *wish);

/* Counts one more CHANNEL of the session: is it too early for it? */
bool rmx_portion_asks_too_often(struct rmx_client *client);

/* It has all that it may, also of workers that are not there now. */
bool rmx_portion_is_full(const struct rmx_client *client, uint64_t more_bytes);

/* The worker that suits best for another channel; NULL: none has room now. */
struct rmx_berth *rmx_portion_berth_for(const struct rmx_client *client, uint64_t bytes);

#endif
