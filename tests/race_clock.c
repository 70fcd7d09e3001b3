/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The clock of a race. See race.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/race.h"

#define TOTAL "total="

uint64_t race_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void race_nap_ms(uint64_t ms)
{
    struct timespec nap = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

    (void)nanosleep(&nap, NULL);
}

/* The first line is of some tasks, and ends "total=MICROSECONDS" (the kernel's accounting/psi). */
uint64_t race_starved_ns(void)
{
    FILE *file = fopen("/proc/pressure/cpu", "re");
    char line[128] = "";
    const char *total;

    if (file != NULL) {
        (void)fgets(line, sizeof(line), file);
        (void)fclose(file);
    }
    total = strstr(line, TOTAL);
    return total != NULL ? strtoull(total + strlen(TOTAL), NULL, 10) * 1000 : 0;
}
