/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who runs where: lanes and workers laid out over the cpus of a topology. A pure function, run once
 * at ringmuxd's start, so that machines we do not have can be tested. Binds nothing itself.
 *
 * - A lane belongs to a NUMA node and has some of its cores; all workers of a lane are on them, one
 *   per core, those that share a cache side by side.
 * - A worker is pinned to one cpu, the first of its core.
 * - A lane's thread is bound to the cpus of its lane that have no worker: whole free cores if there
 *   are any, best under the same cache as a worker, else the siblings of the workers' cpus. If
 * workers have them all it is bound to all: then it runs wherever a worker sleeps, and a bound one
 * would wait for a worker that does not.
 */
#ifndef RMX_ENGINE_PLAN_H
#define RMX_ENGINE_PLAN_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/config.h"
#include "engine/topology.h"

#define RMX_PLAN_NONE      UINT32_MAX /* not pinned; not bound */
#define RMX_PLAN_WHY_BYTES 128

struct rmx_plan_lane {
    uint32_t node; /* the system's number, for memory; RMX_PLAN_NONE = do not bind */
    uint32_t workers;
    uint32_t worker_first; /* its workers are the next `workers` in the plan */
    bool bind;             /* bind its thread to cpus */
    cpu_set_t cpus;
};

struct rmx_plan_worker {
    uint32_t lane;
    uint32_t cpu; /* the system's number; RMX_PLAN_NONE = do not pin */
};

struct rmx_plan {
    uint32_t lanes;
    uint32_t workers;
    uint32_t cpus;                /* that may run at once: allowed, and no more than the quota */
    bool may_spin;                /* there is a cpu for each lane and worker */
    char why[RMX_PLAN_WHY_BYTES]; /* where the plan is not what was asked for; "" = it is */
    struct rmx_plan_lane lane[RMX_LANES_MAX];
    struct rmx_plan_worker worker[RMX_WORKERS_MAX];
};

/* Every topology with a cpu has a plan: each lane has at least one worker. */
void rmx_plan_make(
    struct rmx_plan *plan, const struct rmx_topology *topology, const struct rmx_config *config);

/* How long a worker may poll: what the configuration says, or (auto) what waking costs where a
 * worker that polls is in nobody's way, else 0. Measures, so may take 3 ms. */
uint64_t rmx_plan_spin_ns(const struct rmx_plan *plan, const struct rmx_topology *topology,
    const struct rmx_config *config);

/* How long a lane may whose workers poll for spin_ns: no longer than they, than about a wake-up
 * across cpus takes, and not at all where there is no cpu for each lane and worker. */
uint64_t rmx_plan_poll_ns(const struct rmx_plan *plan, uint64_t spin_ns);

#endif
