/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The units of H.264 and H.265 in a byte stream, start codes and all. Worker process, a job's
 * fiber. Pure: reads hostile bytes, never past them.
 */
#ifndef RMX_ENGINE_WORKER_NAL_H
#define RMX_ENGINE_WORKER_NAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libavcodec/codec_id.h>

/* Does a picture begin with the first of these bytes, or what stands in front of one? */
bool rmx_nal_begins_picture(enum AVCodecID codec, const uint8_t *at, size_t bytes);

/* Is there exactly one picture in it, does it begin with the first byte, and nothing of the next
 * one? */
bool rmx_nal_is_one_picture(enum AVCodecID codec, const uint8_t *at, size_t bytes);

/* Can H.264 be begun with this picture: is it an IDR, or said to be a recovery point? Looks no
 * further than the first slice. */
bool rmx_nal_is_h264_key(const uint8_t *at, size_t bytes);

/* Finds the first unit of this type. Returns its first byte with *length, or NULL. */
const uint8_t *rmx_nal_find(
    enum AVCodecID codec, unsigned type, const uint8_t *at, size_t bytes, size_t *length);

#endif
