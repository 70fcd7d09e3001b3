/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The CPU time a job may use in all (job_cpu), with all its passes and on all the workers that it
 * had; what a worker did not live to count is not in it. Workers count, and their word is about
 * their own jobs; one that does not let go of its core is the watchdog's (watchdog.h). Runs on the
 * lane's thread.
 */
#ifndef RMX_ENGINE_RATION_H
#define RMX_ENGINE_RATION_H

#include <stdint.h>

#include "engine/berth.h"

struct rmx_flow;

/* What it has used so far. */
uint64_t rmx_ration_used_ns(const struct rmx_flow *flow);

/* Stops the berth's jobs that have used more than cpu_max_ns; 0 = none is stopped. */
void rmx_ration_look(struct rmx_berth *berth, uint64_t cpu_max_ns);

#endif
