/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A demuxer of plain MP4. Worker process, a job's fiber. See native.h.
 */
#include "engine/worker/native.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include <libavutil/avstring.h>
#include <libavutil/dict.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>
#include <libavutil/pixdesc.h>

#include "engine/worker/aac.h"
#include "engine/worker/avc.h"
#include "engine/worker/movie_file.h"
#include "engine/worker/shortcut.h"
#include "engine/worker/sps.h"
#include "engine/worker/track_samples.h"

#define EPOCH_S    2082844800 /* from 1904 to 1970 */
#define ASPECT_MAX 32767
#define SKIP_BYTES 10 /* of AV_PKT_DATA_SKIP_SAMPLES */

struct native_track {
    const AVStream *stream;
    struct rmx_samples samples;
    struct rmx_avc avc; /* pictures only */
    bool pictures;
    uint32_t next;
    int64_t next_us; /* the next sample's dts */
};

struct rmx_native {
    AVIOContext *input;
    struct rmx_movie_file file;
    struct native_track tracks[RMX_MOVIE_TRACKS_MAX];
};

/* What others know the demuxer by. It is never asked to do anything. */
static const AVInputFormat format = {
    .name = "mov,mp4,m4a,3gp,3g2,mj2",
    .long_name = "QuickTime / MOV",
    .flags = AVFMT_NO_BYTE_SEEK | AVFMT_SEEK_TO_PTS | AVFMT_SHOW_IDS,
};

bool rmx_native_is(const AVFormatContext *context)
{
    return context->iformat == &format;
}

/* --- tags ------------------------------------------------------------------------------------ */

static int set_tag(AVDictionary **tags, const char *key, const void *text, size_t bytes)
{
    char *copy = av_strndup(text, bytes);

    return copy ? av_dict_set(tags, key, copy, AV_DICT_DONT_STRDUP_VAL) : AVERROR(ENOMEM);
}

static int set_time(AVDictionary **tags, uint64_t created)
{
    time_t when = (time_t)(created >= EPOCH_S ? created - EPOCH_S : created);
    char text[48];
    struct tm parts;

    if (created == 0) {
        return 0;
    }
    if (!gmtime_r(&when, &parts) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts)) {
        return AVERROR(ENOTSUP);
    }
    (void)av_strlcat(text, ".000000Z", sizeof(text));
    return av_dict_set(tags, "creation_time", text, 0);
}

static int tag_movie(AVFormatContext *context, const struct rmx_movie *movie)
{
    AVDictionary **tags = &context->metadata;
    const uint8_t *brands = movie->brands.at;
    int err = set_tag(tags, "major_brand", brands, 4);

    err = err < 0 ? err : av_dict_set_int(tags, "minor_version", AV_RB32(brands + 4), 0);
    err = err < 0 ? err : set_tag(tags, "compatible_brands", brands + 8, movie->brands.bytes - 8);
    err = err < 0 ? err : set_time(tags, movie->created);
    for (unsigned i = 0; i < movie->tag_count && err >= 0; i++) {
        err = set_tag(tags, movie->tags[i].key, movie->tags[i].text.at, movie->tags[i].text.bytes);
    }
    return err;
}

static int tag_track(AVStream *stream, const struct rmx_movie_track *track)
{
    AVDictionary **tags = &stream->metadata;
    char vendor[AV_FOURCC_MAX_STRING_SIZE];
    int err = set_time(tags, track->created);

    err = err < 0 ? err : set_tag(tags, "language", track->language, 3);
    if (err >= 0 && track->handler.bytes > 0) {
        err = set_tag(tags, "handler_name", track->handler.at, track->handler.bytes);
    }
    av_fourcc_make_string(vendor, AV_RL32(track->vendor));
    err = err < 0 ? err : av_dict_set(tags, "vendor_id", vendor, 0);
    if (err >= 0 && track->compressor.bytes > 0) {
        err = set_tag(tags, "encoder", track->compressor.at, track->compressor.bytes);
    }
    return err;
}

/* --- streams --------------------------------------------------------------------------------- */

