/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes the fragments of an MP4: what goes into each. Worker process, a job's fiber. See
 * fragmenter.h.
 */
#include "engine/worker/fragmenter.h"

#include <errno.h>
#include <string.h>

#include <libavutil/intreadwrite.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>

#include "engine/worker/moof.h"
#include "engine/worker/native.h"

#define ROOM_AT_FIRST 64

/* Packets of one stream in order: those of the fragment at hand, then those that wait. */
struct lane {
    const AVStream *stream;
    AVPacket **packets;
    struct rmx_moof_sample *samples; /* of the fragment's */
    unsigned room;
    unsigned first; /* where in packets: what lies before was given out */
    unsigned count;
    unsigned taken; /* into the fragment */
    bool pictures;
    bool begun;       /* a packet was taken, at some time */
    bool given;       /* or came */
    bool shifted;     /* a packet's pts was not its dts */
    bool end_known;   /* where the fragment's last sample ends: another packet said so */
    int64_t offset;   /* added to all times */
    int64_t duration; /* of all samples up to there */
};

struct rmx_fragmenter {
    AVFormatContext *muxer;
    struct lane *lanes;
    unsigned count;
    bool offset_known;
    struct rmx_moof moof;
    AVPacket **spare; /* empty ones */
    unsigned spares;
    unsigned spare_room;
};

/* Of two, one's times may depend on when the other's fragment was written. Without any there is one
 * fragment, and a packet of sound takes less room in libavformat's buffer than by itself. */
static bool has_one_of_pictures(const AVFormatContext *demuxer)
{
    unsigned count = 0;

    for (unsigned i = 0; i < demuxer->nb_streams; i++) {
        count += demuxer->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    }
    return count == 1;
}

bool rmx_fragmenter_serves(const struct rmx_job_spec *spec, const AVFormatContext *demuxer)
{
    return rmx_native_is(demuxer) && spec->kind == RMX_JOB_REMUX && spec->inputs == 1 &&
           spec->outputs == 1 && strcmp(spec->format, "fmp4") == 0 && spec->options[0] == '\0' &&
           spec->edits[0] == '\0' && !(spec->flags & (RMX_JOB_LIVE | RMX_JOB_PARTS)) &&
           has_one_of_pictures(demuxer);
}

/* --- packets that wait ----------------------------------------------------------------------- */

static int grow(struct lane *lane)
{
    unsigned room = lane->room > 0 ? 2 * lane->room : ROOM_AT_FIRST;
    AVPacket **packets = av_realloc_array(lane->packets, room, sizeof(AVPacket *));

    if (!packets) {
        return AVERROR(ENOMEM);
    }
    lane->packets = packets;
    struct rmx_moof_sample *samples = av_realloc_array(lane->samples, room, sizeof(*lane->samples));

    if (!samples) {
        return AVERROR(ENOMEM);
    }
    lane->samples = samples;
    lane->room = room;
    return 0;
}

static AVPacket *new_packet(struct rmx_fragmenter *fragmenter)
{
    return fragmenter->spares > 0 ? fragmenter->spare[--fragmenter->spares] : av_packet_alloc();
}

/* Keeps the empty packet for the next one, if there is room for it. */
static void drop(struct rmx_fragmenter *fragmenter, AVPacket *packet)
{
    if (fragmenter->spares == fragmenter->spare_room) {
        unsigned room = fragmenter->spare_room + ROOM_AT_FIRST;
        AVPacket **spare = av_realloc_array(fragmenter->spare, room, sizeof(AVPacket *));

        if (!spare) {
            av_packet_free(&packet);
            return;
        }
        fragmenter->spare = spare;
        fragmenter->spare_room = room;
    }
    av_packet_unref(packet);
    fragmenter->spare[fragmenter->spares++] = packet;
}

static AVPacket *packet_of(const struct lane *lane, unsigned place)
{
    return lane->packets[lane->first + place];
}

static const AVPacket *head_of(const struct lane *lane)
{
    return lane->taken < lane->count ? packet_of(lane, lane->taken) : NULL;
}

