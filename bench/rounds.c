/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Several ways to do a thing, measured in turn. See rounds.h.
 */
#include "bench/rounds.h"

#include <stdlib.h>
#include <string.h>

#include "ring/base.h"

#define ROUNDS_MIN 3u

static double run_entrant(const struct rmx_rounds *rounds, const struct rmx_entrant *entrant)
{
    return entrant->run(entrant->user != NULL ? entrant->user : rounds->user);
}

/* Returns what it measured, and of which kind the run was. */
static double run_once(
    const struct rmx_rounds *rounds, const struct rmx_entrant *entrant, int *kind)
{
    double value = 0;

    *kind = -1;
    for (uint32_t i = 0; i <= rounds->tries && *kind < 0; i++) {
        if (rounds->judge == NULL) {
            *kind = 0;
            return run_entrant(rounds, entrant);
        }
        (void)rounds->judge(rounds->judged, false);
        value = run_entrant(rounds, entrant);
        *kind = rounds->judge(rounds->judged, true);
    }
    return value;
}

static void run_round(const struct rmx_rounds *rounds, uint32_t round, bool counts)
{
    for (size_t i = 0; i < rounds->count; i++) {
        struct rmx_entrant *entrant = &rounds->entrants[round % 2 == 0 ? i : rounds->count - 1 - i];
        int kind = 0;

        if (!counts) {
            (void)run_entrant(rounds, entrant);
            continue;
        }
        rmx_samples_add(&entrant->samples, run_once(rounds, entrant, &kind));
        entrant->kinds[round] = (signed char)kind;
    }
}

void rmx_rounds_run(const struct rmx_rounds *rounds, uint32_t trials)
{
    uint64_t began_ns;

    for (size_t i = 0; i < rounds->count; i++) {
        rounds->entrants[i].kinds = calloc(trials, 1);
        rmx_assert(rounds->entrants[i].kinds != NULL);
    }
    for (uint32_t i = 0; i < rounds->warm_ups; i++) {
        run_round(rounds, i, false);
    }
    began_ns = rmx_samples_now_ns();
    for (uint32_t i = 0; i < trials; i++) {
        if (rounds->budget_ns > 0 && i >= ROUNDS_MIN &&
            rmx_samples_now_ns() - began_ns > rounds->budget_ns) {
            break;
        }
        run_round(rounds, i, true);
    }
}

size_t rmx_rounds_of(
    const struct rmx_entrant *a, const struct rmx_entrant *b, int kind, bool **counts)
{
    size_t count = 0;

    *counts = calloc(a->samples.count, sizeof(**counts));
    rmx_assert(*counts != NULL && a->samples.count == b->samples.count);
    for (size_t i = 0; i < a->samples.count; i++) {
        (*counts)[i] = a->kinds[i] == kind && b->kinds[i] == kind;
        count += (*counts)[i];
    }
    return count;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static struct rmx_spread spread_of(double *values, size_t count)
{
    struct rmx_spread spread = { .count = count };

    if (count == 0) {
        return spread;
    }
    qsort(values, count, sizeof(*values), compare);
    spread.low = values[0];
    spread.high = values[count - 1];
    spread.median =
        count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
    return spread;
}

/* under: NULL = 1. */
static struct rmx_spread spread_over(
    const struct rmx_samples *over, const struct rmx_samples *under, const bool *counts)
{
    double *values = malloc((over->count + 1) * sizeof(*values));
    struct rmx_spread spread;
    size_t count = 0;

    rmx_assert(values != NULL && (under == NULL || under->count == over->count));
    for (size_t i = 0; i < over->count; i++) {
        if (counts == NULL || counts[i]) {
            values[count++] = over->value[i] / (under != NULL ? under->value[i] : 1);
        }
    }
    spread = spread_of(values, count);
    free(values);
    return spread;
}

struct rmx_spread rmx_spread_of(const struct rmx_samples *samples, const bool *counts)
{
    return spread_over(samples, NULL, counts);
}

struct rmx_spread rmx_spread_of_ratio(
    const struct rmx_samples *over, const struct rmx_samples *under, const bool *counts)
{
    return spread_over(over, under, counts);
}

void rmx_rounds_row(struct rmx_frame *frame, enum rmx_aim_name name, const struct rmx_samples *ours,
    const struct rmx_samples *peer, const bool *counts)
{
    bool times = rmx_aim_at(name)->compare == TIMES_MIN;
    struct rmx_spread ratio = rmx_spread_of_ratio(times ? peer : ours, times ? ours : peer, counts);
    char note[64];
    const struct rmx_frame_row row = {
        .ours = rmx_spread_of(ours, counts).median,
        .peer = rmx_spread_of(peer, counts).median,
        .figure = ratio.median,
        .low = ratio.low,
        .high = ratio.high,
        .note = note,
    };

    if (ratio.count == 0) {
        rmx_frame_miss(frame, name, "no round of this kind was seen");
        return;
    }
    (void)snprintf(note, sizeof(note), "%zu of %zu rounds", ratio.count, ours->count);
    rmx_frame_row(frame, name, &row);
}
