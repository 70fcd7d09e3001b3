/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's edits (see edit.h). Runs in the client, the daemon and the worker.
 */
#include "ipc/edit.h"

#include <errno.h>
#include <string.h>

#include "ipc/edit_value.h"
#include "ipc/file_name.h"
#include "ipc/filter.h"
#include "ipc/job.h"
#include "ipc/pairs.h"
#include "ipc/spelling.h"

enum kind {
    IS_TIME,
    IS_OFFSET,
    IS_SWITCH,
    IS_NONE,
    IS_TAG,
    IS_FLAGS,
    IS_ANGLE,
    IS_STRIP,
    IS_FILTER,
    IS_SUBTITLES,
    IS_SHIFT,
    IS_JOIN,
    IS_DEMUXER,
    IS_CONTAINER,
    IS_OPTION,
    IS_MAP,
    IS_POLICY,
    IS_FILE,
    IS_KEY,
};

/* What a kind is about says what its specifier is. */
static const enum scope {
    OF_JOB,
    OF_STREAMS,
    OF_INPUT, /* or, without a specifier, of each */
    OF_OUTPUT,
} scopes[] = {
    [IS_TIME] = OF_INPUT,
    [IS_OFFSET] = OF_JOB,
    [IS_SWITCH] = OF_JOB,
    [IS_NONE] = OF_JOB,
    [IS_TAG] = OF_STREAMS,
    [IS_FLAGS] = OF_STREAMS,
    [IS_ANGLE] = OF_STREAMS,
    [IS_STRIP] = OF_STREAMS,
    [IS_FILTER] = OF_STREAMS,
    [IS_SUBTITLES] = OF_STREAMS,
    [IS_SHIFT] = OF_INPUT,
    [IS_JOIN] = OF_JOB,
    [IS_DEMUXER] = OF_INPUT,
    [IS_CONTAINER] = OF_OUTPUT,
    [IS_OPTION] = OF_OUTPUT,
    [IS_MAP] = OF_OUTPUT,
    [IS_POLICY] = OF_OUTPUT,
    [IS_FILE] = OF_JOB,
    [IS_KEY] = OF_INPUT,
};

static const struct row {
    const char *name;
    enum kind kind;
    const char *misspelt; /* the refusal of what is near it */
    const char *twice;
} rows[RMX_EDIT_WORDS] = {
#define RMX_EDIT(word, name, kind, help)                                                           \
    { name, IS_##kind, "edits: there is no such edit: is '" name "' meant?",                       \
        "edits: " name " is given twice" },
#include "ipc/edit.def"
#undef RMX_EDIT
};

/* What subtitles can become, and "copy"; libavcodec's names of encoders. */
static const char *const subtitles[] = { "mov_text", "srt", "subrip", "webvtt", "ass", "copy" };

static int refuse(const char *sentence, const char **why)
{
    *why = sentence;
    return -EINVAL;
}

/* "g", "s", "s:STREAM", "c:0", "p:1". */
static bool is_tag_specifier(const char *text)
{
    int64_t number;

    if (text[0] == '\0' || strcmp(text, "g") == 0) {
        return true;
    }
    if (text[0] == 's') {
        return text[1] == '\0' || (text[1] == ':' && text[2] != '\0');
    }
    if ((text[0] != 'c' && text[0] != 'p') || text[1] != ':') {
        return false;
    }
    text += 2;
    return rmx_edit_value_read_whole(&text, INT32_MAX, &number) && *text == '\0';
}

/* --- one edit -------------------------------------------------------------------------------- */

static int refuse_name(const char *name, const char **why)
{
    const char *best = "edits: there is no such edit";
    unsigned nearest = RMX_SPELLING_FAR;

    for (size_t slot = 0; slot < RMX_EDIT_WORDS; slot++) {
        unsigned away = rmx_spelling_distance(name, rows[slot].name);

        if (away < nearest) {
            nearest = away;
            best = rows[slot].misspelt;
        }
    }
    return refuse(best, why);
}

