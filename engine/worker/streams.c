/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which streams of the input go to the output. Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/streams.h"

#include <errno.h>
#include <stdbool.h>

#include <libavcodec/avcodec.h>
#include <libavutil/avstring.h>
#include <libavutil/mem.h>

#include "engine/worker/native.h"
#include "engine/worker/subtitle.h"
#include "ipc/edit.h"
#include "ipc/several.h"

#define IS_DEFAULT_SCORE 5000000   /* outweighs every resolution there is */
#define HAS_DATA_SCORE   100000000 /* a stream that showed a packet beats one that only exists */

#define COVER_ART MKTAG('A', 'P', 'I', 'C') /* what a muxer answers that takes pictures only */

static const AVStream *stream_of(
    const struct rmx_streams_pool *pool, const struct rmx_source *source)
{
    return pool->demuxers[source->input]->streams[source->stream];
}

static enum rmx_status append(
    struct rmx_streams *streams, struct rmx_source source, struct rmx_words *words)
{
    if (streams->count == RMX_STREAMS_MAX) {
        rmx_words_say(words, "more than %d streams are selected", RMX_STREAMS_MAX);
        return RMX_STATUS_OVER_LIMIT;
    }
    streams->source[streams->count++] = source;
    return RMX_STATUS_OK;
}

/* --- ffmpeg's own choice --------------------------------------------------------------------- */

struct best {
    int64_t score; /* 0 = none */
    struct rmx_source source;
};

static int default_score(const AVStream *stream)
{
    return stream->disposition & AV_DISPOSITION_DEFAULT ? IS_DEFAULT_SCORE : 0;
}

static int liveliness(const AVStream *stream)
{
    bool alive = stream->event_flags & AVSTREAM_EVENT_FLAG_NEW_PACKETS;

    return default_score(stream) + (alive ? HAS_DATA_SCORE : 0);
}

static void keep_better(struct best *best, int64_t score, unsigned input, unsigned stream)
{
    if (score > best->score) {
        *best = (struct best){ score, { input, stream } };
    }
}

/* Being the default breaks ties within an input, but not between them, and does not make an empty
 * stream worth having. */
static void keep_better_input(
    struct best *best, struct best of_input, const struct rmx_streams_pool *pool)
{
    if (of_input.score > 0) {
        of_input.score -= default_score(stream_of(pool, &of_input.source));
    }
    keep_better(best, of_input.score, of_input.source.input, of_input.source.stream);
}

static void append_best(struct rmx_streams *streams, const struct best *best)
{
    if (best->score > 0) {
        streams->source[streams->count++] = best->source;
    }
}

/* The most pixels win; a cover picture only when there is nothing else, or nothing else may be. */
static struct best best_video(
    const AVFormatContext *demuxer, unsigned input, const AVOutputFormat *muxer)
{
    bool covers_only =
        avformat_query_codec(muxer, muxer->video_codec, FF_COMPLIANCE_NORMAL) == COVER_ART;
    struct best best = { 0 };

    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        const AVStream *stream = demuxer->streams[slot];
        bool cover = stream->disposition & AV_DISPOSITION_ATTACHED_PIC;
        int64_t score = (int64_t)stream->codecpar->width * stream->codecpar->height;

        score = cover && !covers_only ? 1 : score + liveliness(stream);
        if (stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO && (cover || !covers_only)) {
            keep_better(&best, score, input, slot);
        }
    }
    return best;
}

/* The most channels win. */
static struct best best_audio(const AVFormatContext *demuxer, unsigned input)
{
    struct best best = { 0 };

    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        const AVStream *stream = demuxer->streams[slot];
        int score = stream->codecpar->ch_layout.nb_channels + liveliness(stream);

        if (stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO) {
            keep_better(&best, score, input, slot);
        }
    }
    return best;
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

