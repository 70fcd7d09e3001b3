/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What presses on a lane. See meter.h.
 */
#include "engine/meter.h"

#include "engine/clock.h"
#include "engine/lane.h"
#include "engine/log.h"

static struct rmx_load_limits limits_of(const struct rmx_lane *lane)
{
    struct rmx_load_limits limits = {
        .cpu = lane->config->overload_cpu,
        .queue = lane->config->overload_queue,
        .rings = lane->config->overload_rings,
    };

    for (uint32_t i = 0; i < lane->crew.workers; i++) {
        limits.workers += lane->crew.berths[i].open ? 1 : 0;
    }
    return limits;
}

/* --- what presses ----------------------------------------------------------------------------- */

static uint32_t percent(uint32_t part, uint32_t of)
{
    return of > 0 ? (uint32_t)(100ull * part / of) : 0;
}

/* How much of the pairs is in use: of those with rings, or of those without. */
static uint32_t rings_used(const struct rmx_lane *lane)
{
    uint32_t all[RMX_PAIR_SIZES] = { 0 };
    uint32_t used[RMX_PAIR_SIZES] = { 0 };
    uint32_t ringed;
    uint32_t bare;

    for (uint32_t i = 0; i < lane->crew.workers; i++) {
        const struct rmx_berth *berth = &lane->crew.berths[i];

        for (int size = 0; size < RMX_PAIR_SIZES && berth->open; size++) {
            all[size] += berth->geometry[size].count;
            used[size] += berth->geometry[size].count - berth->free_counts[size];
        }
    }
    ringed = percent(
        used[RMX_PAIR_SMALL] + used[RMX_PAIR_BULK], all[RMX_PAIR_SMALL] + all[RMX_PAIR_BULK]);
    bare = percent(used[RMX_PAIR_BARE], all[RMX_PAIR_BARE]);
    return ringed > bare ? ringed : bare;
}

/* All that want to compute, whether they have a pair or not. */
static uint32_t crowd_on(const struct rmx_lane *lane)
{
    uint32_t crowd = lane->queue.count;

    for (uint32_t i = 0; i < lane->crew.count; i++) {
        crowd += rmx_berth_ready(&lane->crew.berths[i]);
    }
    return crowd;
}

static struct rmx_load_pressure pressure_on(const struct rmx_lane *lane)
{
    return (struct rmx_load_pressure){
        .queued = lane->queue.count,
        .crowd = crowd_on(lane),
        .rings = rings_used(lane),
    };
}

/* --- looks ------------------------------------------------------------------------------------ */

static struct rmx_load_work work_done(struct rmx_lane *lane, uint64_t since_ns)
{
    struct rmx_load_work work = { .starts = lane->queue.started - lane->meter.started };

    lane->meter.started = lane->queue.started;
    for (uint32_t i = 0; i < lane->crew.workers; i++) {
        if (lane->crew.berths[i].open) {
            work.busy_ns += rmx_berth_busy_ns(&lane->crew.berths[i], since_ns);
        }
    }
    return work;
}

static void say(struct rmx_lane *lane, uint32_t was, const struct rmx_load_pressure *pressure)
{
    const struct rmx_load *load = &lane->meter.load;

    rmx_log(RMX_LOG_INFO, "load", RMX_LOG_U64("lane", lane->index),
        RMX_LOG_U64("level", load->level), RMX_LOG_U64("was", was),
        RMX_LOG_U64("cpu_percent", load->cpu_permille / 10),
        RMX_LOG_U64("queued", pressure->queued), RMX_LOG_U64("crowd", pressure->crowd),
        RMX_LOG_U64("pairs_percent", pressure->rings));
    rmx_stats_set(&lane->stats, RMX_STATS_LOAD_LEVEL, load->level);
    if (load->level == 0) {
        rmx_gate_widen(&lane->gate);
    }
}

static void look(struct rmx_lane *lane, uint64_t now)
{
    struct rmx_meter *meter = &lane->meter;
    struct rmx_load_limits limits = limits_of(lane);
    struct rmx_load_work work = work_done(lane, now - meter->load.looked_ns);
    struct rmx_load_pressure pressure = pressure_on(lane);
    uint32_t was = meter->load.level;

    if (rmx_load_look(&meter->load, &limits, &pressure, &work, now)) {
        say(lane, was, &pressure);
    }
}

void rmx_meter_look(struct rmx_lane *lane)
{
    const struct rmx_load *load = &lane->meter.load;
    uint64_t now = rmx_clock_ns();

    if (now >= load->looked_ns + RMX_LOAD_LOOK_NS) {
        look(lane, now);
    }
    if (load->level > 0 || lane->queue.count > 0) { /* else nothing changes while all sleep */
        rmx_lane_watch(lane, load->looked_ns + RMX_LOAD_LOOK_NS);
    }
}

bool rmx_meter_refuses(const struct rmx_lane *lane, uint32_t class_, uint64_t *retry_ns)
{
    const struct rmx_load *load = &lane->meter.load;
    struct rmx_load_limits limits;
    struct rmx_load_pressure pressure;

    if (load->level == 0) {
        return false;
    }
    limits = limits_of(lane);
    pressure = pressure_on(lane);
    if (!rmx_load_refuses(load, &limits, &pressure, class_)) {
        return false;
    }
    *retry_ns = rmx_load_retry_ns(load, &pressure);
    return true;
}
