/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ADTS AAC where its configuration must stand in the header. Worker process, a job's fiber.
 */
#include "engine/worker/adts.h"

#include <errno.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>

#include "engine/worker/options.h"

static bool writes_mp4_segments(const AVFormatContext *hls)
{
    int64_t type = 0;

    return av_opt_get_int(hls->priv_data, "hls_segment_type", 0, &type) >= 0 && type == 1;
}

/* The muxers insert the filter themselves where they can come back for the header. */
static bool muxer_leaves_it_to_us(const struct rmx_mux *mux)
{
    const AVFormatContext *muxer = mux->context;
    static const char *const header_first[] = { "empty_moov", "delay_moov", "dash", "cmaf" };

    if (av_match_name(muxer->oformat->name, "matroska,webm")) {
        return mux->live || !(muxer->pb->seekable & AVIO_SEEKABLE_NORMAL);
    }
    if (strcmp(muxer->oformat->name, "hls") == 0) {
        return writes_mp4_segments(muxer);
    }
    if (strcmp(muxer->oformat->name, "dash") == 0) {
        return true;
    }
    for (size_t slot = 0; slot < sizeof(header_first) / sizeof(*header_first); slot++) {
        if (rmx_options_has_flag(muxer, "movflags", header_first[slot])) {
            return true;
        }
    }
    return false;
}

static bool lacks_configuration(const struct rmx_mux_track *track)
{
    const AVCodecParameters *parameters = track->stream->codecpar;

    return parameters->codec_id == AV_CODEC_ID_AAC && parameters->extradata_size == 0;
}

static int new_filter(AVBSFContext **filter, const AVStream *stream)
{
    const AVBitStreamFilter *kind = av_bsf_get_by_name("aac_adtstoasc");
    int err = kind ? av_bsf_alloc(kind, filter) : AVERROR_BSF_NOT_FOUND;

    if (err < 0) {
        return err;
    }
    (*filter)->time_base_in = stream->time_base;
    err = avcodec_parameters_copy((*filter)->par_in, stream->codecpar);
    return err < 0 ? err : av_bsf_init(*filter);
}

static int set_configuration(AVStream *stream, const AVPacket *filtered)
{
    size_t bytes = 0;
    const uint8_t *configuration =
        av_packet_get_side_data(filtered, AV_PKT_DATA_NEW_EXTRADATA, &bytes);

    if (!configuration || bytes == 0) {
        return AVERROR_INVALIDDATA;
    }
    uint8_t *extradata = av_mallocz(bytes + AV_INPUT_BUFFER_PADDING_SIZE);

    if (!extradata) {
        return AVERROR(ENOMEM);
    }
    memcpy(extradata, configuration, bytes);
    av_freep(&stream->codecpar->extradata);
    stream->codecpar->extradata = extradata;
    stream->codecpar->extradata_size = (int)bytes;
    return 0;
}

/* Shows the filter a copy of the packet, for the configuration it finds there. */
static int learn(struct rmx_mux_track *track, const AVPacket *first)
{
    AVPacket *packet = av_packet_clone(first);
    int err = packet ? new_filter(&track->filter, track->stream) : AVERROR(ENOMEM);

    if (err >= 0) {
        err = av_bsf_send_packet(track->filter, packet);
    }
    if (err >= 0) {
        err = av_bsf_receive_packet(track->filter, packet);
    }
    if (err >= 0) {
        err = set_configuration(track->stream, packet);
    }
    if (err >= 0 && track->edit) { /* which may take ADTS off itself: then this one lets it pass */
        err = avcodec_parameters_copy(track->filter->par_in, track->stream->codecpar);
    }
    av_packet_free(&packet);
    if (err < 0) {
        av_bsf_free(&track->filter); /* not ADTS after all: the muxer will say what it thinks */
    }
    return err == AVERROR(ENOMEM) ? err : 0;
}

/* Lets every waiting track of the packet's stream learn from it. Returns how many did, or AVERROR.
 */
static int show(struct rmx_mux *mux, bool *waiting, const AVPacket *packet)
{
    int learned = 0;

    for (unsigned slot = 0; slot < mux->count; slot++) {
        if (!waiting[slot] || mux->tracks[slot].source != (unsigned)packet->stream_index) {
            continue;
        }
        int err = learn(&mux->tracks[slot], packet);

        if (err < 0) {
            return err;
        }
        waiting[slot] = false;
        learned++;
    }
    return learned;
}

static int read_until_all_learned(struct rmx_ahead *ahead, struct rmx_mux *mux,
    AVFormatContext *demuxer, bool *waiting, int missing)
{
    for (unsigned slot = ahead->next; slot < ahead->count && missing > 0; slot++) {
        int learned = show(mux, waiting, ahead->packets[slot]);

        if (learned < 0) {
            return learned;
        }
        missing -= learned;
    }
    while (missing > 0 && !rmx_ahead_full(ahead)) {
        const AVPacket *packet;
        int err = rmx_ahead_read(ahead, demuxer, &packet);

        if (err < 0) {
            return err == AVERROR(ENOMEM) ? err : 0;
        }
        err = show(mux, waiting, packet);
        if (err < 0) {
            return err;
        }
        missing -= err;
    }
    return 0;
}

int rmx_adts_prime(struct rmx_mux *mux, struct rmx_intake *intake)
{
    bool waiting[RMX_STREAMS_MAX] = { false };
    int missing = 0;

    if (!muxer_leaves_it_to_us(mux)) {
        return 0;
    }
    for (unsigned slot = 0; slot < mux->count; slot++) {
        waiting[slot] =
            mux->tracks[slot].input == intake->number && lacks_configuration(&mux->tracks[slot]);
        missing += waiting[slot];
    }
    return read_until_all_learned(&intake->ahead, mux, intake->demuxer, waiting, missing);
}
