/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which packets of H.264 are key frames. Worker process, a job's fiber. See avc.h.
 */
#include "engine/worker/avc.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <libavutil/intreadwrite.h>
#include <libavutil/mathematics.h>

#define AVCC_HEAD_BYTES 5 /* before how many SPS there are */
#define UNITS_LOOKED_AT 4 /* before a packet's first slice */

enum { /* types of units */
    SLICE = 1,
    SPS = 7,
    PPS = 8,
    DELIMITER = 9,
};

/* The one set of a kind at *at, after how many there are. Else, none: of several with one number
 * the last one counts, and all have to go to the parser. */
static struct rmx_avc_unit only_set(const uint8_t **at, const uint8_t *end, unsigned mask)
{
    struct rmx_avc_unit set = { .at = NULL, .bytes = 0 };

    if (end - *at >= 3 && (**at & mask) == 1 && AV_RB16(*at + 1) <= end - *at - 3) {
        set = (struct rmx_avc_unit){ .at = *at + 3, .bytes = AV_RB16(*at + 1) };
        *at += 3 + set.bytes;
    }
    return set;
}

static void find_sets(struct rmx_avc *avc)
{
    const uint8_t *at = avc->codec->extradata + AVCC_HEAD_BYTES;
    const uint8_t *end = avc->codec->extradata + avc->codec->extradata_size;

    avc->sps = only_set(&at, end, 31);
    avc->pps = avc->sps.bytes > 0 ? only_set(&at, end, 255) : avc->sps;
    if (avc->pps.bytes == 0) {
        avc->sps.bytes = 0;
    }
}

int rmx_avc_init(struct rmx_avc *avc, const AVCodecParameters *parameters)
{
    *avc = (struct rmx_avc){
        .parser = av_parser_init(AV_CODEC_ID_H264),
        .codec = avcodec_alloc_context3(NULL),
    };
    if (!avc->parser || !avc->codec) {
        return AVERROR(ENOMEM);
    }
    avc->parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
    if (avcodec_parameters_to_context(avc->codec, parameters) < 0) {
        return AVERROR(ENOMEM);
    }
    find_sets(avc);
    return 0;
}

void rmx_avc_fini(struct rmx_avc *avc)
{
    av_parser_close(avc->parser);
    avcodec_free_context(&avc->codec);
    avc->parser = NULL;
}

/* Does the slice after this unit's head say that it is a picture's first, and predicted? Its first
 * macroblock and its type, in Exp-Golomb: 1, then 1 or 00110 for P, 010 or 00111 for B. */
static bool is_predicted(const uint8_t *slice)
{
    unsigned bits = slice[0];

    return bits >> 6 == 3 || bits >> 4 == 0xa || bits >> 2 == 0x26 || bits >> 2 == 0x27;
}

/* Is this unit what the head of the stream has, and the parser holds? */
static bool is_known(const struct rmx_avc *avc, struct rmx_avc_unit unit)
{
    const struct rmx_avc_unit *set = (unit.at[0] & 31) == SPS ? &avc->sps : &avc->pps;

    return unit.bytes == set->bytes && memcmp(set->at, unit.at, unit.bytes) == 0;
}

/* The units of a packet that are still to be looked at. */
struct units {
    const uint8_t *at;
    size_t bytes;
    bool broken; /* the next one makes no sense */
};

static bool next_unit(struct units *units, const struct rmx_avc *avc, struct rmx_avc_unit *unit)
{
    size_t head = (avc->codec->extradata[4] & 3u) + 1;
    uint32_t length = 0;

    if (units->bytes <= head) {
        return false;
    }
    for (size_t i = 0; i < head; i++) {
        length = length << 8 | units->at[i];
    }
    units->at += head;
    units->bytes -= head;
    units->broken = length == 0 || length > units->bytes;
    if (units->broken) {
        return false;
    }
    *unit = (struct rmx_avc_unit){ .at = units->at, .bytes = length };
    units->at += length;
    units->bytes -= length;
    return true;
}

/* Nothing in front of the first slice but a delimiter and parameter sets that are known already,
 * and that slice is predicted: no key frame. Else the parser has to say. */
static bool is_plain(const struct rmx_avc *avc, struct units units)
{
    struct rmx_avc_unit unit;

    for (unsigned i = 0; i < UNITS_LOOKED_AT && next_unit(&units, avc, &unit); i++) {
        unsigned type = unit.at[0] & 31;

        if (type == SLICE && unit.bytes > 1) {
            return is_predicted(unit.at + 1);
        }
        if (type != DELIMITER && ((type != SPS && type != PPS) || !is_known(avc, unit))) {
            return false;
        }
    }
    return false;
}

/* Does a parameter set come that the stream's head does not have, or what is to be taken for one?
 */
static bool brings_sets(const struct rmx_avc *avc, struct units units)
{
    struct rmx_avc_unit unit;

    while (next_unit(&units, avc, &unit)) {
        unsigned type = unit.at[0] & 31;

        if ((type == SPS || type == PPS) && !is_known(avc, unit)) {
            return true;
        }
    }
    return units.broken;
}

bool rmx_avc_is_key(struct rmx_avc *avc, const AVPacket *packet)
{
    const struct units units = { .at = packet->data, .bytes = (size_t)packet->size };
    bool plain = !avc->parses && is_plain(avc, units);
    uint8_t *out = NULL;
    int out_bytes = 0;

    if (plain && avc->settled) {
        return false;
    }
    (void)av_parser_parse2(avc->parser, avc->codec, &out, &out_bytes, packet->data, packet->size,
        packet->pts, packet->dts, packet->pos);
    if (!avc->parses && !plain) {
        avc->parses = brings_sets(avc, units);
    }
    avc->parses |= avc->parser->coded_width == 0;
    avc->settled = plain;
    return avc->parser->key_frame == 1;
}

int64_t rmx_avc_lasts(const struct rmx_avc *avc, AVRational unit, AVRational rate)
{
    AVRational said = avc->codec->framerate;
    AVRational lasts = { 0, 0 };

    if (rate.num && !said.num) {
        lasts = av_inv_q(rate);
    } else if (unit.num * INT64_C(1000) > unit.den) {
        lasts = unit;
    } else if (said.den * INT64_C(1000) > said.num) {
        av_reduce(&lasts.num, &lasts.den, said.den, said.num * (int64_t)avc->codec->ticks_per_frame,
            INT_MAX);
        if (avc->parser->repeat_pict) {
            av_reduce(&lasts.num, &lasts.den, lasts.num * (INT64_C(1) + avc->parser->repeat_pict),
                lasts.den, INT_MAX);
        }
    }
    return lasts.num && lasts.den ? av_rescale_rnd(1, lasts.num * (int64_t)unit.den,
                                        lasts.den * (int64_t)unit.num, AV_ROUND_DOWN)
                                  : 0;
}
