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

/* H.264 (320x240, one plain parameter set, made-up pictures) and AAC in MP4. movflags as the muxer
 * takes them, or NULL. */
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

AVIOContext *media_open_io(struct media *media, bool write);
void media_close_io(AVIOContext **io);

void media_free(struct media *media);

#endif