static int describe_sound(AVCodecParameters *to, const struct rmx_movie_track *track)
{
    struct rmx_aac aac;

    if (rmx_aac_read_config(&aac, track->config.at, track->config.bytes) < 0) {
        return AVERROR(ENOTSUP);
    }
    to->codec_type = AVMEDIA_TYPE_AUDIO;
    to->codec_id = AV_CODEC_ID_AAC;
    to->codec_tag = MKTAG('m', 'p', '4', 'a');
    to->sample_rate = (int)aac.sample_rate;
    to->bits_per_coded_sample = track->sample_bits;
    to->ch_layout.order = AV_CHANNEL_ORDER_UNSPEC;
    to->ch_layout.nb_channels = (int)aac.channels;
    return 0;
}

static int describe_picture(AVStream *stream, const struct rmx_movie_track *track)
{
    AVCodecParameters *to = stream->codecpar;

    to->codec_type = AVMEDIA_TYPE_VIDEO;
    to->codec_id = AV_CODEC_ID_H264;
    to->codec_tag = MKTAG('a', 'v', 'c', '1');
    to->width = track->width;
    to->height = track->height;
    to->bits_per_coded_sample = track->depth;
    if (track->has_colours) {
        to->color_range = track->full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
        to->color_primaries =
            av_color_primaries_name(track->primaries) ? track->primaries : AVCOL_PRI_UNSPECIFIED;
        to->color_trc =
            av_color_transfer_name(track->transfer) ? track->transfer : AVCOL_TRC_UNSPECIFIED;
        to->color_space =
            av_color_space_name(track->matrix) ? track->matrix : AVCOL_SPC_UNSPECIFIED;
    }
    if (track->has_aspect) {
        av_reduce(&stream->sample_aspect_ratio.num, &stream->sample_aspect_ratio.den,
            track->aspect_num, track->aspect_den, ASPECT_MAX);
    }
    /* Nothing is left of one that is too narrow, and libavformat reckons with the track's size. */
    return track->has_aspect && stream->sample_aspect_ratio.num == 0 ? AVERROR(ENOTSUP) : 0;
}

static int copy_config(AVCodecParameters *to, struct rmx_movie_span config)
{
    to->extradata = av_mallocz(config.bytes + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!to->extradata) {
        return AVERROR(ENOMEM);
    }
    memcpy(to->extradata, config.at, config.bytes);
    to->extradata_size = (int)config.bytes;
    return 0;
}

/* Where pictures last differently, libavformat guesses a rate. Nobody asks for it, but for how long
 * one lasts that neither the track nor the pictures say. */
static bool needs_guess(const struct rmx_movie_track *track, const struct rmx_samples *samples)
{
    struct rmx_sps sps;

    return samples->steady == 0 && track->shifts.count > 0 &&
           (rmx_sps_read_avcc(&sps, track->config.at, track->config.bytes) < 0 || !sps.has_timing);
}

/* Does the parser find how long a picture lasts, where we did? It needs the first one to say so. */
static int confirm_timing(struct rmx_native *native, struct native_track *track)
{
    const struct rmx_sample *first = &track->samples.all[0];
    AVPacket *packet = av_packet_alloc();
    int err = packet ? 0 : AVERROR(ENOMEM);

    if (err >= 0 && (avio_seek(native->input, (int64_t)first->at, SEEK_SET) < 0 ||
                        av_get_packet(native->input, packet, (int)first->bytes) < 0)) {
        err = AVERROR(ENOTSUP);
    }
    if (err >= 0) {
        (void)rmx_avc_is_key(&track->avc, packet);
        err = track->avc.codec->framerate.num > 0 ? 0 : AVERROR(ENOTSUP);
    }
    av_packet_free(&packet);
    return err;
}

