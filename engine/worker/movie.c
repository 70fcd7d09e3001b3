/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the index of a plain MP4 says. Worker process, a job's fiber. Pure. See movie.h.
 */
#include "engine/worker/movie.h"

#include <errno.h>
#include <string.h>

#include <libavutil/intreadwrite.h>

#include "engine/worker/movie_boxes.h"
#include "engine/worker/movie_entry.h"

#define UNITY        0x10000u
#define UNITY_LAST   0x40000000u
#define HANDLER_TEXT 24 /* bytes of an hdlr before its name */

/* --- the tables ------------------------------------------------------------------------------ */

/* Version and flags, a count, and as many entries: nothing before the end of the box, and nothing
 * after them. */
static int read_table(
    struct rmx_movie_table *table, struct rmx_movie_span content, size_t entry_bytes)
{
    if (content.bytes < 8 || AV_RB32(content.at) > 0) {
        return -ENOTSUP;
    }
    uint32_t count = AV_RB32(content.at + 4);

    if (count == 0 || content.bytes - 8 != (uint64_t)count * entry_bytes) {
        return -ENOTSUP;
    }
    *table = (struct rmx_movie_table){ .at = content.at + 8, .count = count };
    return 0;
}

static int read_stts(struct rmx_movie_place place, struct rmx_movie_span content)
{
    return read_table(&place.track->durations, content, 8);
}

static int read_ctts(struct rmx_movie_place place, struct rmx_movie_span content)
{
    return place.track->video ? read_table(&place.track->shifts, content, 8) : -ENOTSUP;
}

static int read_stsc(struct rmx_movie_place place, struct rmx_movie_span content)
{
    return read_table(&place.track->runs, content, 12);
}

static int read_stss(struct rmx_movie_place place, struct rmx_movie_span content)
{
    return place.track->video ? read_table(&place.track->keys, content, 4) : -ENOTSUP;
}

/* What others need a sample for: libavformat's parser of pictures forgets it. */
static int read_sdtp(struct rmx_movie_place place, struct rmx_movie_span content)
{
    (void)content;
    return place.track->video ? 0 : -ENOTSUP;
}

/* One size for all, or a table. */
static int read_stsz(struct rmx_movie_place place, struct rmx_movie_span content)
{
    struct rmx_movie_track *track = place.track;

    if (content.bytes < 12 || AV_RB32(content.at) != 0) {
        return -ENOTSUP;
    }
    track->size_of_all = AV_RB32(content.at + 4);
    track->sizes =
        (struct rmx_movie_table){ .at = content.at + 12, .count = AV_RB32(content.at + 8) };
    uint64_t listed = track->size_of_all > 0 ? 0 : track->sizes.count;

    return track->sizes.count > 0 && content.bytes - 12 == listed * 4 ? 0 : -ENOTSUP;
}

static int read_stco(struct rmx_movie_place place, struct rmx_movie_span content)
{
    return place.track->chunks.at ? -ENOTSUP : read_table(&place.track->chunks, content, 4);
}

static int read_co64(struct rmx_movie_place place, struct rmx_movie_span content)
{
    place.track->wide_chunks = true;
    return place.track->chunks.at ? -ENOTSUP : read_table(&place.track->chunks, content, 8);
}

/* Groups of samples: only how far back sound has to be decoded from, which no packet says. */
static int read_group(struct rmx_movie_place place, struct rmx_movie_span content)
{
    (void)place;
    return content.bytes >= 8 && memcmp(content.at + 4, "roll", 4) == 0 ? 0 : -ENOTSUP;
}

/* --- a track --------------------------------------------------------------------------------- */

static const struct rmx_movie_rule in_stbl[] = { { "stsd", rmx_movie_entry_read, 0, false },
    { "stts", read_stts, RMX_MOVIE_RULE(0), false },
    { "ctts", read_ctts, RMX_MOVIE_RULE(0), false },
    { "stsc", read_stsc, RMX_MOVIE_RULE(0), false },
    { "stsz", read_stsz, RMX_MOVIE_RULE(0), false },
    { "stss", read_stss, RMX_MOVIE_RULE(0), false },
    { "stco", read_stco, RMX_MOVIE_RULE(0), false },
    { "co64", read_co64, RMX_MOVIE_RULE(0), false },
    { "sdtp", read_sdtp, RMX_MOVIE_RULE(0), false }, { "sgpd", read_group, 0, false },
    { "sbgp", read_group, 0, false }, { .type = NULL } };

