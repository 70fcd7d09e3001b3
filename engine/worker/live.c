/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Finding out what the streams of a live input are. Worker process, a job's fiber.
 */
#include "engine/worker/live.h"

#include <errno.h>

#include <libavutil/avstring.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>
#include <libavutil/time.h>

#include "engine/worker/foreword.h"
#include "engine/worker/learn.h"
#include "engine/worker/shortcut.h"
#include "engine/worker/sps.h"
#include "engine/worker/words.h"

#define MEDIA_FACTOR 10 /* see live.h */

struct look {
    AVFormatContext *demuxer;
    struct rmx_learn *streams;
    unsigned count;
    int64_t silent_us;
    unsigned kinds;   /* as rmx_live_prepare() returned them */
    int64_t came_us;  /* by the clock: the first packet */
    int64_t first_us; /* by the media */
    int64_t clock_us; /* since then */
    int64_t media_us;
};

static bool is_media(const AVStream *stream)
{
    enum AVMediaType type = stream->codecpar->codec_type;

    return (type == AVMEDIA_TYPE_VIDEO || type == AVMEDIA_TYPE_AUDIO) &&
           !(stream->disposition & AV_DISPOSITION_ATTACHED_PIC);
}

/* --- who is expected ------------------------------------------------------------------------- */

#define FLV_AUDIO 4u
#define FLV_VIDEO 1u

/* FLV says in its fifth byte what kinds there will be, and makes streams of them as they come. One
 * that promises neither may have both. */
static unsigned promised_kinds(AVIOContext *input)
{
    unsigned char head[5] = { 0 };
    int bytes = avio_read(input, head, sizeof(head));
    unsigned kinds = head[4] & (FLV_AUDIO | FLV_VIDEO);

    if (bytes < 0 || avio_seek(input, 0, SEEK_SET) < 0) {
        return 0;
    }
    return kinds != 0 ? kinds : FLV_AUDIO | FLV_VIDEO;
}

static bool kind_is_missing(const AVFormatContext *demuxer, unsigned promised)
{
    unsigned there = 0;

    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        enum AVMediaType type = demuxer->streams[slot]->codecpar->codec_type;

        there |= type == AVMEDIA_TYPE_VIDEO ? FLV_VIDEO : 0;
        there |= type == AVMEDIA_TYPE_AUDIO ? FLV_AUDIO : 0;
    }
    return (promised & ~there) != 0;
}

/* MPEG-TS lists its programs, and tells of each one's streams later. */
static bool program_is_missing(const AVFormatContext *demuxer)
{
    for (unsigned slot = 0; slot < demuxer->nb_programs; slot++) {
        if (demuxer->programs[slot]->nb_stream_indexes == 0) {
            return true;
        }
    }
    return demuxer->nb_streams == 0;
}

/* Is it enough for a stream to be called silent? */
static bool waited(const struct look *look)
{
    return look->clock_us >= look->silent_us || look->media_us >= MEDIA_FACTOR * look->silent_us;
}

static bool is_enough(const struct look *look)
{
    if (FFMAX(look->clock_us, look->media_us) >= RMX_LIVE_PATIENCE_US) {
        return true;
    }
    if (!waited(look) &&
        (kind_is_missing(look->demuxer, look->kinds) || program_is_missing(look->demuxer))) {
        return false;
    }
    for (unsigned slot = 0; slot < look->count; slot++) {
        const struct rmx_learn *learn = &look->streams[slot];

        if (is_media(look->demuxer->streams[slot]) && !learn->known &&
            (learn->seen || !waited(look))) {
            return false;
        }
        if (rmx_split_is_unnamed(look->demuxer->streams[slot]) && !waited(look)) {
            return false;
        }
    }
    return look->count > 0 && look->count == look->demuxer->nb_streams;
}

/* --- looking --------------------------------------------------------------------------------- */

static int follow_streams(struct look *look)
{
    unsigned count = look->demuxer->nb_streams;

    if (count == look->count) {
        return 0;
    }
    struct rmx_learn *streams = av_realloc_array(look->streams, count, sizeof(*streams));

    if (!streams) {
        return AVERROR(ENOMEM);
    }
    for (unsigned slot = look->count; slot < count; slot++) {
        streams[slot] = (struct rmx_learn){ 0 };
    }
    look->streams = streams;
    look->count = count;
    return 0;
}

static void note_time(struct look *look, const AVPacket *packet)
{
    AVRational base = look->demuxer->streams[packet->stream_index]->time_base;
    int64_t now_us = av_gettime_relative();

    look->came_us = look->came_us == 0 ? now_us : look->came_us;
    look->clock_us = now_us - look->came_us;
    if (packet->dts != AV_NOPTS_VALUE) {
        int64_t dts_us = av_rescale_q_rnd(
            packet->dts, base, AV_TIME_BASE_Q, AV_ROUND_NEAR_INF | AV_ROUND_PASS_MINMAX);

        look->first_us = look->first_us == AV_NOPTS_VALUE ? dts_us : look->first_us;
        look->media_us = av_sat_sub64(dts_us, look->first_us);
    }
}

