/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The time as a worker has it: CLOCK_MONOTONIC in nanoseconds, as deadlines and the lane have it.
 * Worker process, anywhere: some 25 ns, and no system call.
 */
#ifndef RMX_ENGINE_WORKER_MOMENT_H
#define RMX_ENGINE_WORKER_MOMENT_H

#include <stdint.h>
#include <time.h>

#include "ring/base.h"

static inline uint64_t rmx_moment_ns(void)
{
    struct timespec now;

    rmx_assert(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
