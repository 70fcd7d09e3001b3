/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A lane: the whole engine of one NUMA node. One thread, one io_uring, its clients, its jobs, its
 * workers. Lanes share nothing on the data path. All of it is made at start; nothing is allocated
 * afterwards but a session's small arena, when its client connects.
 */
#ifndef RMX_ENGINE_LANE_H
#define RMX_ENGINE_LANE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/config.h"
#include "engine/crew.h"
#include "engine/errand.h"
#include "engine/flow.h"
#include "engine/gate.h"
#include "engine/handover.h"
#include "engine/loop.h"
#include "engine/meter.h"
#include "engine/plan.h"
#include "engine/queue.h"
#include "engine/reload.h"
#include "engine/topology.h"
#include "ipc/stats.h"
#include "ring/alarms.h"

/* What the supervisor wants of a lane; it only ever rises. */
enum rmx_lane_order {
    RMX_LANE_WAIT = 0,  /* get ready, but take no client yet: listen_fd is not known */
    RMX_LANE_SERVE = 1, /* take clients */
    RMX_LANE_DRAIN = 2, /* take nothing new, finish what runs, then end */
    RMX_LANE_ABORT = 3, /* cancel what runs, then end */
};

struct rmx_lane {
    uint32_t index;
    const struct rmx_config *config; /* the supervisor's; once it runs, its own `settings` */
    const struct rmx_topology *topology;
    const struct rmx_plan *plan;
    const struct rmx_plan_lane *place;
    struct rmx_lane *const *lanes; /* all of them, for the sum of their counters */
    uint32_t lanes_count;
    int listen_fd;                 /* the supervisor's, written before the order SERVE; -1 = none */
    int drain_fd;                  /* likewise, before DRAIN: operators come there from then on */
    struct rmx_handover *handover; /* of listen_fd: the supervisor's */
    int private_fd;   /* a client that is connected already, taken at start; -1 = none */
    uint64_t spin_ns; /* how long its workers poll before they sleep; poll_ns: it itself */
    uint64_t poll_ns;
    int nice_value; /* the daemon's, before the lane goes first */

    pthread_t thread;
    int control_fd; /* eventfd: `order` changed, or the lane's own state for the supervisor */
    _Atomic uint32_t order; /* enum rmx_lane_order; supervisor writes, lane reads */
    int report_fd;          /* eventfd: written once at ready or failure, and once at the end */
    _Atomic bool ready;     /* lane writes before report_fd */
    _Atomic bool shut;      /* it uses listen_fd no more; lane writes before report_fd */
    _Atomic bool over;      /* lane writes before report_fd */
    _Atomic int error;      /* -errno it ended with */
    const char *why;        /* of error, for a person (static); written before `over` */

    struct rmx_reload_box reload;  /* settings that are to count, with control_fd written */
    struct rmx_config settings;    /* that count */
    struct rmx_errand_box errands; /* likewise */
    struct rmx_loop loop;
    struct rmx_stats stats;
    struct rmx_drain_pace pace;
    struct rmx_spool_dir spools;
    struct rmx_gate gate;
    struct rmx_crew crew;
    struct rmx_flow *flows; /* jobs_max of them */
    struct rmx_flow *free_flows;
    struct rmx_flow *again_first; /* those to be called again in the next turn */
    uint32_t jobs;                /* flows that are not FREE */
    uint32_t descriptors;         /* theirs, but for spools */
    uint32_t more_descriptors;    /* of these, promised to jobs with more than two */
    struct rmx_queue queue;
    struct rmx_meter meter;
    struct rmx_op control_op;
    bool dispatching;           /* jobs are being started */
    bool dispatch;              /* look once more whether others can be */
    struct rmx_alarms alarms;   /* when jobs want to be looked at, by their index in flows */
    struct rmx_alarm *alarm_of; /* their memory; owned */
    uint64_t wake_ns;           /* nobody else wants a turn before */
    uint64_t poll_until_ns;     /* then it may sleep */
    bool stirred;               /* something happened in the last turn */
    int failed;                 /* -errno to end with; 0 = none */
    bool serving;               /* it takes clients, or did */
    bool draining;
    bool caged;          /* a zygote has said what its workers' sandbox lacks */
    uint32_t cage_lacks; /* the last said so: bits of enum rmx_lane_wall */
    bool aborting;       /* a client that does not read its answers goes without */
};

/* Where a lane lives is decided by the caller; it is started by rmx_lane_start() and, after the
 * supervisor has seen `over`, joined by rmx_lane_join(). */
int rmx_lane_start(struct rmx_lane *lane);
void rmx_lane_order(struct rmx_lane *lane, enum rmx_lane_order order);

/* Settings that changed: it takes them when it turns next. */
void rmx_lane_reload(struct rmx_lane *lane, const struct rmx_config *config);

void rmx_lane_join(struct rmx_lane *lane);

/* --- for gate and flow, on the lane's thread ------------------------------------------------ */

/* A job table entry, or NULL. */
struct rmx_flow *rmx_lane_take_flow(struct rmx_lane *lane);
void rmx_lane_give_flow(struct rmx_lane *lane, struct rmx_flow *flow);

/* An ADMITTED job waits for its pair from now on. */
void rmx_lane_enqueue(struct rmx_lane *lane, struct rmx_flow *flow);

/* This job is called again in the next turn: rmx_pass_go_on(). */
void rmx_lane_again(struct rmx_lane *lane, struct rmx_flow *flow);

/* The job wants rmx_flow_check_time() then, and not when it wanted it until now. */
void rmx_lane_watch_flow(struct rmx_lane *lane, const struct rmx_flow *flow, uint64_t when_ns);

/* Somebody wants the lane to turn by then. */
void rmx_lane_watch(struct rmx_lane *lane, uint64_t when_ns);

/* A pair came free in a berth, or a berth opened: start what waits. */
void rmx_lane_dispatch(struct rmx_lane *lane);

/* The lane cannot go on: it ends at once with this error. why: a static sentence. */
void rmx_lane_fail(struct rmx_lane *lane, int error, const char *why);

/* All workers are there: the supervisor hears of it, once. */
void rmx_lane_report_ready(struct rmx_lane *lane);

/* Nothing of it uses listen_fd any more: the supervisor hears of it. */
void rmx_lane_report_shut(struct rmx_lane *lane);

/* Everything is over for this lane: its one private client left. */
void rmx_lane_abort(struct rmx_lane *lane);

#endif
