/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job, from its admission to its end; owns all it holds meanwhile: the two files, the ring
 * pair, its rings' place in a channel, the feed and the drain. An entry of the lane's job table,
 * made at start. Which passes it makes is engine/course.c's, and how its bytes move in one
 * engine/pass.c's. Runs on the lane's thread.
 *
 *              _____________________
 *             v                     \
 *     FREE -> ADMITTED -> RUNNING <-> DRAINING -> ENDED -> FREE
 *                  \          \______________________/^
 *                   \________________________________/     any job may end early
 *
 * ADMITTED  waits for the first word of a stream, then for its group, then for a ring pair; holds
 *           its descriptors only. One whose worker died may come here again (engine/rerun.h), with
 *           the spools of its earlier passes, and before all of its session that came later
 * RUNNING   has a pair: bytes move; the worker is told once the first chunk is there, or at once if
 *           the input is the client's ring
 * DRAINING  the worker is done, or the job is to stop: what is in flight comes to an end. A job
 *           that makes another pass (engine/course.h) then is RUNNING again
 * ENDED     holds nothing but its result, until the client has been told
 */
#ifndef RMX_ENGINE_FLOW_H
#define RMX_ENGINE_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/berth.h"
#include "engine/drain.h"
#include "engine/feed.h"
#include "engine/limits.h"
#include "engine/ports.h"
#include "engine/replay.h"
#include "engine/share.h"
#include "engine/spool.h"
#include "ipc/status.h"

struct rmx_lane;
struct rmx_client;
struct rmx_group;
struct rmx_peer;

enum rmx_flow_state {
    RMX_FLOW_FREE,
    RMX_FLOW_ADMITTED,
    RMX_FLOW_RUNNING,
    RMX_FLOW_DRAINING,
    RMX_FLOW_ENDED,
    RMX_FLOW_STATES,
};

/* Where an ADMITTED job waits. */
enum rmx_flow_place {
    RMX_FLOW_NOWHERE = 0, /* for the first word of its input; or it does not wait any more */
    RMX_FLOW_IN_GROUP,    /* in its group's list */
    RMX_FLOW_IN_QUEUE,
};

/* Where the time of a job went, but for that of its worker. CLOCK_MONOTONIC; 0 = it has not come
 * as far. */
struct rmx_flow_times {
    uint64_t submitted_ns;
    uint64_t ready_ns;   /* its input had its first byte */
    uint64_t taken_ns;   /* it was given a pair */
    uint64_t started_ns; /* the worker was told */
    uint64_t told_ns;    /* the same, of its present pass */
    uint64_t answered_ns;
    uint64_t input_wait_ns; /* of the worker's time: it waited for bytes */
    uint64_t output_wait_ns;
};

