/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the daemon will take. See budget.h.
 */
#include "engine/budget.h"

#include <sys/resource.h>

#include "engine/flow.h"
#include "engine/log.h"

/* Every job brings two descriptors: take as many as the hard limit lets us. */
static void raise_descriptors(uint64_t wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < wanted) {
        rmx_log(RMX_LOG_WARN, "few_descriptors", RMX_LOG_U64("limit", limit.rlim_cur),
            RMX_LOG_U64("wanted", wanted),
            RMX_LOG_STR("remedy", "raise LimitNOFILE=, or lower jobs_max and sessions_max"));
    }
}

void rmx_budget_announce(const struct rmx_config *config, const struct rmx_plan *plan)
{
    struct rmx_config_budget budget;

    rmx_config_budget(config, plan->workers, plan->lanes, sizeof(struct rmx_flow), &budget);
    raise_descriptors(budget.descriptors);
    rmx_log(RMX_LOG_INFO, "memory", RMX_LOG_U64("total_bytes", budget.total_bytes),
        RMX_LOG_U64("worker_arena_bytes", budget.worker_arena_bytes),
        RMX_LOG_U64("workers", plan->workers),
        RMX_LOG_U64("trial_arena_bytes", budget.trial_arena_bytes),
        RMX_LOG_U64("isolated_arena_bytes", budget.isolated_arena_bytes),
        RMX_LOG_U64("worker_processes", budget.processes),
        RMX_LOG_U64("sessions_bytes", budget.sessions_bytes),
        RMX_LOG_U64("job_table_bytes", budget.jobs_bytes));
}
