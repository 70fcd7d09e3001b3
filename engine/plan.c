/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lanes and workers laid out over the cpus of a topology. See plan.h.
 */
#include "engine/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ring/base.h"

#define POLL_MAX_NS 50000u /* waking an idle cpu takes 20 to 50 us in a virtual machine */

/* Adds a reason to plan->why; what does not fit is cut off. */
__attribute__((format(printf, 2, 3))) static void explain(
    struct rmx_plan *plan, const char *format, ...)
{
    size_t used = strlen(plan->why);
    va_list args;

    if (used > 0 && used + 2 < sizeof(plan->why)) {
        memcpy(plan->why + used, "; ", 3);
        used += 2;
    }
    va_start(args, format);
    vsnprintf(plan->why + used, sizeof(plan->why) - used, format, args);
    va_end(args);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Which lane a cpu's core belongs to: its node's, or its share of all cores where there are more
 * lanes than nodes. Every lane gets a core, since lanes <= cores. */
static uint32_t lane_of(
    const struct rmx_plan *plan, const struct rmx_topology *topology, uint32_t i)
{
    const struct rmx_topology_cpu *cpu = &topology->cpu[i];

    if (plan->lanes <= topology->nodes) {
        return cpu->node * plan->lanes / topology->nodes;
    }
    return cpu->core * plan->lanes / topology->cores;
}

/* How many cpus of the same core stand before this one. */
static uint32_t rank_of(const struct rmx_topology *topology, uint32_t i)
{
    uint32_t rank = 0;

    while (rank < i && topology->cpu[i - rank - 1].core == topology->cpu[i].core) {
        rank++;
    }
    return rank;
}

static void count_lanes_and_workers(
    struct rmx_plan *plan, const struct rmx_topology *topology, const struct rmx_config *config)
{
    uint32_t cores = topology->cores;
    uint32_t quota = topology->quota ? topology->quota : topology->cpus;
    uint32_t wanted = config->lanes ? config->lanes : topology->nodes;

    plan->cpus = smaller(topology->cpus, quota);
    plan->workers = config->workers ? config->workers : smaller(cores, quota);
    plan->workers = smaller(plan->workers, RMX_WORKERS_MAX);
    plan->lanes = smaller(smaller(wanted, RMX_LANES_MAX), smaller(plan->workers, cores));
    if (plan->lanes < wanted) {
        explain(
            plan, "%u lanes instead of %u: each needs a core and a worker", plan->lanes, wanted);
    }
    plan->may_spin = plan->cpus >= plan->workers + plan->lanes;
}

/* Gives each worker to the lane with the fewest for its cpus. */
static void deal_workers(struct rmx_plan *plan, const uint32_t *lane_cpus)
{
    uint32_t first = 0;

    for (uint32_t i = 0; i < plan->workers; i++) {
        uint32_t best = 0;

        for (uint32_t lane = 1; lane < plan->lanes; lane++) {
            if (plan->lane[lane].workers * lane_cpus[best] <
                plan->lane[best].workers * lane_cpus[lane]) {
                best = lane;
            }
        }
        plan->lane[best].workers++;
    }
    for (uint32_t lane = 0; lane < plan->lanes; lane++) {
        plan->lane[lane].worker_first = first;
        for (uint32_t i = 0; i < plan->lane[lane].workers; i++) {
            plan->worker[first++] = (struct rmx_plan_worker){ .lane = lane, .cpu = RMX_PLAN_NONE };
        }
        rmx_assert(plan->lane[lane].workers > 0);
    }
}

/* Pins a lane's workers: one to each core, then to the cores' further cpus. used: cpus taken. */
static void pin_workers(
    struct rmx_plan *plan, const struct rmx_topology *topology, uint32_t lane, bool *used)
{
    uint32_t next = plan->lane[lane].worker_first;
    uint32_t end = next + plan->lane[lane].workers;

