/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The header of MP4 in fragments, held back. Worker process, a job's fiber.
 */
#include "engine/worker/foreword.h"

#include <stdint.h>

#include <libavcodec/ac3_parser.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>

#include "engine/worker/options.h"
#include "engine/worker/words.h"

#define BOX_HEAD_BYTES    8
#define AC3_ID_MAX        8 /* others have no place in MP4 */
#define TRUEHD_HEAD_BYTES 20
#define TRUEHD_SYNC       0xf8726fba

/* These the muxer refuses to describe from what the input's header said. */
static bool is_described_by_packets(enum AVCodecID codec)
{
    return codec == AV_CODEC_ID_AC3 || codec == AV_CODEC_ID_EAC3 || codec == AV_CODEC_ID_TRUEHD;
}

bool rmx_foreword_needs_packet(const AVFormatContext *muxer, const AVCodecParameters *parameters)
{
    return is_described_by_packets(parameters->codec_id) &&
           (rmx_options_has_flag(muxer, "movflags", "empty_moov") ||
               rmx_options_has_flag(muxer, "movflags", "delay_moov") ||
               rmx_options_has_flag(muxer, "movflags", "cmaf"));
}

bool rmx_foreword_says(enum AVCodecID codec, const AVPacket *packet)
{
    size_t bytes = (size_t)packet->size;
    uint16_t frame_bytes;
    uint8_t id;

    switch (codec) {
    case AV_CODEC_ID_AC3:
        return av_ac3_parse_header(packet->data, bytes, &id, &frame_bytes) >= 0 && id <= AC3_ID_MAX;
    case AV_CODEC_ID_EAC3:
        return av_ac3_parse_header(packet->data, bytes, &id, &frame_bytes) >= 0;
    case AV_CODEC_ID_TRUEHD:
        return bytes >= TRUEHD_HEAD_BYTES && AV_RB32(packet->data + 4) == TRUEHD_SYNC;
    default:
        return true;
    }
}

void rmx_foreword_delay(AVFormatContext *muxer)
{
    for (unsigned slot = 0; slot < muxer->nb_streams; slot++) {
        if (rmx_foreword_needs_packet(muxer, muxer->streams[slot]->codecpar)) {
            av_opt_set(muxer->priv_data, "movflags", "+delay_moov", 0);
        }
    }
}

bool rmx_foreword_is_due(const AVFormatContext *muxer)
{
    return rmx_options_has_flag(muxer, "movflags", "delay_moov") && avio_tell(muxer->pb) == 0;
}

/* Are these boxes, of which the last is the header? One that was given up has no size. */
static bool is_whole(const uint8_t *bytes, uint32_t count)
{
    uint32_t at = 0;
    uint32_t type = 0;

    while (count - at >= BOX_HEAD_BYTES) {
        uint32_t size = AV_RB32(bytes + at);

        if (size < BOX_HEAD_BYTES || size > count - at) {
            return false;
        }
        type = AV_RL32(bytes + at + 4);
        at += size;
    }
    return at == count && type == MKTAG('m', 'o', 'o', 'v');
}

/* The first stream that packets describe: of all, or of those without any. */
static const AVStream *find_described(const AVFormatContext *muxer, bool silent)
{
    for (unsigned slot = 0; slot < muxer->nb_streams; slot++) {
        const AVStream *stream = muxer->streams[slot];

        if (is_described_by_packets(stream->codecpar->codec_id) &&
            !(silent && stream->nb_frames > 0)) {
            return stream;
        }
    }
    return NULL;
}

static int refuse(const AVFormatContext *muxer, const AVStream *stream)
{
    if (stream) { /* or else the muxer said why */
        rmx_words_say(muxer->opaque,
            "%s needs a valid packet of stream %d (%s) to describe it, and none came: "
            "leave the stream out, or use mpegts or matroska",
            muxer->oformat->name, stream->index, avcodec_get_name(stream->codecpar->codec_id));
    }
    return AVERROR_INVALIDDATA;
}

/* The muxer says nothing of its failure, but it shows. */
int rmx_foreword_write(AVFormatContext *muxer)
{
    const AVStream *silent = find_described(muxer, true);
    AVIOContext *output = muxer->pb;
    AVIOContext *aside = NULL;
    uint8_t *bytes = NULL;

    if (silent) {
        return refuse(muxer, silent);
    }
    int err = avio_open_dyn_buf(&aside);

    if (err < 0) {
        return err;
    }
    muxer->pb = aside;
    err = av_write_frame(muxer, NULL);
    muxer->pb = output;

    int count = avio_close_dyn_buf(aside, &bytes);

    if (err >= 0 && !is_whole(bytes, (uint32_t)count)) {
        err = refuse(muxer, find_described(muxer, false));
    }
    if (err >= 0) {
        avio_write(output, bytes, count);
    }
    av_free(bytes);
    return FFMIN(err, 0);
}
