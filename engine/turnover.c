/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lets a lane's workers be replaced between jobs. See turnover.h.
 */
#include "engine/turnover.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/lane.h"
#include "engine/log.h"

#define STATM_BYTES 128 /* seven numbers */

static struct rmx_recycle_limits limits_of(const struct rmx_crew *crew)
{
    const struct rmx_config *config = crew->lane->config;

    return (struct rmx_recycle_limits){
        .jobs = config->worker_jobs_max,
        .resident_bytes = config->worker_recycle_bytes,
    };
}

static struct rmx_recycle_view view_of(struct rmx_crew *crew, const struct rmx_berth *berth)
{
    struct rmx_recycle_view view = {
        .now_ns = rmx_clock_ns(),
        .used = berth->used,
        .channels = berth->shares_used,
        .only = true,
        .replaceable = rmx_warden_has_spare(&crew->warden),
    };

    for (uint32_t i = 0; i < crew->workers; i++) {
        const struct rmx_berth *other = &crew->berths[i];

        if (other != berth) {
            view.only = view.only && !rmx_berth_admits(other);
            view.replaceable = view.replaceable && rmx_berth_admits(other);
        }
    }
    return view;
}

static void look(struct rmx_crew *crew, struct rmx_berth *berth)
{
    struct rmx_lane *lane = crew->lane;
    const struct rmx_recycle_view view = view_of(crew, berth);

    switch (rmx_recycle_look(&berth->recycle, &view)) {
    case RMX_RECYCLE_OPEN:
        rmx_lane_dispatch(lane);
        break;
    case RMX_RECYCLE_GO:
        rmx_stats_add(&lane->stats, RMX_STATS_WORKER_RECYCLES, 1);
        rmx_log(RMX_LOG_INFO, "worker_recycled", RMX_LOG_U64("lane", lane->index),
            RMX_LOG_U64("worker", berth->index), RMX_LOG_I64("pid", berth->pid),
            RMX_LOG_U64("jobs", berth->recycle.jobs),
            RMX_LOG_U64("resident_bytes", berth->recycle.resident_bytes));
        rmx_crew_retire(crew, berth);
        break;
    default:
        break;
    }
    if (berth->recycle.closed) {
        rmx_lane_watch(lane, rmx_recycle_next_ns(&berth->recycle, view.only));
    }
}

void rmx_turnover_tend(struct rmx_crew *crew)
{
    const struct rmx_recycle_limits limits = limits_of(crew);

    for (uint32_t i = 0; i < crew->workers; i++) {
        struct rmx_berth *berth = &crew->berths[i];

        if (berth->open && rmx_recycle_is_due(&berth->recycle, &limits)) {
            look(crew, berth);
        }
    }
}

/* Its own memory, without arenas and programs; 0 if it cannot be known. */
static uint64_t resident_bytes(pid_t pid)
{
    char text[STATM_BYTES] = "";
    char path[32];
    char *rest;
    rmx_autofd int fd = -1;

    (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0) {
        return 0;
    }
    (void)strtoull(text, &rest, 10); /* all it has mapped */
    unsigned long long resident = strtoull(rest, &rest, 10);
    unsigned long long shared = strtoull(rest, NULL, 10);

    return resident < shared ? 0 : (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void rmx_turnover_measure(struct rmx_crew *crew)
{
    for (uint32_t i = 0; i < crew->workers && crew->lane->config->worker_recycle_bytes > 0; i++) {
        struct rmx_berth *berth = &crew->berths[i];

        if (berth->open) {
            berth->recycle.resident_bytes = resident_bytes(berth->pid);
        }
    }
}
