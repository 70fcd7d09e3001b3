/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Several ways to do a thing, measured in turn: A B C, C B A, A B C, so that what the machine does
 * to one it does to its neighbours. Values of one round belong together: ratios are made within a
 * round, and the median is that of the ratios. One thread.
 */
#ifndef RMX_BENCH_ROUNDS_H
#define RMX_BENCH_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/frame.h"
#include "bench/samples.h"

struct rmx_entrant {
    double (*run)(void *user);  /* does it once, and returns what it measured */
    struct rmx_samples samples; /* name and unit; one value for each round that counts */
    signed char *kinds;         /* with a judge: of each round's run; made by the rounds */
    void *user;                 /* what run() is given; NULL = the rounds' */
};

struct rmx_rounds {
    struct rmx_entrant *entrants;
    size_t count;
    uint32_t warm_ups; /* rounds before that do not count */
    void *user;
    /* May be NULL. Called before and after each run, tells then of which kind it was, as the
     * machine was; -1: of none. Such a run is tried again, up to `tries` times. */
    int (*judge)(void *judged, bool after);
    void *judged;
    uint32_t tries;
    uint64_t budget_ns; /* no further round after so long, but three at least; 0 = no such limit */
};

void rmx_rounds_run(const struct rmx_rounds *rounds, uint32_t trials);

/* A median, and how far its values lie apart. */
struct rmx_spread {
    double median;
    double low;
    double high;
    size_t count;
};

/* counts[] = in which rounds the runs of both were of this kind. Returns how many; free() counts.
 */
size_t rmx_rounds_of(
    const struct rmx_entrant *a, const struct rmx_entrant *b, int kind, bool **counts);

/* Of the rounds that `counts` says yes to; NULL = all. count is 0 if there is none, and the others
 * are 0, too. */
struct rmx_spread rmx_spread_of(const struct rmx_samples *samples, const bool *counts);
struct rmx_spread rmx_spread_of_ratio(
    const struct rmx_samples *over, const struct rmx_samples *under, const bool *counts);

/* The row of ours beside the peer's: of RATIO_ and TIMES_ aims. counts as above; the row's note
 * tells how many rounds they were. */
void rmx_rounds_row(struct rmx_frame *frame, enum rmx_aim_name name, const struct rmx_samples *ours,
    const struct rmx_samples *peer, const bool *counts);

#endif