struct rmx_flow {
    enum rmx_flow_state state;
    enum rmx_flow_place place;
    struct rmx_lane *lane;
    struct rmx_client *client; /* NULL: it went away, nobody wants the result */
    uint32_t party;            /* the session whose job it is, though it has gone */
    struct rmx_peer *peer;     /* likewise the user */
    bool critical;             /* it counts as one of the user's critical jobs */
    struct rmx_group *group;   /* the client's; NULL: it is in none, or has ended */
    bool works;                /* its group has let it */
    struct rmx_flow *next;     /* in the one list its state puts it in */
    struct rmx_flow *before;   /* likewise, where that goes both ways */
    uint64_t order;            /* in the queue: who came earlier has a lower one */
    struct rmx_job_spec spec;
    struct rmx_job_result result;
    struct rmx_ports ports;
    uint32_t more;           /* descriptors it may have beyond two */
    struct rmx_share *share; /* where its rings are, if it has any of the client's */
    struct rmx_berth *berth; /* RUNNING, DRAINING */
    struct rmx_pair *pair;
    struct rmx_feed feed;
    struct rmx_drain drain;
    struct rmx_op wait_op; /* ADMITTED: for a stream's first word */
    struct rmx_op wait_cancel_op;
    uint32_t stage; /* enum rmx_flow_stage: of the present pass */
    bool delivered; /* its output is spooled, and a DELIVER pass follows */
    bool spooled;   /* its input was */
    struct rmx_spool spools[RMX_FLOW_SPOOLS];
    struct rmx_job_result sum; /* of the passes before the present one */
    uint64_t cpu_ns;           /* likewise, those on workers that died too; with job_cpu */
    bool begun;                /* the present pass is laid out in the pair */
    bool told;                 /* the worker has the job */
    bool answered;             /* the worker posted DONE; result is its word, checked */
    bool broken;               /* the worker lied, and is being ended for it */
    bool again;                /* in the lane's list of those to be called again */
    struct rmx_flow *next_again;
    bool lost; /* the worker died: */
    enum rmx_replay_death death;
    bool on_core;                        /* with the job on its core, so it said */
    bool judged;                         /* what becomes of the job now is decided */
    bool alone;                          /* it runs in the trial berth, or is to */
    uint32_t isolation;                  /* enum rmx_job_isolation */
    uint32_t losses;                     /* workers that died under it so far */
    uint64_t reach[RMX_JOB_OUTPUTS_MAX]; /* where they had written its outputs to, at most */
    uint32_t stop;                       /* enum rmx_status to end with; 0 = let it run */
    int cause;                           /* -errno behind `stop` */
    uint32_t progress_slot;              /* in the client's arena */
    uint64_t shown_in;                   /* there: so many bytes, and never fewer */
    uint64_t shown_out;
    struct rmx_flow_times times;
    uint64_t stopped_ns; /* the worker was told to stop: it loses its process some time after */
    char text[RMX_JOB_TEXT_BYTES]; /* of `stop`; "" = the status's own */
};

/* Makes a job of a checked spec. Takes the descriptors that the spec's inputs and outputs promise
 * from fds; those it cannot use are left there. Returns 0 (ADMITTED), or a status > 0 with
 * flow->text set: the flow ends with that status, once the descriptors are closed. */
uint32_t rmx_flow_admit(struct rmx_flow *flow, struct rmx_client *client,
    const struct rmx_job_spec *spec, uint32_t progress_slot, struct rmx_ports_fds *fds);

/* A job that cannot be: ENDED at once. Its group has one more end, unless it is only the wrong time
 * for it, BUSY or DRAINING: then it never joined, and may come again. */
void rmx_flow_refuse(struct rmx_flow *flow, struct rmx_client *client,
    const struct rmx_job_spec *spec, uint32_t progress_slot, uint32_t status, const char *why);

/* Which pair it would like. Stays the same as long as it waits. */
enum rmx_pair_size rmx_flow_wants(const struct rmx_flow *flow);

/* Gives an ADMITTED job, out of the queue, its pair. One that is late gives it back, and ends. */
void rmx_flow_start(struct rmx_flow *flow, struct rmx_berth *berth, struct rmx_pair *pair);

/* RUNNING or DRAINING. */
bool rmx_flow_has_pair(const struct rmx_flow *flow);

/* Something came to an end: looks what is left to be done before the job can end, and starts it. */
void rmx_flow_settle(struct rmx_flow *flow);

/* It shall end, with this status, as soon as what is in flight allows. The first reason stays.
 * An ADMITTED job ends once its descriptors are closed. why: "" for the status's own text. */
void rmx_flow_stop(struct rmx_flow *flow, enum rmx_status status, int cause, const char *why);

/* Has the lane watch for its deadline, or for an output that is to be dropped by then. */
void rmx_flow_watch(struct rmx_flow *flow);

/* It is `now`, for which the lane was asked to watch: stops a job that is past its deadline, drops
 * an output that is too slow, ends a worker that does not stop. */
void rmx_flow_check_time(struct rmx_flow *flow, uint64_t now);

/* The worker that had it died, on_core: with this job on its core, so it said. */
void rmx_flow_lose(
    struct rmx_flow *flow, enum rmx_replay_death death, bool on_core, const char *last_words);

/* Its client went away: nobody is told how it ends. */
void rmx_flow_orphan(struct rmx_flow *flow);

/* ENDED -> FREE. */
void rmx_flow_free(struct rmx_flow *flow);

#endif
