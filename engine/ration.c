/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The CPU time a job may use in all. See ration.h.
 */
#include "engine/ration.h"

#include "engine/flow.h"
#include "ipc/status.h"

uint64_t rmx_ration_used_ns(const struct rmx_flow *flow)
{
    struct rmx_flow_shm *shm;

    if (!flow->begun) { /* what is there is of the one before */
        return flow->cpu_ns;
    }
    shm = rmx_berth_flow(flow->berth, flow->pair);
    /* Relaxed: a number for itself. */
    return flow->cpu_ns + atomic_load_explicit(&shm->cpu_ns, memory_order_relaxed);
}

void rmx_ration_look(struct rmx_berth *berth, uint64_t cpu_max_ns)
{
    uint32_t left = cpu_max_ns == 0 ? 0 : berth->used;

    for (uint32_t i = 0; i < berth->pairs_count && left > 0; i++) {
        struct rmx_flow *flow = berth->pairs[i].owner;

        if (flow == NULL) {
            continue;
        }
        left--;
        if (rmx_ration_used_ns(flow) > cpu_max_ns) {
            rmx_flow_stop(
                flow, RMX_STATUS_OVER_LIMIT, 0, "it used more CPU time than job_cpu allows");
        }
    }
}
