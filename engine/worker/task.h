/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job from its flow table entry to its result: checks the spec, puts the stage between the two
 * rings, each in the lane's arena or in a client's, says how it went. Worker process, the job's
 * fiber, whose stack holds all of it. Must never read the entry's spec twice: the arena is shared.
 */
#ifndef RMX_ENGINE_WORKER_TASK_H
#define RMX_ENGINE_WORKER_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/lane_wire.h"
#include "ipc/status.h"
#include "ring/region.h"

struct rmx_task_host { /* see avio.h; all of it for the job on the core */
    void (*sleep)(enum rmx_flow_wait what, uint64_t until_ns);
    void (*tell)(enum rmx_note_kind kind); /* the lane */
    const bool *late;
    uint32_t flow; /* the job's: notes of a channel wake it by that number */
};

/* Fills flow->result; the caller tells the lane. */
void rmx_task_run(
    struct rmx_flow_shm *flow, const struct rmx_region *arena, const struct rmx_task_host *host);

/* The same for a job that is not even begun: it ends with this status. Needs no fiber. */
void rmx_task_refuse(struct rmx_flow_shm *flow, const struct rmx_region *arena,
    enum rmx_status status, const char *why);

#endif
