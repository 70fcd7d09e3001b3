/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the bare machine adds to a live packet: two threads that poll, one on the worker's core and
 * as nice as a worker, exchange a word at the packets' pace. Every other time the far one reads
 * some memory before it answers, as much as a remuxer touches: what of it is not in its caches any
 * more, for it did nothing since the last packet but poll, is the host's and the neighbours' doing.
 * For benchmarks: a failure ends the program.
 */
#ifndef RMX_BENCH_LIVE_CONTROL_H
#define RMX_BENCH_LIVE_CONTROL_H

#include <stddef.h>

#include "bench/histogram.h"

#define RMX_LIVE_CONTROL_TOUCHED (256u << 10) /* bytes */

/* In nanoseconds, from before the word is written until the answer is seen. */
struct rmx_live_control {
    struct rmx_histogram bare;
    struct rmx_histogram touching;
};

/* So many exchanges of either kind, at `rate` exchanges a second in all; adds to *control. */
void rmx_live_control_run(struct rmx_live_control *control, int core, double rate, size_t each);

#endif
