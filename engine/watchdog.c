/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Notices a job that only computes. See watchdog.h.
 */
#include "engine/watchdog.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ring/base.h"

#define STAT_BYTES 128 /* of /proc/PID/stat: number, name and state are at its start */

bool rmx_watchdog_look(struct rmx_watchdog *watchdog, uint32_t flow, uint64_t signs,
    uint64_t cpu_ns, uint64_t limit_ns)
{
    bool alone = flow != RMX_WATCHDOG_NO_FLOW && flow == watchdog->flow &&
                 signs == watchdog->signs && watchdog->cpu_ns != 0 && cpu_ns >= watchdog->cpu_ns;

    if (!alone) {
        *watchdog = (struct rmx_watchdog){ .flow = flow, .signs = signs, .cpu_ns = cpu_ns };
        return false;
    }
    return cpu_ns - watchdog->cpu_ns > limit_ns;
}

uint64_t rmx_watchdog_cpu_ns(pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) < 0) {
        return 0;
    }
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

bool rmx_watchdog_wants_core(pid_t pid)
{
    char text[STAT_BYTES] = "";
    char path[32];
    const char *name_end;
    rmx_autofd int fd = -1;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0) {
        return false;
    }
    name_end = strrchr(text, ')'); /* the name may have any other character */
    return name_end != NULL && strncmp(name_end, ") R", 3) == 0;
}
