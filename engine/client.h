/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One connected client: what it is told, what it holds, how it goes. An entry of the gate's table,
 * made at start. Runs on the lane's thread. Must never wait for the client: one that does not read
 * only holds up its own answers.
 */
#ifndef RMX_ENGINE_CLIENT_H
#define RMX_ENGINE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/access.h"
#include "engine/errand.h"
#include "engine/flow.h"
#include "engine/flow_list.h"
#include "engine/group.h"
#include "engine/loop.h"
#include "engine/peer.h"
#include "engine/roster.h"
#include "engine/share.h"
#include "ipc/session.h"
#include "ring/region.h"

struct rmx_client {
    struct rmx_lane *lane;
    uint32_t index;
    int fd;       /* -1 = the entry is free, unless `closing` */
    bool closing; /* its operations come to an end */
    bool blocked; /* its socket is full: answers wait for POLLOUT */
    uint64_t came_ns;
    bool stranger;   /* it has not said hello */
    bool late;       /* it came when we drained: for an operator only */
    bool welcome;    /* it is one of the gate's sessions */
    bool has_socket; /* it was handed the listening socket, and has not said that it uses it */
    bool rests;      /* it said too much: it is not heard till then */
    uint64_t rests_until_ns;
    struct rmx_bucket messages; /* that it may say */
    struct rmx_bucket bytes;    /* in them */
    bool leaving;          /* it said goodbye: it goes when it was told how all its jobs ended */
    struct rmx_op hear_op; /* something came */
    struct rmx_op room_op; /* the socket takes messages again */
    struct rmx_op cancel_hear_op;
    struct rmx_op cancel_room_op;
    struct rmx_session talk;
    struct rmx_region arena;
    struct rmx_progress_shm *progress; /* in the arena: credits_most of them */
    uint32_t credits;                  /* granted: in the client's hands or in its jobs */
    uint32_t credits_most;             /* as configured when it came: it never has more */
    bool credits_due;                  /* it has fewer, and could have more now */
    uint32_t jobs;                     /* admitted and not told */
    struct rmx_flow_list ended;        /* jobs it has not been told the end of */
    struct rmx_client *next_due;       /* in gate's list, while `due` */
    bool due;
    struct rmx_roster *roster; /* its jobs that have not ended; the gate's, as groups */
    struct rmx_group *groups;  /* RMX_GROUPS_MAX of them */
    uint32_t groups_over;      /* of those, it has not been told the end of */
    uint32_t session;          /* what operators call it; never used again */
    struct rmx_errand *errand; /* what it asks of all lanes; NULL: it is no operator */
    struct rmx_share_entry channels[RMX_CHANNELS_MAX];
    uint32_t channel_names; /* given so far; never used again */
    uint32_t asks;          /* for channels, in the while that ends then */
    uint64_t asks_until_ns;
    bool drain_due;      /* it is to be told that we drain, before all else */
    uint32_t losses_due; /* channels it is to be told the loss of */
    bool opened_due;     /* it has asked for a channel and was not told */
    uint16_t answer_due; /* PONG or STATS_REPLY: it has asked and was not told; 0 = neither */
    uint64_t pong_nonce;
    bool deaf;                            /* it is not heard until it was told */
    struct rmx_msg_channel_opened opened; /* with opened_due: the answer */
    int opened_fds[RMX_SHARE_BELLS];      /* likewise; -1 = none */
    struct rmx_peer *peer;                /* while fd >= 0: the row of its user */
    struct rmx_access access;
    pid_t pid;
    uid_t uid;
};

/* It has asked for something and was not told: till then it is not heard. */
static inline bool rmx_client_waits(const struct rmx_client *client)
{
    return client->opened_due || client->answer_due != 0;
}

/* Makes the entry of a client that is not there. */
void rmx_client_init(struct rmx_client *client, struct rmx_lane *lane, uint32_t index);

/* Sends a whole message, with fds_count descriptors, which stay the caller's. False: the socket is
 * full (blocked), or the client is gone, which its poll tells. */
bool rmx_client_say(
    struct rmx_client *client, const void *message, size_t bytes, const int *fds, int fds_count);
void rmx_client_say_goodbye(struct rmx_client *client, enum rmx_status status);

/* Tells it that we drain, now or as soon as it reads: it has to know before the ends of groups that
 * it has not closed. */
void rmx_client_drain(struct rmx_client *client);

/* Makes its arena, with a progress entry for each credit that it may ever have. Returns 0 or
 * -errno. */
int rmx_client_make_arena(struct rmx_client *client, uint32_t credits_most);

/* A flow is ENDED: its client will hear of it with the next flush; if it has none, nobody will. */
void rmx_client_ended(struct rmx_flow *flow);

/* Answers a CHANNEL, now or with the next flush; takes the descriptors. */
void rmx_client_answer_channel(
    struct rmx_client *client, uint32_t name, enum rmx_status status, int fds[RMX_SHARE_BELLS]);

/* Its channel's worker died: it will hear of it with the next flush. */
void rmx_client_lose_channel(struct rmx_client *client, const struct rmx_share *share);

/* Sends the answers that are due, several in one message. */
void rmx_client_flush(struct rmx_client *client);

/* The flow's progress entry, while it runs; NULL if its client went away. */
struct rmx_progress_shm *rmx_client_progress(const struct rmx_flow *flow);

/* May the log have one more line about this client's user? One who makes many cannot fill it. */
bool rmx_client_may_log(const struct rmx_client *client);

/* The session is over: its jobs are cancelled, its arena and credits are back at once. */
void rmx_client_part(struct rmx_client *client, const char *why);

/* The client broke a rule: it is told, and cut off. */
void rmx_client_cut_off(struct rmx_client *client, const char *why);

/* The kernel ended one of its operations: once it has none, the entry of one that left is free. */
void rmx_client_forget(struct rmx_client *client);

#endif
