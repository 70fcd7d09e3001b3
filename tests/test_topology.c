/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The machine (engine/topology.h): made-up ones for what they look like, this one for binding.
 */
#include "engine/topology.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_BYTES  (64u * 4096)
#define NS_PER_SECOND 1000000000ull

static struct rmx_topology topology = RMX_TOPOLOGY_INIT;

static const struct {
    const char *synthetic;
    uint32_t cpus;
    uint32_t cores;
    uint32_t caches;
    uint32_t nodes;
} machines[] = {
    { "pu:1", 1, 1, 1, 1 },
    { "core:2 pu:1", 2, 2, 1, 1 },
    { "l3:2 core:2 pu:1", 4, 4, 2, 1 },
    { "l2:4 core:1 pu:1", 4, 4, 4, 1 },
    { "numa:2 l3:1 core:4 pu:1", 8, 8, 2, 2 },
    { "numa:2 l3:2 core:4 pu:2", 32, 16, 4, 2 },
    { "pack:2 numa:1 l3:2 core:4 pu:2", 32, 16, 4, 2 },
};

Test(topology, a_machine_is_as_it_was_described)
{
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        const char *name = machines[i].synthetic;

        cr_assert_eq(rmx_topology_load(&topology, name), 0, "%s", name);
        cr_expect_eq(topology.cpus, machines[i].cpus, "%s: %u cpus", name, topology.cpus);
        cr_expect_eq(topology.cores, machines[i].cores, "%s: %u cores", name, topology.cores);
        cr_expect_eq(topology.caches, machines[i].caches, "%s: %u caches", name, topology.caches);
        cr_expect_eq(topology.nodes, machines[i].nodes, "%s: %u nodes", name, topology.nodes);
        cr_expect_eq(topology.quota, 0);
        rmx_topology_fini(&topology);
    }
}

Test(topology, cpus_of_a_core_a_cache_and_a_node_stand_together)
{
    const struct rmx_topology_cpu *cpu = topology.cpu;

    cr_assert_eq(rmx_topology_load(&topology, "numa:2 l3:2 core:2 pu:2"), 0);
    for (uint32_t i = 1; i < topology.cpus; i++) {
        cr_expect(cpu[i].core - cpu[i - 1].core <= 1);
        cr_expect(cpu[i].cache - cpu[i - 1].cache <= 1);
        cr_expect(cpu[i].node - cpu[i - 1].node <= 1);
    }
    cr_assert_eq(cpu[0].core, cpu[1].core);
    cr_assert_neq(cpu[1].core, cpu[2].core);
    rmx_topology_fini(&topology);
}

Test(topology, nonsense_is_refused)
{
    cr_assert_eq(rmx_topology_load(&topology, "elephants:2"), -EINVAL);
    cr_assert_null(topology.hwloc);
    rmx_topology_fini(&topology);
}

Test(topology, nothing_is_bound_on_a_made_up_machine)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    cr_assert_eq(rmx_topology_load(&topology, "core:2 pu:1"), 0);
    cr_assert_eq(rmx_topology_bind_thread(&topology, &cpus), -ENODEV);
    cr_assert_eq(rmx_topology_bind_process(&topology, getpid(), 0), -ENODEV);
    cr_assert_eq(rmx_topology_bind_memory(&topology, &cpus, 1, 0), -ENODEV);
    cr_assert_eq(rmx_topology_memory_is_on(&topology, &cpus, 1, 0), -ENODEV);
    cr_assert_eq(rmx_topology_wake_cost_ns(&topology), 0);
    rmx_topology_fini(&topology);
}

Test(topology, this_machine_is_what_our_affinity_allows)
{
    cpu_set_t allowed;

    cr_assert_eq(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    cr_assert_eq(rmx_topology_load(&topology, NULL), 0);
    cr_assert_eq(topology.cpus, (uint32_t)CPU_COUNT(&allowed));
    cr_assert(CPU_ISSET(topology.cpu[0].number, &allowed));
    rmx_topology_fini(&topology);
}

/* In a process of its own: the suite's has more threads, with an affinity of their own. */
static int sees_only_its_cpu(uint32_t number)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(number, &one);
    return sched_setaffinity(0, sizeof(one), &one) == 0 &&
           rmx_topology_load(&topology, NULL) == 0 && topology.cpus == 1 &&
           topology.cpu[0].number == number;
}

