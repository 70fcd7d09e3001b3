/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A file read twice. Runs in test programs only. See twins.h.
 */
#include "tests/twins.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/dict.h>
#include <libavutil/mem.h>

#include "engine/worker/avshim.h"
#include "engine/worker/demux.h"
#include "engine/worker/extent.h"
#include "engine/worker/remux.h"
#include "ring/base.h"
#include "tests/media.h"

#define ALLOC_MAX ((size_t)64 << 20)

struct twin {
    struct media media;
    AVIOContext *io;
    AVFormatContext *demuxer;
    struct rmx_native *native;
    struct rmx_ahead ahead;
    struct rmx_extent extent;
    struct rmx_words words;
    AVPacket *packet;
    enum rmx_status status;
};

static void open_twin(struct twin *twin, const uint8_t *bytes, size_t size, const char *format,
    struct rmx_native **native)
{
    struct rmx_job_spec spec = media_job(format);

    *twin = (struct twin){ .media = { .size = size } };
    memcpy(&twin->media.bytes, &bytes, sizeof(bytes)); /* to read: nothing writes there */
    twin->io = media_open_io(&twin->media, false);
    twin->packet = av_packet_alloc();
    rmx_assert(twin->packet);
    rmx_extent_begin(&twin->extent, twin->io);
    const struct rmx_demux_way way = { .input = twin->io, .ahead = &twin->ahead, .native = native };

    twin->status = rmx_demux_open(&twin->demuxer, &way, &spec, &twin->words);
}

static void close_twin(struct twin *twin)
{
    av_packet_free(&twin->packet);
    rmx_ahead_fini(&twin->ahead);
    avformat_close_input(&twin->demuxer);
    rmx_native_free(&twin->native);
    media_close_io(&twin->io);
}

/* --- field by field -------------------------------------------------------------------------- */

struct report {
    char *why;
    char where[48];
    bool differ;
};

static void differ(struct report *report, const char *format, ...)
{
    va_list words;

    if (report->differ) {
        return;
    }
    report->differ = true;
    int length = snprintf(report->why, TWINS_WHY_BYTES, "%s: ", report->where);

    va_start(words, format);
    (void)vsnprintf(report->why + length, TWINS_WHY_BYTES - (size_t)length, format, words);
    va_end(words);
}

#define SAME_IN(report, ours, theirs, field)                                                       \
    do {                                                                                           \
        if ((ours)->field != (theirs)->field) {                                                    \
            differ(report, #field " %lld, not %lld", (long long)(ours)->field,                     \
                (long long)(theirs)->field);                                                       \
        }                                                                                          \
    } while (0)
#define SAME(ours, theirs, field) SAME_IN(report, ours, theirs, field)

#define SAME_RATIO(ours, theirs, field)                                                            \
    do {                                                                                           \
        SAME(ours, theirs, field.num);                                                             \
        SAME(ours, theirs, field.den);                                                             \
    } while (0)

static void compare_tags(struct report *report, AVDictionary *ours, AVDictionary *theirs)
{
    const AVDictionaryEntry *a = NULL;
    const AVDictionaryEntry *b = NULL;

    do {
        a = av_dict_get(ours, "", a, AV_DICT_IGNORE_SUFFIX);
        b = av_dict_get(theirs, "", b, AV_DICT_IGNORE_SUFFIX);
        if (!a != !b || (a && (strcmp(a->key, b->key) != 0 || strcmp(a->value, b->value) != 0))) {
            differ(report, "tag %.16s=%.32s, not %.16s=%.32s", a ? a->key : "", a ? a->value : "",
                b ? b->key : "", b ? b->value : "");
        }
    } while (a && b);
}

