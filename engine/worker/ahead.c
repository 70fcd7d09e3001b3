/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets read before their time. Worker process, a job's fiber.
 */
#include "engine/worker/ahead.h"

#include <errno.h>
#include <string.h>

#include <libavutil/mem.h>

#define ROOM_AT_FIRST 16
#define ROOMY         4 /* a buffer so many times its content */

bool rmx_ahead_full(const struct rmx_ahead *ahead)
{
    return ahead->count >= RMX_AHEAD_PACKETS_MAX || ahead->bytes >= RMX_AHEAD_BYTES_MAX;
}

static int make_room(struct rmx_ahead *ahead)
{
    unsigned room = ahead->room ? 2 * ahead->room : ROOM_AT_FIRST;

    if (ahead->count < ahead->room) {
        return 0;
    }
    AVPacket **packets = av_realloc_array(ahead->packets, room, sizeof(AVPacket *));

    if (!packets) {
        return AVERROR(ENOMEM);
    }
    ahead->packets = packets;
    ahead->room = room;
    return 0;
}

static int read(struct rmx_ahead *ahead, AVFormatContext *demuxer, AVPacket *packet)
{
    if (ahead->native) {
        return rmx_native_read(ahead->native, packet);
    }
    return ahead->split ? rmx_split_read(ahead->split, packet) : av_read_frame(demuxer, packet);
}

/* MPEG-TS's demuxer reads each packet into 200 KB and keeps as many of these as were ever in use:
 * what waits here gets a buffer of its own size. */
static int compact(AVPacket *packet)
{
    if (!packet->buf || packet->buf->size / ROOMY <= (size_t)packet->size) {
        return 0;
    }
    AVBufferRef *buffer = av_buffer_allocz((size_t)packet->size + AV_INPUT_BUFFER_PADDING_SIZE);

    if (!buffer) {
        return AVERROR(ENOMEM);
    }
    memcpy(buffer->data, packet->data, (size_t)packet->size);
    av_buffer_unref(&packet->buf);
    packet->buf = buffer;
    packet->data = buffer->data;
    return 0;
}

int rmx_ahead_read(struct rmx_ahead *ahead, AVFormatContext *demuxer, const AVPacket **packet)
{
    AVPacket *fresh = av_packet_alloc();
    int err = fresh ? make_room(ahead) : AVERROR(ENOMEM);

    if (err >= 0) {
        err = read(ahead, demuxer, fresh);
    }
    if (err >= 0) {
        err = compact(fresh);
    }
    if (err < 0) {
        av_packet_free(&fresh);
        return err;
    }
    ahead->packets[ahead->count++] = fresh;
    ahead->bytes += (size_t)fresh->size;
    *packet = fresh;
    return 0;
}

bool rmx_ahead_empty(const struct rmx_ahead *ahead)
{
    return ahead->next == ahead->count;
}

int rmx_ahead_next(struct rmx_ahead *ahead, AVFormatContext *demuxer, AVPacket *packet)
{
    if (rmx_ahead_empty(ahead)) {
        return read(ahead, demuxer, packet);
    }
    av_packet_move_ref(packet, ahead->packets[ahead->next]);
    av_packet_free(&ahead->packets[ahead->next++]);
    if (rmx_ahead_empty(ahead)) { /* for good: a live job need not carry it along */
        av_freep(&ahead->packets);
        ahead->count = 0;
        ahead->next = 0;
        ahead->room = 0;
    }
    return 0;
}

void rmx_ahead_fini(struct rmx_ahead *ahead)
{
    for (unsigned slot = ahead->next; slot < ahead->count; slot++) {
        av_packet_free(&ahead->packets[slot]);
    }
    av_freep(&ahead->packets);
    *ahead = (struct rmx_ahead){ 0 };
}
