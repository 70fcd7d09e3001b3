/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What sound it is, by how a frame of it begins: some multiplexers do not say, or say it wrong.
 * Worker process, a job's fiber. Pure: reads hostile bytes, never past them.
 */
#ifndef RMX_ENGINE_WORKER_SYNC_H
#define RMX_ENGINE_WORKER_SYNC_H

#include <stddef.h>
#include <stdint.h>

#include <libavcodec/codec_id.h>

/* AV_CODEC_ID_NONE: none of those known here. */
enum AVCodecID rmx_sync_name(const uint8_t *at, size_t bytes);

#endif
