/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a key frame of VP9 says of itself in its first bytes: MP4's header repeats it, and no other
 * container does. Worker process, a job's fiber. Pure: reads hostile bytes, never past them.
 */
#ifndef RMX_ENGINE_WORKER_VP9_H
#define RMX_ENGINE_WORKER_VP9_H

#include <stddef.h>
#include <stdint.h>

#include <libavutil/pixfmt.h>

struct rmx_vp9 {
    int profile;
    enum AVPixelFormat format;
    enum AVColorSpace space;
    enum AVColorRange range;
};

/* Returns 0, or -EINVAL for what is no key frame. */
int rmx_vp9_read_key(struct rmx_vp9 *vp9, const uint8_t *at, size_t bytes);

#endif
