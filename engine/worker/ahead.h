/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets read before their time, kept in order until they are copied. Worker process, a job's
 * fiber. Bounded: who reads ahead stops when it is full.
 */
#ifndef RMX_ENGINE_WORKER_AHEAD_H
#define RMX_ENGINE_WORKER_AHEAD_H

#include <stdbool.h>
#include <stddef.h>

#include <libavformat/avformat.h>

#include "engine/worker/native.h"
#include "engine/worker/split.h"

#define RMX_AHEAD_PACKETS_MAX 4096
#define RMX_AHEAD_BYTES_MAX   (32u << 20)

struct rmx_ahead {
    struct rmx_split *split;   /* a live job reads through it; else NULL */
    struct rmx_native *native; /* likewise, a plain MP4's; owned by who set it */
    AVPacket **packets;
    unsigned room;
    unsigned count;
    unsigned next; /* the first not taken yet */
    size_t bytes;
};

bool rmx_ahead_full(const struct rmx_ahead *ahead);

/* Reads one packet and keeps it; *packet stays the queue's. Returns 0 or AVERROR, ENOMEM among
 * them. */
int rmx_ahead_read(struct rmx_ahead *ahead, AVFormatContext *demuxer, const AVPacket **packet);

/* Moves the oldest packet out, or reads one when there is none left. Returns 0 or AVERROR. */
int rmx_ahead_next(struct rmx_ahead *ahead, AVFormatContext *demuxer, AVPacket *packet);

/* Has all that was read ahead been taken? */
bool rmx_ahead_empty(const struct rmx_ahead *ahead);

void rmx_ahead_fini(struct rmx_ahead *ahead);

#endif