static int rate_pictures(
    AVStream *stream, const struct rmx_movie_track *track, const struct rmx_samples *samples)
{
    AVCodecParameters *to = stream->codecpar;
    int units = (int)track->units;

    if (needs_guess(track, samples)) {
        return AVERROR(ENOTSUP);
    }
    av_reduce(&stream->avg_frame_rate.num, &stream->avg_frame_rate.den,
        units * (int64_t)samples->frames, samples->listed, INT_MAX);
    if (samples->steady > 0) {
        av_reduce(
            &stream->r_frame_rate.num, &stream->r_frame_rate.den, units, samples->steady, INT_MAX);
    }
    to->video_delay = (int)samples->reorder;
    return 0;
}

static int add_stream(
    AVFormatContext *context, struct native_track *to, const struct rmx_movie_track *track)
{
    AVStream *stream = avformat_new_stream(context, NULL);
    const struct rmx_samples *samples = &to->samples;
    int err = stream ? copy_config(stream->codecpar, track->config) : AVERROR(ENOMEM);

    if (err < 0) {
        return err;
    }
    stream->id = (int)track->id;
    stream->time_base = (AVRational){ 1, (int)track->units };
    stream->pts_wrap_bits = 64;
    stream->duration = samples->duration;
    stream->nb_frames = samples->frames;
    stream->start_time = samples->start;
    stream->disposition = track->enabled ? AV_DISPOSITION_DEFAULT : 0;
    stream->codecpar->bit_rate = samples->bit_rate;
    to->stream = stream;
    to->pictures = track->video;
    if (track->video) {
        err = describe_picture(stream, track);
        err = err < 0 ? err : rate_pictures(stream, track, samples);
        err = err < 0 ? err : rmx_avc_init(&to->avc, stream->codecpar);
    } else {
        err = describe_sound(stream->codecpar, track);
    }
    return err < 0 ? err : tag_track(stream, track);
}

/* Where a track is shown in another size than it is coded, without saying how its samples look,
 * libavformat reckons. */
static bool is_shown_as_coded(const struct rmx_movie_track *track)
{
    return !track->video || track->has_aspect || track->shown_width == 0 ||
           track->shown_height == 0 ||
           (track->shown_width == track->width && track->shown_height == track->height);
}

static void note_next(struct native_track *track)
{
    if (track->next < track->samples.count) {
        track->next_us = av_rescale(
            track->samples.all[track->next].dts, AV_TIME_BASE, track->stream->time_base.den);
    }
}

static int add_streams(struct rmx_native *native, AVFormatContext *context)
{
    const struct rmx_movie *movie = &native->file.movie;
    uint64_t bytes = (uint64_t)avio_size(native->input);
    int err = tag_movie(context, movie);

    for (unsigned i = 0; i < movie->count && err >= 0; i++) {
        const struct rmx_movie_track *track = &movie->tracks[i];
        struct native_track *to = &native->tracks[i];

        err = is_shown_as_coded(track)
                  ? rmx_track_samples_make(&to->samples, track, movie->units, bytes)
                  : AVERROR(ENOTSUP);
        if (err >= 0 && to->samples.end > bytes) {
            err = AVERROR(ENOTSUP); /* samples beyond the end are libavformat's to miss */
        }
        err = err < 0 ? err : add_stream(context, to, track);
        if (err >= 0 && track->video && to->samples.steady == 0 && track->shifts.count > 0) {
            err = confirm_timing(native, to);
        }
        if (err >= 0) {
            note_next(to);
        }
    }
    context->duration = av_rescale((int64_t)movie->duration, AV_TIME_BASE, movie->units);
    return err;
}

int rmx_native_open(
    struct rmx_native **native, AVFormatContext *context, AVIOContext *input, const char *muxer)
{
    struct rmx_native *made = av_mallocz(sizeof(*made));
    int err = made ? 0 : AVERROR(ENOMEM);

    if (made) {
        made->input = input;
        context->iformat = &format;
        context->flags |= AVFMT_FLAG_CUSTOM_IO;
        err = rmx_movie_file_read(&made->file, input);
    }
    err = err < 0 ? err : add_streams(made, context);
    if (err >= 0 && !rmx_shortcut_is_enough(context, muxer)) {
        err = AVERROR(ENOTSUP);
    }
    if (err < 0) {
        rmx_native_free(&made);
        return err;
    }
    rmx_shortcut_fill(context);
    rmx_movie_file_fini(&made->file); /* all that is wanted of it was copied */
    *native = made;
    return 0;
}

