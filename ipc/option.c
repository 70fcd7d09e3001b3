/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's muxer options (see option.h). Runs in the client, the daemon and the worker.
 */
#include "ipc/option.h"

#include <errno.h>
#include <string.h>

#include "ipc/edit.h"
#include "ipc/edit_value.h"
#include "ipc/file_name.h"
#include "ipc/pairs.h"
#include "ipc/spelling.h"

#define ANY ""
#define MOV "mp4 mov ismv ipod 3gp 3g2 f4v psp"
#define MKV "matroska webm"
#define OGG "ogg oga ogv opus spx"

/* What is said of a wrong value: in words of the row, so that nothing need be put together. */
#define WRONG_NUMBER(name, least, most) "options: " name ": give a number, " least " to " most
#define WRONG_SWITCH(name, least, most) "options: " name ": give 0 or 1"
#define WRONG_TIME(name, least, most)                                                              \
    "options: " name ": give a time, " least " to " most " seconds: 90, 1.5, 500ms, 01:02:03.5"
#define WRONG_FLAGS(name, least, most) "options: " name ": one of its flags is not known here"
#define WRONG_TEXT(name, least, most)  "options: " name ": not a word it takes"
#define WRONG_KEY(name, least, most)   "options: " name ": give 32 hexadecimal digits"
#define WRONG_NAME(name, least, most)                                                              \
    "options: " name ": give a file's name, without a folder or ':'; a '%' only before its number"
#define WRONG_PARTS(name, least, most)                                                             \
    "options: " name ": give a file's name, without a folder or ':'"

