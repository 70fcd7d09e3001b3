/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which streams of the input go to the output. Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/streams.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/avstring.h>
#include <libavutil/mem.h>

#include "engine/worker/subtitle.h"

#define IS_DEFAULT_SCORE 5000000   /* outweighs every resolution there is */
#define HAS_DATA_SCORE   100000000 /* a stream that showed a packet beats one that only exists */

#define COVER_ART MKTAG('A', 'P', 'I', 'C') /* what a muxer answers that takes pictures only */

static enum rmx_status append(struct rmx_streams *streams, unsigned source, struct rmx_words *words)
{
    if (streams->count == RMX_STREAMS_MAX) {
        rmx_words_say(words, "more than %d streams are selected", RMX_STREAMS_MAX);
        return RMX_STATUS_OVER_LIMIT;
    }
    streams->source[streams->count++] = source;
    return RMX_STATUS_OK;
}

/* --- ffmpeg's own choice --------------------------------------------------------------------- */

static int default_score(const AVStream *stream)
{
    return stream->disposition & AV_DISPOSITION_DEFAULT ? IS_DEFAULT_SCORE : 0;
}

static int liveliness(const AVStream *stream)
{
    bool alive = stream->event_flags & AVSTREAM_EVENT_FLAG_NEW_PACKETS;

    return default_score(stream) + (alive ? HAS_DATA_SCORE : 0);
}

/* Being the default breaks ties but does not make an empty stream worth having. */
static void append_best(
    struct rmx_streams *streams, const AVFormatContext *demuxer, int64_t score, unsigned best)
{
    if (score > 0 && score - default_score(demuxer->streams[best]) > 0) {
        streams->source[streams->count++] = best;
    }
}

/* The most pixels win; a cover picture only when there is nothing else, or nothing else may be. */
static void choose_video(
    struct rmx_streams *streams, const AVFormatContext *demuxer, const AVOutputFormat *muxer)
{
    bool covers_only =
        avformat_query_codec(muxer, muxer->video_codec, FF_COMPLIANCE_NORMAL) == COVER_ART;
    int64_t best_score = 0;
    unsigned best = 0;

    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        const AVStream *stream = demuxer->streams[slot];
        bool cover = stream->disposition & AV_DISPOSITION_ATTACHED_PIC;
        int64_t score = (int64_t)stream->codecpar->width * stream->codecpar->height;

        score = cover && !covers_only ? 1 : score + liveliness(stream);
        if (stream->codecpar->codec_type != AVMEDIA_TYPE_VIDEO || (covers_only && !cover)) {
            continue;
        }
        if (score > best_score) {
            best_score = score;
            best = slot;
        }
    }
    append_best(streams, demuxer, best_score, best);
}

/* The most channels win. */
static void choose_audio(struct rmx_streams *streams, const AVFormatContext *demuxer)
{
    int best_score = 0;
    unsigned best = 0;

    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        const AVStream *stream = demuxer->streams[slot];
        int score = stream->codecpar->ch_layout.nb_channels + liveliness(stream);

        if (stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO && score > best_score) {
            best_score = score;
            best = slot;
        }
    }
    append_best(streams, demuxer, best_score, best);
}

/* Text goes with text and pictures with pictures; teletext, which is neither, goes with all. */
static bool subtitle_fits(const AVCodecDescriptor *from, const AVCodecDescriptor *to)
{
    const int kinds = AV_CODEC_PROP_TEXT_SUB | AV_CODEC_PROP_BITMAP_SUB;

    if (!from || !to) {
        return false;
    }
    return (from->props & to->props & kinds) || from->props == 0 || to->props == 0;
}

/* Where the job says what subtitles become, or that they are copied: the first, of which something
 * can become, if there is one. */
static void choose_wished_subtitle(
    struct rmx_streams *streams, const AVFormatContext *demuxer, enum rmx_subtitle_wish wish)
{
    unsigned first = demuxer->nb_streams;

    for (unsigned slot = demuxer->nb_streams; slot-- > 0;) {
        const AVCodecParameters *parameters = demuxer->streams[slot]->codecpar;
        bool better = wish == RMX_SUBTITLE_COPY || first == demuxer->nb_streams ||
                      rmx_subtitle_is_text(parameters->codec_id) ||
                      !rmx_subtitle_is_text(demuxer->streams[first]->codecpar->codec_id);

        if (parameters->codec_type == AVMEDIA_TYPE_SUBTITLE && better) {
            first = slot;
        }
    }
    if (first < demuxer->nb_streams) {
        streams->source[streams->count++] = first;
    }
}

