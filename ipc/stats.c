/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the daemon counts (see stats.h): the table. Runs in the daemon and in whoever shows the
 * counters; constant data only.
 */
#include "ipc/stats.h"

#include <stddef.h>

struct row {
    const char *name;
    const char *unit;
    const char *help;
    enum rmx_stats_kind kind;
};

static const struct row rows[RMX_STATS_COUNT] = {
#define RMX_STATUS(name_, wire_, fault_, retry_, exit_, text_)                                     \
    [RMX_STATS_JOBS_ENDED_##                                                                       \
        name_] = { "jobs_ended_" #name_, "jobs", "jobs that ended " #name_, RMX_STATS_COUNTER },
#include "ipc/status.def"
#undef RMX_STATUS
#define RMX_STAT(name_, text_, kind_, unit_, help_)                                                \
    [RMX_STATS_##name_] = { text_, unit_, help_, RMX_STATS_##kind_ },
#include "ipc/stats.def"
#undef RMX_STAT
};

static const struct row *row_of(uint32_t i)
{
    static const struct row none;

    return i < RMX_STATS_COUNT ? &rows[i] : &none;
}

const char *rmx_stats_name(uint32_t i)
{
    return row_of(i)->name;
}

const char *rmx_stats_unit(uint32_t i)
{
    return row_of(i)->unit;
}

const char *rmx_stats_help(uint32_t i)
{
    return row_of(i)->help;
}

enum rmx_stats_kind rmx_stats_kind(uint32_t i)
{
    return row_of(i)->kind;
}

enum rmx_stat rmx_stats_ended(uint32_t status)
{
    return RMX_STATS_JOBS_ENDED_OK + (rmx_status_known(status) ? status : RMX_STATUS_INTERNAL);
}

void rmx_stats_collect(const struct rmx_stats *stats, uint64_t *totals)
{
    for (uint32_t i = 0; i < RMX_STATS_COUNT; i++) {
        uint64_t value = rmx_stats_get(stats, i);

        if (rows[i].kind != RMX_STATS_LEVEL) {
            totals[i] += value;
        } else if (totals[i] < value) {
            totals[i] = value;
        }
    }
}
