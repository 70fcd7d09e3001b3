/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The trial berth. See trial.h.
 */
#include "engine/trial.h"

#include "engine/lane.h"

void rmx_trial_geometry(struct rmx_pair_geometry trial[RMX_PAIR_SIZES],
    const struct rmx_pair_geometry shared[RMX_PAIR_SIZES])
{
    for (int size = 0; size < RMX_PAIR_SIZES; size++) {
        trial[size] = shared[size];
        trial[size].count = 1;
    }
}

static bool others_wait(const struct rmx_lane *lane)
{
    for (uint32_t i = 0; i < lane->config->jobs_max; i++) {
        const struct rmx_flow *flow = &lane->flows[i];

        if (flow->state == RMX_FLOW_ADMITTED && flow->alone && flow->stop == 0) {
            return true;
        }
    }
    return false;
}

void rmx_trial_watch(struct rmx_lane *lane, uint64_t now_ns)
{
    const struct rmx_berth *berth = rmx_crew_trial(&lane->crew);

    for (uint32_t i = 0; i < berth->pairs_count; i++) {
        struct rmx_flow *flow = berth->pairs[i].owner;

        if (flow != NULL && now_ns >= flow->times.taken_ns + RMX_TRIAL_NS && others_wait(lane)) {
            rmx_flow_stop(flow, RMX_STATUS_WORKER_LOST, 0,
                "its worker died, and it did not end within the ten seconds that it was tried "
                "alone while others waited");
        }
    }
}
