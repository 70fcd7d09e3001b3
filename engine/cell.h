/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Berths apart from those that all jobs share; small ones, whose workers no core is kept for:
 *
 *   trial     one in each lane, for a job that may have ended its worker: it runs there once more,
 *             with nobody beside it
 *   isolated  for jobs that share their worker with none, or only with those of their session (enum
 *             rmx_job_isolation): one session's at a time
 *
 * Who comes next always gets a worker that has seen no other's bytes. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_CELL_H
#define RMX_ENGINE_CELL_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/crew.h"
#include "ipc/job.h"

struct rmx_flow;

/* A trial that others wait for may take so long, by the clock. */
#define RMX_CELL_TRIAL_NS 10000000000u

/* What pairs such a berth has, where a shared one has those. */
void rmx_cell_geometry(struct rmx_pair_geometry few[RMX_PAIR_SIZES],
    const struct rmx_pair_geometry shared[RMX_PAIR_SIZES], bool is_trial);

/* The trial berth. */
static inline struct rmx_berth *rmx_cell_trial(const struct rmx_crew *crew)
{
    return &crew->berths[crew->workers];
}

/* An isolated one for a job of the wish's session. If there is none, but one that nobody uses, its
 * worker is replaced for it. NULL: not now. */
struct rmx_berth *rmx_cell_isolated_for(
    struct rmx_crew *crew, const struct rmx_wish *wish, enum rmx_job_isolation isolation);

/* The job starts in this berth, whatever that is: it may not be others' any more. */
void rmx_cell_assign(struct rmx_berth *berth, const struct rmx_flow *flow);

/* The session is over: what it had to itself is for others, when its last job there has ended. */
void rmx_cell_forget(struct rmx_crew *crew, uint32_t party);

/* Stops a trial that holds others up for too long. */
void rmx_cell_watch(struct rmx_lane *lane, uint64_t now_ns);

#endif