    for (uint32_t rank = 0; next < end; rank++) {
        for (uint32_t i = 0; i < topology->cpus && next < end; i++) {
            if (lane_of(plan, topology, i) == lane && rank_of(topology, i) == rank) {
                plan->worker[next++].cpu = topology->cpu[i].number;
                used[i] = true;
            }
        }
    }
}

static bool core_is_free(const struct rmx_topology *topology, uint32_t i, const bool *used)
{
    uint32_t at = i - rank_of(topology, i);

    for (; at < topology->cpus && topology->cpu[at].core == topology->cpu[i].core; at++) {
        if (used[at]) {
            return false;
        }
    }
    return true;
}

/* Of these cpus, those that share a cache with a worker, if any do. */
static void keep_near(struct rmx_plan *plan, const struct rmx_topology *topology, uint32_t lane,
    const bool *used, cpu_set_t *cpus)
{
    bool has_worker[RMX_CPUS_MAX] = { false }; /* by cache */
    cpu_set_t near;

    CPU_ZERO(&near);
    for (uint32_t i = 0; i < topology->cpus; i++) {
        if (used[i] && lane_of(plan, topology, i) == lane) {
            has_worker[topology->cpu[i].cache] = true;
        }
    }
    for (uint32_t i = 0; i < topology->cpus; i++) {
        uint32_t number = topology->cpu[i].number;

        if (CPU_ISSET(number, cpus) && has_worker[topology->cpu[i].cache]) {
            CPU_SET(number, &near);
        }
    }
    if (CPU_COUNT(&near) > 0) {
        *cpus = near;
    }
}

/* Where the lane's thread may run: free cores, else free cpus, of these the ones under a worker's
 * cache; else all its cpus. */
static void place_lane(
    struct rmx_plan *plan, const struct rmx_topology *topology, uint32_t lane, const bool *used)
{
    cpu_set_t free_cores;
    cpu_set_t free_cpus;
    cpu_set_t all;

    CPU_ZERO(&free_cores);
    CPU_ZERO(&free_cpus);
    CPU_ZERO(&all);
    for (uint32_t i = 0; i < topology->cpus; i++) {
        uint32_t number = topology->cpu[i].number;

        if (lane_of(plan, topology, i) != lane) {
            continue;
        }
        CPU_SET(number, &all);
        if (!used[i]) {
            CPU_SET(number, &free_cpus);
        }
        if (core_is_free(topology, i, used)) {
            CPU_SET(number, &free_cores);
        }
    }
    plan->lane[lane].bind = true;
    plan->lane[lane].cpus = CPU_COUNT(&free_cores)  ? free_cores
                            : CPU_COUNT(&free_cpus) ? free_cpus
                                                    : all;
    keep_near(plan, topology, lane, used, &plan->lane[lane].cpus);
}

/* Counts each lane's cpus and finds the node its memory belongs to, if it is one. */
static void measure_lanes(
    struct rmx_plan *plan, const struct rmx_topology *topology, uint32_t *lane_cpus)
{
    for (uint32_t i = 0; i < topology->cpus; i++) {
        uint32_t lane = lane_of(plan, topology, i);
        uint32_t node = topology->cpu[i].node_number;

        if (lane_cpus[lane] == 0) {
            plan->lane[lane].node = node;
        } else if (plan->lane[lane].node != node) {
            plan->lane[lane].node = RMX_PLAN_NONE;
        }
        lane_cpus[lane]++;
    }
}

void rmx_plan_make(
    struct rmx_plan *plan, const struct rmx_topology *topology, const struct rmx_config *config)
{
    uint32_t lane_cpus[RMX_LANES_MAX] = { 0 };
    bool used[RMX_CPUS_MAX] = { false };
    bool pin = config->pin;

    rmx_assert(topology->cpus > 0 && topology->cores > 0 && topology->nodes > 0);
    *plan = (struct rmx_plan){ .lanes = 0 };
    count_lanes_and_workers(plan, topology, config);
    measure_lanes(plan, topology, lane_cpus);
    deal_workers(plan, lane_cpus);
    if (pin && plan->cpus < topology->cpus) {
        explain(plan, "not pinned: a quota of %u cpus shares %u with others", plan->cpus,
            topology->cpus);
        pin = false;
    }
    for (uint32_t lane = 0; lane < plan->lanes; lane++) {
        if (!pin) {
            plan->lane[lane].node = RMX_PLAN_NONE;
        } else if (plan->lane[lane].workers > lane_cpus[lane]) {
            explain(plan, "lane %u not pinned: more workers than cpus", lane);
        } else {
            pin_workers(plan, topology, lane, used);
            place_lane(plan, topology, lane, used);
        }
    }
}

uint64_t rmx_plan_spin_ns(const struct rmx_plan *plan, const struct rmx_topology *topology,
    const struct rmx_config *config)
{
    if (config->spin_ns != RMX_CONFIG_AUTO) {
        return config->spin_ns;
    }
    return plan->may_spin ? rmx_topology_wake_cost_ns(topology) : 0;
}

uint64_t rmx_plan_poll_ns(const struct rmx_plan *plan, uint64_t spin_ns)
{
    uint64_t most_ns = plan->may_spin ? POLL_MAX_NS : 0;

    return spin_ns < most_ns ? spin_ns : most_ns;
}
