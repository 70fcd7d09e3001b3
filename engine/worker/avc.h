/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which packets of H.264 are key frames, and how long they last: what libavcodec's parser says of
 * a stream out of MP4. Nearly every packet is one whose first bytes show that it is none, and is
 * not given to that parser at all. Worker process, a job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_AVC_H
#define RMX_ENGINE_WORKER_AVC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libavcodec/avcodec.h>

/* A unit of a packet, or a parameter set in codec->extradata. */
struct rmx_avc_unit {
    const uint8_t *at;
    size_t bytes; /* of a set, 0 = there is none, or several */
};

struct rmx_avc {
    AVCodecParserContext *parser;
    AVCodecContext *codec; /* what the parser finds out */
    struct rmx_avc_unit sps;
    struct rmx_avc_unit pps; /* both or neither */
    bool settled; /* the parser's last packet was a plain one: it would say the same of the next */
    bool parses;  /* all packets: the stream says of itself what its head does not */
};

/* parameters: of H.264 with an avcC. Returns 0 or AVERROR(ENOMEM). Fini takes the half-made. */
int rmx_avc_init(struct rmx_avc *avc, const AVCodecParameters *parameters);

/* Packets of one stream, in order. */
bool rmx_avc_is_key(struct rmx_avc *avc, const AVPacket *packet);

/* The last packet, in units; 0 = not known. rate: the container's frame rate. */
int64_t rmx_avc_lasts(const struct rmx_avc *avc, AVRational unit, AVRational rate);

void rmx_avc_fini(struct rmx_avc *avc);

#endif
