/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Finding out what the streams are without decoding, which costs more than all the rest of a small
 * job. Only where the output is known to have the same bytes: an MP4 or MOV of H.264 with one
 * plain parameter set, to containers that ask no more than headers tell. Worker process, a job's
 * fiber.
 *
 *   whole    avformat_find_stream_info() as it is: decodes the first picture and sound
 *   sound    the same, but no video decoder opens; the parameter set says the rest
 *   headers  nothing but the first packet of each stream is looked at, for its time
 */
#ifndef RMX_ENGINE_WORKER_SHORTCUT_H
#define RMX_ENGINE_WORKER_SHORTCUT_H

#include <stdbool.h>

#include <libavformat/avformat.h>

#include "engine/worker/ahead.h"
#include "engine/worker/sps.h"

/* Instead of avformat_find_stream_info(), and with its return values, by the shortest way that
 * serves muxer (libavformat's name for the target). Packets read go ahead. */
int rmx_shortcut_find_streams(AVFormatContext *demuxer, struct rmx_ahead *ahead, const char *muxer);

/* Is what the headers say enough for this muxer? The demuxer was opened. */
bool rmx_shortcut_is_enough(const AVFormatContext *demuxer, const char *muxer);

/* Then this is all that there is to find out, once each stream's start is known. */
void rmx_shortcut_fill(AVFormatContext *demuxer);

/* Shape and colours. */
void rmx_shortcut_fill_picture(AVCodecParameters *parameters, const struct rmx_sps *sps);

/* Sets the demuxer's start from its streams' first packets, which were read. */
void rmx_shortcut_note_start(AVFormatContext *demuxer);

#endif
