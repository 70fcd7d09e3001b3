/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The CPU time a job may use in all. See ration.h.
 */
#include "engine/ration.h"

#include "engine/flow.h"
#include "ipc/status.h"

void rmx_ration_look(struct rmx_berth *berth, uint64_t cpu_max_ns)
{
    uint32_t left = cpu_max_ns == 0 ? 0 : berth->used;

    for (uint32_t i = 0; i < berth->pairs_count && left > 0; i++) {
        struct rmx_pair *pair = &berth->pairs[i];
        struct rmx_flow *flow = pair->owner;

        if (flow == NULL) {
            continue;
        }
        left--;
        /* Relaxed: a number for itself. Until the job has begun it is that of the one before. */
        if (flow->begun && atomic_load_explicit(&rmx_berth_flow(berth, pair)->cpu_ns,
                               memory_order_relaxed) > cpu_max_ns) {
            rmx_flow_stop(
                flow, RMX_STATUS_OVER_LIMIT, 0, "it used more CPU time than job_cpu allows");
        }
    }
}