/* The first that fits wins. Returns whether one does. */
static bool append_subtitle(struct rmx_streams *streams, const AVFormatContext *demuxer,
    unsigned input, const AVCodecDescriptor *to)
{
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        const AVCodecParameters *parameters = demuxer->streams[slot]->codecpar;
        const AVCodecDescriptor *from = avcodec_descriptor_get(parameters->codec_id);

        if (parameters->codec_type == AVMEDIA_TYPE_SUBTITLE && subtitle_fits(from, to)) {
            streams->source[streams->count++] = (struct rmx_source){ input, slot };
            return true;
        }
    }
    return false;
}

/* Where the job says what subtitles become, or that they are copied: the first, of which something
 * can become, if there is one. */
static void choose_wished_subtitle(
    struct rmx_streams *streams, const struct rmx_streams_pool *pool, enum rmx_subtitle_wish wish)
{
    struct best best = { 0 };

    for (unsigned input = 0; input < pool->count; input++) {
        const AVFormatContext *demuxer = pool->demuxers[input];

        for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
            const AVCodecParameters *parameters = demuxer->streams[slot]->codecpar;
            bool text = wish != RMX_SUBTITLE_COPY && rmx_subtitle_is_text(parameters->codec_id);

            if (parameters->codec_type == AVMEDIA_TYPE_SUBTITLE) {
                keep_better(&best, 1 + text, input, slot);
            }
        }
    }
    append_best(streams, &best);
}

/* A muxer whose subtitles this build cannot encode gets none. */
static void choose_subtitle(
    struct rmx_streams *streams, const struct rmx_streams_pool *pool, const AVOutputFormat *muxer)
{
    const AVCodec *encoder = avcodec_find_encoder(muxer->subtitle_codec);
    const AVCodecDescriptor *to = encoder ? avcodec_descriptor_get(encoder->id) : NULL;
    bool found = false;

    for (unsigned input = 0; encoder && !found && input < pool->count; input++) {
        found = append_subtitle(streams, pool->demuxers[input], input, to);
    }
}

static void choose_usual(struct rmx_streams *streams, const struct rmx_streams_pool *pool,
    const AVOutputFormat *muxer, enum rmx_subtitle_wish wish)
{
    struct best video = { 0 };
    struct best audio = { 0 };

    for (unsigned input = 0; input < pool->count; input++) {
        keep_better_input(&video, best_video(pool->demuxers[input], input, muxer), pool);
        keep_better_input(&audio, best_audio(pool->demuxers[input], input), pool);
    }
    if (muxer->video_codec != AV_CODEC_ID_NONE) {
        append_best(streams, &video);
    }
    if (muxer->audio_codec != AV_CODEC_ID_NONE) {
        append_best(streams, &audio);
    }
    if (wish == RMX_SUBTITLE_USUAL) {
        choose_subtitle(streams, pool, muxer);
    } else {
        choose_wished_subtitle(streams, pool, wish);
    }
}

/* --- what the job asks for ------------------------------------------------------------------- */

static int matches(const struct rmx_streams_pool *pool, struct rmx_source source,
    const struct rmx_several_map *map)
{
    AVFormatContext *demuxer = pool->demuxers[source.input];

    return source.input != map->input ? 0
                                      : avformat_match_stream_specifier(demuxer,
                                            demuxer->streams[source.stream], map->specifier);
}

