/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Media in memory for the tests of the libavformat stage: small files made on the spot, and I/O
 * contexts over them that can be told to fail. No file is touched.
 */
#ifndef RMX_TESTS_MEDIA_H
#define RMX_TESTS_MEDIA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "ipc/job.h"

#define MEDIA_FRAMES 25 /* of video in a made file, with as many of sound */

struct media {
    uint8_t *bytes;
    size_t size;
    size_t room;
    size_t at;
    bool stream;    /* cannot seek */
    size_t fail_at; /* from this offset on, callbacks return fail_with; 0 = never */
    int fail_with;
};

enum media_sets {     /* what the stream's head says of its pictures */
    MEDIA_SETS_TIMED, /* an encoder's, with how long a picture lasts */
    MEDIA_SETS_UNTIMED,
    MEDIA_SETS_TWO_PPS,
};

/* How a made MP4 differs from one of key frames of one size, and as much sound. */
struct media_shape {
    const char *name;
    const char *movflags; /* as the muxer takes them, or NULL */
    const char *title;    /* a tag, or NULL */
    enum media_sets sets;
    unsigned group;   /* pictures from a key frame to the next, of any size; 0 = all are; one more
                         than a multiple of between + 1 */
    unsigned between; /* bi-predicted ones between two others: shown before what they follow */
    bool open;        /* key frames, but for the first, are recovery points and no IDR */
    bool uneven;      /* some last longer */
    bool primed;      /* the sound begins a frame early, which an edit list takes off */
    bool wide;        /* 64-bit offsets; not with the index in front */
};

#define MEDIA_SHAPES 14
extern const struct media_shape media_shapes[MEDIA_SHAPES];

/* H.264 and AAC in MP4. */
void media_make_shape(struct media *media, const struct media_shape *shape);

/* The plainest: H.264 (320x240, one parameter set, made-up pictures, all of them key frames).
 * movflags as the muxer takes them, or NULL. */
void media_make_mp4(struct media *media, const char *movflags);

/* The same streams, but all there is is one picture of so many bytes. */
void media_make_large_mp4(struct media *media, size_t picture_bytes);

/* AAC in ADTS, 44.1 kHz stereo. */
void media_make_adts(struct media *media);

/* Runs one job from one to the other as the worker would. */
struct rmx_job_result media_run(
    const struct rmx_job_spec *spec, struct media *input, struct media *output);

/* A job's spec with the defaults of a client. format is NULL for a probe. */
struct rmx_job_spec media_job(const char *format);

/* Opens a finished file again; close with media_close_demuxer(). */
AVFormatContext *media_open(struct media *media);
void media_close_demuxer(AVFormatContext **demuxer);

/* The content of the n-th box of that name, wherever its name stands; it has to be there. */
uint8_t *media_find(const struct media *media, const char *name, unsigned n);

void media_insert(struct media *media, size_t at, const void *bytes, size_t count);

AVIOContext *media_open_io(struct media *media, bool write);
void media_close_io(AVIOContext **io);

void media_free(struct media *media);

#endif
