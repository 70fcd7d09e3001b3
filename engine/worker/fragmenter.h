/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes the fragments of an MP4 behind the header that libavformat wrote: the same bytes as its
 * muxer, without its queue and its copies, for what a plain movie (native.h) gives and nobody has
 * options for. A fragment begins with each key frame of pictures; boxes as ISO/IEC 14496-12 has
 * them. Worker process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_FRAGMENTER_H
#define RMX_ENGINE_WORKER_FRAGMENTER_H

#include <stdbool.h>

#include <libavformat/avformat.h>

#include "ipc/job.h"

struct rmx_fragmenter;

/* Is this job's only output one that it writes as libavformat would? demuxer: of its only input. */
bool rmx_fragmenter_serves(const struct rmx_job_spec *spec, const AVFormatContext *demuxer);

/* muxer: its header is written; it stays the caller's, whose trailer is not to be written. Returns
 * NULL without memory. */
struct rmx_fragmenter *rmx_fragmenter_new(AVFormatContext *muxer);

/* A packet in its stream's unit, each stream's in order of dts. Leaves it empty. Sound that does
 * not go with its stream's header (ADTS) is for libavformat to mend: then all that waits is handed
 * over to the muxer, and the fragmenter is gone. Returns 0 or AVERROR. */
int rmx_fragmenter_put(struct rmx_fragmenter **fragmenter, AVPacket *packet);

/* What is left, and the index at the end. Returns 0 or AVERROR. */
int rmx_fragmenter_finish(struct rmx_fragmenter *fragmenter);

/* Accepts NULL inside. */
void rmx_fragmenter_free(struct rmx_fragmenter **fragmenter);

#endif
