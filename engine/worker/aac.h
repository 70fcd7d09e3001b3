/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What AAC says of itself: in the seven bytes before each ADTS frame, or in the configuration that
 * other containers keep apart. Worker process, a job's fiber. Pure: reads hostile bytes, never past
 * them.
 */
#ifndef RMX_ENGINE_WORKER_AAC_H
#define RMX_ENGINE_WORKER_AAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RMX_AAC_HEADER_BYTES    7
#define RMX_AAC_FRAME_BYTES_MAX 8191 /* 13 bits */
#define RMX_AAC_SAMPLES         1024 /* of a frame, at the rate below */

struct rmx_aac {
    uint32_t sample_rate;
    uint32_t channels;
    uint32_t object_type; /* as MPEG-4 counts them */
    uint32_t frame_bytes; /* ADTS: with the header */
};

/* ADTS; channels 0 = the frame says. Returns 0 or -EINVAL. */
int rmx_aac_read_header(struct rmx_aac *aac, const uint8_t *at, size_t bytes);

/* An AudioSpecificConfig. Returns 0, or -EINVAL for all that is not plain: no known rate or channel
 * layout, extensions, or room for one that is not mentioned. A decoder knows then. */
int rmx_aac_read_config(struct rmx_aac *aac, const uint8_t *at, size_t bytes);

/* Could it be twice the rate in truth, and a decoder would find out? */
bool rmx_aac_may_extend(const struct rmx_aac *aac);

#endif
