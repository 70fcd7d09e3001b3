/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What some muxers cannot stand (see guard.h). Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/guard.h"

#include <libavutil/avstring.h>

#define PALETTE_BITS_MAX 8
#define BIT_RATE_MAX     INT64_C(1000000000) /* of all streams together */

/* MPEG program streams. */
static bool is_program_stream(const AVFormatContext *muxer)
{
    return av_match_name(muxer->oformat->name, "mpeg,vob,svcd,dvd");
}

/* AVI asserts that a palette has as many colours as so many bits can say. */
static enum rmx_status judge_palette(const AVStream *stream, struct rmx_words *words)
{
    const AVCodecParameters *parameters = stream->codecpar;
    int bits = parameters->bits_per_coded_sample;

    if (parameters->codec_type != AVMEDIA_TYPE_VIDEO || parameters->format != AV_PIX_FMT_PAL8 ||
        (bits >= 0 && bits <= PALETTE_BITS_MAX)) {
        return RMX_STATUS_OK;
    }
    rmx_words_say(words, "stream %d: a palette for pictures of %d bits", stream->index, bits);
    return RMX_STATUS_UNSUPPORTED;
}

/* A program stream is laid out by its rate, an int, and divided by it; and it never ends where a
 * stream's packets are too small for it, as those of texts are. */
static enum rmx_status judge_program_stream(
    const AVFormatContext *muxer, AVStream *stream, struct rmx_words *words)
{
    AVCodecParameters *parameters = stream->codecpar;

    if (parameters->bit_rate < 0 || parameters->bit_rate > BIT_RATE_MAX / muxer->nb_streams) {
        parameters->bit_rate = 0; /* not known */
    }
    if (parameters->codec_type != AVMEDIA_TYPE_SUBTITLE ||
        parameters->codec_id == AV_CODEC_ID_DVD_SUBTITLE) {
        return RMX_STATUS_OK;
    }
    rmx_words_say(words, "stream %d: %s has no subtitles but those of DVDs", stream->index,
        muxer->oformat->name);
    return RMX_STATUS_UNSUPPORTED;
}

enum rmx_status rmx_guard_streams(AVFormatContext *muxer, struct rmx_words *words)
{
    enum rmx_status status = RMX_STATUS_OK;

    for (unsigned slot = 0; slot < muxer->nb_streams && status == RMX_STATUS_OK; slot++) {
        if (is_program_stream(muxer)) {
            status = judge_program_stream(muxer, muxer->streams[slot], words);
        } else if (av_match_name(muxer->oformat->name, "avi")) {
            status = judge_palette(muxer->streams[slot], words);
        }
    }
    return status;
}

bool rmx_guard_wants_bytes(const AVFormatContext *muxer)
{
    return is_program_stream(muxer);
}
