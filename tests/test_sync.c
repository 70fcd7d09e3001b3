/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What streams say of themselves in their first bytes: engine/worker/sync.h, engine/worker/vp9.h.
 */
#include "engine/worker/sync.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "engine/worker/vp9.h"

#define HEAD 8

static const struct {
    uint8_t bytes[HEAD];
    enum AVCodecID codec;
} sounds[] = {
    { { 0x56, 0xe0, 0x80 }, AV_CODEC_ID_AAC_LATM },
    { { 0xff, 0xf1, 0x50, 0x80 }, AV_CODEC_ID_AAC },
    { { 0xff, 0xfb, 0x90 }, AV_CODEC_ID_NONE },
    { { 0x0b, 0x77, 0, 0, 0, 8 << 3 }, AV_CODEC_ID_AC3 },
    { { 0x0b, 0x77, 0, 0, 0, 16 << 3 }, AV_CODEC_ID_EAC3 },
    { { 0x0b, 0x77, 0, 0, 0, 17 << 3 }, AV_CODEC_ID_NONE },
    { { 0x7f, 0xfe, 0x80, 0x01 }, AV_CODEC_ID_DTS },
    { { 0x64, 0x58, 0x20, 0x25 }, AV_CODEC_ID_DTS },
    { { 1, 2, 3, 4, 0xf8, 0x72, 0x6f, 0xba }, AV_CODEC_ID_TRUEHD },
    { { 0x47, 0x40, 0x11, 0x10 }, AV_CODEC_ID_NONE },
};

Test(sync, sound_is_known_by_how_its_frames_begin)
{
    for (size_t slot = 0; slot < sizeof(sounds) / sizeof(*sounds); slot++) {
        cr_assert_eq(rmx_sync_name(sounds[slot].bytes, HEAD), sounds[slot].codec, "%zu", slot);
        cr_assert_eq(rmx_sync_name(sounds[slot].bytes, HEAD - 1), AV_CODEC_ID_NONE);
    }
}

static const struct {
    uint8_t bytes[HEAD];
    int profile;
    enum AVPixelFormat format;
    enum AVColorSpace space;
    enum AVColorRange range;
} keys[] = {
    { { 0x82, 0x49, 0x83, 0x42, 0x40 }, 0, AV_PIX_FMT_YUV420P, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG },
    { { 0x82, 0x49, 0x83, 0x42, 0x10 }, 0, AV_PIX_FMT_YUV420P, AVCOL_SPC_UNSPECIFIED,
        AVCOL_RANGE_JPEG },
    { { 0xa2, 0x49, 0x83, 0x42, 0x40 }, 1, AV_PIX_FMT_YUV444P, AVCOL_SPC_BT709, AVCOL_RANGE_MPEG },
    { { 0xa2, 0x49, 0x83, 0x42, 0xe0 }, 1, AV_PIX_FMT_GBRP, AVCOL_SPC_RGB, AVCOL_RANGE_JPEG },
    { { 0x92, 0x49, 0x83, 0x42, 0x28 }, 2, AV_PIX_FMT_YUV420P10, AVCOL_SPC_BT709,
        AVCOL_RANGE_JPEG },
    { { 0x92, 0x49, 0x83, 0x42, 0xa0 }, 2, AV_PIX_FMT_YUV420P12, AVCOL_SPC_BT709,
        AVCOL_RANGE_MPEG },
};

Test(sync, keyframe_of_vp9_says_what_its_pictures_are)
{
    struct rmx_vp9 vp9;

    for (size_t slot = 0; slot < sizeof(keys) / sizeof(*keys); slot++) {
        cr_assert_eq(rmx_vp9_read_key(&vp9, keys[slot].bytes, HEAD), 0, "%zu", slot);
        cr_assert_eq(vp9.profile, keys[slot].profile, "%zu", slot);
        cr_assert_eq(vp9.format, keys[slot].format, "%zu: %d", slot, vp9.format);
        cr_assert_eq(vp9.space, keys[slot].space, "%zu", slot);
        cr_assert_eq(vp9.range, keys[slot].range, "%zu", slot);
    }
}

Test(sync, and_nothing_else_does)
{
    static const uint8_t others[][HEAD] = {
        { 0x86, 0x49, 0x83, 0x42, 0x40 }, /* depends on others */
        { 0x8a, 0x49, 0x83, 0x42, 0x40 }, /* shows an older one */
        { 0x42, 0x49, 0x83, 0x42, 0x40 }, /* no marker */
        { 0x82, 0x49, 0x83, 0x43, 0x40 }, /* no sync code */
        { 0xb8, 0x49, 0x83, 0x42, 0x40 }, /* a profile to come */
        { 0x82, 0x49, 0x83, 0x42, 0xe0 }, /* RGB in a profile that has none */
        { 0xa2, 0x49, 0x83, 0x42, 0x4c }, /* 4:2:0 where that is not allowed */
    };
    struct rmx_vp9 vp9 = { .profile = 7 };

    for (size_t slot = 0; slot < sizeof(others) / sizeof(*others); slot++) {
        cr_assert_eq(rmx_vp9_read_key(&vp9, others[slot], HEAD), -EINVAL, "%zu", slot);
    }
    cr_assert_eq(rmx_vp9_read_key(&vp9, keys[0].bytes, HEAD - 1), -EINVAL);
    cr_assert_eq(vp9.profile, 7);
}
