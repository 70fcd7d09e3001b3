/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's edits (see edit.h). Runs in the client, the daemon and the worker.
 */
#include "ipc/edit.h"

#include <errno.h>
#include <string.h>

#include "ipc/filter.h"
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

/* libavformat's names. */
static const char *const dispositions[] = { "default", "dub", "original", "comment", "lyrics",
    "karaoke", "forced", "hearing_impaired", "visual_impaired", "clean_effects", "attached_pic",
    "timed_thumbnails", "captions", "descriptions", "metadata", "dependent", "still_image" };

static int refuse(const char *sentence, const char **why)
{
    *why = sentence;
    return -EINVAL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_same(const char *name, size_t length, const char *other)
{
    return strlen(other) == length && memcmp(name, other, length) == 0;
}

/* --- values ---------------------------------------------------------------------------------- */

/* Digits, at least one and at most `most`. Advances *text. */
static bool read_whole(const char **text, int64_t most, int64_t *value)
{
    const char *at = *text;
    int64_t sum = 0;

    for (; is_digit(*at); at++) {
        sum = sum * 10 + (*at - '0');
        if (sum > most) {
            return false;
        }
    }
    *value = sum;
    bool any = at != *text;
    *text = at;
    return any;
}

/* ".5" as millionths; what is finer is left out, as ffmpeg does. Nothing there is 0. */
static bool read_fraction(const char **text, int64_t *millionths)
{
    const char *at = *text;
    int64_t sum = 0;
    int64_t worth = 100000;

    *millionths = 0;
    if (*at != '.') {
        return true;
    }
    for (at++; is_digit(*at); at++, worth /= 10) {
        sum += (*at - '0') * worth;
    }
    *millionths = sum;
    bool any = at > *text + 1;
    *text = at;
    return any;
}

/* "[HH:]MM:SS" behind the first number. Gives the whole seconds. */
static bool read_clock(const char **text, int64_t *seconds)
{
    for (int part = 0; part < 2 && **text == ':'; part++) {
        int64_t next;

        (*text)++;
        if (!read_whole(text, 59, &next)) {
            return false;
        }
        *seconds = *seconds * 60 + next;
    }
    return true;
}

/* What one of a unit is in microseconds; 0 = there is no such unit. */
static int64_t unit_us(const char *unit)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = { { "", 1000000 }, { "s", 1000000 }, { "ms", 1000 }, { "us", 1 }, { "m", 60000000 },
        { "h", 3600000000 } };

    for (size_t slot = 0; slot < sizeof(units) / sizeof(*units); slot++) {
        if (strcmp(unit, units[slot].name) == 0) {
            return units[slot].us;
        }
    }
    return 0;
}

bool rmx_edit_read_time(const char *text, int64_t *us)
{
    int64_t whole;
    int64_t millionths;

    if (!read_whole(&text, RMX_EDIT_TIME_US_MAX, &whole)) {
        return false;
    }
    bool clock = *text == ':';

    if (!read_clock(&text, &whole) || !read_fraction(&text, &millionths) ||
        (clock && *text != '\0')) {
        return false;
    }
    int64_t unit = unit_us(text);

    if (unit == 0 || whole > RMX_EDIT_TIME_US_MAX / unit) {
        return false;
    }
    *us = whole * unit + millionths * unit / 1000000;
    return *us <= RMX_EDIT_TIME_US_MAX;
}

static bool read_offset(const char *text, int64_t *us)
{
    bool minus = *text == '-';

    if (!rmx_edit_read_time(text + (minus || *text == '+'), us)) {
        return false;
    }
    *us = minus ? -*us : *us;
    return true;
}

static bool read_degrees(const char *text, double *degrees)
{
    bool minus = *text == '-';
    int64_t whole;
    int64_t millionths;

    text += minus;
    if (!read_whole(&text, 360, &whole) || !read_fraction(&text, &millionths) || *text != '\0') {
        return false;
    }
    *degrees = (double)(whole * 1000000 + millionths) / 1e6;
    *degrees = minus ? -*degrees : *degrees;
    return true;
}

static bool is_disposition(const char *name, size_t length)
{
    for (size_t slot = 0; slot < sizeof(dispositions) / sizeof(*dispositions); slot++) {
        if (is_same(name, length, dispositions[slot])) {
            return true;
        }
    }
    return false;
}

static bool are_dispositions(const char *text)
{
    if (strcmp(text, "0") == 0) {
        return true;
    }
    do {
        text += *text == '+' || *text == '-';
        size_t length = strcspn(text, "+-");

        if (!is_disposition(text, length)) {
            return false;
        }
        text += length;
    } while (*text != '\0');
    return true;
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
    return read_whole(&text, INT32_MAX, &number) && *text == '\0';
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
    if (rows[edit->word].kind < IS_TAG) {
        return refuse("edits: one has a specifier and is not about streams", why);
    }
    if (whole - length > sizeof(edit->specifier) || whole == length + 1) {
        return refuse("edits: one has a specifier that is empty, or too long", why);
    }
    memcpy(edit->specifier, text + length + 1, whole - length - 1);
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

static int read_value(struct rmx_edit *edit, const char **why)
{
    const char *value = edit->value;

    switch (rows[edit->word].kind) {
    case IS_TIME:
        return rmx_edit_read_time(value, &edit->us)
                   ? 0
                   : refuse("edits: not a time: give 90, 1.5, 500ms, 2m, 1:30 or 01:02:03.5", why);
    case IS_OFFSET:
        return read_offset(value, &edit->us)
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
        return are_dispositions(value)
                   ? 0
                   : refuse("edits: disposition: give 0, or names as default+forced, comment, dub, "
                            "hearing_impaired, attached_pic",
                         why);
    case IS_ANGLE:
        return read_degrees(value, &edit->degrees)
                   ? 0
                   : refuse("edits: rotate: give degrees, -360 to 360", why);
    case IS_FILTER:
        return rmx_filter_check(value, why);
    }
    return -EINVAL;
}

int rmx_edit_parse(const char *text, struct rmx_edit *edit, const char **why)
{
    struct rmx_edit parsed = { 0 };
    int err = read_name(text, &parsed, why);

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
    case RMX_EDIT_OUTPUT_OFFSET:
        whole->output_offset_us = edit->us;
        break;
    case RMX_EDIT_SHORTEST:
        whole->shortest = edit->on;
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

int rmx_edit_gather(const char *list, size_t bytes, struct rmx_edit_whole *whole, const char **why)
{
    struct rmx_edit_whole gathered = { .duration_us = INT64_MAX };
    int64_t end_us = 0;
    size_t cursor = 0;
    const char *text;

    while (rmx_pairs_next(list, bytes, &cursor, &text) == 1) {
        struct rmx_edit edit;
        int err = rmx_edit_parse(text, &edit, why);

        if (err != 0) {
            return err;
        }
        if (rows[edit.word].kind < IS_TAG && gathered.seen[edit.word]) {
            return refuse(rows[edit.word].twice, why);
        }
        note(&gathered, &edit, &end_us);
    }
    int err = combine(&gathered, end_us, why);

    if (err == 0) {
        err = combine_from_end(&gathered, why);
    }
    if (err == 0) {
        *whole = gathered;
    }
    return err;
}
