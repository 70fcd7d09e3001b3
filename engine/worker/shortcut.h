/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Finding out what the streams are without decoding a picture, which costs more than all the rest
 * of a small job. Only where the output is known to have the same bytes: an MP4 or MOV of H.264
 * with one plain parameter set, to containers that ask no more than the set tells. Worker process,
 * a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_SHORTCUT_H
#define RMX_ENGINE_WORKER_SHORTCUT_H

#include <stdbool.h>

#include <libavformat/avformat.h>

/* To be called between open and find_stream_info; muxer is libavformat's name. True: the context
 * will open no video decoder, and rmx_shortcut_fill() must follow find_stream_info. */
bool rmx_shortcut_take(AVFormatContext *demuxer, const char *muxer);

/* Adds what the decoder would have found. */
void rmx_shortcut_fill(AVFormatContext *demuxer);

#endif
