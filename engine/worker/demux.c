/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Opens the input, behind the fence (fence.h). Worker process, a job's fiber. Never lets
 * libavformat open anything.
 */
#include "engine/worker/demux.h"

#include <errno.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/channel_layout.h>
#include <libavutil/dict.h>
#include <libavutil/intreadwrite.h>

#include "engine/worker/fence.h"
#include "engine/worker/live.h"
#include "engine/worker/magic.h"
#include "engine/worker/purse.h"
#include "engine/worker/shortcut.h"
#include "engine/worker/verdict.h"
#include "ipc/format.h"
#include "ring/base.h"

#define KEY_OPTION "decryption_key" /* of the demuxer of MP4 */

static AVFormatContext *new_context(AVIOContext *input, bool bitexact, struct rmx_words *words)
{
    AVFormatContext *context = avformat_alloc_context();

    if (!context) {
        return NULL;
    }
    context->pb = input;
    context->flags |= AVFMT_FLAG_NONBLOCK | (bitexact ? AVFMT_FLAG_BITEXACT : 0);
    rmx_words_attach(words, context);
    if (rmx_fence_close(context) < 0) {
        avformat_free_context(context);
        return NULL;
    }
    return context;
}

/* Does the input begin as nearly every MP4 and MOV does? Then nobody else claims it, and the
 * hundred other demuxers, a sixth of a small job's time, need not be asked. JPEG 2000 and JPEG XL
 * stills begin alike and are left to the full look. */
static bool begins_as_mp4(AVIOContext *input)
{
    unsigned char head[12] = { 0 };
    int count = avio_read(input, head, sizeof(head));
    uint32_t brand = AV_RB32(head + 8);

    if (avio_seek(input, 0, SEEK_SET) < 0 || count != (int)sizeof(head)) {
        return false;
    }
    return memcmp(head + 4, "ftyp", 4) == 0 && AV_RB32(head) >= 8 && AV_RB32(head) <= 1024 &&
           brand != AV_RB32("jp2 ") && brand != AV_RB32("jpx ") && brand != AV_RB32("jxl ");
}

/* Asks all demuxers there are: they look, and open nothing. */
static enum rmx_status probe(
    const AVInputFormat **format, int *score, AVIOContext *input, struct rmx_words *words)
{
    enum rmx_status status = rmx_fence_look(input, words);

    if (status != RMX_STATUS_OK) {
        return status;
    }
    int err = av_probe_input_buffer2(input, format, "", NULL, 0, 0);

    if (err < 0) {
        rmx_words_say(words, "no container is recognised in the input's first bytes");
        return rmx_verdict_input(err, input);
    }
    *score = err;
    return rmx_fence_admit(*format, words);
}

/* Sets *format and *score from the job's word or from the first bytes, and checks the list. */
static enum rmx_status recognise(const AVInputFormat **format, int *score,
    const struct rmx_job_spec *spec, AVIOContext *input, struct rmx_words *words)
{
    bool quick = (spec->flags & RMX_JOB_LIVE) && !spec->input_format[0];
    const char *magic = quick ? rmx_magic_recognise(input) : NULL;

    *format = NULL;
    *score = 0;
    if (spec->input_format[0]) {
        *format = av_find_input_format(spec->input_format);
        if (!*format) {
            rmx_words_say(words, "there is no input format '%s'", spec->input_format);
            return RMX_STATUS_BAD_OPTION;
        }
    } else if (begins_as_mp4(input)) {
        *format = av_find_input_format("mp4");
        *score = AVPROBE_SCORE_MAX;
    } else if (magic) {
        *format = av_find_input_format(magic);
        *score = AVPROBE_SCORE_MAX;
    } else {
        return probe(format, score, input, words);
    }
    return rmx_fence_admit(*format, words);
}

/* A channel count without a layout means the usual layout of that many channels. */
static void guess_layouts(AVFormatContext *context)
{
    for (unsigned slot = 0; slot < context->nb_streams; slot++) {
        AVCodecParameters *parameters = context->streams[slot]->codecpar;
        AVChannelLayout *layout = &parameters->ch_layout;

        if (parameters->codec_type == AVMEDIA_TYPE_AUDIO &&
            layout->order == AV_CHANNEL_ORDER_UNSPEC) {
            av_channel_layout_default(layout, layout->nb_channels);
        }
    }
}

static bool is_refused(const struct rmx_tap *tap)
{
    return tap && rmx_tap_is_refused(tap);
}

/* What libavformat is told, with the key if there is one. */
static void set_options(AVDictionary **options, const struct rmx_demux_way *way)
{
    rmx_fence_add_options(options);
    av_dict_set(options, "scan_all_pmts", "1", 0); /* programs may come late in the stream */
    if (way->key) {
        av_dict_set(options, KEY_OPTION, way->key, 0);
    }
}

/* Leaves no copy of the key behind. Is it one that the demuxer did not take? */
static bool wipe_options(AVDictionary **options)
{
    AVDictionaryEntry *key = av_dict_get(*options, KEY_OPTION, NULL, 0);

    if (key) {
        explicit_bzero(key->value, strlen(key->value));
    }
    av_dict_free(options);
    return key != NULL;
}

