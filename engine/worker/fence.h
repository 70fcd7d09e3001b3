/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What of libavformat and libavcodec foreign bytes can reach, and what they can make it open:
 * demuxers and decoders on a list, no protocol, no file, no address. Worker process, a job's fiber.
 * Muxers are those of ipc/format.def.
 */
#ifndef RMX_ENGINE_WORKER_FENCE_H
#define RMX_ENGINE_WORKER_FENCE_H

#include <libavcodec/codec.h>
#include <libavformat/avformat.h>

#include "engine/worker/words.h"
#include "ipc/status.h"

#define RMX_FENCE_STREAMS_MAX 512

/* Before a demuxer's context is opened: puts all of it behind the fence. Returns 0 or
 * AVERROR(ENOMEM). */
int rmx_fence_close(AVFormatContext *context);

/* Adds the options that the demuxers behind it are opened with. */
void rmx_fence_add_options(AVDictionary **options);

/* OK; or UNSUPPORTED, in a sentence, if the input's first bytes are those of a list of other files
 * or addresses. Leaves the input at its beginning. */
enum rmx_status rmx_fence_look(AVIOContext *input, struct rmx_words *words);

/* OK; or UNSUPPORTED, in a sentence, if the demuxer is not on the list. */
enum rmx_status rmx_fence_admit(const AVInputFormat *format, struct rmx_words *words);

/* The decoder for these bytes, to be opened for what it finds in headers; NULL: none, or none on
 * the list. */
const AVCodec *rmx_fence_decoder(enum AVCodecID id);

#endif
