/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Notices a job that only computes: a demuxer that loops over a hostile file asks for nothing,
 * yields to nobody and would keep its worker, and all jobs of that worker, for ever. Looks at what
 * cannot be faked: the CPU time the kernel charges the worker. Runs on the lane's thread; decides,
 * does nothing.
 */
#ifndef RMX_ENGINE_WATCHDOG_H
#define RMX_ENGINE_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RMX_WATCHDOG_NO_FLOW UINT32_MAX

/* Of one worker; zero when it is new. */
struct rmx_watchdog {
    uint32_t flow;   /* on the core at the last look */
    uint64_t signs;  /* of work the worker had given by then */
    uint64_t cpu_ns; /* it had used when the present stretch began */
};

/* A look at a worker: which flow it says is on its core, how many signs of work (notes, chunks
 * moved) it has given so far, the CPU time it has used. Returns true if the same flow has been on
 * the core without a single sign for more than limit_ns of CPU time. */
bool rmx_watchdog_look(struct rmx_watchdog *watchdog, uint32_t flow, uint64_t signs,
    uint64_t cpu_ns, uint64_t limit_ns);

/* CPU time a process has used, or 0 if it cannot be asked. */
uint64_t rmx_watchdog_cpu_ns(pid_t pid);

/* Is it on a core, or does it wait for one? False also where it cannot be known: proc(5) may be
 * hidden. */
bool rmx_watchdog_wants_core(pid_t pid);

#endif
