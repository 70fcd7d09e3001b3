/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The machine as we may use it, and binding to its parts. The only file that knows hwloc. Loading
 * and measuring run in ringmuxd's main thread at start; binding in whichever thread it is for. Must
 * never fail a start because a machine will not be bound: callers log the reason and go on.
 */
#ifndef RMX_ENGINE_TOPOLOGY_H
#define RMX_ENGINE_TOPOLOGY_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/limits.h"

struct hwloc_topology;

/* A cpu (hardware thread) that we may run on. Cores, caches and nodes are numbered from 0 here, in
 * the order in which their cpus come; only `number` and `node_number` are the system's names. */
struct rmx_topology_cpu {
    uint32_t number;
    uint32_t core;
    uint32_t cache; /* third-level, or what the machine has instead */
    uint32_t node;
    uint32_t node_number;
};

/* A network or block device, and the node it is attached to. */
struct rmx_topology_device {
    char name[32];
    uint32_t node_number;
};

#define RMX_TOPOLOGY_DEVICES_MAX 64u

struct rmx_topology {
    struct hwloc_topology *hwloc;
    bool is_this_machine; /* false: made up, nothing can be bound */
    uint32_t cpus;        /* used entries of cpu[] */
    uint32_t cores;
    uint32_t caches;
    uint32_t nodes;
    uint32_t quota;   /* cpus' worth of time the cgroup grants, rounded up; 0 = no limit */
    uint32_t devices; /* used entries of device[]; only where they were asked for */
    struct rmx_topology_cpu cpu[RMX_CPUS_MAX]; /* those of one core, cache and node together */
    struct rmx_topology_device device[RMX_TOPOLOGY_DEVICES_MAX];
};

#define RMX_TOPOLOGY_INIT                                                                          \
    {                                                                                              \
        .hwloc = NULL                                                                              \
    }

/* description: NULL for this machine, as far as its cgroups and our affinity allow; else an hwloc
 * description of one, such as "numa:2 l3:1 core:4 pu:2", or, if it has a slash or ends in .xml, the
 * name of a file of hwloc's XML (lstopo makes them). Returns 0, or -errno: -EINVAL for a
 * description that makes no sense, -ENODEV if no cpu is left to us, what open() and read() say. */
int rmx_topology_load(struct rmx_topology *topology, const char *description);

/* The same with devices, which takes longer: not for a start. */
int rmx_topology_load_with_devices(struct rmx_topology *topology, const char *description);
void rmx_topology_fini(struct rmx_topology *topology);

/* Binds the calling thread to a set of cpus. Returns 0, or -errno: we go on unbound. */
int rmx_topology_bind_thread(const struct rmx_topology *topology, const cpu_set_t *cpus);

/* Binds another process, all its threads, to one cpu. Returns 0 or -errno. */
int rmx_topology_bind_process(const struct rmx_topology *topology, pid_t pid, uint32_t cpu);

/* Binds whole pages to a node and moves those there that are elsewhere. Pages that exist but are
 * not mapped yet (a memfd's after fallocate) cannot be moved: fault them in first, best from a
 * thread bound to the node, so that none needs to move. Nothing to do on a machine of one node.
 * node is the system's number. Returns 0 or -errno. */
int rmx_topology_bind_memory(
    const struct rmx_topology *topology, void *base, size_t bytes, uint32_t node);

/* Are the pages touched so far where they were bound to? Returns 1 if all are, 0 if some are
 * elsewhere, -errno if the system does not say. */
int rmx_topology_memory_is_on(
    const struct rmx_topology *topology, const void *base, size_t bytes, uint32_t node);

/* Measures what waking a thread that sleeps on another core costs, through an eventfd, one way: the
 * median of up to 3 ms of trials. The calling thread's affinity is back when it returns. 0 if it
 * could not be measured. */
uint64_t rmx_topology_wake_cost_ns(const struct rmx_topology *topology);

#endif
