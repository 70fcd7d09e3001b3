/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Follows an MP4 in fragments as its bytes go by, so that another demuxer can go on at a fragment
 * where the first one was: its header is kept, and of each track where it is in time. libavformat's
 * demuxer keeps what it knows of every sample, for as long as it is open. Worker process, a job's
 * fiber. Does no I/O.
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
    uint32_t description; /* of its samples: the one they may have */
    uint32_t lasts;       /* a sample that does not say it */
    uint32_t bytes;       /* and has */
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
    struct rmx_fragments_bytes header; /* ftyp and moov */
    struct rmx_fragments_bytes moof;   /* without its head */
    size_t body_at;                    /* in the header: the content of its newest box */
    bool headed;                       /* the moov was there */
    bool lost;                         /* this is none that can be followed */
    bool indexed;                      /* sidx says times as well */
    bool nameless;                     /* a track has no id that is an int, see tap.h */
    uint8_t head[RMX_FRAGMENTS_HEAD_BYTES];
    unsigned head_bytes; /* of a box that begins */
    uint32_t type;       /* of the box that goes by, or went by before */
    uint64_t left;       /* bytes of it */
    uint64_t at;         /* bytes that went by */
    uint64_t renewed_at; /* when a demuxer was opened */
    unsigned samples;    /* since then */
    int64_t moof_at;     /* where the newest one began */
    uint32_t moof_samples;
    int64_t data_next; /* where those of its next track begin, if it does not say that */
    int64_t data_end;  /* of all samples there were */
    struct rmx_fragments_track tracks[RMX_FRAGMENTS_TRACKS_MAX];
    unsigned count;
};

/* A demuxer is given so many samples. Tests change it. */
extern unsigned rmx_fragments_samples;

/* The next bytes, from the first on. */
void rmx_fragments_note(struct rmx_fragments *fragments, const uint8_t *bytes, size_t count);

/* Has the demuxer had its samples, and can another go on from here, or from a little later? */
bool rmx_fragments_is_long(const struct rmx_fragments *fragments);

/* Does a box begin now, and were all the samples there that the fragments listed? */
bool rmx_fragments_is_between(const struct rmx_fragments *fragments);

/* Is it one that a fragment begins with? head: its first RMX_BOX_HEAD_SHORT_BYTES. */
bool rmx_fragments_may_begin(const uint8_t *head);

/* So many bytes can be read without more than one box in them. */
size_t rmx_fragments_room(const struct rmx_fragments *fragments);

/* Another demuxer goes on here, see recap.h. */
void rmx_fragments_renew(struct rmx_fragments *fragments);

/* Accepts one that was zeroed. */
void rmx_fragments_fini(struct rmx_fragments *fragments);

#endif
