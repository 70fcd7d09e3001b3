/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ADTS AAC where its AudioSpecificConfig must stand in the header, before the first packet: it is
 * made from the first packet, for which a few packets are read ahead. ffmpeg fails here. Worker
 * process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_ADTS_H
#define RMX_ENGINE_WORKER_ADTS_H

#include <libavformat/avformat.h>

#include "engine/worker/mux.h"

#define RMX_ADTS_PACKETS_MAX 4096 /* read ahead at most, until each ADTS stream has shown up */
#define RMX_ADTS_BYTES_MAX   (32u << 20)

/* Packets read ahead, in order. */
struct rmx_adts_ahead {
    AVPacket **packets;
    unsigned count;
    unsigned next; /* the first not taken yet */
    size_t bytes;
};

/* Between rmx_mux_open() and rmx_mux_write_header(): gives each track that needs it a filter and
 * its stream the configuration. Without such a track it reads nothing. Returns 0 or AVERROR; an
 * input that ends or fails meanwhile is no error here: the next read tells. */
int rmx_adts_prime(struct rmx_adts_ahead *ahead, struct rmx_mux *mux, AVFormatContext *demuxer);

/* Moves the next packet read ahead into packet. Returns 1, or 0 when there is none left. */
int rmx_adts_take(struct rmx_adts_ahead *ahead, AVPacket *packet);

void rmx_adts_fini(struct rmx_adts_ahead *ahead);

#endif