static int read_name(const char *text, struct rmx_edit *edit, const char **why)
{
    size_t length = strcspn(text, ":=");
    size_t whole = strcspn(text, "=");
    char name[RMX_SPELLING_BYTES + 1] = { 0 };

    memcpy(name, text, length < RMX_SPELLING_BYTES ? length : RMX_SPELLING_BYTES);
    edit->word = 0;
    while (edit->word < RMX_EDIT_WORDS && strcmp(rows[edit->word].name, name) != 0) {
        edit->word++;
    }
    if (edit->word == RMX_EDIT_WORDS) {
        return refuse_name(name, why);
    }
    if (text[whole] != '=') {
        return refuse("edits: one has no value", why);
    }
    edit->value = text + whole + 1;
    if (length == whole) {
        return 0;
    }
    if (whole - length > sizeof(edit->specifier) || whole == length + 1) {
        return refuse("edits: one has a specifier that is empty, or too long", why);
    }
    memcpy(edit->specifier, text + length + 1, whole - length - 1);
    return 0;
}

/* The number that is the whole specifier, below `most`. */
static bool is_number(const char *specifier, int most, int *number)
{
    int64_t value;

    if (!rmx_edit_value_read_whole(&specifier, most - 1, &value) || *specifier != '\0') {
        return false;
    }
    *number = (int)value;
    return true;
}

static int read_specifier(struct rmx_edit *edit, const char **why)
{
    enum kind kind = rows[edit->word].kind;
    bool none = edit->specifier[0] == '\0';

    edit->number = RMX_EDIT_JOB;
    switch (scopes[kind]) {
    case OF_JOB:
        return none ? 0 : refuse("edits: one has a specifier and is about the whole job", why);
    case OF_INPUT:
        return none || is_number(edit->specifier, RMX_JOB_INPUTS_MAX, &edit->number)
                   ? 0
                   : refuse("edits: one's specifier is not the number of an input, 0 to 7", why);
    case OF_OUTPUT:
        if (!is_number(edit->specifier, RMX_JOB_OUTPUTS_MAX, &edit->number)) {
            return refuse("edits: format, option, map, when_slow: the specifier is the number of "
                          "an output, 0 to 7",
                why);
        }
        return edit->number > 0 || kind == IS_POLICY
                   ? 0
                   : refuse("edits: format, option, map: output 0 has them in the job", why);
    case OF_STREAMS:
        break;
    }
    return 0;
}

static int read_tag(const struct rmx_edit *edit, const char **why)
{
    const char *equals = strchr(edit->value, '=');

    if (!is_tag_specifier(edit->specifier)) {
        return refuse("edits: metadata: its specifier is g, s, s:STREAM, c:N or p:N", why);
    }
    return equals != NULL && equals != edit->value ? 0
                                                   : refuse("edits: metadata: not KEY=TEXT", why);
}

static int read_none(const struct rmx_edit *edit, const char **why)
{
    const char *specifier = edit->specifier;

    if (specifier[0] != '\0' && (strchr("gsc", specifier[0]) == NULL || specifier[1] != '\0')) {
        return refuse("edits: map_metadata: its specifier is g, s or c", why);
    }
    return strcmp(edit->value, "-1") == 0
               ? 0
               : refuse("edits: map_metadata, map_chapters: give -1", why);
}

static int read_subtitles(const struct rmx_edit *edit, const char **why)
{
    for (size_t slot = 0; slot < sizeof(subtitles) / sizeof(*subtitles); slot++) {
        if (strcmp(edit->value, subtitles[slot]) == 0) {
            return 0;
        }
    }
    if (strcmp(edit->value, "none") != 0) {
        return refuse(
            "edits: subtitles: give mov_text, srt, subrip, webvtt, ass, copy or none", why);
    }
    return edit->specifier[0] == '\0' || strcmp(edit->specifier, "s") == 0
               ? 0
               : refuse("edits: subtitles: none means all: leave one out with a map", why);
}

static bool is_either(const char *value, const char *one, const char *other)
{
    return strcmp(value, one) == 0 || strcmp(value, other) == 0;
}

/* What belongs to an input or an output, or says how they go together. What a container, an option
 * or a selection may be is for who looks at the output (job.c). */
