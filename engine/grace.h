/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How long a worker may take to stop a job that was told to. What counts is the CPU time that the
 * job itself computes meanwhile, without a sign of anything else on the core: a worker that stops a
 * thousand jobs one after the other, or has another's turn to finish first, is not at fault. One
 * for each worker, however many of its jobs are to stop. Runs on the lane's thread; decides, does
 * nothing.
 */
#ifndef RMX_ENGINE_GRACE_H
#define RMX_ENGINE_GRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/watchdog.h"

struct rmx_berth;

/* Zero when no job was told to stop yet. */
struct rmx_grace {
    struct rmx_watchdog watchdog;
    uint64_t look_ns; /* not before */
    bool over;        /* the watchdog's flow had its time */
};

/* Looks at most so many times in one grace: it is exceeded by at most one part of it. */
#define RMX_GRACE_LOOKS 4u

/* This flow of the berth's is told to stop now. */
void rmx_grace_begin(struct rmx_berth *berth, uint32_t flow, uint64_t now);

/* Has this flow, which was told, had its time? */
bool rmx_grace_is_over(struct rmx_berth *berth, uint32_t flow, uint64_t now, uint64_t grace_ns);

#endif
