/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The units of H.264 and H.265 in a byte stream. Worker process, a job's fiber. Pure.
 */
#include "engine/worker/nal.h"

#include <string.h>

#define IDR_SLICE      5 /* types of units */
#define SEI            6
#define H264_PREFIX    14
#define RECOVERY_POINT 6 /* a type of SEI message */

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
    return codec == AV_CODEC_ID_HEVC ? type < 32 : type == 1 || type == 2 || type == IDR_SLICE;
}

/* A slice says in its first bit whether it is its picture's first. */
static bool begins_picture(enum AVCodecID codec, const uint8_t *unit, const uint8_t *end)
{
    size_t header = codec == AV_CODEC_ID_HEVC ? 2 : 1;

    return (size_t)(end - unit) > header && unit[header] & 0x80;
}

/* Can no unit of this type come after a slice of the same picture? */
static bool comes_before_slices(enum AVCodecID codec, unsigned type)
{
    if (codec == AV_CODEC_ID_HEVC) {
        return (type >= 32 && type <= 37) || type == 39 || (type >= 41 && type <= 44) ||
               (type >= 48 && type <= 55);
    }
    return type >= 6 && type <= 9;
}

/* The first unit, if nothing but zeros is before it; or end. */
static const uint8_t *first_unit(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *zeros = at;

    while (at < end && *at == 0) {
        at++;
    }
    return end - at > 1 && *at == 1 && at - zeros >= 2 ? at + 1 : end;
}

bool rmx_nal_begins_picture(enum AVCodecID codec, const uint8_t *at, size_t bytes)
{
    const uint8_t *end = at + bytes;

    for (const uint8_t *unit = first_unit(at, end); unit < end; unit = next_unit(unit, end)) {
        unsigned type = unit_type(codec, *unit);

        if (codec == AV_CODEC_ID_HEVC || type != H264_PREFIX) { /* that is its slice's */
            return comes_before_slices(codec, type) ||
                   (is_slice(codec, type) && begins_picture(codec, unit, end));
        }
    }
    return false;
}

bool rmx_nal_is_one_picture(enum AVCodecID codec, const uint8_t *at, size_t bytes)
{
    const uint8_t *end = at + bytes;
    unsigned pictures = 0;

    for (const uint8_t *unit = first_unit(at, end); unit < end; unit = next_unit(unit, end)) {
        unsigned type = unit_type(codec, *unit);

        if (pictures > 0 && comes_before_slices(codec, type)) {
            return false;
        }
        if (!is_slice(codec, type)) {
            continue;
        }
        pictures += begins_picture(codec, unit, end);
        if (pictures != 1) { /* the tail of another one, or one too many */
            return false;
        }
    }
    return pictures == 1;
}

/* One after another: type and size, each in bytes that go on while they are 255, then the rest. */
static bool has_recovery_point(const uint8_t *at, const uint8_t *end)
{
    while (end - at > 2) {
        unsigned words[2] = { 0, 0 };

        for (unsigned word = 0; word < 2; word++) {
            while (at < end && *at == 255) {
                words[word] += *at++;
            }
            words[word] += at < end ? *at++ : 0;
        }
        if (words[0] == RECOVERY_POINT) {
            return true;
        }
        if (words[1] >= (size_t)(end - at)) {
            return false;
        }
        at += words[1];
    }
    return false;
}

bool rmx_nal_is_h264_key(const uint8_t *at, size_t bytes)
{
    const uint8_t *end = at + bytes;
    bool recovers = false;

    for (const uint8_t *unit = next_unit(at, end); unit < end; unit = next_unit(unit, end)) {
        unsigned type = unit_type(AV_CODEC_ID_H264, *unit);

        if (is_slice(AV_CODEC_ID_H264, type)) {
            return recovers || type == IDR_SLICE;
        }
        if (type == SEI) {
            recovers |= has_recovery_point(unit + 1, next_unit(unit, end));
        }
    }
    return false;
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