static int read_value_of_end(struct rmx_edit *edit, const char **why)
{
    const char *value = edit->value;
    const char *equals = strchr(value, '=');

    switch (rows[edit->word].kind) {
    case IS_SHIFT:
        return rmx_edit_value_read_offset(value, &edit->us)
                   ? 0
                   : refuse("edits: not an offset: give 10, -1.5, 500ms or 1:30", why);
    case IS_JOIN:
        return is_either(value, "merge", "concat")
                   ? 0
                   : refuse("edits: join: give merge or concat", why);
    case IS_POLICY:
        return is_either(value, "block", "drop")
                   ? 0
                   : refuse("edits: when_slow: give block or drop", why);
    case IS_FILE:
        return rmx_file_name_is_plain(value, strlen(value))
                   ? 0
                   : refuse("edits: output_name: give a name without a folder, '%' or ':'", why);
    case IS_KEY:
        return rmx_edit_value_is_key(value)
                   ? 0
                   : refuse("edits: decryption_key: give 32 hexadecimal digits", why);
    case IS_OPTION:
        return equals != NULL && equals != value ? 0 : refuse("edits: option: not KEY=VALUE", why);
    default: /* a name or a selection */
        return value[0] != '\0' && strlen(value) < RMX_JOB_NAME_BYTES
                   ? 0
                   : refuse(
                         "edits: format, input_format, map: one that is empty, or too long", why);
    }
}

static int read_value(struct rmx_edit *edit, const char **why)
{
    const char *value = edit->value;

    switch (rows[edit->word].kind) {
    case IS_TIME:
        return rmx_edit_value_read_time(value, &edit->us)
                   ? 0
                   : refuse("edits: not a time: give 90, 1.5, 500ms, 2m, 1:30 or 01:02:03.5", why);
    case IS_OFFSET:
        return rmx_edit_value_read_offset(value, &edit->us)
                   ? 0
                   : refuse("edits: not an offset: give 10, -1.5, 500ms or 1:30", why);
    case IS_SWITCH:
        edit->on = strcmp(value, "1") == 0;
        return edit->on || strcmp(value, "0") == 0 ? 0 : refuse("edits: give 0 or 1", why);
    case IS_NONE:
    case IS_STRIP:
        return read_none(edit, why);
    case IS_TAG:
        return read_tag(edit, why);
    case IS_FLAGS:
        return rmx_edit_value_are_dispositions(value)
                   ? 0
                   : refuse("edits: disposition: give 0, or names as default+forced, comment, dub, "
                            "hearing_impaired, attached_pic",
                         why);
    case IS_ANGLE:
        return rmx_edit_value_read_degrees(value, &edit->degrees)
                   ? 0
                   : refuse("edits: rotate: give degrees, -360 to 360", why);
    case IS_FILTER:
        return rmx_filter_check(value, why);
    case IS_SUBTITLES:
        return read_subtitles(edit, why);
    default:
        return read_value_of_end(edit, why);
    }
}

int rmx_edit_parse(const char *text, struct rmx_edit *edit, const char **why)
{
    struct rmx_edit parsed = { 0 };
    int err = read_name(text, &parsed, why);

    if (err == 0) {
        err = read_specifier(&parsed, why);
    }
    if (err == 0) {
        err = read_value(&parsed, why);
    }
    if (err == 0) {
        *edit = parsed;
    }
    return err;
}

/* --- all of them ----------------------------------------------------------------------------- */

static void note_strip(struct rmx_edit_whole *whole, const char *specifier)
{
    bool all = specifier[0] == '\0';

    whole->strip_file |= all || specifier[0] == 'g';
    whole->strip_streams |= all || specifier[0] == 's';
    whole->strip_chapters |= all || specifier[0] == 'c';
}

