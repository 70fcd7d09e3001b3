/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The header of MP4 in fragments, where it cannot be written before there are packets: some sound
 * is described by what its first packet says of itself. The muxer then holds the header back, and
 * where it has to write it without that packet it writes half of it and says nothing. Worker
 * process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_FOREWORD_H
#define RMX_ENGINE_WORKER_FOREWORD_H

#include <stdbool.h>

#include <libavformat/avformat.h>

/* Can this muxer not describe the stream before it has a packet of it? muxer has its options. */
bool rmx_foreword_needs_packet(const AVFormatContext *muxer, const AVCodecParameters *parameters);

/* Does the packet say of its stream what that muxer needs? True of a codec it needs none of. */
bool rmx_foreword_says(enum AVCodecID codec, const AVPacket *packet);

/* Has the muxer hold its header back where one of its streams asks for it. Before that is written.
 */
void rmx_foreword_delay(AVFormatContext *muxer);

/* Is the header held back, and not yet written? */
bool rmx_foreword_is_due(const AVFormatContext *muxer);

/* Writes the header, for which it must be due, with what the muxer was given so far; whole or not
 * at all. muxer has words (words.h). Returns 0 or AVERROR. */
int rmx_foreword_write(AVFormatContext *muxer);

#endif
