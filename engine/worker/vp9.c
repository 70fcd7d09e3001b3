/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The first bytes of a key frame of VP9. Worker process, a job's fiber. Pure.
 */
#include "engine/worker/vp9.h"

#include <errno.h>
#include <stdbool.h>

#include <libavutil/intreadwrite.h>

#define FRAME_MARKER 2
#define SYNC_CODE    0x498342
#define PROFILE_MAX  3
#define RGB          7
#define HEAD_BYTES   8 /* what is read here are 41 bits at most */

static unsigned take(uint64_t *bits, unsigned count)
{
    unsigned value = (unsigned)(*bits >> (64 - count));

    *bits <<= count;
    return value;
}

/* By what is left out of the colour, in height and width, and by depth: 8, 10, 12 bits. */
static enum AVPixelFormat format_of(unsigned depth, unsigned halved)
{
    static const enum AVPixelFormat formats[][4] = {
        { AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUV440P, AV_PIX_FMT_YUV422P, AV_PIX_FMT_YUV420P },
        { AV_PIX_FMT_YUV444P10, AV_PIX_FMT_YUV440P10, AV_PIX_FMT_YUV422P10, AV_PIX_FMT_YUV420P10 },
        { AV_PIX_FMT_YUV444P12, AV_PIX_FMT_YUV440P12, AV_PIX_FMT_YUV422P12, AV_PIX_FMT_YUV420P12 },
    };

    return formats[depth][halved];
}

static int read_colours(struct rmx_vp9 *vp9, uint64_t bits)
{
    static const enum AVColorSpace spaces[] = { AVCOL_SPC_UNSPECIFIED, AVCOL_SPC_BT470BG,
        AVCOL_SPC_BT709, AVCOL_SPC_SMPTE170M, AVCOL_SPC_SMPTE240M, AVCOL_SPC_BT2020_NCL,
        AVCOL_SPC_RESERVED, AVCOL_SPC_RGB };
    static const enum AVPixelFormat of_rgb[] = { AV_PIX_FMT_GBRP, AV_PIX_FMT_GBRP10,
        AV_PIX_FMT_GBRP12 };
    unsigned depth = vp9->profile >= 2 ? 1 + take(&bits, 1) : 0;
    unsigned space = take(&bits, 3);
    bool any = vp9->profile & 1; /* of the ways to leave colour out, but the usual one */
    unsigned halved = 3;

    vp9->space = spaces[space];
    if (space == RGB) {
        vp9->range = AVCOL_RANGE_JPEG;
        vp9->format = of_rgb[depth];
        return any ? 0 : -EINVAL;
    }
    vp9->range = take(&bits, 1) ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    if (any) {
        halved = take(&bits, 2);
    }
    vp9->format = format_of(depth, halved);
    return any && halved == 3 ? -EINVAL : 0;
}

int rmx_vp9_read_key(struct rmx_vp9 *vp9, const uint8_t *at, size_t bytes)
{
    struct rmx_vp9 found = { 0 };

    if (bytes < HEAD_BYTES) {
        return -EINVAL;
    }
    uint64_t bits = AV_RB64(at);
    unsigned marker = take(&bits, 2);
    unsigned low = take(&bits, 1);

    found.profile = (int)(low | take(&bits, 1) << 1);
    if (marker != FRAME_MARKER || (found.profile == PROFILE_MAX && take(&bits, 1))) {
        return -EINVAL;
    }
    bool shown_before = take(&bits, 1);
    bool depends = take(&bits, 1);

    (void)take(&bits, 2); /* whether it is shown, and may have errors */
    if (shown_before || depends || take(&bits, 24) != SYNC_CODE || read_colours(&found, bits) < 0) {
        return -EINVAL;
    }
    *vp9 = found;
    return 0;
}