static int look_on(struct look *look, struct rmx_ahead *ahead)
{
    int err = follow_streams(look);

    while (err >= 0 && !is_enough(look) && !rmx_ahead_full(ahead)) {
        const AVPacket *packet;

        do {
            err = rmx_ahead_read(ahead, look->demuxer, &packet);
        } while (err == AVERROR(EAGAIN));
        if (err >= 0) {
            err = follow_streams(look);
        }
        if (err >= 0) {
            err = rmx_learn_from(&look->streams[packet->stream_index],
                look->demuxer->streams[packet->stream_index], packet);
            note_time(look, packet);
        }
    }
    return err;
}

/* --- Matroska -------------------------------------------------------------------------------- */

/* Its pictures have no dts, which takes the reorder depth to make. False if the parameter set does
 * not say it. */
static bool order_pictures(AVFormatContext *demuxer, struct rmx_split *split)
{
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        AVCodecParameters *parameters = demuxer->streams[slot]->codecpar;
        struct rmx_sps sps;

        if (parameters->codec_id == AV_CODEC_ID_HEVC) {
            return false;
        }
        if (parameters->codec_id != AV_CODEC_ID_H264) {
            continue;
        }
        if (!rmx_learn_read_set(&sps, parameters) || sps.fields || !sps.has_reorder) {
            return false;
        }
        parameters->video_delay = (int)sps.reorder;
        rmx_split_order(split, slot, sps.reorder);
    }
    return true;
}

/* --- together -------------------------------------------------------------------------------- */

/* MPEG-TS's demuxer keeps so much, to go back to the start when it has found the streams. Twice a
 * second is how often a stream must say what it is made of, and twenty megabits are a lot. */
#define KEPT_BYTES 262144

unsigned rmx_live_prepare(AVFormatContext *demuxer, const AVInputFormat *format)
{
    demuxer->probesize = KEPT_BYTES;
    demuxer->max_probe_packets = 1; /* MPEG-TS doubts its own word for AAC, for three frames */
    return av_match_name("flv", format->name) ? promised_kinds(demuxer->pb) : 0;
}

int rmx_live_find_streams(AVFormatContext *demuxer, struct rmx_ahead *ahead,
    struct rmx_split *split, struct rmx_tap *tap, const struct rmx_live_look *how)
{
    struct look look = {
        .demuxer = demuxer,
        .kinds = how->kinds,
        .silent_us = FFMAX(how->silent_us, RMX_LIVE_SILENT_US),
        .first_us = AV_NOPTS_VALUE,
    };
    int err = rmx_split_begin(split, demuxer, tap);

    if (err < 0) {
        return err;
    }
    bool whole =
        av_match_name("matroska", demuxer->iformat->name) && !order_pictures(demuxer, split);

    if (whole) {
        err = avformat_find_stream_info(demuxer, NULL);
    } else {
        ahead->split = split;
    }
    if (err >= 0) {
        err = look_on(&look, ahead);
    }
    for (unsigned slot = 0; slot < look.count; slot++) {
        rmx_learn_fini(&look.streams[slot]);
    }
    av_free(look.streams);
    if (!whole) {
        rmx_shortcut_note_start(demuxer);
    }
    return err;
}

static bool is_unknown(const AVStream *stream)
{
    return is_media(stream) && !rmx_learn_is_known(stream->codecpar);
}

/* Of what the muxer needs a packet for, is there none ahead that serves? Of VP9, MP4's muxer would
 * write a header that nobody can read. */
static bool is_missed(
    const AVFormatContext *muxer, const AVStream *stream, const struct rmx_ahead *ahead)
{
    if (stream->codecpar->codec_id == AV_CODEC_ID_VP9 &&
        stream->codecpar->format == AV_PIX_FMT_NONE && av_match_name("mp4", muxer->oformat->name)) {
        return true;
    }
    bool needed = rmx_foreword_needs_packet(muxer, stream->codecpar);

    for (unsigned slot = ahead->next; slot < ahead->count && needed; slot++) {
        const AVPacket *packet = ahead->packets[slot];

        needed = packet->stream_index != stream->index ||
                 !rmx_foreword_says(stream->codecpar->codec_id, packet);
    }
    return needed;
}

void rmx_live_leave_out(struct rmx_streams *streams, const AVFormatContext *demuxer,
    const struct rmx_ahead *ahead, const AVFormatContext *muxer)
{
    struct rmx_words *words = muxer->opaque;
    unsigned kept = 0;

    for (unsigned slot = 0; slot < streams->count; slot++) {
        unsigned source = streams->source[slot].stream;
        const AVStream *stream = demuxer->streams[source];

        if (!is_unknown(stream) && !is_missed(muxer, stream, ahead)) {
            streams->source[kept++] = streams->source[slot];
            continue;
        }
        rmx_words_warn(words, "stream %u (%s) was announced but is silent or unreadable: left out",
            source, avcodec_get_name(stream->codecpar->codec_id));
    }
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        if (rmx_split_is_unnamed(demuxer->streams[slot])) {
            rmx_words_warn(words, "stream %u (type 0x%02x of MPEG-TS) is not known: left out", slot,
                (unsigned)demuxer->streams[slot]->codecpar->codec_tag);
        }
    }
    streams->count = kept;
    if (kept == 0) {
        rmx_words_say(words, "%s", words->warning);
    }
}
