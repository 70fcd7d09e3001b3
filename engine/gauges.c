/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A lane's gauges. See gauges.h.
 */
#include "engine/gauges.h"

#include "engine/cell.h"
#include "engine/lane.h"

/* The most that jobs of any worker had at once. Relaxed: its word on itself. */
static uint64_t memory_peak(const struct rmx_berth *berth, uint64_t others)
{
    uint64_t bytes = atomic_load_explicit(&berth->shm->memory_peak_bytes, memory_order_relaxed);

    return bytes > others ? bytes : others;
}

void rmx_gauges_refresh(struct rmx_lane *lane)
{
    struct rmx_stats *stats = &lane->stats;
    uint64_t used[RMX_PAIR_SIZES] = { 0 };
    uint64_t running = 0;
    uint64_t isolated = 0;
    uint64_t shares = 0;
    uint64_t peak_bytes = 0;

    for (uint32_t i = 0; i < lane->crew.count; i++) {
        const struct rmx_berth *berth = &lane->crew.berths[i];

        shares += berth->shares_used;
        running += berth->used;
        isolated += i >= lane->crew.workers + RMX_TRIALS ? berth->used : 0;
        peak_bytes = memory_peak(berth, peak_bytes);
        for (int size = 0; size < RMX_PAIR_SIZES; size++) {
            used[size] += berth->geometry[size].count - berth->free_counts[size];
        }
    }
    rmx_stats_set(stats, RMX_STATS_WORKER_MEMORY_PEAK, peak_bytes);
    rmx_stats_set(stats, RMX_STATS_JOBS_IN_FLIGHT, lane->jobs);
    rmx_stats_set(stats, RMX_STATS_JOBS_QUEUED, lane->queue.count);
    rmx_stats_set(stats, RMX_STATS_GROUPS_OPEN, lane->gate.groups_open);
    rmx_stats_set(stats, RMX_STATS_JOBS_RUNNING, running);
    rmx_stats_set(stats, RMX_STATS_JOBS_ISOLATED, isolated);
    rmx_stats_set(stats, RMX_STATS_JOBS_ON_TRIAL, rmx_cell_trial(&lane->crew)->used);
    rmx_stats_set(stats, RMX_STATS_FDS_OPEN, lane->descriptors + lane->spools.open);
    rmx_stats_set(stats, RMX_STATS_SPOOLS_OPEN, lane->spools.open);
    rmx_stats_set(stats, RMX_STATS_SPOOL_BYTES, lane->spools.bytes);
    rmx_stats_set(stats, RMX_STATS_PAIRS_SMALL_USED, used[RMX_PAIR_SMALL]);
    rmx_stats_set(stats, RMX_STATS_PAIRS_BULK_USED, used[RMX_PAIR_BULK]);
    rmx_stats_set(stats, RMX_STATS_PAIRS_BARE_USED, used[RMX_PAIR_BARE]);
    rmx_stats_set(stats, RMX_STATS_CHANNELS_OPEN, shares);
    rmx_stats_set(stats, RMX_STATS_URING_ENTERS, lane->loop.enters);
    rmx_stats_set(stats, RMX_STATS_URING_COMPLETIONS, lane->loop.completions);
}
