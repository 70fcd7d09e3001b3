/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker's place in its lane: the arena, the two mailboxes, the two bells and the ring pairs. It
 * is made once, at start, and outlives the worker processes that come and go in it. Runs on the
 * lane's thread. Must never use a word of the arena that it has not checked: the worker writes
 * there.
 */
#ifndef RMX_ENGINE_BERTH_H
#define RMX_ENGINE_BERTH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/grace.h"
#include "engine/loop.h"
#include "engine/recycle.h"
#include "engine/watchdog.h"
#include "ipc/job.h"
#include "ipc/lane_wire.h"
#include "ring/bell.h"
#include "ring/chunk.h"
#include "ring/mail.h"
#include "ring/region.h"

struct rmx_share;

enum rmx_pair_size {
    RMX_PAIR_SMALL = 0, /* live streams, small jobs */
    RMX_PAIR_BULK = 1,  /* files */
    RMX_PAIR_BARE = 2,  /* no rings at all: both are in a client's channel */
    RMX_PAIR_SIZES = 3,
    RMX_PAIR_NONE = RMX_PAIR_SIZES,
};

#define RMX_PARTY_NOBODY RMX_WORKER_PARTIES /* holds nothing, ever */

/* Rows that engine/peer.h may have for users. */
#define RMX_BERTH_USERS (2 * RMX_WORKER_PARTIES)
#define RMX_USER_NOBODY RMX_BERTH_USERS

struct rmx_pair_geometry {
    uint32_t count; /* pairs of this size in a berth */
    uint32_t slots; /* of each of the two rings; a power of two; BARE: 0 */
    uint32_t chunk_bytes;
};

/* An input and an output ring, and the flow table's entry that goes with them. */
struct rmx_pair {
    uint64_t input_at; /* offsets in the arena */
    uint64_t output_at;
    uint32_t slots; /* of each; 0 = BARE */
    uint32_t chunk_bytes;
    uint32_t index; /* in the flow table */
    uint32_t party; /* the session whose job has it: below RMX_WORKER_PARTIES */
    uint32_t user;  /* that session's: below RMX_BERTH_USERS */
    uint8_t size;   /* enum rmx_pair_size */
    uint8_t class_; /* enum rmx_job_class, of the job that has it */
    struct rmx_pair *next_free;
    void *owner; /* the flow that has it; NULL = free */
};

/* The pairs that one session's jobs have, or those of all of a user's sessions. */
struct rmx_held {
    uint16_t pairs[RMX_PAIR_SIZES];
};

struct rmx_berth {
    uint32_t index;        /* in its lane */
    uint32_t party;        /* isolated: whose it is; RMX_PARTY_NOBODY: anybody's that wants it */
    bool spent;            /* its worker takes no more jobs: the next ones get another */
    bool retired;          /* its worker was ended for that, and for no fault */
    bool open;             /* a worker took the arena and is believed */
    bool vacant;           /* its worker died: it is refilled when no pair is in use */
    const char *condemned; /* why its worker was ended; NULL = it was not */
    uint32_t used;         /* pairs in use */
    uint32_t used_by[RMX_CLASSES]; /* of them, by jobs of each class */
    uint32_t prefault; /* jobs whose memory its worker maps before it takes any; 0 = none */
    struct rmx_region arena;
    struct rmx_worker_shm *shm;
    struct rmx_mail to_worker;
    struct rmx_mail to_lane;
    struct rmx_bell worker_bell;
    struct rmx_bell lane_bell;
    struct rmx_pair_geometry geometry[RMX_PAIR_SIZES];
    struct rmx_pair *free_pairs[RMX_PAIR_SIZES]; /* last used first: its lines are still warm */
    uint32_t free_counts[RMX_PAIR_SIZES];
    struct rmx_held *held;  /* by party, and nobody's; owned */
    struct rmx_held *users; /* by user, likewise */
    struct rmx_pair *pairs; /* by index; owned */
    uint32_t pairs_count;
    struct rmx_share *shares; /* RMX_WORKER_CHANNELS_MAX of them; owned */
    uint32_t shares_used;
    uint32_t shares_closing; /* of them, those the worker has to give back */
    uint64_t shares_bytes;   /* of all their arenas */
    uint32_t unshares_due;   /* channels the worker is to be told to give back */
    struct rmx_op bell_op;   /* the lane waits for its bell */
    bool armed;              /* the bell: the lane sleeps, or is about to */
    pid_t pid;               /* the worker's, while open */
    uint64_t notes;          /* taken from all its workers so far */
    uint64_t busy_ns;        /* of its worker's, what rmx_berth_busy_ns() has told */
    uint32_t unknown_calls;  /* of its worker's, what rmx_cage_count() has counted */
    struct rmx_watchdog watchdog;
    struct rmx_grace grace;
    struct rmx_recycle recycle;
};