/* Takes matching streams out again. Returns how many were there to look at, or AVERROR. */
static int remove_matching(struct rmx_streams *streams, const struct rmx_streams_pool *pool,
    const struct rmx_several_map *map)
{
    unsigned looked_at = streams->count;
    unsigned kept = 0;

    for (unsigned slot = 0; slot < looked_at; slot++) {
        int match = matches(pool, streams->source[slot], map);

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

/* Sets *found to how many were taken, or to AVERROR. */
static enum rmx_status add_matching(struct rmx_streams *streams,
    const struct rmx_streams_pool *pool, const struct rmx_several_map *map, int *found,
    struct rmx_words *words)
{
    enum rmx_status status = RMX_STATUS_OK;
    unsigned count = pool->demuxers[map->input]->nb_streams;

    *found = 0;
    for (unsigned slot = 0; slot < count && *found >= 0 && status == RMX_STATUS_OK; slot++) {
        struct rmx_source source = { map->input, slot };
        int match = matches(pool, source, map);

        if (match > 0) {
            status = append(streams, source, words);
        }
        *found = match < 0 ? match : *found + match;
    }
    return status;
}

static enum rmx_status apply_selection(struct rmx_streams *streams,
    const struct rmx_streams_pool *pool, const char *text, struct rmx_words *words)
{
    struct rmx_several_map map = { 0 };
    enum rmx_status status = RMX_STATUS_OK;
    int found = AVERROR(EINVAL);

    if (rmx_several_read_map(text, &map) == 0 && map.input < pool->count) {
        if (map.negative) {
            found = remove_matching(streams, pool, &map);
        } else {
            status = add_matching(streams, pool, &map, &found, words);
        }
    }
    if (status != RMX_STATUS_OK) {
        return status;
    }
    if (found < 0) {
        rmx_words_say(words, "map '%s' is not a stream specifier", text);
        return RMX_STATUS_BAD_OPTION;
    }
    if (found == 0 && map.negative && !map.optional) {
        rmx_words_say(words,
            "map '%s' leaves out of what was taken before it, and nothing was: give "
            "--all-streams or another map first",
            text);
        return RMX_STATUS_NO_STREAMS;
    }
    if (found == 0 && !map.optional) {
        rmx_words_say(words, "map '%s' matches no stream: add '?' where that is fine", text);
        return RMX_STATUS_NO_STREAMS;
    }
    return RMX_STATUS_OK;
}

static enum rmx_status choose_asked(struct rmx_streams *streams,
    const struct rmx_streams_pool *pool, const struct rmx_job_spec *spec, struct rmx_words *words)
{
    enum rmx_status status = RMX_STATUS_OK;
    bool all = spec->flags & RMX_JOB_ALL_STREAMS;
    int found;

    for (unsigned input = 0; all && input < pool->count && status == RMX_STATUS_OK; input++) {
        status =
            add_matching(streams, pool, &(struct rmx_several_map){ .input = input }, &found, words);
    }
    for (unsigned slot = 0; slot < spec->maps && status == RMX_STATUS_OK; slot++) {
        status = apply_selection(streams, pool, spec->map[slot], words);
    }
    return status;
}

/* --- both ------------------------------------------------------------------------------------ */

static void leave_out(
    struct rmx_streams *streams, const struct rmx_streams_pool *pool, enum AVMediaType type)
{
    unsigned kept = 0;

    for (unsigned slot = 0; slot < streams->count; slot++) {
        const AVStream *stream = stream_of(pool, &streams->source[slot]);

        if (stream->codecpar->codec_type != type) {
            streams->source[kept++] = streams->source[slot];
        }
    }
    streams->count = kept;
}

/* ffmpeg refuses what it cannot name the kind of; so do we, rather than drop it in silence. */
static enum rmx_status refuse_unknown(
    const struct rmx_source *source, const AVStream *stream, struct rmx_words *words)
{
    if (stream->codecpar->codec_type != AVMEDIA_TYPE_UNKNOWN) {
        return RMX_STATUS_OK;
    }
    rmx_words_say(words,
        "stream %u is of a kind libavformat does not know: leave it out with a map or "
        "ignore_unknown, or take it with copy_unknown",
        source->stream);
    return RMX_STATUS_UNSUPPORTED;
}

/* An index too large to allocate is dropped by the demuxer without a word, and the stream then has
 * no packets: that must not pass for a short file. */
static enum rmx_status refuse_unindexed(const struct rmx_source *source, AVStream *stream,
    const AVFormatContext *demuxer, struct rmx_words *words)
{
    if (!av_match_name("mov", demuxer->iformat->name) || stream->nb_frames <= 0 ||
        rmx_native_is(demuxer) || avformat_index_get_entries_count(stream) > 0) {
        return RMX_STATUS_OK;
    }
    rmx_words_say(
        words, "stream %u: its index is larger than a job may use, or broken", source->stream);
    return RMX_STATUS_OVER_LIMIT;
}

static enum rmx_status refuse_useless(const struct rmx_streams *streams,
    const struct rmx_streams_pool *pool, bool unknown, struct rmx_words *words)
{
    enum rmx_status status = RMX_STATUS_OK;

    for (unsigned slot = 0; slot < streams->count && status == RMX_STATUS_OK; slot++) {
        const struct rmx_source *source = &streams->source[slot];
        const AVFormatContext *demuxer = pool->demuxers[source->input];
        AVStream *stream = demuxer->streams[source->stream];

        status = unknown ? RMX_STATUS_OK : refuse_unknown(source, stream, words);
        if (status == RMX_STATUS_OK) {
            status = refuse_unindexed(source, stream, demuxer, words);
        }
    }
    return status;
}

void rmx_streams_skip(AVFormatContext *demuxer)
{
    for (unsigned slot = 0; slot < demuxer->nb_streams; slot++) {
        demuxer->streams[slot]->discard = AVDISCARD_ALL;
    }
    for (unsigned program = 0; program < demuxer->nb_programs; program++) {
        demuxer->programs[program]->discard = AVDISCARD_ALL;
    }
}

static void want_programs(AVFormatContext *demuxer)
{
    for (unsigned program = 0; program < demuxer->nb_programs; program++) {
        AVProgram *at = demuxer->programs[program];

        for (unsigned slot = 0; slot < at->nb_stream_indexes; slot++) {
            if (demuxer->streams[at->stream_index[slot]]->discard != AVDISCARD_ALL) {
                at->discard = AVDISCARD_DEFAULT;
            }
        }
    }
}

void rmx_streams_want(const struct rmx_streams *streams, const struct rmx_streams_pool *pool)
{
    for (unsigned slot = 0; slot < streams->count; slot++) {
        const struct rmx_source *source = &streams->source[slot];

        pool->demuxers[source->input]->streams[source->stream]->discard = AVDISCARD_NONE;
    }
    for (unsigned input = 0; input < pool->count; input++) {
        want_programs(pool->demuxers[input]);
    }
}

static unsigned count_all(const struct rmx_streams_pool *pool)
{
    unsigned count = 0;

    for (unsigned input = 0; input < pool->count; input++) {
        count += pool->demuxers[input]->nb_streams;
    }
    return count;
}

enum rmx_status rmx_streams_choose(struct rmx_streams *streams, const struct rmx_streams_pool *pool,
    const AVOutputFormat *muxer, const struct rmx_job_spec *spec, struct rmx_words *words)
{
    enum rmx_subtitle_wish wish = rmx_subtitle_wish(spec);
    enum rmx_status status = RMX_STATUS_OK;
    struct rmx_edit_whole whole;
    const char *why;

    if (rmx_edit_gather(spec->edits, sizeof(spec->edits), RMX_EDIT_JOB, &whole, &why) < 0) {
        rmx_words_say(words, "%s", why);
        return RMX_STATUS_BAD_OPTION;
    }
    streams->source = av_calloc(RMX_STREAMS_MAX, sizeof(*streams->source));
    if (!streams->source) {
        return RMX_STATUS_OVER_LIMIT;
    }
    if (spec->maps > 0 || (spec->flags & RMX_JOB_ALL_STREAMS)) {
        status = choose_asked(streams, pool, spec, words);
    } else {
        choose_usual(streams, pool, muxer, wish);
    }
    if (wish == RMX_SUBTITLE_NONE) {
        leave_out(streams, pool, AVMEDIA_TYPE_SUBTITLE);
    }
    if (whole.ignore_unknown && !whole.copy_unknown) {
        leave_out(streams, pool, AVMEDIA_TYPE_UNKNOWN);
    }
    if (status == RMX_STATUS_OK && streams->count == 0) {
        rmx_words_say(words, "none of the input's %u streams is selected", count_all(pool));
        status = RMX_STATUS_NO_STREAMS;
    }
    return status == RMX_STATUS_OK ? refuse_useless(streams, pool, whole.copy_unknown, words)
                                   : status;
}

void rmx_streams_fini(struct rmx_streams *streams)
{
    av_freep(&streams->source);
    streams->count = 0;
}
