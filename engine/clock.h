/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The time: CLOCK_MONOTONIC in nanoseconds, as clients' deadlines have it. Any thread of ringmuxd.
 */
#ifndef RMX_ENGINE_CLOCK_H
#define RMX_ENGINE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t rmx_clock_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
