/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much the input promises to hold: by its index, its outermost box or chunk, its last packet.
 * libavformat takes a cut-off file for a shorter one; a job must not. Worker process, a job's
 * fiber. Reads the input only when the job is over, and then a few headers at most.
 */
#ifndef RMX_ENGINE_WORKER_EXTENT_H
#define RMX_ENGINE_WORKER_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#define RMX_EXTENT_HEAD_BYTES 256

struct rmx_extent {
    uint8_t head[RMX_EXTENT_HEAD_BYTES]; /* the input's first bytes */
    int head_bytes;
    int64_t samples_end; /* one beyond the last sample, where that is known; else 0 */
    bool torn;           /* the newest packet ended before it should */
};

/* Before anything else is read. Leaves the input where it was. Not for a live input, whose first
 * bytes may be all there is for a while. */
void rmx_extent_begin(struct rmx_extent *extent, AVIOContext *input);

/* Each packet, of any stream. */
void rmx_extent_note(
    struct rmx_extent *extent, const AVFormatContext *demuxer, const AVPacket *packet);

/* How many bytes there are: the file's, or of a stream what came out of it until now. */
int64_t rmx_extent_present(AVIOContext *input);

/* How many there should be; 0 = the input does not say, or it says no more than is present.
 * demuxer is NULL when it could not be opened. Moves the input. */
int64_t rmx_extent_missing_end(
    const struct rmx_extent *extent, AVFormatContext *demuxer, AVIOContext *input);

#endif
