/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The libavformat stage: demux -> the steps fftools does for `-c copy` -> mux. Runs in a worker
 * process, on a job's fiber, between AVIOContexts. It never opens, names or sees a file, a
 * socket or a ring: bytes come and go through them only.
 */
#ifndef RMX_ENGINE_WORKER_REMUX_H
#define RMX_ENGINE_WORKER_REMUX_H

#include <stddef.h>

#include "engine/worker/inlet.h"
#include "engine/worker/outlet.h"
#include "ipc/job.h"

/* Once per process (in the zygote, before the fork): log callback, allocation limit, warm tables.
 * alloc_max_bytes bounds each single allocation of libavutil. */
void rmx_remux_init_process(size_t alloc_max_bytes);

/* Runs one REMUX or PROBE job to its end. spec has passed rmx_job_check(). The contexts'
 * `seekable` says what the descriptors can do. Fills result's status, cause (0 unless a
 * callback said otherwise), packets_in, packets_out, bytes_expected and text; the other fields
 * belong to the caller. All contexts stay the caller's; the outlet's are flushed. A callback that
 * returns AVERROR_EXIT stops the job at the next packet: status CANCELLED, which the caller
 * replaces by what it knows (cancelled, deadline, I/O error).
 *
 * An input that goes bad on the way: what was read until then is written and finished as a whole
 * file, as ffmpeg does, but the status says so. TRUNCATED where the input's index, its outermost
 * box or its last packet promises more than there is (bytes_expected says how much; with
 * RMX_JOB_ALLOW_TRUNCATED the job ends OK instead, bytes_expected still set); NEEDS_SEEKABLE_INPUT
 * where a stream's index came after the samples; INPUT_IO where a read failed; else BAD_MEDIA.
 * A muxer that refuses a packet ends the job UNSUPPORTED, even where ffmpeg drops the rest and
 * exits 0. text may hold a warning when the status is OK. */
void rmx_remux_run(const struct rmx_job_spec *spec, const struct rmx_inlet *inlet,
    const struct rmx_outlet *outlet, struct rmx_job_result *result);

/* Called by rmx_remux_run() between packets, and between its steps, so that a job lets others have
 * the core. The worker sets it to a fiber yield; the default does nothing. */
extern void (*rmx_remux_breathe)(void);

#endif
