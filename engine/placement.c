/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A plan as text: one line for each thing, as name and key=value. See placement.h.
 */
#include "engine/placement.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/plan.h"
#include "engine/topology.h"

struct placement {
    struct rmx_topology topology;
    struct rmx_plan plan;
};

static enum rmx_placement complain(const char *source, int error)
{
    enum rmx_placement kind = RMX_PLACEMENT_FAULT;
    const char *what = strerrordesc_np(-error);

    if (error == -EINVAL) {
        kind = RMX_PLACEMENT_MALFORMED;
        what = "neither hwloc's XML nor a synthetic description such as \"numa:2 core:4 pu:2\"";
    } else if (error == -ENODEV) {
        kind = RMX_PLACEMENT_NO_CPU;
        what = "it has no cpu that we may use";
    }
    (void)fprintf(
        stderr, "ringmuxd: --topology=%.200s: %s\n", source ? source : "(this machine)", what);
    return kind;
}

/* 0-3,8 */
static void print_cpus(const cpu_set_t *cpus, FILE *out)
{
    const char *comma = "";

    for (uint32_t first = 0; first < RMX_CPUS_MAX; first++) {
        uint32_t last = first;

        if (!CPU_ISSET(first, cpus)) {
            continue;
        }
        while (last + 1 < RMX_CPUS_MAX && CPU_ISSET(last + 1, cpus)) {
            last++;
        }
        (void)fprintf(out, last > first ? "%s%u-%u" : "%s%u", comma, first, last);
        comma = ",";
        first = last;
    }
}

/* Network and block devices beside this node: where their clients' jobs are best off. */
static void print_devices(const struct rmx_topology *topology, uint32_t node, FILE *out)
{
    const char *before = " devices=";

    for (uint32_t i = 0; i < topology->devices; i++) {
        if (topology->device[i].node_number == node) {
            (void)fprintf(out, "%s%s", before, topology->device[i].name);
            before = ",";
        }
    }
}

static void print_lane(const struct placement *made, uint32_t index, FILE *out)
{
    const struct rmx_plan_lane *lane = &made->plan.lane[index];

    (void)fprintf(out, "lane %u node=", index);
    if (lane->node == RMX_PLAN_NONE) {
        (void)fprintf(out, "any cpus=");
    } else {
        (void)fprintf(out, "%u cpus=", lane->node);
    }
    if (lane->bind) {
        print_cpus(&lane->cpus, out);
    } else {
        (void)fprintf(out, "any");
    }
    (void)fprintf(out, " workers=%u", lane->workers);
    if (lane->node != RMX_PLAN_NONE) {
        print_devices(&made->topology, lane->node, out);
    }
    (void)fputc('\n', out);
}

static void print_worker(const struct placement *made, uint32_t index, FILE *out)
{
    const struct rmx_plan_worker *worker = &made->plan.worker[index];

    (void)fprintf(out, "worker %u lane=%u", index, worker->lane);
    if (worker->cpu == RMX_PLAN_NONE) {
        (void)fprintf(out, " cpu=any\n");
        return;
    }
    for (uint32_t i = 0; i < made->topology.cpus; i++) {
        const struct rmx_topology_cpu *cpu = &made->topology.cpu[i];

        if (cpu->number == worker->cpu) {
            (void)fprintf(out, " cpu=%u core=%u cache=%u node=%u\n", cpu->number, cpu->core,
                cpu->cache, cpu->node_number);
        }
    }
}

static void print(const struct placement *made, FILE *out)
{
    const struct rmx_topology *topology = &made->topology;
    const struct rmx_plan *plan = &made->plan;

    (void)fprintf(out, "machine cpus=%u cores=%u caches=%u nodes=%u quota=%u\n", topology->cpus,
        topology->cores, topology->caches, topology->nodes, topology->quota);
    (void)fprintf(out, "plan lanes=%u workers=%u spin=%s\n", plan->lanes, plan->workers,
        plan->may_spin ? "on" : "off");
    for (uint32_t i = 0; i < plan->lanes; i++) {
        print_lane(made, i, out);
    }
    for (uint32_t i = 0; i < plan->workers; i++) {
        print_worker(made, i, out);
    }
    if (plan->why[0] != '\0') {
        (void)fprintf(out, "why %s\n", plan->why);
    }
}

enum rmx_placement rmx_placement_print(const struct rmx_config *config, FILE *out)
{
    static struct placement made;
    enum rmx_placement kind = RMX_PLACEMENT_OK;
    int error = rmx_topology_load_with_devices(&made.topology, config->topology);

    if (error < 0) {
        return complain(config->topology, error);
    }
    rmx_plan_make(&made.plan, &made.topology, config);
    print(&made, out);
    if (config->lanes > made.plan.lanes) {
        kind = RMX_PLACEMENT_LESS;
    }
    if (fflush(out) != 0) {
        kind = RMX_PLACEMENT_FAULT;
    }
    rmx_topology_fini(&made.topology);
    return kind;
}
