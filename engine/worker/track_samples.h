/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A plain track's samples, one by one: where they are and when, as libavformat's demuxer of MP4
 * would have them, edit and all. Worker process, a job's fiber. Does no I/O; believes nothing.
 */
#ifndef RMX_ENGINE_WORKER_TRACK_SAMPLES_H
#define RMX_ENGINE_WORKER_TRACK_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/worker/movie.h"

struct rmx_sample {
    uint64_t at;    /* in the file */
    int64_t dts;    /* in the track's units, like all times here */
    uint32_t bytes; /* at least 1 */
    uint32_t shift; /* pts - dts */
    uint32_t lasts; /* 0 where the track has shifts: the pictures tell */
    bool discard;   /* outside of the edit */
};

struct rmx_samples {
    struct rmx_sample *all;
    uint32_t count;
    uint64_t end;     /* of the last one in the file, one beyond */
    uint64_t bytes;   /* of all in the tables */
    int64_t listed;   /* how long all in the tables last, */
    uint32_t frames;  /* and how many they are */
    int64_t duration; /* of what the edit leaves */
    int64_t bit_rate; /* of the tables */
    int64_t start;    /* what libavformat calls the stream's start */
    uint32_t skip;    /* units at the beginning that a decoder shall throw away */
    uint32_t steady;  /* how long each lasts but the last; 0 = not all the same */
    uint32_t reorder; /* the most pictures that one is shown behind */
};

/* units: the movie's, in a second. file_bytes: there can be no more samples. Returns 0, -ENOTSUP
 * for tables that disagree or are not plain, or -ENOMEM. What it made, fini frees. */
int rmx_track_samples_make(struct rmx_samples *samples, const struct rmx_movie_track *track,
    uint32_t units, uint64_t file_bytes);

void rmx_track_samples_fini(struct rmx_samples *samples);

#endif