/* Does its worker take new jobs and channels? */
static inline bool rmx_berth_admits(const struct rmx_berth *berth)
{
    return berth->open && !berth->recycle.closed;
}

/* What a berth's arena takes; 0 if the geometry is impossible. */
size_t rmx_berth_bytes(const struct rmx_pair_geometry geometry[RMX_PAIR_SIZES]);

/* Makes the arena (not yet mapped: the caller places it on a node, and may map it before jobs do),
 * the bells and the pairs. Returns 0 or -errno; on failure nothing is left. */
int rmx_berth_init(struct rmx_berth *berth, uint32_t index,
    const struct rmx_pair_geometry geometry[RMX_PAIR_SIZES], bool huge_pages);
void rmx_berth_fini(struct rmx_berth *berth);

/* Empties mailboxes and bells for the next worker process. No process may have the arena mapped any
 * more but ours; pairs may be in use only by jobs that a worker is done with. */
void rmx_berth_reset(struct rmx_berth *berth);

/* Takes a pair of just this size for a job of a user's session; NULL if there is none. How many of
 * them these may have is engine/portion.h's. */
struct rmx_pair *rmx_berth_take(struct rmx_berth *berth, enum rmx_pair_size size, uint32_t user,
    uint32_t party, uint32_t class_, void *owner);
void rmx_berth_give(struct rmx_berth *berth, struct rmx_pair *pair);

/* The flow table's entry of a pair. */
static inline struct rmx_flow_shm *rmx_berth_flow(
    const struct rmx_berth *berth, const struct rmx_pair *pair)
{
    return &berth->shm->flows[pair->index];
}

/* How long the worker was busy since the last call, which was so long ago: its own word, as far as
 * that can be. */
uint64_t rmx_berth_busy_ns(struct rmx_berth *berth, uint64_t since_ns);

/* How many of its jobs want to compute: the worker's own word, likewise. */
uint32_t rmx_berth_ready(const struct rmx_berth *berth);

/* What the worker is told of a job besides its spec. */
struct rmx_berth_run {
    uint64_t input_bytes[RMX_JOB_INPUTS_MAX]; /* UINT64_MAX = unknown */
    uint32_t port;                            /* enum rmx_flow_port */
    uint32_t stage;                           /* enum rmx_flow_stage */
    uint32_t channel;                         /* with PORT_CHANNEL_*: its place */
    uint64_t memory_max_bytes;                /* 0 = no limit */
    uint64_t cpu_max_ns;                      /* likewise */
};

/* Writes a job into the pair's entry of the flow table. */
void rmx_berth_lay_out(struct rmx_berth *berth, const struct rmx_pair *pair,
    const struct rmx_job_spec *spec, const struct rmx_berth_run *run);

/* Makes one of the pair's rings, the one at `at`, empty, and takes our end of it. */
void rmx_berth_attach(
    struct rmx_berth *berth, uint64_t at, const struct rmx_pair *pair, struct rmx_chunk_ring *ring);

/* The lane is awake, and looks into the mailbox before it sleeps: no bell needs ringing till then.
 */
void rmx_berth_wake(struct rmx_berth *berth);

/* Posts a note to the worker and wakes it, and says that the lane is awake; flow is a pair's index,
 * or 0. Returns whether that took a system call (0 or 1), or -errno if the mailbox is full or its
 * counts lie: the worker is broken. */
int rmx_berth_post(struct rmx_berth *berth, enum rmx_note_kind kind, uint32_t flow);

/* Its pairs that have rings: of others there can be many more than there ever are jobs. */
uint32_t rmx_berth_ringed(const struct rmx_berth *berth);

#endif
