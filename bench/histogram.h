/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How often each value came, in fixed memory: log-linear buckets, so that every value up to
 * RMX_HISTOGRAM_VALUE_MAX is kept to three significant digits (the bucket it falls into is at most
 * a thousandth of it wide), as HdrHistogram does. Adding costs an increment, whatever came before.
 * One thread; never allocates.
 */
#ifndef RMX_BENCH_HISTOGRAM_H
#define RMX_BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define RMX_HISTOGRAM_SUB_BITS  10u /* 1024 buckets for each power of two: 1/1024 < 1/1000 */
#define RMX_HISTOGRAM_VALUE_MAX ((UINT64_C(1) << 40) - 1) /* of nanoseconds: 18 minutes */
#define RMX_HISTOGRAM_BUCKETS   ((40u - RMX_HISTOGRAM_SUB_BITS + 1u) << RMX_HISTOGRAM_SUB_BITS)

struct rmx_histogram { /* starts as all zeros */
    uint64_t count;
    uint64_t sum;
    uint64_t min; /* of the values themselves, as max is */
    uint64_t max;
    uint64_t bucket[RMX_HISTOGRAM_BUCKETS];
};

/* Counts a value. Larger ones than RMX_HISTOGRAM_VALUE_MAX count as that, but for the max. */
void rmx_histogram_add(struct rmx_histogram *histogram, uint64_t value);

/* Adds all of another's. */
void rmx_histogram_merge(struct rmx_histogram *into, const struct rmx_histogram *from);

/* The value that `part` (0 to 1) of all values are not above: the largest of its bucket, but never
 * above the max. 0 if there are none. */
uint64_t rmx_histogram_percentile(const struct rmx_histogram *histogram, double part);

/* Prints {"unit":..., "count":..., "min":..., "mean":..., "p50":..., "p90":..., "p95":...,
 * "p99":..., "p99.9":..., "p99.99":..., "max":...}, values divided by `scale`. */
void rmx_histogram_print(
    const struct rmx_histogram *histogram, const char *unit, double scale, FILE *file);

#endif
