/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The core a benchmark's thread runs on. See core.h.
 */
#include "bench/core.h"

#include <sched.h>
#include <stddef.h>

void rmx_core_pin(long cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu % CPU_SETSIZE, &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
}
