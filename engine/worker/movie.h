/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the index of a plain MP4 says (ISO/IEC 14496-12 and -14), without libavformat: tracks of
 * H.264 (avc1) and AAC (mp4a), each in one piece or with one edit, and tags that are text. All else
 * is refused, known or not, and is libavformat's to read. Worker process, a job's fiber. Pure:
 * believes nothing, allocates nothing, reads no byte beyond those it is given.
 */
#ifndef RMX_ENGINE_WORKER_MOVIE_H
#define RMX_ENGINE_WORKER_MOVIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RMX_MOVIE_TRACKS_MAX 8
#define RMX_MOVIE_TAGS_MAX   16

struct rmx_movie_span {
    const uint8_t *at;
    size_t bytes;
};

/* Entries of 4, 8 or 12 bytes, as the box has them: big endian. */
struct rmx_movie_table {
    const uint8_t *at;
    uint32_t count;
};

struct rmx_movie_track {
    uint32_t id;
    bool enabled;
    bool video;
    bool heard;           /* neither: it is not known yet */
    uint32_t shown_width; /* whole pixels */
    uint32_t shown_height;
    uint64_t created;  /* seconds since 1904, or 0 */
    uint32_t units;    /* of time, in a second */
    uint64_t duration; /* in them */
    char language[4];
    struct rmx_movie_span handler; /* its name, "" for none; without its final zero */

    uint8_t vendor[4];
    struct rmx_movie_span compressor; /* its name, likewise; ASCII */
    uint16_t width;
    uint16_t height;
    uint16_t depth;
    uint16_t sample_bits;
    struct rmx_movie_span config; /* an avcC's content, or an AudioSpecificConfig */
    bool has_aspect;
    uint32_t aspect_num;
    uint32_t aspect_den; /* has_aspect: not 0 */
    bool has_colours;
    bool full_range;
    uint16_t primaries; /* the three are ITU-T H.273 code points */
    uint16_t transfer;
    uint16_t matrix;

    bool has_edit;
    uint64_t edit_duration; /* in the movie's units */
    uint32_t edit_time;     /* in the track's */

    struct rmx_movie_table durations; /* stts: count, duration */
    struct rmx_movie_table shifts;    /* ctts: count, shift; may be empty */
    struct rmx_movie_table runs;      /* stsc: first chunk, samples of each, description */
    struct rmx_movie_table sizes;     /* stsz: bytes */
    uint32_t size_of_all;             /* not 0: each sample's, and `sizes` is a mere count */
    struct rmx_movie_table keys;      /* stss: sample, from 1; may be empty: all are keys */
    struct rmx_movie_table chunks;    /* stco, co64: offset */
    bool wide_chunks;                 /* 8 bytes each */
};

struct rmx_movie_tag {
    const char *key; /* libavformat's */
    struct rmx_movie_span text;
};

struct rmx_movie {
    struct rmx_movie_span brands; /* an ftyp's content: 4 bytes, 4 of version, 4 each */
    uint64_t created;
    uint32_t units;
    uint64_t duration;
    struct rmx_movie_track tracks[RMX_MOVIE_TRACKS_MAX];
    unsigned count;
    struct rmx_movie_tag tags[RMX_MOVIE_TAGS_MAX];
    unsigned tag_count;
};

/* ftyp, moov: the contents of these boxes, which have to stay. Returns 0, or -ENOTSUP for all that
 * is not plain, wrong or not. */
int rmx_movie_read(struct rmx_movie *movie, struct rmx_movie_span ftyp, struct rmx_movie_span moov);

#endif
