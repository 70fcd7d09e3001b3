/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who runs where (engine/plan.h), on machines that are made up.
 */
#include "engine/plan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct rmx_topology topology = RMX_TOPOLOGY_INIT;
static struct rmx_plan plan;
static struct rmx_config config;

static void make(const char *machine)
{
    cr_assert_eq(rmx_topology_load(&topology, machine), 0, "%s", machine);
    rmx_plan_make(&plan, &topology, &config);
    rmx_topology_fini(&topology);
}

/* The plan in short: for each lane its node, its cpus, then its workers' cpus; - is unbound. */
static const char *drawn(void)
{
    static char text[1024];
    FILE *out = fmemopen(text, sizeof(text), "w");

    for (uint32_t i = 0; i < plan.lanes; i++) {
        const struct rmx_plan_lane *lane = &plan.lane[i];

        fprintf(out, "%s%d(", i ? " " : "", (int)lane->node);
        for (uint32_t cpu = 0; lane->bind && cpu < RMX_CPUS_MAX; cpu++) {
            if (CPU_ISSET(cpu, &lane->cpus)) {
                fprintf(out, "%u,", cpu);
            }
        }
        fprintf(out, "):");
        for (uint32_t j = 0; j < lane->workers; j++) {
            cr_assert_eq(plan.worker[lane->worker_first + j].lane, i);
            fprintf(out, "%d,", (int)plan.worker[lane->worker_first + j].cpu);
        }
    }
    fclose(out);
    return text;
}

static void configure(void)
{
    char program[] = "ringmuxd";
    char *argv[] = { program, NULL };
    char error[128];

    cr_assert_eq(rmx_config_load(&config, 1, argv, error, sizeof(error)), RMX_CONFIG_RUN);
}

TestSuite(plan, .init = configure);

static const struct {
    const char *machine;
    uint32_t workers;
    uint32_t lanes;
    const char *plan;
} cases[] = {
    /* one worker per core; the lane's thread where no worker is, else anywhere beside them */
    { "pu:1", 0, 0, "0(0,):0," },
    { "core:2 pu:1", 0, 0, "0(0,1,):0,1," },
    { "core:2 pu:2", 0, 0, "0(1,3,):0,2," },
    { "core:4 pu:1", 2, 0, "0(2,3,):0,1," },
    { "core:4 pu:2", 2, 0, "0(4,5,6,7,):0,2," },
    { "core:2 pu:2", 3, 0, "0(3,):0,2,1," },
    /* of free cores, those under a worker's cache */
    { "l3:2 core:4 pu:1", 2, 0, "0(2,3,):0,1," },
    { "l3:2 core:2 pu:1", 2, 0, "0(2,3,):0,1," },
    { "l3:3 core:2 pu:1", 3, 0, "0(3,):0,1,2," },
    /* a lane for each node */
    { "numa:2 core:4 pu:1", 0, 0, "0(0,1,2,3,):0,1,2,3, 1(4,5,6,7,):4,5,6,7," },
    { "numa:2 core:4 pu:1", 4, 0, "0(2,3,):0,1, 1(6,7,):4,5," },
    { "numa:2 core:2 pu:2", 0, 0, "0(1,3,):0,2, 1(5,7,):4,6," },
    { "numa:2 core:2 pu:1", 3, 0, "0(0,1,):0,1, 1(3,):2," },
    /* lanes as asked for: several to a node, or several nodes to a lane */
    { "core:4 pu:1", 0, 2, "0(0,1,):0,1, 0(2,3,):2,3," },
    { "core:3 pu:1", 0, 2, "0(0,1,):0,1, 0(2,):2," },
    { "numa:2 core:2 pu:1", 0, 1, "-1(0,1,2,3,):0,1,2,3," },
    { "numa:4 core:1 pu:1", 0, 2, "-1(0,1,):0,1, -1(2,3,):2,3," },
    { "numa:2 core:2 pu:1", 0, 4, "0(0,):0, 0(1,):1, 1(2,):2, 1(3,):3," },
    { "numa:2 core:3 pu:1", 0, 4, "0(0,1,):0,1, 0(2,):2, 1(3,4,):3,4, 1(5,):5," },
    /* more than the machine has */
    { "core:2 pu:1", 0, 9, "0(0,):0, 0(1,):1," },
    { "core:2 pu:1", 3, 0, "0():-1,-1,-1," },
    { "numa:2 core:1 pu:1", 1, 0, "-1(1,):0," },
};

