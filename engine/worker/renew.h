/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reads a live MP4 in fragments by one demuxer after the other, since each of them keeps what it
 * knows of every sample: the packets are those that one alone would give, but that a parser lets go
 * of its last frame where one begins. The first one goes on telling what the streams are. Worker
 * process, a job's fiber.
 *
 * Not where the header has samples of its own, or a fragment more than a megabyte of them to list:
 * those are read by the first one until its index is as large as an allocation may be.
 */
#ifndef RMX_ENGINE_WORKER_RENEW_H
#define RMX_ENGINE_WORKER_RENEW_H

#include <libavformat/avformat.h>

#include "engine/worker/tap.h"

struct rmx_renew {
    AVFormatContext *first; /* the caller's */
    AVFormatContext *fresh; /* or NULL, as long as the first one is read */
    struct rmx_tap *tap;
};

/* first is open; tap, or NULL, is what it reads. */
void rmx_renew_begin(struct rmx_renew *renew, AVFormatContext *first, struct rmx_tap *tap);

/* As av_read_frame(). */
int rmx_renew_read(struct rmx_renew *renew, AVPacket *packet);

/* Accepts one that was zeroed. */
void rmx_renew_fini(struct rmx_renew *renew);

#endif
