/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Follows an MP4 in fragments as its bytes go by, so that another demuxer can go on at a fragment
 * where the first one was: its header is kept, and of each track where it is in time. libavformat's
 * demuxer keeps what it knows of every sample, for as long as it is open. Worker process, a job's
 * fiber. Does no I/O.
 *
 * What a demuxer learnt on the way it is told in a fragment made up for it: when the last sample
 * began and how long it lasted, which is where one without a time begins; and how far pictures were
 * shown before they were decoded, by which it moves them all.
 */
#ifndef RMX_ENGINE_WORKER_FRAGMENTS_H
#define RMX_ENGINE_WORKER_FRAGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RMX_FRAGMENTS_TRACKS_MAX 32
#define RMX_FRAGMENTS_HEAD_BYTES 16

struct rmx_fragments_track {
    uint32_t id;
    uint32_t usual; /* how long a sample lasts that does not say it */
    bool begun;
    int64_t last;  /* when the last sample began */
    int64_t end;   /* and when it ended */
    int32_t least; /* the offset of a sample from there to where it is shown; 0 or less */
};

struct rmx_fragments_bytes {
    uint8_t *at;
    unsigned room;
    size_t count;
};

struct rmx_fragments {
    struct rmx_fragments_bytes header; /* all to the end of the moov */
    struct rmx_fragments_bytes moof;   /* without its head */
    size_t body_at;                    /* in the header: the content of its newest box */
    bool headed;                       /* the moov was there */
    bool lost;                         /* this is none that can be followed */
    bool indexed;                      /* sidx says times as well */
    uint8_t head[RMX_FRAGMENTS_HEAD_BYTES];
    unsigned head_bytes; /* of a box that begins */
    uint32_t type;       /* of the box that goes by, or went by before */
    uint64_t left;       /* bytes of it */
    unsigned samples;    /* since a demuxer was opened */
    struct rmx_fragments_track tracks[RMX_FRAGMENTS_TRACKS_MAX];
    unsigned count;
};

/* A demuxer is given so many samples. Tests change it. */
extern unsigned rmx_fragments_samples;

/* The next bytes, from the first on. */
void rmx_fragments_note(struct rmx_fragments *fragments, const uint8_t *bytes, size_t count);

/* Has the demuxer had its samples, and can another go on from here, or from a little later? */
bool rmx_fragments_is_long(const struct rmx_fragments *fragments);

/* Is this where another fragment may begin? If what begins now is no more of the samples. */
bool rmx_fragments_is_between(const struct rmx_fragments *fragments);

/* So many bytes can be read without more than one box in them. */
size_t rmx_fragments_room(const struct rmx_fragments *fragments);

/* What a new demuxer is to read before it goes on here; the caller's, to av_free(). *tracks: so
 * many packets of it are made up. Returns its bytes, or 0 when there is no memory. */
size_t rmx_fragments_recap(struct rmx_fragments *fragments, uint8_t **bytes, unsigned *tracks);

/* Accepts one that was zeroed. */
void rmx_fragments_fini(struct rmx_fragments *fragments);

#endif
