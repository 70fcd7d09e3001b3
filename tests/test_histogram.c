/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the benchmarks count with (bench/histogram.h).
 */
#include "bench/histogram.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct rmx_histogram histogram;

Test(histogram, is_empty_at_first)
{
    cr_assert_eq(rmx_histogram_percentile(&histogram, 0.5), 0);
    cr_assert_eq(rmx_histogram_percentile(&histogram, 1), 0);
}

Test(histogram, small_values_are_exact)
{
    for (uint64_t value = 1; value <= 1000; value++) {
        rmx_histogram_add(&histogram, value);
    }
    cr_assert_eq(histogram.count, 1000);
    cr_assert_eq(histogram.sum, 500500);
    cr_assert_eq(histogram.min, 1);
    cr_assert_eq(histogram.max, 1000);
    cr_assert_eq(rmx_histogram_percentile(&histogram, 0), 1);
    cr_assert_eq(rmx_histogram_percentile(&histogram, 0.5), 500);
    cr_assert_eq(rmx_histogram_percentile(&histogram, 0.99), 990);
    cr_assert_eq(rmx_histogram_percentile(&histogram, 0.999), 999);
    cr_assert_eq(rmx_histogram_percentile(&histogram, 0.9999), 1000);
    cr_assert_eq(rmx_histogram_percentile(&histogram, 1), 1000);
}

/* One value below the one asked for, and one far above, so that the max does not help. */
static uint64_t kept_as(uint64_t value)
{
    memset(&histogram, 0, sizeof(histogram));
    rmx_histogram_add(&histogram, value);
    rmx_histogram_add(&histogram, RMX_HISTOGRAM_VALUE_MAX);
    return rmx_histogram_percentile(&histogram, 0.5);
}

Test(histogram, values_keep_three_digits)
{
    for (uint64_t value = 1; value < RMX_HISTOGRAM_VALUE_MAX / 2; value += value / 777 + 1) {
        uint64_t kept = kept_as(value);

        cr_assert_geq(kept, value);
        cr_assert_leq(kept - value, value / 1000, "%llu is kept as %llu", (unsigned long long)value,
            (unsigned long long)kept);
    }
}

Test(histogram, values_beside_a_power_of_two_are_in_order)
{
    for (uint32_t bit = 1; bit < 39; bit++) {
        uint64_t power = UINT64_C(1) << bit;

        cr_assert_lt(kept_as(power - 1), kept_as(power));
        cr_assert_leq(kept_as(power), kept_as(power + 1));
    }
}

Test(histogram, value_beyond_the_largest_is_told_as_max)
{
    rmx_histogram_add(&histogram, UINT64_MAX);
    rmx_histogram_add(&histogram, 5);
    cr_assert_eq(histogram.max, UINT64_MAX);
    cr_assert_eq(rmx_histogram_percentile(&histogram, 0.5), 5);
    cr_assert_eq(rmx_histogram_percentile(&histogram, 1), RMX_HISTOGRAM_VALUE_MAX);
}

Test(histogram, percentile_is_never_above_the_max)
{
    rmx_histogram_add(&histogram, 1000001);
    cr_assert_eq(rmx_histogram_percentile(&histogram, 0.5), 1000001);
}

Test(histogram, merged_is_as_if_added_to_one)
{
    static struct rmx_histogram other;

    rmx_histogram_merge(&histogram, &other);
    cr_assert_eq(histogram.count, 0);
    rmx_histogram_add(&other, 7);
    rmx_histogram_merge(&histogram, &other);
    cr_assert_eq(histogram.min, 7);
    rmx_histogram_add(&other, 3);
    rmx_histogram_merge(&histogram, &other);
    cr_assert_eq(histogram.count, 3);
    cr_assert_eq(histogram.sum, 17);
    cr_assert_eq(histogram.min, 3);
    cr_assert_eq(rmx_histogram_percentile(&histogram, 0.5), 7);
}

Test(histogram, prints_json)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    cr_assert_not_null(file);
    rmx_histogram_add(&histogram, 1000);
    rmx_histogram_add(&histogram, 2000);
    rmx_histogram_print(&histogram, "us", 1000, file);
    (void)fclose(file);
    cr_assert_str_eq(text,
        "{\"unit\": \"us\", \"count\": 2, \"min\": 1, \"mean\": 1.5, \"p50\": 1, \"p90\": 2, "
        "\"p95\": 2, \"p99\": 2, \"p99.9\": 2, \"p99.99\": 2, \"max\": 2}");
    free(text);
}
