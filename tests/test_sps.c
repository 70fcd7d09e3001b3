/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The H.264 parameter set inside an avcC box: what is read, and what is left to a decoder.
 */
#include "engine/worker/sps.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Written by an encoder: 318x238 cropped out of 320x240, samples 4:3, BT.709, not full range. */
static const uint8_t progressive[] = { 0x01, 0x64, 0x00, 0x0d, 0xff, 0xe1, 0x00, 0x1c, 0x67, 0x64,
    0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41, 0xfe, 0xab, 0x0e, 0x6a, 0x02, 0x02, 0x02, 0x80, 0x00, 0x00,
    0x03, 0x00, 0x80, 0x00, 0x00, 0x19, 0x07, 0x8a, 0x14, 0xcb, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3,
    0xcb, 0x22, 0xc0, 0xfd, 0xf8, 0xf8, 0x00 };

/* The same encoder, told to write fields. */
static const uint8_t interlaced[] = { 0x01, 0x64, 0x00, 0x15, 0xff, 0xe1, 0x00, 0x1d, 0x67, 0x64,
    0x00, 0x15, 0xac, 0xd9, 0x41, 0x41, 0x0f, 0xcb, 0x87, 0x35, 0x05, 0x02, 0x05, 0x40, 0x00, 0x00,
    0x03, 0x00, 0x40, 0x00, 0x00, 0x0c, 0x87, 0xc5, 0x0a, 0x65, 0x80, 0x01, 0x00, 0x06, 0x68, 0xfb,
    0xa3, 0xcb, 0x22, 0xc0, 0xfd, 0xf8, 0xf8, 0x00 };

Test(sps, size_shape_and_colours_of_a_progressive_picture_are_read)
{
    struct rmx_sps sps;

    cr_assert_eq(rmx_sps_read_avcc(&sps, progressive, sizeof(progressive)), 0);
    cr_assert_eq(sps.width, 318);
    cr_assert_eq(sps.height, 238);
    cr_assert_eq(sps.aspect_num, 4);
    cr_assert_eq(sps.aspect_den, 3);
    cr_assert(sps.has_range);
    cr_assert_not(sps.full_range);
    cr_assert(sps.has_colours);
    cr_assert_eq(sps.primaries, 1);
    cr_assert_eq(sps.transfer, 1);
    cr_assert_eq(sps.matrix, 1);
}

Test(sps, fields_are_half_as_high)
{
    struct rmx_sps sps;

    cr_assert_eq(rmx_sps_read_avcc(&sps, interlaced, sizeof(interlaced)), 0);
    cr_assert(sps.fields);
    cr_assert_eq(sps.width, 320);
    cr_assert_eq(sps.height, 240);
    cr_assert_eq(sps.aspect_num, 4);
    cr_assert_eq(sps.aspect_den, 3);
    cr_assert_eq(rmx_sps_read_avcc(&sps, progressive, sizeof(progressive)), 0);
    cr_assert_not(sps.fields);
}

Test(sps, a_set_that_cannot_be_read_leaves_what_was_there)
{
    struct rmx_sps sps = { .width = 7 };

    cr_assert_eq(rmx_sps_read_avcc(&sps, interlaced, 20), -EINVAL);
    cr_assert_eq(sps.width, 7, "outputs stay untouched on failure");
}

Test(sps, a_set_that_ends_before_its_colours_is_refused_at_every_length)
{
    struct rmx_sps sps;

    for (uint8_t bytes = 0; bytes < 15; bytes++) {
        uint8_t cut[sizeof(progressive)];

        memcpy(cut, progressive, sizeof(cut));
        cut[7] = bytes;
        cr_assert_eq(rmx_sps_read_avcc(&sps, cut, 8u + bytes), -EINVAL, "%u bytes", bytes);
    }
}

Test(sps, a_set_longer_than_its_box_is_refused)
{
    struct rmx_sps sps;

    for (size_t bytes = 0; bytes < 8 + 0x1c; bytes++) {
        cr_assert_eq(rmx_sps_read_avcc(&sps, progressive, bytes), -EINVAL);
    }
}

Test(sps, several_sets_are_left_to_a_decoder)
{
    uint8_t several[sizeof(progressive)];
    struct rmx_sps sps;

    memcpy(several, progressive, sizeof(several));
    several[5] = 0xe2;
    cr_assert_eq(rmx_sps_read_avcc(&sps, several, sizeof(several)), -EINVAL);
}

Test(sps, no_byte_that_is_changed_makes_it_read_past_the_end)
{
    uint8_t *changed = malloc(sizeof(progressive));
    struct rmx_sps sps;

    for (size_t at = 0; at < sizeof(progressive); at++) {
        for (unsigned value = 0; value < 256; value++) {
            memcpy(changed, progressive, sizeof(progressive));
            changed[at] = (uint8_t)value;
            (void)rmx_sps_read_avcc(&sps, changed, sizeof(progressive));
        }
    }
    free(changed);
}
