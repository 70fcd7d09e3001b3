/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a stream is, from its own packets: parameter sets, frame headers, and where these do
 * not say it a decoder. Worker process, a job's fiber. Does no I/O.
 */
#ifndef RMX_ENGINE_WORKER_LEARN_H
#define RMX_ENGINE_WORKER_LEARN_H

#include <stdbool.h>

#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavformat/avformat.h>

#include "engine/worker/sps.h"

struct rmx_learn {
    bool seen;  /* a packet came */
    bool known; /* nothing more is to be learnt */
    AVBSFContext *extract;
    AVCodecParserContext *parser;
    AVCodecContext *codec;   /* the parser's */
    AVCodecContext *decoder; /* of what has no telling header */
};

/* Shows it the stream's next packet: what it says goes into the stream's parameters. Returns 0 or
 * AVERROR(ENOMEM). */
int rmx_learn_from(struct rmx_learn *learn, AVStream *stream, const AVPacket *packet);

/* Is there all that a muxer's header asks for? */
bool rmx_learn_is_known(const AVCodecParameters *parameters);

/* The one plain parameter set of H.264 in the stream's extradata, of either form. */
bool rmx_learn_read_set(struct rmx_sps *sps, const AVCodecParameters *parameters);

/* Accepts one that was zeroed. */
void rmx_learn_fini(struct rmx_learn *learn);

#endif
