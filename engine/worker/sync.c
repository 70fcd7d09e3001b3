/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How frames of sound begin. Worker process, a job's fiber. Pure.
 */
#include "engine/worker/sync.h"

#include <libavutil/intreadwrite.h>

#define HEAD_BYTES  8
#define LOAS        0x56e0 /* the first bits of a frame of LATM, */
#define ADTS        0xfff0 /* of one in ADTS, */
#define DOLBY       0x0b77 /* of AC-3, */
#define AC3_ID_MAX  10     /* or, by its version, of E-AC-3, */
#define EAC3_ID_MAX 16
#define DTS         0x7ffe8001 /* of DTS, */
#define DTS_MORE    0x64582025 /* or of what only a newer decoder knows of it, */
#define TRUEHD      0xf8726fba /* and of TrueHD, after four bytes */

static enum AVCodecID name_dolby(uint8_t version)
{
    if (version <= AC3_ID_MAX) {
        return AV_CODEC_ID_AC3;
    }
    return version <= EAC3_ID_MAX ? AV_CODEC_ID_EAC3 : AV_CODEC_ID_NONE;
}

enum AVCodecID rmx_sync_name(const uint8_t *at, size_t bytes)
{
    if (bytes < HEAD_BYTES) {
        return AV_CODEC_ID_NONE;
    }
    uint32_t word = AV_RB32(at);
    uint16_t half = AV_RB16(at);

    if ((half & 0xffe0) == LOAS) {
        return AV_CODEC_ID_AAC_LATM;
    }
    if ((half & 0xfff6) == ADTS) {
        return AV_CODEC_ID_AAC;
    }
    if (half == DOLBY) {
        return name_dolby(at[5] >> 3);
    }
    if (word == DTS || word == DTS_MORE) {
        return AV_CODEC_ID_DTS;
    }
    return AV_RB32(at + 4) == TRUEHD ? AV_CODEC_ID_TRUEHD : AV_CODEC_ID_NONE;
}