static int64_t microseconds(const struct lane *lane, const AVPacket *packet)
{
    return av_rescale_q(packet->dts, lane->stream->time_base, AV_TIME_BASE_Q);
}

/* How far ahead is any of those that wait? */
static int64_t span_us(const struct rmx_fragmenter *fragmenter, const struct lane *first)
{
    int64_t from_us = microseconds(first, head_of(first));
    int64_t span = INT64_MIN;

    for (unsigned i = 0; i < fragmenter->count; i++) {
        const struct lane *lane = &fragmenter->lanes[i];

        if (head_of(lane)) {
            span = FFMAX(
                span, av_sat_sub64(microseconds(lane, packet_of(lane, lane->count - 1)), from_us));
        }
    }
    return span;
}

/* The one with the earliest packet, once each has one; or when it has waited for long enough. */
static struct lane *next_lane(const struct rmx_fragmenter *fragmenter, bool all)
{
    struct lane *best = NULL;
    bool each = true;

    for (unsigned i = 0; i < fragmenter->count; i++) {
        struct lane *lane = &fragmenter->lanes[i];
        const AVPacket *head = head_of(lane);

        each &= head != NULL;
        if (head && (!best || av_compare_ts(head->dts, lane->stream->time_base, head_of(best)->dts,
                                  best->stream->time_base) < 0)) {
            best = lane;
        }
    }
    if (!best || each || all) {
        return best;
    }
    return span_us(fragmenter, best) > fragmenter->muxer->max_interleave_delta ? best : NULL;
}

/* --- fragments ------------------------------------------------------------------------------- */

/* Where the last sample of each track ends is known by the packet after it, if there is one. */
static void find_ends(struct rmx_fragmenter *fragmenter)
{
    for (unsigned i = 0; i < fragmenter->count; i++) {
        struct lane *lane = &fragmenter->lanes[i];
        const AVPacket *next = head_of(lane);

        if (!lane->end_known && next && lane->begun) {
            lane->duration = av_sat_add64(next->dts, lane->offset);
        }
        if (lane->taken > 1 && lane->duration == lane->samples[lane->taken - 1].dts) {
            lane->duration =
                av_sat_add64(lane->duration, av_sat_sub64(lane->samples[lane->taken - 1].dts,
                                                 lane->samples[lane->taken - 2].dts));
        }
    }
}

/* The bytes of a lane's part. */
static void give_out(struct rmx_fragmenter *fragmenter, struct lane *lane)
{
    lane->end_known = false;
    for (unsigned k = 0; k < lane->taken; k++) {
        AVPacket *packet = packet_of(lane, k);

        avio_write(fragmenter->muxer->pb, packet->data, packet->size);
        drop(fragmenter, packet);
    }
    lane->first += lane->taken;
    lane->count -= lane->taken;
    if (lane->first >= lane->count) { /* else many that wait would be moved for each fragment */
        for (unsigned k = 0; k < lane->count; k++) {
            lane->packets[k] = packet_of(lane, k);
        }
        lane->first = 0;
    }
    lane->taken = 0;
}

static int write_fragment(struct rmx_fragmenter *fragmenter)
{
    AVIOContext *io = fragmenter->muxer->pb;
    struct rmx_moof *moof = &fragmenter->moof;
    int err;

    find_ends(fragmenter);
    rmx_moof_begin(moof, avio_tell(io));
    for (unsigned i = 0; i < fragmenter->count; i++) {
        const struct lane *lane = &fragmenter->lanes[i];
        const struct rmx_moof_run run = {
            .samples = lane->samples,
            .count = lane->taken,
            .end = lane->duration,
            .pictures = lane->pictures,
            .shifted = lane->shifted,
        };

        if (lane->taken > 0) {
            rmx_moof_add(moof, i, &run);
        }
    }
    err = rmx_moof_end(moof, io);
    for (unsigned i = 0; i < fragmenter->count; i++) {
        give_out(fragmenter, &fragmenter->lanes[i]);
    }
    return err < 0 ? err : FFMIN(io->error, 0);
}

