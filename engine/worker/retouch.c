/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tags, dispositions and rotation as a job asks for them. Worker process, a job's fiber.
 */
#include "engine/worker/retouch.h"

#include <stdlib.h>
#include <string.h>

#include <libavutil/dict.h>
#include <libavutil/display.h>
#include <libavutil/eval.h>

#include "engine/worker/avshim.h"
#include "ipc/edit.h"
#include "ipc/pairs.h"

#define NAME_BYTES 32 /* of a disposition; ipc/edit.c knows them all */

/* Does the edit's stream specifier fit? Returns 1, 0, or a negative AVERROR. */
static int fits(AVFormatContext *muxer, AVStream *stream, const char *specifier)
{
    return avformat_match_stream_specifier(muxer, stream, specifier);
}

static enum rmx_status refuse_specifier(const char *specifier, struct rmx_words *words)
{
    rmx_words_say(words, "edits: '%s' is not a stream specifier", specifier);
    return RMX_STATUS_BAD_OPTION;
}

bool rmx_retouch_next(const struct rmx_job_spec *spec, size_t *cursor, struct rmx_edit *edit)
{
    const char *text;
    const char *why;

    while (rmx_pairs_next(spec->edits, sizeof(spec->edits), cursor, &text) == 1) {
        if (rmx_edit_parse(text, edit, &why) == 0) {
            return true;
        }
    }
    return false;
}

enum rmx_status rmx_retouch_find(const char **value, enum rmx_edit_word word,
    AVFormatContext *muxer, AVStream *stream, const struct rmx_job_spec *spec,
    struct rmx_words *words)
{
    struct rmx_edit edit;
    size_t cursor = 0;

    *value = NULL;
    while (rmx_retouch_next(spec, &cursor, &edit)) {
        if (edit.word != word) {
            continue;
        }
        int match = fits(muxer, stream, edit.specifier);

        if (match < 0) {
            return refuse_specifier(edit.specifier, words);
        }
        if (match > 0) {
            *value = edit.value;
        }
    }
    return RMX_STATUS_OK;
}

/* --- rotation -------------------------------------------------------------------------------- */

static enum rmx_status turn(AVStream *stream, double degrees)
{
    int32_t *matrix =
        rmx_avshim_new_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, 9 * sizeof(*matrix));

    if (!matrix) {
        return RMX_STATUS_OVER_LIMIT;
    }
    av_display_rotation_set(matrix, -degrees); /* which counts the other way round */
    return RMX_STATUS_OK;
}

/* --- dispositions ---------------------------------------------------------------------------- */

/* "a+b" sets, "+a-b" changes what was. */
static int dispositions(const char *text, int before)
{
    int flags = before;

    while (*text) {
        char name[NAME_BYTES] = { 0 };
        char sign = *text;

        text += sign == '+' || sign == '-';
        size_t length = strcspn(text, "+-");

        memcpy(name, text, FFMIN(length, sizeof(name) - 1));
        int flag = strcmp(name, "0") == 0 ? 0 : FFMAX(av_disposition_from_string(name), 0);

        flags = sign == '+' ? flags | flag : sign == '-' ? flags & ~flag : flag;
        text += length;
    }
    return flags;
}

/* --- streams --------------------------------------------------------------------------------- */

static enum rmx_status retouch_stream(AVFormatContext *muxer, AVStream *stream,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    int before = stream->disposition;
    struct rmx_edit edit;
    size_t cursor = 0;

    while (rmx_retouch_next(spec, &cursor, &edit)) {
        if (edit.word != RMX_EDIT_DISPOSITION && edit.word != RMX_EDIT_ROTATE) {
            continue;
        }
        int match = fits(muxer, stream, edit.specifier);

        if (match < 0) {
            return refuse_specifier(edit.specifier, words);
        }
        if (match == 0) {
            continue;
        }
        if (edit.word == RMX_EDIT_DISPOSITION) {
            stream->disposition = dispositions(edit.value, before); /* the last one counts */
        } else if (turn(stream, edit.degrees) != RMX_STATUS_OK) {
            return RMX_STATUS_OVER_LIMIT;
        }
    }
    return RMX_STATUS_OK;
}