void rmx_native_free(struct rmx_native **native)
{
    if (!*native) {
        return;
    }
    for (unsigned i = 0; i < RMX_MOVIE_TRACKS_MAX; i++) {
        rmx_track_samples_fini(&(*native)->tracks[i].samples);
        rmx_avc_fini(&(*native)->tracks[i].avc);
    }
    rmx_movie_file_fini(&(*native)->file);
    av_freep(native);
}

int64_t rmx_native_end(const struct rmx_native *native)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < native->file.movie.count; i++) {
        end = FFMAX(end, native->tracks[i].samples.end);
    }
    return (int64_t)end;
}

/* --- packets --------------------------------------------------------------------------------- */

/* Does its next sample come before the other's? As libavformat has it: in the order of the file,
 * but none a second ahead of the others. */
static bool comes_before(const struct native_track *track, const struct native_track *other)
{
    int64_t ahead_us = av_sat_sub64(track->next_us, other->next_us);

    if (track->next_us == AV_NOPTS_VALUE) { /* more than its unit can say */
        return false;
    }
    return ahead_us >= -AV_TIME_BASE && ahead_us <= AV_TIME_BASE
               ? track->samples.all[track->next].at < other->samples.all[other->next].at
               : ahead_us < 0;
}

static struct native_track *next_track(struct rmx_native *native)
{
    struct native_track *best = NULL;

    for (unsigned i = 0; i < native->file.movie.count; i++) {
        struct native_track *track = &native->tracks[i];

        if (track->next < track->samples.count && (!best || comes_before(track, best))) {
            best = track;
        }
    }
    return best;
}

/* What a decoder is to throw away travels with a track's first packet. */
static int add_skip(AVPacket *packet, uint32_t samples)
{
    uint8_t *skip = av_packet_new_side_data(packet, AV_PKT_DATA_SKIP_SAMPLES, SKIP_BYTES);

    if (!skip) {
        return AVERROR(ENOMEM);
    }
    memset(skip, 0, SKIP_BYTES);
    AV_WL32(skip, samples);
    return 0;
}

static int describe_packet(
    struct native_track *track, const struct rmx_sample *sample, bool first, AVPacket *packet)
{
    packet->stream_index = track->stream->index;
    packet->dts = sample->dts;
    packet->pts = sample->dts + sample->shift;
    packet->duration = sample->lasts;
    packet->pos = (int64_t)sample->at;
    packet->flags |= sample->discard ? AV_PKT_FLAG_DISCARD : 0;
    if (!track->pictures) {
        packet->flags |= AV_PKT_FLAG_KEY;
        return first && track->samples.skip > 0 ? add_skip(packet, track->samples.skip) : 0;
    }
    packet->flags |= rmx_avc_is_key(&track->avc, packet) ? AV_PKT_FLAG_KEY : 0;
    if (packet->duration == 0) {
        packet->duration =
            rmx_avc_lasts(&track->avc, track->stream->time_base, track->stream->r_frame_rate);
    }
    return 0;
}

int rmx_native_read(struct rmx_native *native, AVPacket *packet)
{
    struct native_track *track = next_track(native);

    while (track && track->stream->discard == AVDISCARD_ALL) {
        track->next++;
        note_next(track);
        track = next_track(native);
    }
    if (!track) {
        return AVERROR_EOF;
    }
    bool first = track->next == 0;
    const struct rmx_sample *sample = &track->samples.all[track->next++];

    note_next(track);
    if (avio_seek(native->input, (int64_t)sample->at, SEEK_SET) != (int64_t)sample->at) {
        return native->input->error < 0 ? native->input->error : AVERROR_INVALIDDATA;
    }
    int err = av_get_packet(native->input, packet, (int)sample->bytes);

    err = err < 0 ? err : describe_packet(track, sample, first, packet);
    if (err < 0) {
        av_packet_unref(packet);
    }
    return err;
}