Test(topology, a_process_bound_to_one_cpu_sees_a_machine_of_one)
{
    int status = -1;
    uint32_t last;
    pid_t child;

    cr_assert_eq(rmx_topology_load(&topology, NULL), 0);
    last = topology.cpu[topology.cpus - 1].number;
    rmx_topology_fini(&topology);
    child = fork();
    if (child == 0) {
        _exit(sees_only_its_cpu(last) ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

Test(topology, a_thread_is_bound_to_its_cpus)
{
    cpu_set_t wanted;
    cpu_set_t got;

    cr_assert_eq(rmx_topology_load(&topology, NULL), 0);
    CPU_ZERO(&wanted);
    CPU_SET(topology.cpu[topology.cpus - 1].number, &wanted);
    cr_assert_eq(rmx_topology_bind_thread(&topology, &wanted), 0);
    cr_assert_eq(sched_getaffinity(0, sizeof(got), &got), 0);
    cr_assert(CPU_EQUAL(&got, &wanted));
    rmx_topology_fini(&topology);
}

Test(topology, another_process_is_bound_to_its_cpu)
{
    cpu_set_t got;
    pid_t child;
    uint32_t last;

    cr_assert_eq(rmx_topology_load(&topology, NULL), 0);
    last = topology.cpu[topology.cpus - 1].number;
    child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    cr_assert_eq(rmx_topology_bind_process(&topology, child, last), 0);
    cr_assert_eq(sched_getaffinity(child, sizeof(got), &got), 0);
    cr_assert_eq(CPU_COUNT(&got), 1);
    cr_assert(CPU_ISSET(last, &got));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    cr_assert_lt(rmx_topology_bind_process(&topology, child, last), 0, "it is gone");
    rmx_topology_fini(&topology);
}

Test(topology, a_cpu_that_is_not_there_cannot_be_bound_to)
{
    cpu_set_t none;

    CPU_ZERO(&none);
    CPU_SET(RMX_CPUS_MAX - 1, &none);
    cr_assert_eq(rmx_topology_load(&topology, NULL), 0);
    cr_assert_lt(rmx_topology_bind_thread(&topology, &none), 0);
    cr_assert_lt(rmx_topology_bind_process(&topology, getpid(), RMX_CPUS_MAX - 1), 0);
    rmx_topology_fini(&topology);
}

/* Whole pages, faulted in. */
static char *map_memory(void)
{
    char *memory =
        mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq(memory, MAP_FAILED);
    for (size_t i = 0; i < MEMORY_BYTES; i += 4096) {
        memory[i] = 1;
    }
    return memory;
}

Test(topology, memory_is_where_it_was_bound_to)
{
    char *memory = map_memory();
    uint32_t node;

    cr_assert_eq(rmx_topology_load(&topology, NULL), 0);
    node = topology.cpu[0].node_number;
    topology.nodes = 2; /* else there is nothing to do on a machine of one */
    cr_assert_eq(rmx_topology_bind_memory(&topology, memory, MEMORY_BYTES, node), 0);
    cr_assert_eq(rmx_topology_memory_is_on(&topology, memory, MEMORY_BYTES, node), 1);
    cr_assert_eq(rmx_topology_memory_is_on(&topology, memory, MEMORY_BYTES, node + 1), 0);
    munmap(memory, MEMORY_BYTES);
    rmx_topology_fini(&topology);
}

Test(topology, memory_cannot_be_bound_to_a_node_that_is_not_there)
{
    char *memory = map_memory();

    cr_assert_eq(rmx_topology_load(&topology, NULL), 0);
    topology.nodes = 2;
    cr_assert_lt(rmx_topology_bind_memory(&topology, memory, MEMORY_BYTES, 1000), 0);
    topology.nodes = 1;
    cr_assert_eq(rmx_topology_bind_memory(&topology, memory, MEMORY_BYTES, 0), 0);
    munmap(memory, MEMORY_BYTES);
    rmx_topology_fini(&topology);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

Test(topology, a_wake_costs_little_and_measuring_it_is_bounded)
{
    cpu_set_t before;
    cpu_set_t after;
    uint64_t best_ns = UINT64_MAX;
    uint64_t cost = 0;

    cr_assert_eq(rmx_topology_load(&topology, NULL), 0);
    cr_assert_eq(sched_getaffinity(0, sizeof(before), &before), 0);
    for (int i = 0; i < 20; i++) { /* a busy machine may take long once; not always */
        uint64_t began = now_ns();
        uint64_t got = rmx_topology_wake_cost_ns(&topology);
        uint64_t took = now_ns() - began;

        cost = got ? got : cost;
        best_ns = took < best_ns ? took : best_ns;
    }
    cr_assert_eq(sched_getaffinity(0, sizeof(after), &after), 0);
    cr_assert(CPU_EQUAL(&before, &after), "the affinity is back");
    cr_assert_lt(cost, 10000000);
    cr_assert_lt(best_ns, 20000000);
    rmx_topology_fini(&topology);
}