static void note(struct rmx_edit_whole *whole, const struct rmx_edit *edit, int64_t *end_us)
{
    switch (edit->word) {
    case RMX_EDIT_START:
        whole->start_us = edit->us;
        break;
    case RMX_EDIT_START_FROM_END:
        whole->from_end_us = edit->us;
        break;
    case RMX_EDIT_END:
        *end_us = edit->us;
        break;
    case RMX_EDIT_DURATION:
        whole->duration_us = edit->us;
        break;
    case RMX_EDIT_MAP_METADATA:
        note_strip(whole, edit->specifier);
        break;
    case RMX_EDIT_COPYTS:
        whole->copyts = edit->on;
        break;
    case RMX_EDIT_INPUT_OFFSET:
        whole->input_offset_us = edit->us;
        break;
    case RMX_EDIT_JOIN:
        whole->concat = edit->value[0] == 'c';
        break;
    case RMX_EDIT_OUTPUT_OFFSET:
        whole->output_offset_us = edit->us;
        break;
    case RMX_EDIT_OUTPUT_NAME:
        whole->output_name = edit->value;
        break;
    case RMX_EDIT_SHORTEST:
        whole->shortest = edit->on;
        break;
    case RMX_EDIT_COPY_UNKNOWN:
        whole->copy_unknown = edit->on;
        break;
    case RMX_EDIT_IGNORE_UNKNOWN:
        whole->ignore_unknown = edit->on;
        break;
    case RMX_EDIT_DECRYPTION_KEY:
        whole->decryption_key = edit->value;
        break;
    case RMX_EDIT_SUBTITLES:
        *(strcmp(edit->value, "none") == 0 ? &whole->no_subtitles : &whole->has_subtitles) = true;
        break;
    default: /* about streams, or all in `seen` */
        break;
    }
    whole->seen[edit->word] = true;
}

static int combine_from_end(const struct rmx_edit_whole *whole, const char **why)
{
    if (!whole->seen[RMX_EDIT_START_FROM_END]) {
        return 0;
    }
    if (whole->seen[RMX_EDIT_START] || whole->seen[RMX_EDIT_END]) {
        return refuse("edits: start_from_end: give a duration with it, not start or end", why);
    }
    return whole->from_end_us > 0 ? 0 : refuse("edits: start_from_end: not before the end", why);
}

static int combine(struct rmx_edit_whole *whole, int64_t end_us, const char **why)
{
    if (whole->no_subtitles && whole->has_subtitles) {
        return refuse("edits: subtitles: none of them, or what they become: give one", why);
    }
    if (!whole->seen[RMX_EDIT_END]) {
        return 0;
    }
    if (whole->seen[RMX_EDIT_DURATION]) {
        return refuse("edits: end and duration: give one of them", why);
    }
    if (end_us <= whole->start_us) {
        return refuse("edits: end: not after start", why);
    }
    whole->duration_us = end_us - whole->start_us;
    return 0;
}

/* May the same be said again? What is said of all inputs and of one is said once each. */
static bool may_repeat(const struct rmx_edit *edit)
{
    enum scope scope = scopes[rows[edit->word].kind];

    return scope == OF_STREAMS || edit->word == RMX_EDIT_OPTION || edit->word == RMX_EDIT_MAP;
}

/* Which of them were said: of the job, and of each input or output. */
struct said {
    bool of[RMX_EDIT_WORDS][1 + RMX_JOB_INPUTS_MAX];
};

_Static_assert(RMX_JOB_INPUTS_MAX == RMX_JOB_OUTPUTS_MAX, "both are in one table");

static int note_said(struct said *said, const struct rmx_edit *edit, const char **why)
{
    bool *place = &said->of[edit->word][1 + edit->number];

    if (*place && !may_repeat(edit)) {
        return refuse(rows[edit->word].twice, why);
    }
    *place = true;
    return 0;
}

int rmx_edit_gather(
    const char *list, size_t bytes, int input, struct rmx_edit_whole *whole, const char **why)
{
    struct rmx_edit_whole gathered = { .duration_us = INT64_MAX };
    struct said said = { 0 };
    int64_t end_us = 0;
    size_t cursor = 0;
    const char *text;
    int err = 0;

    while (rmx_pairs_next(list, bytes, &cursor, &text) == 1) {
        struct rmx_edit edit;

        err = rmx_edit_parse(text, &edit, why);
        if (err == 0) {
            err = note_said(&said, &edit, why);
        }
        if (err != 0) {
            return err;
        }
        bool own = edit.number == input;

        if (own || (edit.number == RMX_EDIT_JOB && !said.of[edit.word][1 + input])) {
            note(&gathered, &edit, &end_us);
        }
    }
    err = combine(&gathered, end_us, why);
    if (err == 0) {
        err = combine_from_end(&gathered, why);
    }
    if (err == 0) {
        *whole = gathered;
    }
    return err;
}