/* Takes the context over; it is freed on failure. */
static enum rmx_status open_context(AVFormatContext **context, const AVInputFormat *format,
    const struct rmx_demux_way *way, struct rmx_words *words)
{
    AVDictionary *options = NULL;
    int err = AVERROR_INVALIDDATA;
    bool for_nothing = false;

    if (is_refused(way->tap)) {
        avformat_free_context(*context);
        *context = NULL;
    } else {
        set_options(&options, way);
        err = avformat_open_input(context, "", format, &options);
        for_nothing = wipe_options(&options);
    }
    if (err >= 0 && for_nothing) {
        avformat_close_input(context);
        rmx_words_say(words, "decryption_key: only MP4 and MOV can be decrypted");
        return RMX_STATUS_BAD_OPTION;
    }
    if (err < 0 && is_refused(way->tap)) {
        rmx_words_say(words, "an MP4 in fragments has a track without an id, or with one that is "
                             "larger than 2147483647");
    }
    if (err < 0) {
        rmx_words_default(words, err);
        return rmx_verdict_input(err, way->input);
    }
    return RMX_STATUS_OK;
}

/* kinds: promised to a live job. */
static int look(AVFormatContext *context, const struct rmx_demux_way *way,
    const struct rmx_job_spec *spec, unsigned kinds)
{
    const struct rmx_format *format = rmx_format_find(spec->format);

    if (spec->flags & RMX_JOB_LIVE) {
        const struct rmx_live_look how = { .kinds = kinds, .silent_us = spec->interleave_us };

        return rmx_live_find_streams(context, way->ahead, way->split, way->tap, &how);
    }
    return spec->kind == RMX_JOB_REMUX && format && !way->measured
               ? rmx_shortcut_find_streams(context, way->ahead, format->muxer)
               : avformat_find_stream_info(context, NULL);
}

/* As ffmpeg, goes on when only some streams stay unknown. */
static enum rmx_status find_streams(AVFormatContext *context, const struct rmx_demux_way *way,
    const struct rmx_job_spec *spec, unsigned kinds, struct rmx_words *words)
{
    rmx_purse_widen(true); /* decoders may look at pictures */
    int err = look(context, way, spec, kinds);

    rmx_purse_widen(false);
    if (way->input->error == AVERROR_EXIT || err == AVERROR(ENOMEM) ||
        (err < 0 && context->nb_streams == 0)) {
        rmx_words_default(words, err);
        return rmx_verdict_input(err, way->input);
    }
    if (spec->kind == RMX_JOB_REMUX) {
        guess_layouts(context);
    }
    return RMX_STATUS_OK;
}

/* Of a file, libavformat goes back to the beginning after its look and reads these anew, now
 * knowing how long a sound packet is: some timestamps become others by a tick. A stream's must not
 * differ from a file's. */
static bool is_rewound(const AVInputFormat *format)
{
    return strcmp(format->name, "mpegts") == 0 || strcmp(format->name, "mpeg") == 0;
}

/* What the tap is to do while a stream is opened. Returns whether it keeps all until the streams
 * are known. */
static bool prepare(
    AVFormatContext *context, const AVInputFormat *format, bool live, struct rmx_tap *tap)
{
    if (live && tap && strcmp(format->name, "mpegts") == 0) {
        rmx_tap_watch(tap);
    }
    if (live && tap && av_match_name("mov", format->name)) {
        rmx_tap_follow(tap);
    }
    if (live || !tap || !is_rewound(format)) {
        return false;
    }
    rmx_tap_keep_all(tap);
    context->skip_estimate_duration_from_pts = 1; /* which would read its end */
    return true;
}

/* May this one be read without libavformat's demuxer? Then it is tried. */
static bool is_for_native(
    const AVInputFormat *format, const struct rmx_demux_way *way, const struct rmx_job_spec *spec)
{
    return way->native && !way->tap && !way->key && !way->measured &&
           !(spec->flags & RMX_JOB_LIVE) && spec->kind == RMX_JOB_REMUX &&
           av_match_name("mov", format->name) && rmx_format_find(spec->format);
}

/* *demuxer stays NULL where libavformat has to read it: also where memory is short, as it may get
 * by with less. */
static void open_natively(AVFormatContext **demuxer, const struct rmx_demux_way *way,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    AVFormatContext *context = new_context(way->input, spec->flags & RMX_JOB_BITEXACT, words);
    int err = context ? rmx_native_open(
                            way->native, context, way->input, rmx_format_find(spec->format)->muxer)
                      : AVERROR(ENOMEM);

    if (err >= 0) {
        way->ahead->native = *way->native;
        guess_layouts(context);
        *demuxer = context;
        return;
    }
    avformat_free_context(context);
    (void)avio_seek(way->input, 0, SEEK_SET);
}

enum rmx_status rmx_demux_open(AVFormatContext **demuxer, const struct rmx_demux_way *way,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    struct rmx_tap *tap = way->tap;
    const AVInputFormat *format;
    int score;
    enum rmx_status status = recognise(&format, &score, spec, way->input, words);

    if (status != RMX_STATUS_OK) {
        return status;
    }
    *demuxer = NULL;
    if (is_for_native(format, way, spec)) {
        open_natively(demuxer, way, spec, words);
        if (*demuxer) {
            return RMX_STATUS_OK;
        }
    }
    AVFormatContext *context = new_context(way->input, spec->flags & RMX_JOB_BITEXACT, words);

    if (!context) {
        return RMX_STATUS_OVER_LIMIT;
    }
    bool live = spec->flags & RMX_JOB_LIVE;
    bool keeps_all = prepare(context, format, live, tap);
    unsigned kinds = live ? rmx_live_prepare(context, format) : 0;

    status = open_context(&context, format, way, words);
    if (tap && !keeps_all) { /* headers are read with little steps back */
        rmx_tap_forget(tap);
    }
    if (status == RMX_STATUS_OK) {
        rmx_assert(context != NULL);
        context->probe_score = score;
        status = find_streams(context, way, spec, kinds, words);
    }
    if (keeps_all) {
        rmx_tap_forget(tap);
    }
    if (status != RMX_STATUS_OK) {
        avformat_close_input(&context);
        return status;
    }
    *demuxer = context;
    return RMX_STATUS_OK;
}
