/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Berths apart from those that all jobs share. See cell.h.
 */
#include "engine/cell.h"

#include "engine/lane.h"

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void rmx_cell_geometry(struct rmx_pair_geometry few[RMX_PAIR_SIZES],
    const struct rmx_pair_geometry shared[RMX_PAIR_SIZES], bool is_trial)
{
    for (int size = 0; size < RMX_PAIR_SIZES; size++) {
        few[size] = shared[size];
    }
    few[RMX_PAIR_SMALL].count =
        is_trial ? 1 : smaller(shared[RMX_PAIR_SMALL].count, RMX_ISOLATED_SMALL);
    few[RMX_PAIR_BULK].count =
        is_trial ? 1 : smaller(shared[RMX_PAIR_BULK].count, RMX_ISOLATED_BULK);
    few[RMX_PAIR_BARE].count = 0; /* for jobs of a channel */
}

/* --- isolated -------------------------------------------------------------------------------- */

static struct rmx_berth *isolated_at(const struct rmx_crew *crew, uint32_t i)
{
    return &crew->berths[crew->workers + RMX_TRIALS + i];
}

struct rmx_berth *rmx_cell_isolated_for(
    struct rmx_crew *crew, const struct rmx_wish *wish, enum rmx_job_isolation isolation)
{
    struct rmx_berth *fresh = NULL;
    struct rmx_berth *unused = NULL;

    for (uint32_t i = 0; i < crew->isolated; i++) {
        struct rmx_berth *berth = isolated_at(crew, i);

        if (!berth->open || berth->spent) {
            continue;
        }
        rmx_assert(berth->used > 0 || rmx_portion_pair(berth, wish) != RMX_PAIR_NONE);
        rmx_assert(berth->used == 0 || berth->party != RMX_PARTY_NOBODY);
        if (berth->party == RMX_PARTY_NOBODY) {
            fresh = berth;
        } else if (berth->party == wish->party && isolation == RMX_ISOLATION_CLIENT &&
                   rmx_portion_pair(berth, wish) != RMX_PAIR_NONE) {
            return berth;
        } else if (berth->used == 0) {
            unused = berth;
        }
    }
    if (fresh == NULL && unused != NULL) {
        rmx_crew_retire(crew, unused);
    }
    return fresh;
}

void rmx_cell_assign(struct rmx_berth *berth, const struct rmx_flow *flow)
{
    berth->party = flow->party;
    berth->spent = flow->alone || flow->isolation == RMX_ISOLATION_JOB;
}

void rmx_cell_forget(struct rmx_crew *crew, uint32_t party)
{
    for (uint32_t i = 0; i < crew->isolated; i++) {
        struct rmx_berth *berth = isolated_at(crew, i);

        if (berth->party == party) {
            berth->spent = true;
        }
    }
    rmx_crew_refill(crew);
}

/* --- the trial ------------------------------------------------------------------------------- */

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

void rmx_cell_watch(struct rmx_lane *lane, uint64_t now_ns)
{
    const struct rmx_berth *berth = rmx_cell_trial(&lane->crew);

    for (uint32_t i = 0; i < berth->pairs_count; i++) {
        struct rmx_flow *flow = berth->pairs[i].owner;

        if (flow != NULL && now_ns >= flow->times.taken_ns + RMX_CELL_TRIAL_NS &&
            others_wait(lane)) {
            rmx_flow_stop(flow, RMX_STATUS_WORKER_LOST, 0,
                "its worker died, and it did not end within the ten seconds that it was tried "
                "alone while others waited");
        }
    }
}
