/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The units of H.264 and H.265 in a byte stream. Worker process, a job's fiber. Pure.
 */
#include "engine/worker/nal.h"

#include <string.h>

/* Where the next unit begins, after 00 00 01; end if there is none. */
static const uint8_t *next_unit(const uint8_t *at, const uint8_t *end)
{
    while (end - at > 3) {
        const uint8_t *one = memchr(at + 2, 1, (size_t)(end - at) - 3);

        if (!one) {
            return end;
        }
        if (one[-1] == 0 && one[-2] == 0) {
            return one + 1;
        }
        at = one - 1;
    }
    return end;
}

static unsigned unit_type(enum AVCodecID codec, uint8_t first)
{
    return codec == AV_CODEC_ID_HEVC ? first >> 1 & 63 : first & 31;
}

static bool is_slice(enum AVCodecID codec, unsigned type)
{
    return codec == AV_CODEC_ID_HEVC ? type < 32 : type == 1 || type == 2 || type == 5;
}

/* A slice says in its first bit whether it is its picture's first. */
static bool begins_picture(enum AVCodecID codec, const uint8_t *unit, const uint8_t *end)
{
    size_t header = codec == AV_CODEC_ID_HEVC ? 2 : 1;

    return (size_t)(end - unit) > header && unit[header] & 0x80;
}

bool rmx_nal_is_one_picture(enum AVCodecID codec, const uint8_t *at, size_t bytes)
{
    const uint8_t *end = at + bytes;
    unsigned pictures = 0;

    for (const uint8_t *unit = next_unit(at, end); unit < end; unit = next_unit(unit, end)) {
        if (!is_slice(codec, unit_type(codec, *unit))) {
            continue;
        }
        pictures += begins_picture(codec, unit, end);
        if (pictures != 1) { /* the tail of another one, or one too many */
            return false;
        }
    }
    return pictures == 1;
}

const uint8_t *rmx_nal_find(
    enum AVCodecID codec, unsigned type, const uint8_t *at, size_t bytes, size_t *length)
{
    const uint8_t *end = at + bytes;

    for (const uint8_t *unit = next_unit(at, end); unit < end; unit = next_unit(unit, end)) {
        if (unit_type(codec, *unit) == type) {
            const uint8_t *next = next_unit(unit, end);

            *length = (size_t)(next - unit) - (next == end ? 0 : 3);
            return unit;
        }
    }
    return NULL;
}
