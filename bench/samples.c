/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a benchmark measured. See samples.h.
 */
#include "bench/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ring/base.h"

uint64_t rmx_samples_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

void rmx_samples_add(struct rmx_samples *samples, double value)
{
    if (!samples->value) {
        samples->value = calloc(RMX_SAMPLES_MAX, sizeof(*samples->value));
    }
    rmx_assert(samples->value && samples->count < RMX_SAMPLES_MAX);
    samples->value[samples->count++] = value;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

double rmx_samples_percentile(struct rmx_samples *samples, double part)
{
    rmx_assert(samples->count > 0 && part >= 0 && part <= 1);
    if (!samples->sorted) {
        samples->sorted = calloc(RMX_SAMPLES_MAX, sizeof(*samples->sorted));
        rmx_assert(samples->sorted);
    }
    if (samples->sorted_count != samples->count) {
        memcpy(samples->sorted, samples->value, samples->count * sizeof(*samples->value));
        qsort(samples->sorted, samples->count, sizeof(*samples->sorted), compare);
        samples->sorted_count = samples->count;
    }
    return samples->sorted[(size_t)(part * (double)(samples->count - 1) + 0.5)];
}

void rmx_samples_fini(struct rmx_samples *samples)
{
    free(samples->value);
    free(samples->sorted);
    *samples = (struct rmx_samples){ .name = samples->name, .unit = samples->unit };
}

void rmx_samples_print(struct rmx_samples *samples, const char *after)
{
    printf("  \"%s\": {\"unit\": \"%s\", \"count\": %zu, \"min\": %.4g, \"p50\": %.4g, "
           "\"p99\": %.4g, \"max\": %.4g}%s\n",
        samples->name, samples->unit, samples->count, rmx_samples_percentile(samples, 0),
        rmx_samples_percentile(samples, 0.5), rmx_samples_percentile(samples, 0.99),
        rmx_samples_percentile(samples, 1), after);
}
