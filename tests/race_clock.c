/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The clock of a race. See race.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "tests/race.h"

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

uint64_t race_starved_ns(void)
{
    FILE *file = fopen("/proc/pressure/cpu", "re");
    uint64_t total_us = 0;

    if (file != NULL) {
        if (fscanf(file, "some %*s %*s %*s total=%" SCNu64, &total_us) != 1) {
            total_us = 0;
        }
        (void)fclose(file);
    }
    return total_us * 1000;
}