/* The first that fits wins; a muxer whose subtitles this build cannot encode gets none. */
static void choose_subtitle(
    struct rmx_streams *streams, const AVFormatContext *demuxer, const AVOutputFormat *muxer)
{
    const AVCodec *encoder = avcodec_find_encoder(muxer->subtitle_codec);

    if (!encoder) {
        return;
    }
    const AVCodecDescriptor *to = avcodec_descriptor_get(encoder->id);

    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        const AVCodecParameters *parameters = demuxer->streams[slot]->codecpar;
        const AVCodecDescriptor *from = avcodec_descriptor_get(parameters->codec_id);

        if (parameters->codec_type == AVMEDIA_TYPE_SUBTITLE && subtitle_fits(from, to)) {
            streams->source[streams->count++] = slot;
            return;
        }
    }
}

static void choose_usual(struct rmx_streams *streams, const AVFormatContext *demuxer,
    const AVOutputFormat *muxer, enum rmx_subtitle_wish wish)
{
    if (muxer->video_codec != AV_CODEC_ID_NONE) {
        choose_video(streams, demuxer, muxer);
    }
    if (muxer->audio_codec != AV_CODEC_ID_NONE) {
        choose_audio(streams, demuxer);
    }
    if (wish == RMX_SUBTITLE_USUAL) {
        choose_subtitle(streams, demuxer, muxer);
    } else {
        choose_wished_subtitle(streams, demuxer, wish);
    }
}

/* --- what the job asks for ------------------------------------------------------------------- */

/* One selection, taken apart: "-s:1?" is without subtitle 1, if there is one. */
struct selection {
    char specifier[RMX_JOB_MAP_BYTES];
    bool negative;
    bool optional;
};

static struct selection parse_selection(const char *text)
{
    struct selection selection = { .negative = *text == '-' };

    snprintf(selection.specifier, sizeof(selection.specifier), "%s", text + selection.negative);
    char *mark = strchr(selection.specifier, '?');

    if (mark) {
        selection.optional = true;
        *mark = '\0';
    }
    return selection;
}

static int matches(AVFormatContext *demuxer, unsigned source, const struct selection *selection)
{
    return avformat_match_stream_specifier(demuxer, demuxer->streams[source], selection->specifier);
}

/* Takes matching streams out again. Returns how many were there to look at, or AVERROR. */
static int remove_matching(
    struct rmx_streams *streams, AVFormatContext *demuxer, const struct selection *selection)
{
    unsigned looked_at = streams->count;
    unsigned kept = 0;

    for (unsigned slot = 0; slot < looked_at; slot++) {
        int match = matches(demuxer, streams->source[slot], selection);

        if (match < 0) {
            return match;
        }
        if (match == 0) {
            streams->source[kept++] = streams->source[slot];
        }
    }
    streams->count = kept;
    return (int)looked_at;
}

static enum rmx_status apply_selection(struct rmx_streams *streams, AVFormatContext *demuxer,
    const char *text, struct rmx_words *words)
{
    struct selection selection = parse_selection(text);
    int found = 0;

    if (selection.negative) {
        found = remove_matching(streams, demuxer, &selection);
    }
    for (unsigned slot = 0; slot < demuxer->nb_streams && !selection.negative; slot++) {
        int match = matches(demuxer, slot, &selection);

        if (match < 0) {
            found = match;
            break;
        }
        if (match > 0) {
            enum rmx_status status = append(streams, slot, words);

            if (status != RMX_STATUS_OK) {
                return status;
            }
            found++;
        }
    }
    if (found < 0) {
        rmx_words_say(words, "map '%s' is not a stream specifier", text);
        return RMX_STATUS_BAD_OPTION;
    }
    if (found == 0 && selection.negative && !selection.optional) {
        rmx_words_say(words,
            "map '%s' leaves out of what was taken before it, and nothing was: give "
            "--all-streams or another map first",
            text);
        return RMX_STATUS_NO_STREAMS;
    }
    if (found == 0 && !selection.optional) {
        rmx_words_say(words, "map '%s' matches no stream: add '?' where that is fine", text);
        return RMX_STATUS_NO_STREAMS;
    }
    return RMX_STATUS_OK;
}

static enum rmx_status choose_asked(struct rmx_streams *streams, AVFormatContext *demuxer,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    enum rmx_status status = RMX_STATUS_OK;

    if (spec->flags & RMX_JOB_ALL_STREAMS) {
        for (unsigned slot = 0; slot < demuxer->nb_streams && status == RMX_STATUS_OK; slot++) {
            status = append(streams, slot, words);
        }
    }
    for (unsigned slot = 0; slot < spec->maps && status == RMX_STATUS_OK; slot++) {
        status = apply_selection(streams, demuxer, spec->map[slot], words);
    }
    return status;
}

