/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The H.264 sequence parameter set, by itself or inside an avcC box: what a decoder would tell
 * about the picture without decoding one. Worker process, a job's fiber. Pure: reads hostile bytes,
 * never past them.
 */
#ifndef RMX_ENGINE_WORKER_SPS_H
#define RMX_ENGINE_WORKER_SPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rmx_sps {
    bool fields;    /* a picture may be two: how they are shown the set does not say */
    uint32_t width; /* after cropping */
    uint32_t height;
    uint32_t aspect_num; /* of a sample; 0 = not said */
    uint32_t aspect_den;
    bool has_range;
    bool full_range;
    bool has_colours;
    uint8_t primaries; /* the three are ITU-T H.273 code points */
    uint8_t transfer;
    uint8_t matrix;
    bool has_timing; /* how long a picture lasts */
    bool has_reorder;
    uint32_t reorder; /* how many pictures one can be shown behind another that comes after it */
};

/* Returns 0, or -EINVAL for everything that is not one plain parameter set: several
 * sets, scaling matrices, bytes that end early. The caller then asks a decoder. */
int rmx_sps_read_avcc(struct rmx_sps *sps, const uint8_t *avcc, size_t bytes);

/* The same for the unit alone, from its header byte on. */
int rmx_sps_read_unit(struct rmx_sps *sps, const uint8_t *unit, size_t bytes);

#endif
