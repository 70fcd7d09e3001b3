/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When a worker's jobs are to be looked at though nobody sent them a note: one time for each flow,
 * the earliest on top of a heap. Worker process, its one thread.
 */
#ifndef RMX_ENGINE_WORKER_ALARMS_H
#define RMX_ENGINE_WORKER_ALARMS_H

#include <stdint.h>

#include "ipc/lane_wire.h"

#define RMX_ALARMS_NEVER UINT64_MAX
#define RMX_ALARMS_NONE  UINT32_MAX

/* Zeroed, it has none. */
struct rmx_alarms {
    uint32_t count;
    uint32_t flows[RMX_WORKER_FLOWS_MAX];    /* none before the one at half its index */
    uint32_t place_of[RMX_WORKER_FLOWS_MAX]; /* its index above + 1; 0 = the flow has none */
    uint64_t at_ns[RMX_WORKER_FLOWS_MAX];
};

/* Instead of what the flow had until now; RMX_ALARMS_NEVER: it has none. */
void rmx_alarms_set(struct rmx_alarms *alarms, uint32_t flow, uint64_t at_ns);

/* The earliest, or RMX_ALARMS_NEVER. */
static inline uint64_t rmx_alarms_first_ns(const struct rmx_alarms *alarms)
{
    return alarms->count == 0 ? RMX_ALARMS_NEVER : alarms->at_ns[alarms->flows[0]];
}

/* Takes out a flow whose time has come, the earliest first. Or RMX_ALARMS_NONE. */
uint32_t rmx_alarms_take_due(struct rmx_alarms *alarms, uint64_t now_ns);

#endif
