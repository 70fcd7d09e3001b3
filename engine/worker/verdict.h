/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What libavformat's error codes mean for a job. Worker process, a job's fiber. Does no I/O.
 */
#ifndef RMX_ENGINE_WORKER_VERDICT_H
#define RMX_ENGINE_WORKER_VERDICT_H

#include <libavformat/avio.h>

#include "ipc/status.h"

/* A call on the demuxer failed with averror. Errors of the descriptor behind input come first,
 * since libavformat often turns them into "invalid data". */
enum rmx_status rmx_verdict_input(int averror, const AVIOContext *input);

/* A call on the muxer failed with averror. */
enum rmx_status rmx_verdict_output(int averror, const AVIOContext *output);

#endif
