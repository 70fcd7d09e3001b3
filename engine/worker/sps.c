/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The H.264 sequence parameter set. Worker process, a job's fiber. Pure.
 */
#include "engine/worker/sps.h"

#include <errno.h>

#define REORDER_MAX     16
#define BASELINE        66  /* profile_idc: has no B pictures */
#define EXTENDED_ASPECT 255 /* aspect_ratio_idc: two 16-bit numbers follow */

/* Bits of a NAL unit, without its emulation prevention bytes. Past the end it gives zeros and says
 * so. */
struct bits {
    const uint8_t *at;
    const uint8_t *end;
    unsigned zeros; /* bytes of zero just before at */
    unsigned left;  /* unread bits of byte */
    uint8_t byte;
    bool overrun;
};

static void next_byte(struct bits *bits)
{
    if (bits->at < bits->end && bits->zeros >= 2 && *bits->at == 3) {
        bits->at++;
        bits->zeros = 0;
    }
    if (bits->at == bits->end) {
        bits->overrun = true;
        bits->byte = 0;
    } else {
        bits->byte = *bits->at++;
    }
    bits->zeros = bits->byte == 0 ? bits->zeros + 1 : 0;
    bits->left = 8;
}

static uint32_t take(struct bits *bits, unsigned count)
{
    uint32_t value = 0;

    while (count-- > 0) {
        if (bits->left == 0) {
            next_byte(bits);
        }
        bits->left--;
        value = value << 1 | (bits->byte >> bits->left & 1);
    }
    return value;
}

static uint32_t take_long_golomb(struct bits *bits, unsigned zeros_max)
{
    unsigned zeros = 0;

    while (take(bits, 1) == 0) {
        zeros++;
        if (zeros > zeros_max || bits->overrun) {
            bits->overrun = true;
            return 0;
        }
    }
    return (1u << zeros) - 1 + take(bits, zeros);
}

/* Exp-Golomb. No field that tells of the picture needs more than 16 bits of it. */
static uint32_t take_golomb(struct bits *bits)
{
    return take_long_golomb(bits, 16);
}

static bool has_chroma_format(uint32_t profile)
{
    static const uint8_t profiles[] = { 44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139,
        244 };

    for (size_t slot = 0; slot < sizeof(profiles); slot++) {
        if (profiles[slot] == profile) {
            return true;
        }
    }
    return false;
}

/* Returns chroma_format_idc, or -EINVAL. */
static int read_chroma(struct bits *bits, uint32_t profile)
{
    if (!has_chroma_format(profile)) {
        return 1;
    }
    uint32_t chroma = take_golomb(bits);

    if (chroma < 1 || chroma > 2) { /* monochrome and 4:4:4 are left to the decoder */
        return -EINVAL;
    }
    take_golomb(bits); /* bit depths */
    take_golomb(bits);
    take(bits, 1);
    return take(bits, 1) ? -EINVAL : (int)chroma; /* a scaling matrix follows */
}

static int read_order_count(struct bits *bits, struct rmx_sps *sps)
{
    take_golomb(bits); /* log2_max_frame_num_minus4 */
    switch (take_golomb(bits)) {
    case 0:
        take_golomb(bits);
        return 0;
    case 2: /* output order is decoding order */
        sps->has_reorder = true;
        return 0;
    default: /* type 1 lists offsets, and nobody writes it */
        return -EINVAL;
    }
}

/* Returns 0 or -EINVAL: the crop must leave a picture. */
static int read_size(struct bits *bits, struct rmx_sps *sps, int chroma)
{
    uint32_t width = (take_golomb(bits) + 1) * 16;
    uint32_t height = (take_golomb(bits) + 1) * 16;

    sps->fields = !take(bits, 1); /* frame_mbs_only_flag */
    if (sps->fields) {            /* whose height it is */
        height *= 2;
        take(bits, 1);
    }
    take(bits, 1);
    if (take(bits, 1)) {
        uint32_t left = take_golomb(bits);
        uint32_t right = take_golomb(bits);
        uint32_t top = take_golomb(bits);
        uint32_t bottom = take_golomb(bits);
        uint32_t across = (left + right) * 2;
        uint32_t down = (top + bottom) * (chroma == 1 ? 2 : 1) * (sps->fields ? 2 : 1);

        if (left != 0 || top != 0 || across >= width || down >= height) {
            return -EINVAL;
        }
        width -= across;
        height -= down;
    }
    sps->width = width;
    sps->height = height;
    return 0;
}