static void compare_parameters(
    struct report *report, const AVCodecParameters *ours, const AVCodecParameters *theirs)
{
    SAME(ours, theirs, codec_type);
    SAME(ours, theirs, codec_id);
    SAME(ours, theirs, codec_tag);
    SAME(ours, theirs, format);
    SAME(ours, theirs, bit_rate);
    SAME(ours, theirs, bits_per_coded_sample);
    SAME(ours, theirs, bits_per_raw_sample);
    SAME(ours, theirs, profile);
    SAME(ours, theirs, level);
    SAME(ours, theirs, width);
    SAME(ours, theirs, height);
    SAME_RATIO(ours, theirs, sample_aspect_ratio);
    SAME(ours, theirs, field_order);
    SAME(ours, theirs, color_range);
    SAME(ours, theirs, color_primaries);
    SAME(ours, theirs, color_trc);
    SAME(ours, theirs, color_space);
    SAME(ours, theirs, chroma_location);
    SAME(ours, theirs, video_delay);
    SAME(ours, theirs, sample_rate);
    SAME(ours, theirs, block_align);
    SAME(ours, theirs, frame_size);
    SAME(ours, theirs, initial_padding);
    SAME(ours, theirs, trailing_padding);
    SAME(ours, theirs, seek_preroll);
    SAME(ours, theirs, extradata_size);
    SAME(ours, theirs, ch_layout.order);
    SAME(ours, theirs, ch_layout.nb_channels);
    SAME(ours, theirs, ch_layout.u.mask);
    if (ours->extradata_size == theirs->extradata_size && ours->extradata_size > 0 &&
        memcmp(ours->extradata, theirs->extradata, (size_t)ours->extradata_size) != 0) {
        differ(report, "extradata");
    }
}

static void compare_streams(struct report *report, const AVStream *ours, const AVStream *theirs)
{
    SAME(ours, theirs, id);
    SAME_RATIO(ours, theirs, time_base);
    SAME(ours, theirs, start_time);
    SAME(ours, theirs, duration);
    SAME(ours, theirs, nb_frames);
    SAME(ours, theirs, disposition);
    SAME(ours, theirs, discard);
    SAME_RATIO(ours, theirs, sample_aspect_ratio);
    SAME_RATIO(ours, theirs, avg_frame_rate);
    if (ours->r_frame_rate.num != 0) { /* else theirs is a guess, which no output has */
        SAME_RATIO(ours, theirs, r_frame_rate);
    }
    SAME(ours, theirs, pts_wrap_bits);
    if (rmx_avshim_side_data_count(ours) != rmx_avshim_side_data_count(theirs)) {
        differ(report, "side data");
    }
    compare_tags(report, ours->metadata, theirs->metadata);
    compare_parameters(report, ours->codecpar, theirs->codecpar);
}

static void compare_contexts(
    struct report *report, const AVFormatContext *ours, const AVFormatContext *theirs)
{
    SAME(ours, theirs, nb_streams);
    SAME(ours, theirs, start_time);
    SAME(ours, theirs, duration);
    SAME(ours, theirs, bit_rate);
    SAME(ours, theirs, nb_chapters);
    SAME(ours, theirs, nb_programs);
    SAME(ours->iformat, theirs->iformat, flags);
    compare_tags(report, ours->metadata, theirs->metadata);
    for (unsigned slot = 0; slot < ours->nb_streams && !report->differ; slot++) {
        (void)snprintf(report->where, sizeof(report->where), "stream %u", slot);
        compare_streams(report, ours->streams[slot], theirs->streams[slot]);
    }
}

static void compare_side_data(struct report *report, const AVPacket *ours, const AVPacket *theirs)
{
    SAME(ours, theirs, side_data_elems);
    for (int i = 0; i < ours->side_data_elems && !report->differ; i++) {
        const AVPacketSideData *a = &ours->side_data[i];
        const AVPacketSideData *b = &theirs->side_data[i];

        if (a->type != b->type || a->size != b->size || memcmp(a->data, b->data, a->size) != 0) {
            differ(report, "side data %d", i);
        }
    }
}

static void compare_packets(struct report *report, const AVPacket *ours, const AVPacket *theirs)
{
    SAME(ours, theirs, stream_index);
    SAME(ours, theirs, dts);
    SAME(ours, theirs, pts);
    SAME(ours, theirs, duration);
    SAME(ours, theirs, flags);
    SAME(ours, theirs, pos);
    SAME(ours, theirs, size);
    if (!report->differ && memcmp(ours->data, theirs->data, (size_t)ours->size) != 0) {
        differ(report, "bytes");
    }
    compare_side_data(report, ours, theirs);
}