static int read_stbl(struct rmx_movie_place place, struct rmx_movie_span content)
{
    return rmx_movie_boxes_walk(place, content, in_stbl);
}

/* One entry, "in this file". */
static int read_dref(struct rmx_movie_place place, struct rmx_movie_span content)
{
    static const uint8_t here[] = { 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 12, 'u', 'r', 'l', ' ', 0, 0,
        0, 1 };

    (void)place;
    return content.bytes == sizeof(here) && memcmp(content.at, here, sizeof(here)) == 0 ? 0
                                                                                        : -ENOTSUP;
}

static const struct rmx_movie_rule in_dinf[] = { { "dref", read_dref, 0, false },
    { .type = NULL } };

static int read_dinf(struct rmx_movie_place place, struct rmx_movie_span content)
{
    return rmx_movie_boxes_walk(place, content, in_dinf);
}

static const struct rmx_movie_rule in_minf[] = { { "vmhd", NULL, 0, false },
    { "smhd", NULL, 0, false }, { "dinf", read_dinf, 0, false },
    { "stbl", read_stbl, RMX_MOVIE_RULE(2), false }, { .type = NULL } };

static int read_minf(struct rmx_movie_place place, struct rmx_movie_span content)
{
    return rmx_movie_boxes_walk(place, content, in_minf);
}

/* When it was made, units and duration: where mvhd and mdhd have them. Returns the rest. */
static int read_clock(
    struct rmx_movie_span *content, uint64_t *created, uint32_t *units, uint64_t *duration)
{
    bool wide = content->bytes > 0 && content->at[0] == 1;
    size_t bytes = wide ? 32 : 20;
    const uint8_t *at = content->at;

    if (content->bytes < bytes || at[0] > 1) {
        return -ENOTSUP;
    }
    *created = wide ? AV_RB64(at + 4) : AV_RB32(at + 4);
    *units = AV_RB32(at + (wide ? 20 : 12));
    *duration = wide ? AV_RB64(at + 24) : AV_RB32(at + 16);
    return *units > 0 && *units <= INT32_MAX && *duration <= INT64_MAX / UNITY &&
                   *created <= UINT32_MAX
               ? rmx_movie_boxes_skip(content, bytes)
               : -ENOTSUP;
}

static int read_mdhd(struct rmx_movie_place place, struct rmx_movie_span content)
{
    struct rmx_movie_track *track = place.track;

    if (read_clock(&content, &track->created, &track->units, &track->duration) < 0 ||
        content.bytes != 4 || track->duration == 0) {
        return -ENOTSUP;
    }
    uint32_t code = AV_RB16(content.at);

    if (code < 0x400 || code >= 0x7fff) { /* the Macintosh's own, or none */
        return -ENOTSUP;
    }
    for (int letter = 2; letter >= 0; letter--) {
        track->language[letter] = (char)(0x60 + (code & 31));
        code >>= 5;
    }
    return 0;
}

/* The characters up to the first zero. */
static struct rmx_movie_span text_of(struct rmx_movie_span span)
{
    span.bytes = strnlen((const char *)span.at, span.bytes);
    return span;
}

static int read_hdlr(struct rmx_movie_place place, struct rmx_movie_span content)
{
    const uint8_t *at = content.at;

    if (rmx_movie_boxes_skip(&content, HANDLER_TEXT) < 0) {
        return -ENOTSUP;
    }
    place.track->video = memcmp(at + 8, "vide", 4) == 0;
    place.track->heard = memcmp(at + 8, "soun", 4) == 0;
    place.track->handler = text_of(content);
    return place.track->video || place.track->heard ? 0 : -ENOTSUP;
}

