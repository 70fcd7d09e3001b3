/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The times of a live input's packets. Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/stamp.h"

#include <libavutil/mathematics.h>

#include "engine/worker/aac.h"

/* H.264 and MPEG-2 count in fields, and their parsers say how many more than one a picture shows.
 */
int64_t rmx_stamp_duration(
    struct rmx_split_stream *state, const AVPacket *packet, int repeats, AVRational base)
{
    AVRational rate = state->codec->framerate;
    int64_t since = packet->dts == AV_NOPTS_VALUE || state->last_ts == AV_NOPTS_VALUE
                        ? 0
                        : av_sat_sub64(packet->dts, state->last_ts);

    state->last_ts = packet->dts;
    if (rate.num <= 0 || rate.den <= 0) {
        return since > 0 && since < (int64_t)base.den ? since : 0;
    }
    if (state->codec->codec_id == AV_CODEC_ID_H264 ||
        state->codec->codec_id == AV_CODEC_ID_MPEG2VIDEO) {
        rate.num *= 2;
        rate.den *= 1 + repeats;
    }
    return av_rescale_q_rnd(1, av_inv_q(rate), base, AV_ROUND_DOWN);
}

void rmx_stamp_picture(struct rmx_split_stream *state, AVPacket *packet, AVRational base)
{
    packet->pts = state->parser->pts;
    packet->dts = state->parser->dts;
    packet->duration = rmx_stamp_duration(state, packet, state->parser->repeat_pict, base);
}

/* In seconds; 0 if nobody knows. The parser of AAC leaves it to its caller to read the header; the
 * others count in whole ticks. */
static AVRational sound_lasts(
    const struct rmx_split_stream *state, const AVPacket *packet, AVRational base)
{
    struct rmx_aac aac;

    if (state->codec->codec_id == AV_CODEC_ID_AAC &&
        rmx_aac_read_header(&aac, packet->data, (size_t)packet->size) == 0) {
        return (AVRational){ RMX_AAC_SAMPLES, (int)aac.sample_rate };
    }
    if (state->parser->duration > 0 && state->codec->sample_rate > 0) {
        AVRational samples = { state->parser->duration, state->codec->sample_rate };

        return av_mul_q(
            (AVRational){ (int)av_rescale_q_rnd(1, samples, base, AV_ROUND_DOWN), 1 }, base);
    }
    return (AVRational){ 0, 1 };
}

/* Where a frame begins that has no time of its own. What the first frame lasted may have come out
 * since. */
static int64_t after_last_sound(const struct rmx_split_stream *state, const AVStream *stream)
{
    const AVCodecParameters *parameters = stream->codecpar;
    AVRational lasts = state->lasts;

    if (state->last_ts == AV_NOPTS_VALUE) {
        return AV_NOPTS_VALUE;
    }
    if (lasts.num == 0 && parameters->sample_rate > 0) {
        lasts = (AVRational){ parameters->frame_size, parameters->sample_rate };
    }
    return av_add_stable(stream->time_base, state->last_ts, lasts, 1);
}

/* Only the first frame of a PES packet brings its time along. */
void rmx_stamp_sound(struct rmx_split_stream *state, AVPacket *packet, const AVStream *stream)
{
    packet->pts = state->parser->pts;
    if (packet->pts == AV_NOPTS_VALUE) {
        packet->pts = after_last_sound(state, stream);
    }
    packet->dts = packet->pts;
    state->last_ts = packet->pts;
    state->lasts = sound_lasts(state, packet, stream->time_base);
    packet->duration = av_rescale_q_rnd(1, state->lasts, stream->time_base, AV_ROUND_DOWN);
}

/* The least of the last pts that could still come before: as many as pictures are reordered. Before
 * there are so many, they are thought to have been there, one duration apart. */
void rmx_stamp_order(struct rmx_split_stream *state, AVPacket *packet)
{
    int64_t *pts = state->pts;
    unsigned at = 0;

    if (packet->pts == AV_NOPTS_VALUE) {
        return;
    }
    if (!state->ordering) {
        for (unsigned slot = 0; slot <= state->reorder; slot++) {
            int64_t before = (int64_t)(state->reorder + 1 - slot) * packet->duration;

            pts[slot] = av_sat_sub64(packet->pts, before);
        }
        state->ordering = true;
    }
    pts[0] = packet->pts; /* the least was given out */
    for (; at < state->reorder && pts[at] > pts[at + 1]; at++) {
        FFSWAP(int64_t, pts[at], pts[at + 1]);
    }
    packet->dts = pts[0];
}
