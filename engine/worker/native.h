/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A demuxer of plain MP4 (movie.h) for jobs that look at headers only (shortcut.h): the same
 * streams and packets as libavformat's, in a third of its time. libavformat's guesses a frame rate
 * from a hundred samples, parses each picture, and can read all that there is; this one refuses
 * whatever it does not know, and libavformat's reads that. Worker process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_NATIVE_H
#define RMX_ENGINE_WORKER_NATIVE_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

struct rmx_native;

/* context: without a format or streams; muxer: the output's. Reads the index of an input that can
 * seek, and fills context in as avformat_open_input() would, and rmx_shortcut_find_streams().
 * Returns 0 with *native; AVERROR(ENOTSUP) for what is not for it, the input being
 * anywhere then, and context to be thrown away; or AVERROR(ENOMEM). */
int rmx_native_open(
    struct rmx_native **native, AVFormatContext *context, AVIOContext *input, const char *muxer);

/* As av_read_frame(). */
int rmx_native_read(struct rmx_native *native, AVPacket *packet);

/* One beyond the last byte of any sample. */
int64_t rmx_native_end(const struct rmx_native *native);

/* Was the context filled in here? Then its streams have no index entries. */
bool rmx_native_is(const AVFormatContext *context);

/* Accepts NULL inside. The context is the caller's to close. */
void rmx_native_free(struct rmx_native **native);

#endif
