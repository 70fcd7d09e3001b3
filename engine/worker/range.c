/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A part of the input. Worker process, a job's fiber.
 */
#include "engine/worker/range.h"

#include <errno.h>

#include <libavutil/mathematics.h>

#include "engine/worker/remux.h"
#include "engine/worker/verdict.h"

#define RETRIES_MAX 1000 /* of a demuxer that says "again" without having made a packet */
#define REORDER_US  (INT64_C(3) * AV_TIME_BASE / 23) /* ffmpeg's: so far dts may lie before pts */

/* Where in the input's own time the job starts. */
static int64_t start_of(const struct rmx_edit_whole *whole, const AVFormatContext *demuxer)
{
    int64_t start = demuxer->start_time == AV_NOPTS_VALUE ? 0 : demuxer->start_time;

    return av_sat_add64(start, whole->start_us);
}

/* A seek by dts must end a little earlier, where pictures are reordered. */
static int64_t target_of(const struct rmx_edit_whole *whole, const AVFormatContext *demuxer)
{
    int64_t target = start_of(whole, demuxer);

    if (demuxer->iformat->flags & AVFMT_SEEK_TO_PTS) {
        return target;
    }
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        if (demuxer->streams[slot]->codecpar->video_delay) {
            return av_sat_sub64(target, REORDER_US);
        }
    }
    return target;
}

/* --- without seeking ------------------------------------------------------------------------- */

static int64_t microseconds(const AVFormatContext *demuxer, const AVPacket *packet, int64_t ts)
{
    return av_rescale_q_rnd(ts, demuxer->streams[packet->stream_index]->time_base, AV_TIME_BASE_Q,
        AV_ROUND_NEAR_INF | AV_ROUND_PASS_MINMAX);
}

/* Is packet still of use when reading begins at the key frame at key_us of stream `lead`? A cover
 * picture is. */
static bool outlasts(
    const AVFormatContext *demuxer, const AVPacket *packet, int lead, int64_t key_us)
{
    int64_t end = av_sat_add64(packet->dts, packet->duration);

    if (demuxer->streams[packet->stream_index]->disposition & AV_DISPOSITION_ATTACHED_PIC) {
        return true;
    }
    return packet->stream_index != lead && packet->dts != AV_NOPTS_VALUE &&
           microseconds(demuxer, packet, end) > key_us;
}

/* Drops what came before the packet in this slot, a key frame, and is over by then. Returns where
 * it is now. */
static unsigned begin_with(
    struct rmx_ahead *ahead, const AVFormatContext *demuxer, unsigned slot, int64_t key_us)
{
    int lead = ahead->packets[slot]->stream_index;
    unsigned kept = ahead->next;

    for (unsigned at = ahead->next; at < slot; at++) {
        if (outlasts(demuxer, ahead->packets[at], lead, key_us)) {
            ahead->packets[kept++] = ahead->packets[at];
        } else {
            ahead->bytes -= (size_t)ahead->packets[at]->size;
            av_packet_free(&ahead->packets[at]);
        }
    }
    for (unsigned at = slot; at < ahead->count; at++) {
        ahead->packets[kept + at - slot] = ahead->packets[at];
    }
    ahead->count -= slot - kept;
    return kept;
}

/* Looks at the packet in this slot, which may be another one then. Returns whether the start lies
 * behind it. */
static bool look_at(
    struct rmx_ahead *ahead, AVFormatContext *demuxer, unsigned *slot, int64_t target_us)
{
    const AVPacket *packet = ahead->packets[*slot];
    bool by_pts = demuxer->iformat->flags & AVFMT_SEEK_TO_PTS;
    int64_t ts = by_pts && packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;

    if (packet->stream_index != av_find_default_stream_index(demuxer) || ts == AV_NOPTS_VALUE) {
        return true;
    }
    int64_t at_us = microseconds(demuxer, packet, ts);

    if (packet->flags & AV_PKT_FLAG_KEY && at_us <= target_us) {
        *slot = begin_with(ahead, demuxer, *slot, at_us);
    }
    return packet->dts == AV_NOPTS_VALUE || microseconds(demuxer, packet, packet->dts) <= target_us;
}