static int read_aspect(struct bits *bits, struct rmx_sps *sps)
{
    static const uint8_t aspects[][2] = { { 0, 1 }, { 1, 1 }, { 12, 11 }, { 10, 11 }, { 16, 11 },
        { 40, 33 }, { 24, 11 }, { 20, 11 }, { 32, 11 }, { 80, 33 }, { 18, 11 }, { 15, 11 },
        { 64, 33 }, { 160, 99 }, { 4, 3 }, { 3, 2 }, { 2, 1 } };
    uint32_t kind = take(bits, 8);

    if (kind == EXTENDED_ASPECT) {
        sps->aspect_num = take(bits, 16);
        sps->aspect_den = take(bits, 16);
        return 0;
    }
    if (kind >= sizeof(aspects) / sizeof(*aspects)) {
        return -EINVAL;
    }
    sps->aspect_num = aspects[kind][0];
    sps->aspect_den = aspects[kind][1];
    return 0;
}

static int read_usability(struct bits *bits, struct rmx_sps *sps)
{
    if (take(bits, 1) && read_aspect(bits, sps) < 0) {
        return -EINVAL;
    }
    if (take(bits, 1)) { /* overscan */
        take(bits, 1);
    }
    sps->has_range = take(bits, 1);
    if (!sps->has_range) {
        return 0;
    }
    take(bits, 3); /* video_format */
    sps->full_range = take(bits, 1);
    sps->has_colours = take(bits, 1);
    if (sps->has_colours) {
        sps->primaries = (uint8_t)take(bits, 8);
        sps->transfer = (uint8_t)take(bits, 8);
        sps->matrix = (uint8_t)take(bits, 8);
    }
    return 0;
}

/* A hypothetical decoder's buffers. */
static void skip_buffers(struct bits *bits)
{
    uint32_t count = take_golomb(bits) + 1;

    take(bits, 8);
    while (count-- > 0 && !bits->overrun) {
        take_long_golomb(bits, 31);
        take_long_golomb(bits, 31);
        take(bits, 1);
    }
    take(bits, 20);
}

/* The end of what usability says, of which nothing else here depends on: where it makes no sense,
 * it is as if it were not there. */
static void read_reorder(struct bits *bits, struct rmx_sps *sps)
{
    if (take(bits, 1)) { /* where chroma lies */
        take_golomb(bits);
        take_golomb(bits);
    }
    if (take(bits, 1)) { /* timing */
        uint32_t tick = take(bits, 32);
        uint32_t scale = take(bits, 32);

        take(bits, 1);
        sps->has_timing = tick > 0 && scale > 0 && !bits->overrun;
    }
    bool of_units = take(bits, 1);

    if (of_units) {
        skip_buffers(bits);
    }
    bool of_slices = take(bits, 1);

    if (of_slices) {
        skip_buffers(bits);
    }
    take(bits, of_units || of_slices ? 2 : 1);
    if (!take(bits, 1)) {
        return;
    }
    take(bits, 1);
    for (unsigned skipped = 0; skipped < 4; skipped++) { /* limits of sizes and vectors */
        take_golomb(bits);
    }
    uint32_t reorder = take_golomb(bits);

    if (!bits->overrun && reorder <= REORDER_MAX) {
        sps->has_reorder = true;
        sps->reorder = reorder;
    }
}

static int read_set(struct rmx_sps *sps, struct bits *bits)
{
    take(bits, 8); /* NAL unit header */
    uint32_t profile = take(bits, 8);

    sps->has_reorder = profile == BASELINE;
    take(bits, 16); /* constraints and level */
    take_golomb(bits);
    int chroma = read_chroma(bits, profile);

    if (chroma < 0 || read_order_count(bits, sps) < 0) {
        return -EINVAL;
    }
    take_golomb(bits); /* reference frames */
    take(bits, 1);
    if (read_size(bits, sps, chroma) < 0) {
        return -EINVAL;
    }
    bool has_usability = take(bits, 1);

    if (has_usability && read_usability(bits, sps) < 0) {
        return -EINVAL;
    }
    bool whole = !bits->overrun;

    if (has_usability && whole) {
        read_reorder(bits, sps);
    }
    return whole ? 0 : -EINVAL;
}

int rmx_sps_read_unit(struct rmx_sps *sps, const uint8_t *unit, size_t bytes)
{
    struct rmx_sps read = { .aspect_den = 1 };
    struct bits bits = { .at = unit, .end = unit + bytes };

    if (read_set(&read, &bits) < 0) {
        return -EINVAL;
    }
    *sps = read;
    return 0;
}

int rmx_sps_read_avcc(struct rmx_sps *sps, const uint8_t *avcc, size_t bytes)
{
    if (bytes < 8 || avcc[0] != 1 || (avcc[5] & 31) != 1) {
        return -EINVAL;
    }
    size_t set_bytes = (size_t)avcc[6] << 8 | avcc[7];

    if (set_bytes > bytes - 8) {
        return -EINVAL;
    }
    return rmx_sps_read_unit(sps, avcc + 8, set_bytes);
}
