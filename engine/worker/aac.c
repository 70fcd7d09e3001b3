/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What AAC says of itself. Worker process, a job's fiber. Pure.
 */
#include "engine/worker/aac.h"

#include <errno.h>

#define LOW_COMPLEXITY 2
#define EXTENDED_RATE  32000 /* nobody doubles a rate as high as that */

static const uint32_t rates[] = { 96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000,
    12000, 11025, 8000, 7350 };

#define RATES (sizeof(rates) / sizeof(*rates))

static uint32_t channels_of(uint32_t configuration)
{
    return configuration == 7 ? 8 : configuration;
}

/*  byte  0        1               2                  3                  4        5
 *        1111 1111 1111 v 00 a  pp rrrr x c  cc xxxx ll  llll llll  lll .....
 *  v MPEG version, a no checksum, p profile, r rate, c channels, l frame length */
int rmx_aac_read_header(struct rmx_aac *aac, const uint8_t *at, size_t bytes)
{
    if (bytes < RMX_AAC_HEADER_BYTES || at[0] != 0xff || (at[1] & 0xf6) != 0xf0) {
        return -EINVAL;
    }
    uint32_t rate = at[2] >> 2 & 15;
    uint32_t length = (at[3] & 3u) << 11 | (uint32_t)at[4] << 3 | at[5] >> 5;

    if (rate >= RATES || length < RMX_AAC_HEADER_BYTES) {
        return -EINVAL;
    }
    *aac = (struct rmx_aac){
        .sample_rate = rates[rate],
        .channels = channels_of((at[2] & 1u) << 2 | at[3] >> 6),
        .object_type = (at[2] >> 6) + 1,
        .frame_bytes = length,
    };
    return 0;
}

/*  byte  0        1          2 to 4, or nothing
 *        ooooo rr r cccc xxx 56 e5 00 : no extension
 *  o object type, r rate, c channels, x short frames and other rarities */
int rmx_aac_read_config(struct rmx_aac *aac, const uint8_t *at, size_t bytes)
{
    if (bytes < 2 || at[0] >> 3 != LOW_COMPLEXITY || at[1] & 7) {
        return -EINVAL;
    }
    uint32_t rate = (at[0] & 7u) << 1 | at[1] >> 7;
    uint32_t channels = channels_of(at[1] >> 3 & 15);
    bool denies = bytes >= 5 && at[2] == 0x56 && at[3] == 0xe5 && at[4] == 0;

    if (rate >= RATES || channels < 1 || channels > 8 || (bytes > 2 && !denies)) {
        return -EINVAL;
    }
    struct rmx_aac read = {
        .sample_rate = rates[rate],
        .channels = channels,
        .object_type = LOW_COMPLEXITY,
    };

    if (!denies && rmx_aac_may_extend(&read)) {
        return -EINVAL;
    }
    *aac = read;
    return 0;
}

bool rmx_aac_may_extend(const struct rmx_aac *aac)
{
    return aac->sample_rate < EXTENDED_RATE;
}
