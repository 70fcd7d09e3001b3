/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What goes from input to output besides packets. Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/metadata.h"

#include <libavutil/dict.h>
#include <libavutil/mem.h>

int rmx_metadata_copy(AVFormatContext *muxer, const AVFormatContext *demuxer, bool part)
{
    static const char *const of_input_only[] = {
        "creation_time",
        "company_name",
        "product_name",
        "product_version",
    };
    int err = av_dict_copy(&muxer->metadata, demuxer->metadata, AV_DICT_DONT_OVERWRITE);

    if (part) {
        av_dict_set(&muxer->metadata, "duration", NULL, 0);
    }
    for (size_t slot = 0; slot < sizeof(of_input_only) / sizeof(*of_input_only); slot++) {
        av_dict_set(&muxer->metadata, of_input_only[slot], NULL, 0);
    }
    return err;
}

/* Where the output begins, and how long it is, as a chapter counts. */
struct span {
    int64_t start;
    int64_t length; /* INT64_MAX = to the end */
};

static struct span span_of(const struct rmx_metadata_chapters *which, AVRational base)
{
    bool whole = which->duration_us == INT64_MAX;

    return (struct span){
        .start = av_rescale_q(av_sat_sub64(0, which->ts_offset), AV_TIME_BASE_Q, base),
        .length = whole ? INT64_MAX : av_rescale_q(which->duration_us, AV_TIME_BASE_Q, base),
    };
}

static int append_chapter(
    AVFormatContext *muxer, const AVChapter *from, const struct span *span, bool tags)
{
    AVChapter *chapter = av_mallocz(sizeof(*chapter));

    if (!chapter) {
        return AVERROR(ENOMEM);
    }
    chapter->id = from->id;
    chapter->time_base = from->time_base;
    chapter->start = FFMAX(0, av_sat_sub64(from->start, span->start));
    chapter->end = FFMIN(span->length, av_sat_sub64(from->end, span->start));
    muxer->chapters[muxer->nb_chapters++] = chapter;
    return tags ? av_dict_copy(&chapter->metadata, from->metadata, 0) : 0;
}

int rmx_metadata_copy_chapters(AVFormatContext *muxer, const AVFormatContext *demuxer,
    const struct rmx_metadata_chapters *which)
{
    int err = 0;

    if (demuxer->nb_chapters == 0) {
        return 0;
    }
    muxer->chapters = av_calloc(demuxer->nb_chapters, sizeof(AVChapter *));
    if (!muxer->chapters) {
        return AVERROR(ENOMEM);
    }
    for (unsigned slot = 0; slot < demuxer->nb_chapters && err >= 0; slot++) {
        const AVChapter *chapter = demuxer->chapters[slot];
        struct span span = span_of(which, chapter->time_base);

        if (chapter->start > av_sat_add64(span.start, span.length)) {
            break;
        }
        if (chapter->end >= span.start) {
            err = append_chapter(muxer, chapter, &span, which->tags);
        }
    }
    return err;
}

void rmx_metadata_mark_defaults(AVFormatContext *muxer)
{
    unsigned streams_of[AVMEDIA_TYPE_NB] = { 0 };
    bool has_default[AVMEDIA_TYPE_NB] = { false };

    for (unsigned slot = 0; slot < muxer->nb_streams; slot++) {
        const AVStream *stream = muxer->streams[slot];
        enum AVMediaType type = stream->codecpar->codec_type;

        streams_of[type]++;
        has_default[type] |= stream->disposition & AV_DISPOSITION_DEFAULT;
    }
    for (unsigned slot = 0; slot < muxer->nb_streams; slot++) {
        AVStream *stream = muxer->streams[slot];
        enum AVMediaType type = stream->codecpar->codec_type;

        if (streams_of[type] > 1 && !has_default[type] &&
            !(stream->disposition & AV_DISPOSITION_ATTACHED_PIC)) {
            stream->disposition |= AV_DISPOSITION_DEFAULT;
            has_default[type] = true;
        }
    }
}
