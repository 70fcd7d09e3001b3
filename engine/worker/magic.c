/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Recognises a live input. Worker process, a job's fiber.
 */
#include "engine/worker/magic.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <libavutil/intreadwrite.h>

#include "engine/worker/aac.h"

#define HEAD_BYTES  12 /* every header of every live container has as many */
#define TS_BYTES    ((size_t)188)
#define SYNC_BYTE   0x47
#define SOUND_BYTES (RMX_AAC_FRAME_BYTES_MAX + RMX_AAC_HEADER_BYTES)

static bool peek(AVIOContext *input, uint8_t *head, int bytes)
{
    int got = avio_read(input, head, bytes);

    return avio_seek(input, 0, SEEK_SET) == 0 && got == bytes;
}

/* Three packets in a row. */
static bool is_transport_stream(AVIOContext *input)
{
    uint8_t head[2 * TS_BYTES + 1];

    return peek(input, head, sizeof(head)) && head[TS_BYTES] == SYNC_BYTE &&
           head[2 * TS_BYTES] == SYNC_BYTE;
}

/* A frame, and another where it ends. */
static bool is_sound(AVIOContext *input, const struct rmx_aac *first)
{
    uint8_t head[SOUND_BYTES];
    struct rmx_aac second;
    uint32_t bytes = first->frame_bytes + RMX_AAC_HEADER_BYTES;

    return peek(input, head, (int)bytes) &&
           rmx_aac_read_header(&second, head + first->frame_bytes, RMX_AAC_HEADER_BYTES) == 0 &&
           second.sample_rate == first->sample_rate;
}

const char *rmx_magic_recognise(AVIOContext *input)
{
    uint8_t head[HEAD_BYTES];
    struct rmx_aac sound;

    if (!peek(input, head, sizeof(head))) {
        return NULL;
    }
    if (memcmp(head, "FLV\x01", 4) == 0) {
        return "flv";
    }
    if (AV_RB32(head) == 0x1a45dfa3) {
        return "matroska";
    }
    if (head[0] == SYNC_BYTE) {
        return is_transport_stream(input) ? "mpegts" : NULL;
    }
    if (rmx_aac_read_header(&sound, head, sizeof(head)) == 0) {
        return is_sound(input, &sound) ? "aac" : NULL;
    }
    return NULL;
}
