/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a plain movie's samples are. Worker process, a job's fiber. Pure. See movie_entry.h.
 */
#include "engine/worker/movie_entry.h"

#include <errno.h>
#include <string.h>

#include <libavutil/intreadwrite.h>

#define AVC1_BYTES 78 /* of a sample entry, before its boxes */
#define MP4A_BYTES 28
#define AAC_OBJECT 0x40 /* MPEG-4 audio, as an esds calls it */
#define NAME_BYTES 32   /* of a compressor: how long it is, and its characters */
#define PLANAR     "Planar Y'CbCr 8-bit 4:2:0"

static int read_avcc(struct rmx_movie_place place, struct rmx_movie_span content)
{
    place.track->config = content;
    return content.bytes >= 10 ? 0 : -ENOTSUP;
}

static int read_pasp(struct rmx_movie_place place, struct rmx_movie_span content)
{
    struct rmx_movie_track *track = place.track;

    if (content.bytes != 8) {
        return -ENOTSUP;
    }
    track->aspect_num = AV_RB32(content.at);
    track->aspect_den = AV_RB32(content.at + 4);
    track->has_aspect = true;
    return track->aspect_num > 0 && track->aspect_num <= INT32_MAX && track->aspect_den > 0 &&
                   track->aspect_den <= INT32_MAX
               ? 0
               : -ENOTSUP;
}

static int read_colr(struct rmx_movie_place place, struct rmx_movie_span content)
{
    struct rmx_movie_track *track = place.track;

    if (content.bytes != 11 || memcmp(content.at, "nclx", 4) != 0) {
        return -ENOTSUP;
    }
    track->has_colours = true;
    track->primaries = (uint16_t)AV_RB16(content.at + 4);
    track->transfer = (uint16_t)AV_RB16(content.at + 6);
    track->matrix = (uint16_t)AV_RB16(content.at + 8);
    track->full_range = content.at[10] >> 7;
    return 0;
}

/* The head of an MPEG-4 descriptor: its tag, and how long it is in up to four bytes of 7 bits each.
 * Leaves in *in what is inside, which must be there. */
static int enter_descriptor(struct rmx_movie_span *in, uint8_t tag)
{
    uint32_t length = 0;
    size_t at = 1;
    bool more = true;

    if (in->bytes < 1 || in->at[0] != tag) {
        return -ENOTSUP;
    }
    while (more && at < 5 && at < in->bytes) {
        length = length << 7 | (in->at[at] & 0x7f);
        more = in->at[at++] & 0x80;
    }
    if (more || length > in->bytes - at) {
        return -ENOTSUP;
    }
    *in = (struct rmx_movie_span){ .at = in->at + at, .bytes = length };
    return 0;
}

/* version; ES_Descriptor { id, flags; DecoderConfigDescriptor { type, ...; config } ... } */
static int read_esds(struct rmx_movie_place place, struct rmx_movie_span content)
{
    if (rmx_movie_boxes_skip(&content, 4) < 0 || enter_descriptor(&content, 3) < 0 ||
        content.bytes < 3 || content.at[2] & 0xe0 || rmx_movie_boxes_skip(&content, 3) < 0 ||
        enter_descriptor(&content, 4) < 0 || content.bytes < 13 || content.at[0] != AAC_OBJECT ||
        rmx_movie_boxes_skip(&content, 13) < 0 || enter_descriptor(&content, 5) < 0) {
        return -ENOTSUP;
    }
    place.track->config = content;
    return content.bytes >= 2 ? 0 : -ENOTSUP;
}

static const struct rmx_movie_rule in_avc1[] = { { "avcC", read_avcc, 0, false },
    { "pasp", read_pasp, 0, false }, { "colr", read_colr, 0, false }, { "btrt", NULL, 0, false },
    { .type = NULL } };

static const struct rmx_movie_rule in_mp4a[] = { { "esds", read_esds, 0, false },
    { "btrt", NULL, 0, false }, { .type = NULL } };

static int read_avc1(struct rmx_movie_place place, struct rmx_movie_span entry)
{
    struct rmx_movie_track *track = place.track;
    const uint8_t *at = entry.at;

    if (rmx_movie_boxes_skip(&entry, AVC1_BYTES) < 0 || at[42] >= NAME_BYTES) {
        return -ENOTSUP;
    }
    memcpy(track->vendor, at + 12, sizeof(track->vendor));
    track->width = (uint16_t)AV_RB16(at + 24);
    track->height = (uint16_t)AV_RB16(at + 26);
    track->compressor = (struct rmx_movie_span){ .at = at + 43, .bytes = at[42] };
    track->depth = (uint16_t)AV_RB16(at + 74);
    if (track->compressor.bytes >= strlen(PLANAR) &&
        memcmp(track->compressor.at, PLANAR, strlen(PLANAR)) == 0) {
        return -ENOTSUP; /* libavformat takes it for raw pictures */
    }
    for (size_t i = 0; i < track->compressor.bytes; i++) {
        if (track->compressor.at[i] >= 0x80 || track->compressor.at[i] == 0) { /* the Macintosh's */
            return -ENOTSUP;
        }
    }
    /* A depth of 8 bits and less may stand for a palette. */
    return track->width > 0 && track->height > 0 && track->depth == 24
               ? rmx_movie_boxes_walk(place, entry, in_avc1)
               : -ENOTSUP;
}

static int read_mp4a(struct rmx_movie_place place, struct rmx_movie_span entry)
{
    struct rmx_movie_track *track = place.track;
    const uint8_t *at = entry.at;

    if (rmx_movie_boxes_skip(&entry, MP4A_BYTES) < 0 ||
        AV_RB16(at + 8) != 0) { /* QuickTime's versions say more */
        return -ENOTSUP;
    }
    memcpy(track->vendor, at + 12, sizeof(track->vendor));
    track->sample_bits = (uint16_t)AV_RB16(at + 18);
    return rmx_movie_boxes_walk(place, entry, in_mp4a);
}

int rmx_movie_entry_read(struct rmx_movie_place place, struct rmx_movie_span content)
{
    struct rmx_movie_span entry;
    const uint8_t *type;

    if (content.bytes < 8 || AV_RB32(content.at) != 0 || AV_RB32(content.at + 4) != 1 ||
        rmx_movie_boxes_skip(&content, 8) < 0 ||
        rmx_movie_boxes_next(&content, &type, &entry) < 0 || content.bytes > 0 || entry.bytes < 8 ||
        AV_RB16(entry.at + 6) != 1) {
        return -ENOTSUP;
    }
    if (place.track->video && memcmp(type, "avc1", 4) == 0) {
        return read_avc1(place, entry);
    }
    return place.track->heard && memcmp(type, "mp4a", 4) == 0 ? read_mp4a(place, entry) : -ENOTSUP;
}