static const struct rmx_movie_rule in_mdia[] = { { "mdhd", read_mdhd, 0, false },
    { "hdlr", read_hdlr, RMX_MOVIE_RULE(0), false },
    { "minf", read_minf, RMX_MOVIE_RULE(0) | RMX_MOVIE_RULE(1), false }, { .type = NULL } };

static int read_mdia(struct rmx_movie_place place, struct rmx_movie_span content)
{
    return rmx_movie_boxes_walk(place, content, in_mdia);
}

/* Neither turned nor scaled. */
static bool is_upright(const uint8_t *matrix)
{
    static const uint32_t upright[9] = { UNITY, 0, 0, 0, UNITY, 0, 0, 0, UNITY_LAST };

    for (unsigned i = 0; i < 9; i++) {
        if (AV_RB32(matrix + (size_t)4 * i) != upright[i]) {
            return false;
        }
    }
    return true;
}

static int read_tkhd(struct rmx_movie_place place, struct rmx_movie_span content)
{
    struct rmx_movie_track *track = place.track;
    bool wide = content.bytes > 0 && content.at[0] == 1;
    const uint8_t *at = content.at;
    size_t after_times = wide ? 36 : 24; /* and id and duration */

    if (content.bytes != after_times + 60 || at[0] > 1 || !is_upright(at + after_times + 16)) {
        return -ENOTSUP;
    }
    track->enabled = at[3] & 1;
    track->id = AV_RB32(at + (wide ? 20 : 12));
    track->shown_width = AV_RB16(at + after_times + 52);
    track->shown_height = AV_RB16(at + after_times + 56);
    return track->id > 0 && track->id <= INT32_MAX ? 0 : -ENOTSUP;
}

/* One edit at normal speed, which leaves nothing empty. */
static int read_elst(struct rmx_movie_place place, struct rmx_movie_span content)
{
    struct rmx_movie_track *track = place.track;
    bool wide = content.bytes > 0 && content.at[0] == 1;
    const uint8_t *at = content.at;
    uint64_t time;

    if (content.bytes != (wide ? 28 : 20) || at[0] > 1 || AV_RB32(at + 4) != 1) {
        return -ENOTSUP;
    }
    track->has_edit = true;
    track->edit_duration = wide ? AV_RB64(at + 8) : AV_RB32(at + 8);
    time = wide ? AV_RB64(at + 16) : AV_RB32(at + 12);
    track->edit_time = (uint32_t)time;
    return track->edit_duration > 0 && track->edit_duration <= UINT32_MAX && time <= INT32_MAX &&
                   AV_RB32(at + content.bytes - 4) == UNITY
               ? 0
               : -ENOTSUP;
}

static const struct rmx_movie_rule in_edts[] = { { "elst", read_elst, 0, false },
    { .type = NULL } };

static int read_edts(struct rmx_movie_place place, struct rmx_movie_span content)
{
    return rmx_movie_boxes_walk(place, content, in_edts);
}

static const struct rmx_movie_rule in_trak[] = { { "tkhd", read_tkhd, 0, false },
    { "edts", read_edts, RMX_MOVIE_RULE(0), false },
    { "mdia", read_mdia, RMX_MOVIE_RULE(0), false }, { .type = NULL } };

static bool is_whole(const struct rmx_movie_track *track)
{
    return track->config.at && track->durations.at && track->runs.at && track->sizes.at &&
           track->chunks.at;
}

static int read_trak(struct rmx_movie_place place, struct rmx_movie_span content)
{
    struct rmx_movie *movie = place.movie;

    if (movie->count == RMX_MOVIE_TRACKS_MAX) {
        return -ENOTSUP;
    }
    place.track = &movie->tracks[movie->count++];
    *place.track = (struct rmx_movie_track){ .id = 0 };
    return rmx_movie_boxes_walk(place, content, in_trak) == 0 && is_whole(place.track) ? 0
                                                                                       : -ENOTSUP;
}

/* --- the movie ------------------------------------------------------------------------------- */

static int read_mvhd(struct rmx_movie_place place, struct rmx_movie_span content)
{
    struct rmx_movie *movie = place.movie;

    if (read_clock(&content, &movie->created, &movie->units, &movie->duration) < 0 ||
        content.bytes != 80) {
        return -ENOTSUP;
    }
    return is_upright(content.at + 16) ? 0 : -ENOTSUP;
}

