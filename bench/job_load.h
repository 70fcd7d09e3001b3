/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Many small jobs: as many as are done when so many are always under way (closed loop), and how
 * long each takes when they come by a clock that waits for nobody (open loop). For benchmarks: a
 * failure ends the program. One thread.
 */
#ifndef RMX_BENCH_JOB_LOAD_H
#define RMX_BENCH_JOB_LOAD_H

#include <stdint.h>

#include "bench/job_means.h"

#define RMX_JOB_LOAD_MAX 1024u /* under way at once */

/* One entrant of the closed loop. */
struct rmx_job_load {
    struct rmx_job_way way; /* RING or FD; LOOP: a process for each core; FFMPEG; FORKS */
    uint32_t concurrency;
    uint64_t ns; /* of this, the first quarter does not count */
};

/* Jobs a second. load: struct rmx_job_load. */
double rmx_job_load_closed(void *load);

/* What the open loop saw, in nanoseconds from when the job was due. */
struct rmx_job_load_open {
    struct rmx_histogram first; /* to the first byte of output, in the caller's hands */
    struct rmx_histogram last;  /* to the result */
    struct rmx_histogram late;  /* to the submit: this program's own part */
    uint64_t refused;           /* not sent: all places were taken */
};

/* Jobs from ring to ring at random times, `rate` a second on average, the same times whenever the
 * seed is the same. Adds to *seen. */
void rmx_job_load_open(const struct rmx_job_way *way, double rate, uint64_t ns, uint64_t seed,
    struct rmx_job_load_open *seen);

#endif