/* One more packet, however often the demuxer must be asked. Returns 0 or AVERROR. */
static int read_one(struct rmx_ahead *ahead, AVFormatContext *demuxer)
{
    const AVPacket *packet;
    int err = AVERROR(EAGAIN);

    for (int retry = 0; err == AVERROR(EAGAIN) && retry < RETRIES_MAX; retry++) {
        err = rmx_ahead_read(ahead, demuxer, &packet);
    }
    return err;
}

/* What was read to know the streams is looked at first. */
static enum rmx_status skip(
    int64_t target_us, AVFormatContext *demuxer, struct rmx_ahead *ahead, struct rmx_words *words)
{
    unsigned slot = ahead->next;

    for (;;) {
        while (slot < ahead->count) {
            if (!look_at(ahead, demuxer, &slot, target_us)) {
                return RMX_STATUS_OK;
            }
            slot++;
        }
        if (rmx_ahead_full(ahead)) {
            rmx_words_say(words, "start: more lies between two key frames than a stream's job may "
                                 "hold: give a file, or an input that can seek");
            return RMX_STATUS_OVER_LIMIT;
        }
        int err = read_one(ahead, demuxer);

        if (err == AVERROR_EOF) {
            return RMX_STATUS_OK;
        }
        if (err < 0) {
            rmx_words_default(words, err);
            return rmx_verdict_input(err, demuxer->pb);
        }
        rmx_remux_breathe();
    }
}

/* --- from the end ---------------------------------------------------------------------------- */

/* A start before the input's own is none. */
static enum rmx_status count_from_end(
    struct rmx_edit_whole *whole, const AVFormatContext *demuxer, struct rmx_words *words)
{
    if (!whole->seen[RMX_EDIT_START_FROM_END]) {
        return RMX_STATUS_OK;
    }
    if (demuxer->duration <= 0) { /* AV_NOPTS_VALUE is, too */
        rmx_words_say(words, "start_from_end: how long this %s input is cannot be told",
            demuxer->iformat->name);
        return RMX_STATUS_UNSUPPORTED;
    }
    if (demuxer->duration >= whole->from_end_us) {
        whole->start_us = demuxer->duration - whole->from_end_us;
        whole->seen[RMX_EDIT_START] = true;
    }
    return RMX_STATUS_OK;
}

/* --- both ------------------------------------------------------------------------------------ */

enum rmx_status rmx_range_begin(struct rmx_edit_whole *whole, AVFormatContext *demuxer,
    struct rmx_ahead *ahead, struct rmx_words *words)
{
    enum rmx_status status = count_from_end(whole, demuxer, words);

    if (status != RMX_STATUS_OK || !whole->seen[RMX_EDIT_START] || demuxer->nb_streams == 0) {
        return status;
    }
    int64_t target = target_of(whole, demuxer);

    if (!(demuxer->pb->seekable & AVIO_SEEKABLE_NORMAL)) {
        return skip(target, demuxer, ahead, words);
    }
    rmx_ahead_fini(ahead);
    if (avformat_seek_file(demuxer, -1, INT64_MIN, target, target, 0) >= 0) {
        return RMX_STATUS_OK;
    }
    /* It does not know where that is, or what comes first is later: then as without seeking. */
    if (av_seek_frame(demuxer, -1, 0, AVSEEK_FLAG_BYTE) >= 0) {
        return skip(target, demuxer, ahead, words);
    }
    rmx_words_say(words, "start: a %s input cannot be sought in", demuxer->iformat->name);
    return demuxer->pb->error < 0 ? rmx_verdict_input(demuxer->pb->error, demuxer->pb)
                                  : RMX_STATUS_UNSUPPORTED;
}

int64_t rmx_range_end_us(const struct rmx_edit_whole *whole, const AVFormatContext *demuxer)
{
    if (whole->duration_us == INT64_MAX) {
        return INT64_MAX;
    }
    return whole->copyts ? av_sat_add64(start_of(whole, demuxer), whole->duration_us)
                         : whole->duration_us;
}