/* iTunes' tags, as libavformat calls them. */
static const struct {
    char type[5];
    const char *key;
} tags[] = { { "\251too", "encoder" }, { "\251nam", "title" }, { "\251ART", "artist" },
    { "aART", "album_artist" }, { "\251alb", "album" }, { "\251day", "date" },
    { "\251cmt", "comment" }, { "\251gen", "genre" }, { "\251wrt", "composer" },
    { "\251grp", "grouping" }, { "desc", "description" }, { "ldes", "synopsis" },
    { "cprt", "copyright" } };

static const char *key_of(const uint8_t *type)
{
    for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
        if (memcmp(type, tags[i].type, 4) == 0) {
            return tags[i].key;
        }
    }
    return NULL;
}

/* Each holds one text in UTF-8. */
static int read_ilst(struct rmx_movie_place place, struct rmx_movie_span list)
{
    struct rmx_movie *movie = place.movie;

    while (list.bytes > 0) {
        struct rmx_movie_span entry;
        struct rmx_movie_span data;
        const uint8_t *type;
        const uint8_t *inner;

        if (movie->tag_count == RMX_MOVIE_TAGS_MAX ||
            rmx_movie_boxes_next(&list, &type, &entry) < 0 ||
            rmx_movie_boxes_next(&entry, &inner, &data) < 0 || entry.bytes > 0 || data.bytes < 8 ||
            memcmp(inner, "data", 4) != 0 || AV_RB32(data.at) != 1 || !key_of(type)) {
            return -ENOTSUP;
        }
        (void)rmx_movie_boxes_skip(&data, 8);
        movie->tags[movie->tag_count++] =
            (struct rmx_movie_tag){ .key = key_of(type), .text = text_of(data) };
    }
    return 0;
}

static int read_meta_hdlr(struct rmx_movie_place place, struct rmx_movie_span content)
{
    (void)place;
    return content.bytes >= HANDLER_TEXT && memcmp(content.at + 8, "mdir", 4) == 0 ? 0 : -ENOTSUP;
}

static const struct rmx_movie_rule in_meta[] = { { "hdlr", read_meta_hdlr, 0, false },
    { "ilst", read_ilst, RMX_MOVIE_RULE(0), false }, { "free", NULL, 0, true }, { .type = NULL } };

static int read_meta(struct rmx_movie_place place, struct rmx_movie_span content)
{
    return rmx_movie_boxes_skip(&content, 4) == 0 ? rmx_movie_boxes_walk(place, content, in_meta)
                                                  : -ENOTSUP;
}

static const struct rmx_movie_rule in_udta[] = { { "meta", read_meta, 0, false },
    { .type = NULL } };

static int read_udta(struct rmx_movie_place place, struct rmx_movie_span content)
{
    return rmx_movie_boxes_walk(place, content, in_udta);
}

static const struct rmx_movie_rule in_moov[] = { { "mvhd", read_mvhd, 0, false },
    { "trak", read_trak, RMX_MOVIE_RULE(0), true }, { "udta", read_udta, RMX_MOVIE_RULE(0), false },
    { "iods", NULL, 0, false }, { "free", NULL, 0, true }, { .type = NULL } };

int rmx_movie_read(struct rmx_movie *movie, struct rmx_movie_span ftyp, struct rmx_movie_span moov)
{
    struct rmx_movie_place place = { .movie = movie };

    *movie = (struct rmx_movie){ .brands = ftyp };
    if (ftyp.bytes < 8 || memcmp(ftyp.at, "qt  ", 4) == 0 || memcmp(ftyp.at, "avif", 4) == 0 ||
        memcmp(ftyp.at, "aaxc", 4) == 0 || memchr(ftyp.at, 0, 4) ||
        memchr(ftyp.at + 8, 0, ftyp.bytes - 8)) {
        return -ENOTSUP;
    }
    return rmx_movie_boxes_walk(place, moov, in_moov) == 0 && movie->count > 0 ? 0 : -ENOTSUP;
}
