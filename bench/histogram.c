/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How often each value came. See histogram.h.
 *
 * Values below 2048 have a bucket each; those from 2^(11+n) to 2^(12+n) - 1 have 1024 buckets, each
 * 2^(n+1) wide.
 */
#include "bench/histogram.h"

#include <stddef.h>

#include "ring/base.h"

#define SUB_BUCKETS (UINT64_C(1) << RMX_HISTOGRAM_SUB_BITS)

static uint32_t bucket_of(uint64_t value)
{
    uint32_t shift;

    if (value < 2 * SUB_BUCKETS) {
        return (uint32_t)value;
    }
    shift = 63u - (uint32_t)__builtin_clzll(value) - RMX_HISTOGRAM_SUB_BITS;
    return (uint32_t)(shift * SUB_BUCKETS + (value >> shift));
}

static uint64_t largest_in(uint32_t bucket)
{
    uint32_t shift;

    if (bucket < 2 * SUB_BUCKETS) {
        return bucket;
    }
    shift = (uint32_t)(bucket / SUB_BUCKETS - 1);
    return ((bucket % SUB_BUCKETS + SUB_BUCKETS + 1) << shift) - 1;
}

void rmx_histogram_add(struct rmx_histogram *histogram, uint64_t value)
{
    uint64_t kept = value < RMX_HISTOGRAM_VALUE_MAX ? value : RMX_HISTOGRAM_VALUE_MAX;

    histogram->min = histogram->count == 0 || value < histogram->min ? value : histogram->min;
    histogram->max = value > histogram->max ? value : histogram->max;
    histogram->count++;
    histogram->sum += value;
    histogram->bucket[bucket_of(kept)]++;
}

void rmx_histogram_merge(struct rmx_histogram *into, const struct rmx_histogram *from)
{
    if (from->count == 0) {
        return;
    }
    into->min = into->count == 0 || from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
    into->count += from->count;
    into->sum += from->sum;
    for (size_t i = 0; i < RMX_HISTOGRAM_BUCKETS; i++) {
        into->bucket[i] += from->bucket[i];
    }
}

uint64_t rmx_histogram_percentile(const struct rmx_histogram *histogram, double part)
{
    double wanted = part * (double)histogram->count;
    uint64_t seen = 0;

    rmx_assert(part >= 0 && part <= 1);
    for (uint32_t i = 0; i < RMX_HISTOGRAM_BUCKETS && histogram->count > 0; i++) {
        seen += histogram->bucket[i];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t value = largest_in(i);

            return value < histogram->max ? value : histogram->max;
        }
    }
    return histogram->max;
}

void rmx_histogram_print(
    const struct rmx_histogram *histogram, const char *unit, double scale, FILE *file)
{
    static const struct {
        const char *name;
        double part;
    } rows[] = {
        { "p50", 0.5 },
        { "p90", 0.9 },
        { "p95", 0.95 },
        { "p99", 0.99 },
        { "p99.9", 0.999 },
        { "p99.99", 0.9999 },
    };
    double mean = histogram->count ? (double)histogram->sum / (double)histogram->count : 0;

    (void)fprintf(file, "{\"unit\": \"%s\", \"count\": %llu, \"min\": %.4g, \"mean\": %.4g", unit,
        (unsigned long long)histogram->count, (double)histogram->min / scale, mean / scale);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)fprintf(file, ", \"%s\": %.4g", rows[i].name,
            (double)rmx_histogram_percentile(histogram, rows[i].part) / scale);
    }
    (void)fprintf(file, ", \"max\": %.4g}", (double)histogram->max / scale);
}
