/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client's channel as its lane knows it: which worker has it, and which pages of it the rings of
 * jobs in flight lie on. An entry of its berth's table, made at start, whose index is the channel's
 * place. Runs on the lane's thread. Must never map a channel's memory, nor keep a descriptor of it:
 * it is between the client and the worker, and gone when those two are done with it.
 *
 *   FREE -> OPEN -> LEFT -> CLOSING -> FREE      the client is gone, then its last job
 *   any of them -> LOST -> FREE                  the worker died, then its last job is over
 *
 * OPEN     the worker was sent the arena, and the client its bells
 * LEFT     the client is gone; jobs of its are still to end
 * CLOSING  the worker was told, or is to be told, to unmap it; NOTE_UNSHARED frees the place
 * LOST     nobody has it any more but the client; jobs that named it are ending
 */
#ifndef RMX_ENGINE_SHARE_H
#define RMX_ENGINE_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/channel.h"
#include "ipc/job.h"

#define RMX_SHARE_BELLS 2 /* descriptors a client gets with a channel */

struct rmx_berth;
struct rmx_client;
struct rmx_crew;
struct rmx_peer;

enum rmx_share_state {
    RMX_SHARE_FREE = 0,
    RMX_SHARE_OPEN,
    RMX_SHARE_LEFT,
    RMX_SHARE_CLOSING,
    RMX_SHARE_LOST,
    RMX_SHARE_STATES,
};

struct rmx_share {
    enum rmx_share_state state;
    struct rmx_client *client; /* OPEN: whose it is */
    struct rmx_peer *peer;     /* not FREE: whose user it is */
    struct rmx_berth *berth;
    uint32_t place; /* in the berth */
    uint32_t jobs;  /* admitted, with a ring here */
    bool unshare_due;
    uint64_t bytes;   /* of the arena */
    uint64_t *claims; /* a bit for each page, set while a job's ring has it; the crew's */
    uint64_t flows[RMX_CHANNEL_FLOWS_MAX / 64]; /* the channel_flow of each of the jobs */
};

/* One of a client's channels. */
struct rmx_share_entry {
    uint32_t name;           /* as the client knows it; 0 = the entry is free */
    struct rmx_share *share; /* NULL: lost, and the client is to be told so */
};

void rmx_share_init(struct rmx_share *share, struct rmx_berth *berth, uint32_t place);

/* Words of claims for an arena of this size. */
size_t rmx_share_claims(uint64_t arena_bytes);

/* Acts on a CHANNEL message: opens one on the worker that suits best, and answers. Takes *arena_fd
 * in any case. */
void rmx_share_request(struct rmx_client *client, uint64_t arena_bytes, int *arena_fd);

/* Admits a job of the client to the channel that its spec names: no two jobs in flight share a page
 * or a channel_flow. Returns 0 with *share set, or the status it ends with, *why a static
 * sentence. */
uint32_t rmx_share_join(struct rmx_client *client, const struct rmx_job_spec *spec,
    struct rmx_share **share, const char **why);

/* The job is over: nobody touches its rings any more but the client. */
void rmx_share_quit(
    struct rmx_share *share, const struct rmx_job_spec *spec, struct rmx_crew *crew);

/* The client went away; its jobs were told to stop before. */
void rmx_share_leave(struct rmx_share *share, struct rmx_crew *crew);

/* The worker died: the client will be told. Jobs that wait for the channel are the caller's to
 * stop. */
void rmx_share_lose(struct rmx_share *share);

/* Tells the berth's worker of channels to give back, those that it could not be told before. */
void rmx_share_tend(struct rmx_berth *berth, struct rmx_crew *crew);

/* The worker says that it has unmapped the channel in this place. False: it was not asked to. */
bool rmx_share_unshared(struct rmx_berth *berth, uint32_t place);

#endif
