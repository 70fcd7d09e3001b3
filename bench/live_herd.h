/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How many live streams there may be at once: 1.5 Mb/s MPEG-TS (H.264 and AAC, 25 pictures a
 * second, a keyframe each second) in, fragmented MP4 with a fragment per keyframe out, each through
 * client rings, paced; their keyframes come one after the other. For benchmarks: a failure ends the
 * program.
 */
#ifndef RMX_BENCH_LIVE_HERD_H
#define RMX_BENCH_LIVE_HERD_H

#include <stddef.h>

#include "bench/frame.h"

#define RMX_LIVE_HERD_MAX 4096

/* From 1 to `max` streams, until the pace is lost twice; then, with half as many as kept it, one
 * producer and one consumer that stop in the midst of it, in turn with none that do; then as many
 * as kept it that say nothing. Up to 2,000 have one worker; the worker has a core, this program,
 * which writes and reads, another.
 *
 * A fragment's latency is from before the write that lets it be finished (learnt from one job that
 * was given its input write by write) until its last byte was read. The pace was kept if every
 * write found room before the next was due, every fragment came, p99 is below a picture's 40 ms,
 * and this program itself was not late by as much. What fails is tried once more. */
void rmx_live_herd_run(struct rmx_frame *frame, size_t max);

#endif