enum rmx_status rmx_retouch_streams(
    AVFormatContext *muxer, const struct rmx_job_spec *spec, struct rmx_words *words)
{
    enum rmx_status status = RMX_STATUS_OK;

    for (unsigned slot = 0; slot < muxer->nb_streams && status == RMX_STATUS_OK; slot++) {
        status = retouch_stream(muxer, muxer->streams[slot], spec, words);
    }
    return status;
}

/* --- tags ------------------------------------------------------------------------------------ */

/* One "KEY=TEXT". */
struct tag {
    char key[RMX_JOB_EDITS_BYTES];
    const char *text; /* NULL deletes */
};

static void split(struct tag *tag, const char *value)
{
    size_t length = strcspn(value, "=");

    memcpy(tag->key, value, length); /* the check found an '=', so it is shorter than all edits */
    tag->key[length] = '\0';
    tag->text = value[length + 1] != '\0' ? value + length + 1 : NULL;
}

static enum rmx_status set(AVDictionary **tags, const struct tag *tag)
{
    return av_dict_set(tags, tag->key, tag->text, 0) < 0 ? RMX_STATUS_OVER_LIMIT : RMX_STATUS_OK;
}

/* A rotation is side data; as a tag it would say nothing. What is no number is ignored. */
static enum rmx_status tag_rotation(AVStream *stream, const char *text)
{
    char *end = NULL;
    double degrees = text ? av_strtod(text, &end) : 0;

    return end && *end == '\0' ? turn(stream, degrees) : RMX_STATUS_OK;
}

static enum rmx_status tag_streams(
    AVFormatContext *muxer, const char *specifier, const struct tag *tag, struct rmx_words *words)
{
    enum rmx_status status = RMX_STATUS_OK;

    for (unsigned slot = 0; slot < muxer->nb_streams && status == RMX_STATUS_OK; slot++) {
        AVStream *stream = muxer->streams[slot];
        int match = fits(muxer, stream, specifier);

        if (match < 0) {
            return refuse_specifier(specifier, words);
        }
        if (match > 0) {
            status = strcmp(tag->key, "rotate") == 0 ? tag_rotation(stream, tag->text)
                                                     : set(&stream->metadata, tag);
        }
    }
    return status;
}

/* "c:N" or "p:N": the chapter's or the program's. NULL: there is none of that number. */
static AVDictionary **tags_of_part(AVFormatContext *muxer, const char *specifier)
{
    unsigned long number = strtoul(specifier + 2, NULL, 10);

    if (specifier[0] == 'c') {
        return number < muxer->nb_chapters ? &muxer->chapters[number]->metadata : NULL;
    }
    return number < muxer->nb_programs ? &muxer->programs[number]->metadata : NULL;
}

static enum rmx_status apply_tag(
    AVFormatContext *muxer, const struct rmx_edit *edit, struct rmx_words *words)
{
    const char *specifier = edit->specifier;
    struct tag tag;

    split(&tag, edit->value);
    if (specifier[0] == 's') {
        return tag_streams(muxer, specifier + 1 + (specifier[1] == ':'), &tag, words);
    }
    if (specifier[0] == '\0' || specifier[0] == 'g') {
        return set(&muxer->metadata, &tag);
    }
    AVDictionary **tags = tags_of_part(muxer, specifier);

    if (!tags) {
        rmx_words_say(words, "edit metadata: the output has no %s %s",
            specifier[0] == 'c' ? "chapter" : "program", specifier + 2);
        return RMX_STATUS_BAD_OPTION;
    }
    return set(tags, &tag);
}

enum rmx_status rmx_retouch_tags(
    AVFormatContext *muxer, const struct rmx_job_spec *spec, struct rmx_words *words)
{
    enum rmx_status status = RMX_STATUS_OK;
    struct rmx_edit edit;
    size_t cursor = 0;

    while (status == RMX_STATUS_OK && rmx_retouch_next(spec, &cursor, &edit)) {
        if (edit.word == RMX_EDIT_METADATA) {
            status = apply_tag(muxer, &edit, words);
        }
    }
    return status;
}