static int flush(struct rmx_fragmenter *fragmenter)
{
    for (unsigned i = 0; i < fragmenter->count; i++) {
        if (fragmenter->lanes[i].taken > 0) {
            return write_fragment(fragmenter);
        }
    }
    return 0;
}

/* --- into the fragment ----------------------------------------------------------------------- */

/* The first packet of all comes at zero. */
static void find_offset(struct rmx_fragmenter *fragmenter, const struct lane *first)
{
    int64_t ts = head_of(first)->dts;

    for (unsigned i = 0; i < fragmenter->count; i++) {
        struct lane *lane = &fragmenter->lanes[i];

        lane->offset =
            av_rescale_q_rnd(-ts, first->stream->time_base, lane->stream->time_base, AV_ROUND_UP);
    }
    fragmenter->offset_known = true;
}

/* None comes before the one in front of it. */
static void keep_order(const struct lane *lane, AVPacket *packet)
{
    int64_t least = packet->dts;

    if (lane->taken > 0) {
        least = lane->samples[lane->taken - 1].dts;
    } else if (lane->begun) {
        least = lane->duration;
    }
    if (packet->dts < least || av_sat_sub64(packet->dts, least) >= INT32_MAX) {
        packet->dts = av_sat_add64(least, 1);
        packet->pts = packet->dts;
    }
}

/* Takes the lane's first that waits. */
static int take(struct rmx_fragmenter *fragmenter, struct lane *lane)
{
    AVPacket *packet = packet_of(lane, lane->taken);
    bool key = packet->flags & AV_PKT_FLAG_KEY;
    int err = 0;

    if (!fragmenter->offset_known) {
        find_offset(fragmenter, lane);
    }
    packet->dts = av_sat_add64(packet->dts, lane->offset);
    packet->pts = av_sat_add64(packet->pts, lane->offset);
    keep_order(lane, packet);
    if (lane->pictures && key && lane->taken > 0) {
        lane->duration = packet->dts;
        lane->end_known = true;
        err = write_fragment(fragmenter);
    }
    int64_t shift = av_sat_sub64(packet->pts, packet->dts);

    if (shift != (int32_t)shift) {
        return AVERROR_PATCHWELCOME;
    }
    int64_t dts = lane->taken == 0 && lane->begun ? lane->duration : packet->dts;

    lane->samples[lane->taken++] = (struct rmx_moof_sample){
        .dts = lane->begun ? dts : 0, /* a track that comes later begins with a longer sample */
        .shift = (int32_t)shift,
        .bytes = (uint32_t)packet->size,
        .key = key,
    };
    lane->shifted |= packet->pts != packet->dts;
    lane->begun = true;
    lane->duration = av_sat_add64(packet->dts, packet->duration);
    return err;
}

/* As libavformat guesses it. */
static int64_t duration_of(const AVStream *stream, const AVPacket *packet)
{
    AVRational rate = stream->avg_frame_rate;

    if (packet->duration > 0) {
        return packet->duration;
    }
    if (stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO) {
        int samples = av_get_audio_frame_duration2(stream->codecpar, packet->size);

        return av_rescale_q(
            samples, (AVRational){ 1, stream->codecpar->sample_rate }, stream->time_base);
    }
    return rate.num > 0 && rate.den > 0 ? av_rescale_q(1, av_inv_q(rate), stream->time_base) : 0;
}

static int take_all(struct rmx_fragmenter *fragmenter, bool all)
{
    struct lane *lane = next_lane(fragmenter, all);
    int err = 0;

    while (lane && err >= 0) {
        err = take(fragmenter, lane);
        lane = next_lane(fragmenter, all);
    }
    return err;
}