/* --- both ------------------------------------------------------------------------------------ */

static void leave_out_subtitles(struct rmx_streams *streams, const AVFormatContext *demuxer)
{
    unsigned kept = 0;

    for (unsigned slot = 0; slot < streams->count; slot++) {
        unsigned source = streams->source[slot];

        if (demuxer->streams[source]->codecpar->codec_type != AVMEDIA_TYPE_SUBTITLE) {
            streams->source[kept++] = source;
        }
    }
    streams->count = kept;
}

/* ffmpeg refuses what it cannot name the kind of; so do we, rather than drop it in silence. */
static enum rmx_status refuse_unknown(
    const struct rmx_streams *streams, const AVFormatContext *demuxer, struct rmx_words *words)
{
    for (unsigned slot = 0; slot < streams->count; slot++) {
        const AVStream *stream = demuxer->streams[streams->source[slot]];

        if (stream->codecpar->codec_type == AVMEDIA_TYPE_UNKNOWN) {
            rmx_words_say(words,
                "stream %u is of a kind libavformat does not know: leave it out "
                "with a map",
                streams->source[slot]);
            return RMX_STATUS_UNSUPPORTED;
        }
    }
    return RMX_STATUS_OK;
}

/* An index too large to allocate is dropped by the demuxer without a word, and the stream then has
 * no packets: that must not pass for a short file. */
static enum rmx_status refuse_unindexed(
    const struct rmx_streams *streams, const AVFormatContext *demuxer, struct rmx_words *words)
{
    if (!av_match_name("mov", demuxer->iformat->name)) {
        return RMX_STATUS_OK;
    }
    for (unsigned slot = 0; slot < streams->count; slot++) {
        AVStream *stream = demuxer->streams[streams->source[slot]];

        if (stream->nb_frames > 0 && avformat_index_get_entries_count(stream) == 0) {
            rmx_words_say(words, "stream %u: its index is larger than a job may use, or broken",
                streams->source[slot]);
            return RMX_STATUS_OVER_LIMIT;
        }
    }
    return RMX_STATUS_OK;
}

static void discard_unchosen(const struct rmx_streams *streams, AVFormatContext *demuxer)
{
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        demuxer->streams[slot]->discard = AVDISCARD_ALL;
    }
    for (unsigned slot = 0; slot < streams->count; slot++) {
        demuxer->streams[streams->source[slot]]->discard = AVDISCARD_NONE;
    }
    for (unsigned program = 0; program < demuxer->nb_programs; program++) {
        AVProgram *at = demuxer->programs[program];
        enum AVDiscard discard = AVDISCARD_ALL;

        for (unsigned slot = 0; slot < at->nb_stream_indexes; slot++) {
            if (demuxer->streams[at->stream_index[slot]]->discard != AVDISCARD_ALL) {
                discard = AVDISCARD_DEFAULT;
            }
        }
        at->discard = discard;
    }
}

enum rmx_status rmx_streams_choose(struct rmx_streams *streams, AVFormatContext *demuxer,
    const AVOutputFormat *muxer, const struct rmx_job_spec *spec, struct rmx_words *words)
{
    enum rmx_subtitle_wish wish = rmx_subtitle_wish(spec);
    enum rmx_status status = RMX_STATUS_OK;

    streams->source = av_calloc(RMX_STREAMS_MAX, sizeof(*streams->source));
    if (!streams->source) {
        return RMX_STATUS_OVER_LIMIT;
    }
    if (spec->maps > 0 || (spec->flags & RMX_JOB_ALL_STREAMS)) {
        status = choose_asked(streams, demuxer, spec, words);
    } else {
        choose_usual(streams, demuxer, muxer, wish);
    }
    if (wish == RMX_SUBTITLE_NONE) {
        leave_out_subtitles(streams, demuxer);
    }
    if (status == RMX_STATUS_OK && streams->count == 0) {
        rmx_words_say(words, "none of the input's %u streams is selected", demuxer->nb_streams);
        status = RMX_STATUS_NO_STREAMS;
    }
    if (status == RMX_STATUS_OK) {
        status = refuse_unknown(streams, demuxer, words);
    }
    if (status == RMX_STATUS_OK) {
        status = refuse_unindexed(streams, demuxer, words);
    }
    if (status == RMX_STATUS_OK) {
        discard_unchosen(streams, demuxer);
    }
    return status;
}

void rmx_streams_fini(struct rmx_streams *streams)
{
    av_freep(&streams->source);
    streams->count = 0;
}
