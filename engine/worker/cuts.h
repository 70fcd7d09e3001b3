/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where an output that is split into parts is cut: at its chapters, or by how large a part has
 * become. libavformat's segment muxer knows times only. Worker process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_CUTS_H
#define RMX_ENGINE_WORKER_CUTS_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "ipc/job.h"

/* The job's value for segment_times that is no time. */
#define RMX_CUTS_AT_CHAPTERS "chapters"

/* By size: a part has at least so many bytes of packets, and ends before the next key frame of the
 * stream that the muxer goes by. */
#define RMX_CUTS_SIZE_OPTION "segment_size"

struct rmx_cuts {
    AVFormatContext *muxer; /* NULL: not by size */
    const AVStream *reference;
    int64_t size;
    int64_t bytes;    /* of packets in the part, those that wait in libavformat's queue too */
    int64_t packets;  /* of the reference */
    int64_t last_key; /* the number of its last key frame */
    int64_t due;      /* of the one to cut before; -1: none */
    int64_t after;    /* of the key frame before that */
    int64_t first;    /* the muxer's number of the first part */
    int64_t part;     /* and of the one it was at when last looked at */
    bool armed;       /* and the muxer knows */
    bool anywhere;    /* each packet of the reference counts as a key frame */
};

/* Tells the muxer, which has its chapters and no header yet, if the job asks for that. Returns 0 or
 * AVERROR. */
int rmx_cuts_set(AVFormatContext *muxer, const struct rmx_job_spec *spec);

/* By size, if the job asks for that: once the muxer has its streams, which must stay, and before
 * its header. Returns 0 or AVERROR. */
int rmx_cuts_begin(struct rmx_cuts *cuts, AVFormatContext *muxer, const struct rmx_job_spec *spec);

/* Each packet, right before it is given to libavformat. Accepts one that was zeroed. Likewise. */
int rmx_cuts_note(struct rmx_cuts *cuts, const AVPacket *packet);

#endif