static int keep(struct rmx_fragmenter *fragmenter, AVPacket *packet)
{
    struct lane *lane = &fragmenter->lanes[packet->stream_index];
    AVPacket *kept = new_packet(fragmenter);
    int err = kept && lane->first + lane->count == lane->room ? grow(lane) : 0;

    if (!kept || err < 0) {
        av_packet_free(&kept);
        return AVERROR(ENOMEM);
    }
    packet->duration = duration_of(lane->stream, packet);
    av_packet_move_ref(kept, packet);
    lane->packets[lane->first + lane->count++] = kept;
    lane->given = true;
    return 0;
}

/* --- where it is libavformat's after all ----------------------------------------------------- */

/* Is it a track's first sound, and begins as ADTS does? libavformat looks at no other. */
static bool is_adts(const struct lane *lane, const AVPacket *packet)
{
    return !lane->pictures && !lane->given && packet->size > 2 &&
           (AV_RB16(packet->data) & 0xfff0) == 0xfff0;
}

/* Before any fragment: a track had no packet until now. */
static int hand_over(struct rmx_fragmenter *from)
{
    int err = from->offset_known ? AVERROR_INVALIDDATA : 0;
    struct lane *lane = next_lane(from, true);

    while (lane && err >= 0) {
        err = av_interleaved_write_frame(from->muxer, packet_of(lane, lane->taken++));
        lane = next_lane(from, true);
    }
    return err;
}

int rmx_fragmenter_put(struct rmx_fragmenter **fragmenter, AVPacket *packet)
{
    struct rmx_fragmenter *to = *fragmenter;
    AVFormatContext *muxer = to->muxer;
    int err;

    if (!is_adts(&to->lanes[packet->stream_index], packet)) {
        err = keep(to, packet);
        return err < 0 ? err : take_all(to, false);
    }
    err = hand_over(to);
    rmx_fragmenter_free(fragmenter);
    return err < 0 ? err : av_interleaved_write_frame(muxer, packet);
}

/* --- beginning and end ----------------------------------------------------------------------- */

struct rmx_fragmenter *rmx_fragmenter_new(AVFormatContext *muxer)
{
    struct rmx_fragmenter *fragmenter = av_mallocz(sizeof(*fragmenter));

    if (!fragmenter) {
        return NULL;
    }
    fragmenter->muxer = muxer;
    fragmenter->lanes = av_calloc(muxer->nb_streams, sizeof(*fragmenter->lanes));
    if (!fragmenter->lanes || rmx_moof_init(&fragmenter->moof, muxer->nb_streams) < 0) {
        rmx_fragmenter_free(&fragmenter);
        return NULL;
    }
    fragmenter->count = muxer->nb_streams;
    for (unsigned i = 0; i < fragmenter->count; i++) {
        fragmenter->lanes[i].stream = muxer->streams[i];
        fragmenter->lanes[i].pictures =
            muxer->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    }
    return fragmenter;
}

int rmx_fragmenter_finish(struct rmx_fragmenter *fragmenter)
{
    AVIOContext *io = fragmenter->muxer->pb;
    int err = take_all(fragmenter, true);

    err = err < 0 ? err : flush(fragmenter);
    err = err < 0 ? err : rmx_moof_write_index(&fragmenter->moof, io);
    avio_flush(io);
    return err < 0 ? err : FFMIN(io->error, 0);
}

void rmx_fragmenter_free(struct rmx_fragmenter **fragmenter)
{
    struct rmx_fragmenter *gone = *fragmenter;

    if (!gone) {
        return;
    }
    for (unsigned i = 0; gone->lanes && i < gone->count; i++) {
        struct lane *lane = &gone->lanes[i];

        for (unsigned k = 0; k < lane->count; k++) {
            av_packet_free(&lane->packets[lane->first + k]);
        }
        av_freep(&lane->packets);
        av_freep(&lane->samples);
    }
    for (unsigned i = 0; i < gone->spares; i++) {
        av_packet_free(&gone->spare[i]);
    }
    av_freep(&gone->spare);
    av_freep(&gone->lanes);
    rmx_moof_fini(&gone->moof);
    av_freep(fragmenter);
}
