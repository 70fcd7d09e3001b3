/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs a second of each size, by each way, into each container, with so many under way: one cell
 * for each of these together. For benchmarks: a failure ends the program. One thread.
 */
#ifndef RMX_BENCH_JOB_CROSS_H
#define RMX_BENCH_JOB_CROSS_H

#include <stddef.h>

#include "bench/frame.h"
#include "bench/job_means.h"

struct rmx_job_cross {
    struct rmx_frame *frame;
    struct rmx_job_scene *scene; /* with a client whose daemon has a worker for each core */
    const struct rmx_job_media *small;
    const struct rmx_job_media *medium;
    const struct rmx_job_target *targets;
    size_t target_count;
};

/* Cells are measured in turn, a few rounds of all; --quick: of the small file alone. */
void rmx_job_cross_run(const struct rmx_job_cross *cross);

#endif