static void compare_files(struct report *report, struct twin *ours, struct twin *theirs)
{
    int err = 0;

    for (unsigned count = 0; err >= 0 && !report->differ; count++) {
        int their_err = rmx_ahead_next(&theirs->ahead, theirs->demuxer, theirs->packet);

        err = rmx_ahead_next(&ours->ahead, ours->demuxer, ours->packet);
        (void)snprintf(report->where, sizeof(report->where), "packet %u", count);
        if (err != their_err) {
            differ(report, "%s, not %s", av_err2str(err), av_err2str(their_err));
        } else if (err >= 0) {
            compare_packets(report, ours->packet, theirs->packet);
        }
        av_packet_unref(ours->packet);
        av_packet_unref(theirs->packet);
    }
    ours->extent.samples_end = rmx_native_end(ours->native);
    (void)snprintf(report->where, sizeof(report->where), "end");
    int64_t missing = rmx_extent_missing_end(&ours->extent, ours->demuxer, ours->io);
    int64_t their_missing = rmx_extent_missing_end(&theirs->extent, theirs->demuxer, theirs->io);

    if (missing != their_missing) {
        differ(report, "%lld, not %lld", (long long)missing, (long long)their_missing);
    }
}

static void begin_process(void)
{
    static bool ready;

    if (!ready) {
        rmx_remux_init_process(ALLOC_MAX);
        ready = true;
    }
}

enum twins twins_compare(
    const uint8_t *bytes, size_t size, const char *format, char why[TWINS_WHY_BYTES])
{
    struct report report = { .why = why, .where = "file" };
    struct twin ours;
    struct twin theirs;

    begin_process();
    why[0] = '\0';
    open_twin(&ours, bytes, size, format, &ours.native);
    if (!ours.native) {
        close_twin(&ours);
        return TWINS_LEFT;
    }
    open_twin(&theirs, bytes, size, format, NULL);
    if (ours.status != theirs.status) {
        differ(&report, "status %d, not %d", (int)ours.status, (int)theirs.status);
    } else {
        compare_contexts(&report, ours.demuxer, theirs.demuxer);
        compare_files(&report, &ours, &theirs);
    }
    close_twin(&ours);
    close_twin(&theirs);
    return report.differ ? TWINS_DIFFER : TWINS_SAME;
}

/* An option that changes nothing: whoever has options is libavformat's to write. */
static const char no_change[] = "min_frag_duration=0";

enum twins twins_compare_outputs(const uint8_t *bytes, size_t size, char why[TWINS_WHY_BYTES])
{
    struct report report = { .why = why, .where = "output" };
    struct rmx_job_spec spec = media_job("fmp4");
    struct media input = { .size = size };
    struct media ours = { .size = 0 };
    struct media theirs = { .size = 0 };
    struct twin twin;

    begin_process();
    why[0] = '\0';
    open_twin(&twin, bytes, size, "fmp4", &twin.native);
    bool left = !twin.native;

    close_twin(&twin);
    if (left) {
        return TWINS_LEFT;
    }
    memcpy(&input.bytes, &bytes, sizeof(bytes)); /* to read: nothing writes there */
    struct rmx_job_result our = media_run(&spec, &input, &ours);

    memcpy(spec.options, no_change, sizeof(no_change));
    struct rmx_job_result their = media_run(&spec, &input, &theirs);

    SAME_IN(&report, &our, &their, status);
    SAME_IN(&report, &our, &their, packets_out);
    SAME_IN(&report, &our, &their, bytes_expected);
    SAME_IN(&report, &ours, &theirs, size);
    if (!report.differ && ours.size > 0 && memcmp(ours.bytes, theirs.bytes, ours.size) != 0) {
        differ(&report, "bytes");
    }
    media_free(&ours);
    media_free(&theirs);
    return report.differ ? TWINS_DIFFER : TWINS_SAME;
}
