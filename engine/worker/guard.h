/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What some of libavformat's muxers cannot stand: they trust what a stream says of itself, and
 * would abort the process, divide by zero or never end. Worker process, a job's fiber. Does no I/O.
 */
#ifndef RMX_ENGINE_WORKER_GUARD_H
#define RMX_ENGINE_WORKER_GUARD_H

#include <stdbool.h>

#include <libavformat/avformat.h>

#include "engine/worker/words.h"
#include "ipc/status.h"

/* Before the header, once the output's streams are what they will be: mends what nobody needs.
 * Returns OK, or UNSUPPORTED with the reason in words. */
enum rmx_status rmx_guard_streams(AVFormatContext *muxer, struct rmx_words *words);

/* Must packets without bytes be left out? */
bool rmx_guard_wants_bytes(const AVFormatContext *muxer);

#endif
