/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Our demuxer of plain MP4 beside libavformat's: what it takes it reads the same, and what is not
 * plain it leaves alone.
 */
#include "engine/worker/native.h"

#include <criterion/criterion.h>
#include <string.h>

#include <libavutil/intreadwrite.h>

#include "tests/media.h"
#include "tests/twins.h"

static struct media media;
static char why[TWINS_WHY_BYTES];

static void free_media(void)
{
    media_free(&media);
}

TestSuite(native, .fini = free_media, .timeout = 60);

static enum twins compare(const char *format)
{
    return twins_compare(media.bytes, media.size, format, why);
}

static uint8_t *content(const char *name, unsigned n)
{
    return media_find(&media, name, n);
}

static const char *const targets[] = { "fmp4", "mp4", "mpegts" };

static void is_the_same(const char *what)
{
    for (unsigned i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
        enum twins twins = compare(targets[i]);

        cr_expect_eq(twins, TWINS_SAME, "%s, %s: %s", what, targets[i], why);
    }
    cr_expect_eq(
        twins_compare_outputs(media.bytes, media.size, why), TWINS_SAME, "%s: %s", what, why);
}

Test(native, reads_every_shape)
{
    for (unsigned shape = 0; shape < MEDIA_SHAPES; shape++) {
        media_make_shape(&media, &media_shapes[shape]);
        is_the_same(media_shapes[shape].name);
        media_free(&media);
    }
}

/* These want more than headers: a demuxer that decodes a picture says more. */
Test(native, leaves_other_targets_alone)
{
    media_make_mp4(&media, NULL);
    cr_expect_eq(compare("matroska"), TWINS_LEFT);
    cr_expect_eq(compare("mov"), TWINS_LEFT);
}

Test(native, leaves_fragments_alone)
{
    media_make_mp4(&media, "frag_keyframe+empty_moov");
    cr_expect_eq(compare("fmp4"), TWINS_LEFT);
}

/* The twins would notice: each of these is read as something else. */
Test(native, reads_what_changed_as_libavformat_does)
{
    media_make_mp4(&media, "faststart");
    AV_WB32(content("mdhd", 0) + 12, 25600); /* twice as fast */
    is_the_same("twice as fast");
    AV_WB16(content("mdhd", 1) + 20, 0x15c7); /* in another language */
    is_the_same("a language");
    AV_WB32(content("mvhd", 0) + 4, 3600000000); /* when it was made */
    is_the_same("a time");
    content("tkhd", 0)[3] = 0; /* not enabled */
    is_the_same("not enabled");
    content("\0\0\0\xc8\x65", 0)[0] = 0x41; /* no key frame any more */
    is_the_same("no key frame");
}

/* Sound in ADTS, whose headers libavformat takes off; here they make no sense, and it says so. */
Test(native, leaves_adts_to_libavformat)
{
    media_make_mp4(&media, "faststart");
    memcpy(content("\x21\x10\x04\x60", 0) - 4, "\xff\xf1", 2);
    is_the_same("ADTS");
}

/* A compressor's name that libavformat takes to heart. */
Test(native, leaves_raw_pictures)
{
    static const char name[] = "Planar Y'CbCr 8-bit 4:2:0";

    media_make_mp4(&media, "faststart");
    content("avc1", 0)[42] = sizeof(name) - 1;
    memcpy(content("avc1", 0) + 43, name, sizeof(name) - 1);
    cr_expect_eq(compare("fmp4"), TWINS_LEFT);
}

/* A packager's mark that libavformat has a rule of its own for. */
Test(native, leaves_a_marked_file)
{
    static const uint8_t marked[] = "\0\0\0\x10"
                                    "freeAnevia\x1A\x1A";
    size_t at;

    media_make_mp4(&media, NULL);
    at = (size_t)(content("moov", 0) - 8 - media.bytes);
    media_insert(&media, at, marked, 16);
    cr_expect_eq(compare("fmp4"), TWINS_LEFT);
    content("free", 1)[0] = 'a';
    is_the_same("free");
}

/* What libavformat reads its own way, and how that was broken. */
Test(native, leaves_what_is_not_plain)
{
    static const struct {
        const char *box;
        unsigned n;
        unsigned at;
        uint8_t value;
    } changes[] = {
        { "tkhd", 0, 43, 2 },    /* the matrix */
        { "mdhd", 0, 20, 0 },    /* a language of the Macintosh */
        { "hdlr", 0, 8, 't' },   /* text */
        { "dref", 0, 19, 0 },    /* in another file */
        { "stsd", 0, 7, 2 },     /* two descriptions */
        { "avc1", 0, 75, 8 },    /* a palette */
        { "avcC", 0, 5, 0xe2 },  /* two parameter sets */
        { "esds", 0, 17, 0x6b }, /* MP3 */
        { "stts", 0, 7, 2 },     /* more entries than there are */
        { "stsc", 0, 11, 2 },    /* begins with the second chunk */
        { "stsc", 0, 19, 2 },    /* by the second description */
        { "stts", 0, 11, 24 },   /* times for fewer than there are */
        { "stsz", 0, 11, 24 },   /* fewer than there are times for */
        { "stsz", 0, 4, 0x40 },  /* larger than any may be */
        { "stco", 0, 8, 0x40 },  /* beyond the end */
        { "stbl", 0, 4, 'x' },   /* stsd is gone */
        { "mvhd", 0, 12, 0x80 }, /* more units a second than there can be */
    };

    for (unsigned i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        media_make_mp4(&media, "faststart");
        cr_expect_eq(compare("fmp4"), TWINS_SAME);
        content(changes[i].box, changes[i].n)[changes[i].at] = changes[i].value;
        cr_expect_eq(compare("fmp4"), TWINS_LEFT, "%u: %s", i, changes[i].box);
        media_free(&media);
    }
}

/* Every file that ends too soon is libavformat's to judge. */
Test(native, leaves_what_is_cut_off)
{
    size_t whole;

    media_make_mp4(&media, "faststart");
    whole = media.size;
    for (media.size = 0; media.size < whole; media.size++) {
        cr_assert_eq(compare("fmp4"), TWINS_LEFT, "%zu of %zu bytes", media.size, whole);
    }
}

/* The boxes before the index, and what stands between them and the samples. */
Test(native, leaves_a_file_with_other_boxes)
{
    media_make_mp4(&media, NULL); /* ftyp, free, mdat, moov */
    memcpy(content("free", 0) - 4, "skip", 4);
    cr_expect_eq(compare("fmp4"), TWINS_LEFT);
    memcpy(content("skip", 0) - 4, "wide", 4);
    is_the_same("wide");
    memcpy(content("ftyp", 0) - 4, "styp", 4);
    cr_expect_eq(compare("fmp4"), TWINS_LEFT);
}
