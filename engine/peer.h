/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whom a lane talks to: a row for each user id, with all that this user's sessions hold together
 * and what they did lately. A fixed table, made at start. A row is held by each connection and each
 * job of its user, and is remembered afterwards as long as nobody else needs it, so that who comes
 * back finds the bill. Knows numbers, does nothing: who acts on them is gate, hello and request.
 * Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_PEER_H
#define RMX_ENGINE_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/bucket.h"

/* A user's jobs may end so many workers at once, and one more with each such time. */
#define RMX_PEER_DEATHS   8u
#define RMX_PEER_DEATH_NS 1000000000u

/* No user is kept waiting for longer than this for what its jobs did. */
#define RMX_PEER_PENALTY_NS_MAX 60000000000u

/* Lines about one user in the log: so many at once, and so often one more. */
#define RMX_PEER_LINES   200u
#define RMX_PEER_LINE_NS 100000000u

struct rmx_peer {
    uid_t uid;
    uint32_t index;     /* of the row */
    bool used;          /* ever: the row is this user's */
    bool owns;          /* root, or who runs us: the others' limits are not for it */
    uint32_t holders;   /* connections and jobs */
    uint64_t seen_ns;   /* when it was last taken */
    uint32_t strangers; /* connections that have not said hello */
    uint32_t sessions;
    uint32_t credits;          /* granted to these, and of jobs that outlive theirs */
    uint32_t jobs;             /* in flight */
    uint32_t critical;         /* of these, those of that class */
    uint64_t channel_bytes;    /* of its channels' arenas */
    struct rmx_bucket comings; /* connections */
    struct rmx_bucket deaths;
    struct rmx_bucket lines;
    uint64_t lines_missed; /* not written since the last one that was */
};

struct rmx_peers {
    struct rmx_peer *rows;
    uint32_t rows_max;
};

/* Returns 0 or -ENOMEM. */
int rmx_peer_init(struct rmx_peers *peers, uint32_t rows_max);
void rmx_peer_fini(struct rmx_peers *peers);

/* The row of this user, held for the caller. NULL: all rows are held by others. */
struct rmx_peer *rmx_peer_take(struct rmx_peers *peers, uid_t uid, uint64_t now_ns);

void rmx_peer_hold(struct rmx_peer *peer);
void rmx_peer_drop(struct rmx_peer *peer);

/* A job of it ended a worker. */
void rmx_peer_hurt(struct rmx_peer *peer, uint64_t now_ns);

/* Until it may submit again; 0: it may. */
uint64_t rmx_peer_penalty_ns(const struct rmx_peer *peer, uint64_t now_ns);

/* One more connection, where so many a second are allowed; 0 = any number. False: it is one too
 * many. */
bool rmx_peer_may_come(struct rmx_peer *peer, uint32_t a_second, uint64_t now_ns);

/* May the log have one more line about it? Then *missed is how many it was not given before. */
bool rmx_peer_may_log(struct rmx_peer *peer, uint64_t now_ns, uint64_t *missed);

#endif