static const struct row {
    struct rmx_option option;
    const char *misspelt;
    const char *elsewhere; /* the container has no such option */
    const char *wrong;
} rows[] = {
#define RMX_OPTION(name_, muxers_, kind_, least_, most_, help_)                                    \
    { { .name = name_,                                                                             \
          .muxers = muxers_,                                                                       \
          .kind = RMX_OPTION_IS_##kind_,                                                           \
          .least = least_,                                                                         \
          .most = most_,                                                                           \
          .help = help_ },                                                                         \
        "options: there is no such option, or it is not allowed: is '" name_ "' meant?",           \
        "options: this container has no option '" name_ "'",                                       \
        WRONG_##kind_(name_, #least_, #most_) },
#define RMX_OPTION_WORD(option, word, help)
#include "ipc/option.def"
#undef RMX_OPTION
#undef RMX_OPTION_WORD
};

static const struct word {
    struct rmx_option_word word;
    const char *misspelt;
} words[] = {
#define RMX_OPTION(name, muxers, kind, least, most, help)
#define RMX_OPTION_WORD(option_, word_, help_)                                                     \
    { { .option = option_, .word = word_, .help = help_ },                                         \
        "options: " option_ ": there is no such word, or it is not allowed: is '" word_            \
        "' meant?" },
#include "ipc/option.def"
#undef RMX_OPTION
#undef RMX_OPTION_WORD
};

#define ROWS  (sizeof(rows) / sizeof(*rows))
#define WORDS (sizeof(words) / sizeof(*words))

const struct rmx_option *rmx_option_at(size_t i)
{
    return i < ROWS ? &rows[i].option : NULL;
}

const struct rmx_option_word *rmx_option_word_at(size_t i)
{
    return i < WORDS ? &words[i].word : NULL;
}

static int refuse(const char *sentence, const char **why)
{
    *why = sentence;
    return -EINVAL;
}

static bool is_same(const char *text, size_t length, const char *other)
{
    return strlen(other) == length && memcmp(text, other, length) == 0;
}

bool rmx_option_fits(const struct rmx_option *option, const struct rmx_format *format)
{
    const char *name = option->muxers;

    for (size_t length; *name != '\0'; name += length + (name[length] == ' ')) {
        length = strcspn(name, " ");
        if (is_same(name, length, format->muxer)) {
            return true;
        }
    }
    return option->muxers[0] == '\0';
}

/* --- names ----------------------------------------------------------------------------------- */

/* Among those that the container has. */
static int refuse_name(
    const char *name, size_t length, const struct rmx_format *format, const char **why)
{
    const char *best = "options: there is no such option, or it is not allowed";
    unsigned nearest = RMX_SPELLING_FAR;
    char wrong[RMX_SPELLING_BYTES + 1] = { 0 };

    memcpy(wrong, name, length < RMX_SPELLING_BYTES ? length : RMX_SPELLING_BYTES);
    for (size_t slot = 0; slot < ROWS; slot++) {
        unsigned away = rmx_spelling_distance(wrong, rows[slot].option.name);

        if (is_same(name, length, rows[slot].option.name)) {
            return refuse(rows[slot].elsewhere, why);
        }
        if (away < nearest && rmx_option_fits(&rows[slot].option, format)) {
            nearest = away;
            best = rows[slot].misspelt;
        }
    }
    return refuse(best, why);
}

static const struct row *find_row(const char *name, size_t length, const struct rmx_format *format)
{
    for (size_t slot = 0; slot < ROWS; slot++) {
        if (is_same(name, length, rows[slot].option.name) &&
            rmx_option_fits(&rows[slot].option, format)) {
            return &rows[slot];
        }
    }
    return NULL;
}

static bool has_words(const struct rmx_option *option)
{
    for (size_t slot = 0; slot < WORDS; slot++) {
        if (strcmp(words[slot].word.option, option->name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_word(const struct rmx_option *option, const char *text, size_t length)
{
    for (size_t slot = 0; slot < WORDS; slot++) {
        if (strcmp(words[slot].word.option, option->name) == 0 &&
            is_same(text, length, words[slot].word.word)) {
            return true;
        }
    }
    return false;
}

static int refuse_word(const struct row *row, const char *text, size_t length, const char **why)
{
    const char *best = row->wrong;
    unsigned nearest = RMX_SPELLING_FAR;
    char wrong[RMX_SPELLING_BYTES + 1] = { 0 };

    memcpy(wrong, text, length < RMX_SPELLING_BYTES ? length : RMX_SPELLING_BYTES);
    for (size_t slot = 0; slot < WORDS; slot++) {
        unsigned away = rmx_spelling_distance(wrong, words[slot].word.word);

        if (away < nearest && strcmp(words[slot].word.option, row->option.name) == 0) {
            nearest = away;
            best = words[slot].misspelt;
        }
    }
    return refuse(best, why);
}

/* --- values ---------------------------------------------------------------------------------- */

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

/* "k", "M", "G", "Ki"; 0 = there is no such unit. */
static int64_t unit_of(const char *text)
{
    static const struct {
        const char *name;
        int64_t worth;
    } units[] = { { "", 1 }, { "k", 1000 }, { "K", 1000 }, { "M", 1000000 }, { "G", 1000000000 },
        { "Ki", 1 << 10 }, { "Mi", 1 << 20 }, { "Gi", 1 << 30 } };

    for (size_t slot = 0; slot < sizeof(units) / sizeof(*units); slot++) {
        if (strcmp(text, units[slot].name) == 0) {
            return units[slot].worth;
        }
    }
    return 0;
}

/* A whole number, as libavutil reads it. */
static bool read_number(const char *text, int64_t *number)
{
    bool minus = *text == '-';
    const char *at = text + (minus || *text == '+');
    int base = at[0] == '0' && at[1] == 'x' ? 16 : 10;
    const char *from = at + (base == 16 ? 2 : 0);
    int64_t sum = 0;

    for (at = from; digit(*at) < base; at++) {
        sum = sum * base + digit(*at);
        if (sum > UINT32_MAX) {
            return false;
        }
    }
    int64_t unit = unit_of(at);

    if (at == from || unit == 0) {
        return false;
    }
    *number = (minus ? -sum : sum) * unit;
    return true;
}

static bool is_number(const struct rmx_option *option, const char *text)
{
    int64_t number;

    return read_number(text, &number) && number >= option->least && number <= option->most;
}

static bool is_switch(const struct rmx_option *option, const char *text)
{
    static const char *const names[] = { "0", "1", "true", "false", "yes", "no", "on", "off" };

    for (size_t slot = 0; slot < sizeof(names) / sizeof(*names); slot++) {
        if (strcmp(text, names[slot]) == 0) {
            return true;
        }
    }
    return option->least < 0 && (strcmp(text, "auto") == 0 || strcmp(text, "-1") == 0);
}

/* Minutes and hours have no letters here, since libavutil reads the value. */
static bool is_time(const struct rmx_option *option, const char *text)
{
    size_t length = strlen(text);
    bool minus = option->least < 0 && *text == '-';
    int64_t us;

    if (length == 0 || strchr("mh", text[length - 1]) != NULL ||
        !rmx_edit_value_read_time(text + minus, &us)) {
        return false;
    }
    us = minus ? -us : us;
    return us >= option->least * 1000000 && us <= option->most * 1000000;
}

/* An index is only put in front where it would be at the end. */
static int check_flag(const struct row *row, const char *flag, size_t length,
    const struct rmx_format *format, const char **why)
{
    if (!is_word(&row->option, flag, length)) {
        return refuse_word(row, flag, length, why);
    }
    if (is_same(flag, length, "faststart") && format->patch != RMX_PATCH_ALWAYS) {
        return refuse(
            "options: movflags: faststart is for containers with an index at their end", why);
    }
    return 0;
}

static int check_flags(
    const struct row *row, const char *value, const struct rmx_format *format, const char **why)
{
    int err = *value == '\0' ? refuse(row->wrong, why) : 0;

    while (*value != '\0' && err == 0) {
        value += *value == '+' || *value == '-';
        size_t length = strcspn(value, "+-");

        err = check_flag(row, value, length, format, why);
        value += length;
    }
    return err;
}

static int check_word(const struct row *row, const char *value, const char **why)
{
    size_t length = strlen(value);

    if (!has_words(&row->option) || is_word(&row->option, value, length)) {
        return 0;
    }
    return refuse_word(row, value, length, why);
}

/* A number of that name, or a number. */
static int check_number(const struct row *row, const char *value, const char **why)
{
    size_t length = strlen(value);

    if (is_number(&row->option, value) || is_word(&row->option, value, length)) {
        return 0;
    }
    return digit(*value) < 10 || *value == '-' ? refuse(row->wrong, why)
                                               : refuse_word(row, value, length, why);
}

static int check_value(
    const struct row *row, const char *value, const struct rmx_format *format, const char **why)
{
    const struct rmx_option *option = &row->option;
    bool good = false;

    switch (option->kind) {
    case RMX_OPTION_IS_FLAGS:
        return check_flags(row, value, format, why);
    case RMX_OPTION_IS_TEXT:
        return check_word(row, value, why);
    case RMX_OPTION_IS_NUMBER:
        return check_number(row, value, why);
    case RMX_OPTION_IS_SWITCH:
        good = is_switch(option, value);
        break;
    case RMX_OPTION_IS_TIME:
        good = is_time(option, value);
        break;
    case RMX_OPTION_IS_KEY:
        good = rmx_edit_value_is_key(value);
        break;
    case RMX_OPTION_IS_NAME:
        good = rmx_file_name_is_fixed(value, strlen(value)) ||
               (option->most > 0 && rmx_file_name_is_numbered(value, strlen(value)));
        break;
    case RMX_OPTION_IS_PARTS:
        good = rmx_file_name_is_plain(value, strlen(value));
        break;
    }
    return good ? 0 : refuse(row->wrong, why);
}

int rmx_option_check(const char *pair, const struct rmx_format *format, const char **why)
{
    size_t length = strcspn(pair, "=");
    const struct row *row = find_row(pair, length, format);

    if (row == NULL) {
        return refuse_name(pair, length, format, why);
    }
    return check_value(row, pair[length] == '=' ? pair + length + 1 : "", format, why);
}

/* --- all of them ----------------------------------------------------------------------------- */

/* The value given last, or NULL. */
static const char *value_of(const char *list, size_t bytes, const char *name)
{
    const char *value = NULL;
    const char *pair;
    size_t cursor = 0;

    while (rmx_pairs_next(list, bytes, &cursor, &pair) == 1) {
        size_t length = strcspn(pair, "=");

        if (is_same(pair, length, name)) {
            value = pair + length + 1;
        }
    }
    return value;
}

/* The muxer would go on without, and what is written would not be encrypted. */
static int check_encryption(const char *list, size_t bytes, const char **why)
{
    const char *scheme = value_of(list, bytes, "encryption_scheme");
    bool asked = scheme != NULL && strcmp(scheme, "none") != 0;
    bool key = value_of(list, bytes, "encryption_key") != NULL;
    bool kid = value_of(list, bytes, "encryption_kid") != NULL;

    if (asked && (!key || !kid)) {
        return refuse(
            "options: encryption_scheme: give an encryption_key and an encryption_kid", why);
    }
    if (!asked && (key || kid)) {
        return refuse("options: encryption_key, encryption_kid: give "
                      "encryption_scheme=cenc-aes-ctr with them",
            why);
    }
    return 0;
}

bool rmx_option_is_on(const char *list, size_t bytes, const char *name)
{
    static const char *const yes[] = { "1", "true", "yes", "on" };
    const char *value = value_of(list, bytes, name);
    bool on = false;

    for (size_t slot = 0; value != NULL && slot < sizeof(yes) / sizeof(*yes); slot++) {
        on |= strcmp(value, yes[slot]) == 0;
    }
    return on;
}

static bool has_fragments(const char *list, size_t bytes, const struct rmx_format *format)
{
    const char *type = value_of(list, bytes, "hls_segment_type");

    return type != NULL ? strcmp(type, "fmp4") == 0 || strcmp(type, "1") == 0
                        : strstr(format->options, "hls_segment_type=fmp4") != NULL;
}

/* hlsenc would write the key into the folder, or encrypt nothing. */
static int check_key(
    const char *list, size_t bytes, const struct rmx_format *format, const char **why)
{
    bool key = value_of(list, bytes, "hls_enc_key") != NULL;
    bool url = value_of(list, bytes, "hls_enc_key_url") != NULL;

    if (key != url || (!key && value_of(list, bytes, "hls_enc_iv") != NULL)) {
        return refuse("options: hls_enc_key: give it and hls_enc_key_url", why);
    }
    return key && has_fragments(list, bytes, format)
               ? refuse(
                     "options: hls_enc_key: libavformat encrypts segments of MPEG-TS, not of MP4",
                     why)
               : 0;
}

/* Without a number, each segment would take the place of the last. */
static int check_segments(const char *list, size_t bytes, const char **why)
{
    const char *name = value_of(list, bytes, "hls_segment_filename");
    const char *flags = value_of(list, bytes, "hls_flags");
    bool single = flags != NULL && strstr(flags, "single_file") != NULL &&
                  strstr(flags, "-single_file") == NULL;

    if (name == NULL || single == (strchr(name, '%') == NULL)) {
        return 0;
    }
    return refuse(single ? "options: hls_segment_filename: a single file has no number"
                         : "options: hls_segment_filename: say where the number goes: part%03d.ts",
        why);
}

/* A part has one end. */
static int check_cuts(const char *list, size_t bytes, const char **why)
{
    static const char *const ways[] = { "segment_time", "segment_times", "segment_frames",
        "segment_size" };
    unsigned asked = 0;

    for (size_t slot = 0; slot < sizeof(ways) / sizeof(*ways); slot++) {
        asked += value_of(list, bytes, ways[slot]) != NULL;
    }
    return asked > 1 ? refuse("options: give one of segment_time, segment_times, segment_frames "
                              "and segment_size",
                           why)
                     : 0;
}

int rmx_option_check_list(
    const char *list, size_t bytes, const struct rmx_format *format, const char **why)
{
    const char *pair;
    size_t cursor = 0;

    while (rmx_pairs_next(list, bytes, &cursor, &pair) == 1) {
        int err = rmx_option_check(pair, format, why);

        if (err != 0) {
            return err;
        }
    }
    int err = check_encryption(list, bytes, why);

    if (err == 0) {
        err = check_key(list, bytes, format, why);
    }
    if (err == 0 && rmx_option_is_on(list, bytes, "single_file") &&
        rmx_option_is_on(list, bytes, "hls_playlist")) {
        err = refuse("options: single_file: not with playlists of HLS (hls_playlist)", why);
    }
    if (err == 0) {
        err = check_segments(list, bytes, why);
    }
    return err == 0 ? check_cuts(list, bytes, why) : err;
}
