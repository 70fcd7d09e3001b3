/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The daemon's counters, from ipc/stats.def and ipc/status.def. Each lane writes its own; anybody
 * in the process may read them at any time. Must never be used to decide anything between threads:
 * the words are relaxed and order nothing.
 */
#ifndef RMX_IPC_STATS_H
#define RMX_IPC_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "ipc/status.h"
#include "ipc/wire.h"
#include "ring/base.h"

/* Room for statuses to come, so that a new one moves no other counter in a STATS_REPLY. */
#define RMX_STATS_ENDED_SLOTS 32u

enum rmx_stat {
#define RMX_STATUS(name, wire, fault, retry, exit, text) RMX_STATS_JOBS_ENDED_##name = (wire),
#include "ipc/status.def"
#undef RMX_STATUS
    RMX_STATS_ENDED_LAST = RMX_STATS_ENDED_SLOTS - 1, /* the first row of stats.def comes next */
#define RMX_STAT(name, text, kind, unit, help) RMX_STATS_##name,
#include "ipc/stats.def"
#undef RMX_STAT
    RMX_STATS_COUNT
};

_Static_assert(RMX_STATUSES <= RMX_STATS_ENDED_SLOTS, "each status has its counter");
_Static_assert((int)RMX_STATS_COUNT <= (int)RMX_STATS_VALUES_MAX, "a STATS_REPLY holds them all");

enum rmx_stats_kind {
    RMX_STATS_COUNTER, /* only grows */
    RMX_STATS_GAUGE,   /* how it is now */
    RMX_STATS_LEVEL,   /* likewise, and the highest of the lanes' counts */
};

/* Each value has one writer, its lane or the supervisor; anybody reads. */
struct rmx_stats {
    _Alignas(RMX_LINE) _Atomic uint64_t values[RMX_STATS_COUNT];
};

/* What is known about value i. name, unit and help are NULL for i >= RMX_STATS_COUNT and for the
 * slots kept for statuses to come: skip those. */
const char *rmx_stats_name(uint32_t i);
const char *rmx_stats_unit(uint32_t i);
const char *rmx_stats_help(uint32_t i);
enum rmx_stats_kind rmx_stats_kind(uint32_t i);

/* The counter of jobs that ended so; a status without a row counts as INTERNAL. */
enum rmx_stat rmx_stats_ended(uint32_t status);

/* Adds every value of one lane to totals[RMX_STATS_COUNT], or lifts a LEVEL to it. */
void rmx_stats_collect(const struct rmx_stats *stats, uint64_t *totals);

/* Relaxed is enough: each word stands alone. */
static inline uint64_t rmx_stats_get(const struct rmx_stats *stats, enum rmx_stat stat)
{
    return atomic_load_explicit(&stats->values[stat], memory_order_relaxed);
}

/* Only the one writer of a value may call the rest: with one, a load and a store add up
 * without a locked instruction. */
static inline void rmx_stats_set(struct rmx_stats *stats, enum rmx_stat stat, uint64_t value)
{
    atomic_store_explicit(&stats->values[stat], value, memory_order_relaxed);
}

static inline void rmx_stats_add(struct rmx_stats *stats, enum rmx_stat stat, uint64_t n)
{
    rmx_stats_set(stats, stat, rmx_stats_get(stats, stat) + n);
}

#endif