Test(plan, lanes_and_workers_are_laid_out_as_the_header_says)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        config.workers = cases[i].workers;
        config.lanes = cases[i].lanes;
        make(cases[i].machine);
        cr_expect_str_eq(drawn(), cases[i].plan, "%s, %u workers, %u lanes: %s", cases[i].machine,
            cases[i].workers, cases[i].lanes, drawn());
    }
}

Test(plan, without_pinning_nothing_is_bound)
{
    config.pin = false;
    make("numa:2 core:2 pu:1");
    cr_assert_str_eq(drawn(), "-1():-1,-1, -1():-1,-1,");
    cr_assert_str_eq(plan.why, "");
}

Test(plan, what_was_not_done_as_asked_has_a_reason)
{
    make("core:4 pu:1");
    cr_assert_str_eq(plan.why, "");
    config.lanes = 9;
    make("core:2 pu:1");
    cr_assert_str_eq(plan.why, "2 lanes instead of 9: each needs a core and a worker");
    config.lanes = 0;
    config.workers = 5;
    make("core:2 pu:1");
    cr_assert_str_eq(plan.why, "lane 0 not pinned: more workers than cpus");
}

Test(plan, a_reason_that_does_not_fit_is_cut_off)
{
    config.workers = 256;
    config.lanes = 16;
    make("core:16 pu:1");
    cr_assert_eq(strlen(plan.why), sizeof(plan.why) - 1);
    cr_assert_eq(plan.lanes, 16);
}

Test(plan, a_cpu_quota_bounds_the_workers_and_pins_none)
{
    cr_assert_eq(rmx_topology_load(&topology, "core:8 pu:1"), 0);
    topology.quota = 2;
    rmx_plan_make(&plan, &topology, &config);
    cr_assert_str_eq(drawn(), "-1():-1,-1,");
    cr_assert_eq(plan.cpus, 2);
    cr_assert_str_eq(plan.why, "not pinned: a quota of 2 cpus shares 8 with others");
    topology.quota = 8;
    rmx_plan_make(&plan, &topology, &config);
    cr_assert_eq(plan.workers, 8);
    cr_assert_str_eq(plan.why, "");
    rmx_topology_fini(&topology);
}

Test(plan, every_machine_gets_a_worker_for_each_lane_and_no_cpu_twice)
{
    static const char *const machines[] = { "pu:1", "core:3 pu:2", "numa:3 core:5 pu:1",
        "numa:2 l3:4 core:8 pu:2", "numa:32 core:2 pu:1" };

    for (uint32_t i = 0; i < 5 * 40; i++) {
        bool taken[RMX_CPUS_MAX] = { false };

        config.workers = i % 40 / 4 * 3;
        config.lanes = config.workers ? 1 + i % 4 % config.workers : i % 4;
        make(machines[i / 40]);
        cr_assert(plan.lanes >= 1 && plan.lanes <= RMX_LANES_MAX);
        for (uint32_t lane = 0; lane < plan.lanes; lane++) {
            cr_assert_geq(plan.lane[lane].workers, 1);
            cr_assert(!plan.lane[lane].bind || CPU_COUNT(&plan.lane[lane].cpus) > 0);
        }
        for (uint32_t worker = 0; worker < plan.workers; worker++) {
            uint32_t cpu = plan.worker[worker].cpu;

            cr_assert(cpu == RMX_PLAN_NONE || !taken[cpu]);
            if (cpu != RMX_PLAN_NONE) {
                taken[cpu] = true;
            }
        }
    }
}

Test(plan, a_worker_spins_only_where_it_is_in_nobodys_way)
{
    make("core:2 pu:1");
    cr_assert_not(plan.may_spin);
    cr_assert_eq(rmx_plan_spin_ns(&plan, &topology, &config), 0);
    cr_assert_eq(rmx_plan_poll_ns(&plan, 5000), 0);
    make("core:2 pu:2");
    cr_assert(plan.may_spin);
    config.spin_ns = 5000;
    cr_assert_eq(rmx_plan_spin_ns(&plan, &topology, &config), 5000);
    config.workers = 1;
    make("core:2 pu:1");
    cr_assert(plan.may_spin);
    cr_assert_eq(rmx_plan_poll_ns(&plan, 0), 0);
    cr_assert_eq(rmx_plan_poll_ns(&plan, 5000), 5000);
    cr_assert_eq(rmx_plan_poll_ns(&plan, 50000000), 50000);
}
