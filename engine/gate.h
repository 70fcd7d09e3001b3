/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where clients come in: accepts them, hears them through ipc/session.h's rules, admits their jobs
 * against their credits, and tells them how each one ended. Runs on the lane's thread. Must never
 * wait for a client: one that does not read only holds up its own answers.
 */
#ifndef RMX_ENGINE_GATE_H
#define RMX_ENGINE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/client.h"
#include "engine/loop.h"
#include "engine/peer.h"

struct rmx_lane;

struct rmx_gate {
    struct rmx_client *clients;
    uint32_t clients_max;
    uint32_t clients_open; /* connected, or not quite gone */
    uint32_t strangers;    /* of those that have not said hello */
    uint32_t sessions_max;
    uint32_t sessions;            /* clients that have been welcomed, but for operators */
    uint32_t sessions_named;      /* so far, with operators */
    uint32_t operators;           /* that have been welcomed */
    uint32_t resting;             /* clients that are not heard for a while */
    uint32_t groups_open;         /* of all clients */
    uint64_t accept_again_ns;     /* 0 = nothing keeps us from accepting */
    uint64_t hurry_ns;            /* nobody's time to say hello ends before */
    uint32_t credits_granted;     /* of all clients: never more than the job table has entries */
    bool rows_back;               /* some of those: sessions that have fewer than most may gain */
    struct rmx_client *due_first; /* those with answers to send */
    struct rmx_op accept_op;
    struct rmx_op cancel_accept_op;
    int accept_fd; /* where clients come from: the lane's listen_fd, then drain_fd; -1 = nowhere */
    bool closing;  /* the supervisor is to hear when the kernel has nothing of listen_fd */
    struct rmx_roster *rosters; /* one for each client; touched only by those who have jobs */
    struct rmx_group *groups;   /* RMX_GROUPS_MAX for each; written only by those who have some */
    struct rmx_errand *errands; /* one for each operator there may be */
    struct rmx_peers peers;     /* whose they are */
    unsigned char *message;     /* RMX_WIRE_BYTES_MAX bytes, for one message at a time */
};

int rmx_gate_init(struct rmx_gate *gate, struct rmx_lane *lane);
void rmx_gate_fini(struct rmx_gate *gate);

/* Starts to accept from the lane's listen_fd, and takes its private_fd as a client. */
void rmx_gate_open(struct rmx_gate *gate, struct rmx_lane *lane);

/* Takes no new client but operators, from drain_fd, and no new job; the clients are told. */
void rmx_gate_drain(struct rmx_gate *gate, struct rmx_lane *lane);

/* Clients that do not read their answers go without: the next rmx_gate_tend() parts with them. */
void rmx_gate_abort(struct rmx_gate *gate);

/* Ends every session. */
void rmx_gate_close(struct rmx_gate *gate);

/* Somebody who came before the drain was not welcomed yet, or an operator that ended jobs of this
 * lane will hear of it in a moment. */
bool rmx_gate_expects(const struct rmx_gate *gate);

/* No operation of the gate's is in the kernel. */
bool rmx_gate_idle(const struct rmx_gate *gate);

/* Sends every answer that is due, several in one message, and accepts again when it had to stop.
 * Called once per turn of the loop. */
void rmx_gate_tend(struct rmx_gate *gate);

/* Credits that may still be given, if so many sessions that may come are to have one each. */
uint32_t rmx_gate_spare(const struct rmx_gate *gate, uint32_t others);

/* All is calm: sessions that were granted fewer credits than they may have, or whose window was
 * narrowed, get what can be given. */
void rmx_gate_widen(struct rmx_gate *gate);

/* This client has answers due: the next flush sends them. */
void rmx_gate_mark_due(struct rmx_gate *gate, struct rmx_client *client);

#endif
