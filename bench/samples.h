/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a benchmark measured, and what it says about it: the clock, percentiles, JSON.
 */
#ifndef RMX_BENCH_SAMPLES_H
#define RMX_BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#define RMX_SAMPLES_MAX 65536

struct rmx_samples {
    const char *name;
    const char *unit;
    size_t count;
    double *value;  /* made by the first add; in the order measured */
    double *sorted; /* the same, from the smallest; samples.c's own */
    size_t sorted_count;
};

uint64_t rmx_samples_now_ns(void);

/* Those beyond RMX_SAMPLES_MAX are a mistake of the caller's. */
void rmx_samples_add(struct rmx_samples *samples, double value);

/* part: 0 to 1. There must be at least one sample. */
double rmx_samples_percentile(struct rmx_samples *samples, double part);

/* Frees what the first add made. */
void rmx_samples_fini(struct rmx_samples *samples);

/* Prints "name": {"unit":..., "count":..., "min":..., "p50":..., "p99":..., "max":...} */
void rmx_samples_print(struct rmx_samples *samples, const char *after);

#endif
