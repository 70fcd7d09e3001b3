/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's muxer options. Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/opt.h>

#include "ipc/format.h"
#include "ipc/spelling.h"

#define NAME_BYTES 64  /* of an option; what is longer is no option */
#define PAIR_BYTES 128 /* of a container's own, in ipc/format.def */

struct option {
    const char *name;
    int64_t least;
    int64_t most;
    const char *values;
};

static const struct option options[] = {
#define RMX_OPTION(name, least, most, values) { name, least, most, values },
#include "engine/worker/option.def"
#undef RMX_OPTION
};

#define OPTIONS (sizeof(options) / sizeof(*options))

/* --- help for a misspelt name ---------------------------------------------------------------- */

/* Among the options that this muxer has. */
static const char *nearest(AVFormatContext *muxer, const char *name)
{
    const char *best = NULL;
    unsigned best_distance = RMX_SPELLING_FAR;

    for (size_t slot = 0; slot < OPTIONS; slot++) {
        unsigned away = rmx_spelling_distance(name, options[slot].name);

        if (away < best_distance &&
            av_opt_find(muxer, options[slot].name, NULL, 0, AV_OPT_SEARCH_CHILDREN)) {
            best_distance = away;
            best = options[slot].name;
        }
    }
    return best;
}

/* --- checks ---------------------------------------------------------------------------------- */

static const struct option *find(const char *name)
{
    for (size_t slot = 0; slot < OPTIONS; slot++) {
        if (strcmp(options[slot].name, name) == 0) {
            return &options[slot];
        }
    }
    return NULL;
}

static enum rmx_status refuse_name(
    AVFormatContext *muxer, const char *name, struct rmx_words *words)
{
    const char *other = nearest(muxer, name);

    if (other) {
        rmx_words_say(words, "option '%s' is not known here: is '%s' meant?", name, other);
    } else {
        rmx_words_say(words, "option '%s' is not known here, or not allowed", name);
    }
    return RMX_STATUS_BAD_OPTION;
}

static enum rmx_status refuse_flag(const char *name, const char *flag, struct rmx_words *words)
{
    if (strcmp(flag, "faststart") == 0) {
        rmx_words_say(words, "%s: faststart is for mp4 and mov", name);
    } else {
        rmx_words_say(words, "%s: '%s' is not known here, or not allowed", name, flag);
    }
    return RMX_STATUS_BAD_OPTION;
}

/* "+a-b": each name must be in the row's list. */
static enum rmx_status check_flags(
    const struct option *option, const char *value, struct rmx_words *words)
{
    while (*value) {
        char flag[NAME_BYTES];

        value += strspn(value, "+-");
        size_t length = strcspn(value, "+-");

        snprintf(flag, sizeof(flag), "%.*s", (int)FFMIN(length, NAME_BYTES), value);
        if (!*flag || !av_match_list(flag, option->values, ' ')) {
            return refuse_flag(option->name, flag, words);
        }
        value += length;
    }
    return RMX_STATUS_OK;
}

static enum rmx_status check_range(
    const struct option *option, AVFormatContext *muxer, struct rmx_words *words)
{
    int64_t value = 0;

    if (option->most == 0) {
        return RMX_STATUS_OK;
    }
    if (av_opt_get_int(muxer, option->name, AV_OPT_SEARCH_CHILDREN, &value) < 0 ||
        value < option->least || value > option->most) {
        rmx_words_say(words, "option %s: the value must be in %lld..%lld", option->name,
            (long long)option->least, (long long)option->most);
        return RMX_STATUS_BAD_OPTION;
    }
    return RMX_STATUS_OK;
}

/* --- setting --------------------------------------------------------------------------------- */

static enum rmx_status set(
    AVFormatContext *muxer, const char *name, const char *value, struct rmx_words *words)
{
    int err = av_opt_set(muxer, name, value, AV_OPT_SEARCH_CHILDREN);

    if (err == AVERROR_OPTION_NOT_FOUND) {
        rmx_words_say(words, "the %s container has no option '%s'", muxer->oformat->name, name);
    } else if (err < 0) {
        rmx_words_say(words, "option %s: '%.60s' is not a value it takes", name, value);
    }
    return err < 0 ? RMX_STATUS_BAD_OPTION : RMX_STATUS_OK;
}

/* Splits "key=value" and returns the value. */
static const char *split(const char *pair, char (*name)[NAME_BYTES])
{
    size_t length = strcspn(pair, "=");

    snprintf(*name, NAME_BYTES, "%.*s", (int)FFMIN(length, NAME_BYTES), pair);
    return pair[length] == '=' ? pair + length + 1 : pair + length;
}

static enum rmx_status apply(AVFormatContext *muxer, const char *pair, struct rmx_words *words)
{
    char name[NAME_BYTES];
    const char *value = split(pair, &name);
    const struct option *option = find(name);

    if (!option) {
        return refuse_name(muxer, name, words);
    }
    enum rmx_status status = *option->values ? check_flags(option, value, words) : RMX_STATUS_OK;

    if (status == RMX_STATUS_OK) {
        status = set(muxer, name, value, words);
    }
    return status == RMX_STATUS_OK ? check_range(option, muxer, words) : status;
}

/* The table is for jobs: a container may set what they may not. */
static enum rmx_status apply_container(
    AVFormatContext *muxer, const char *pairs, struct rmx_words *words)
{
    enum rmx_status status = RMX_STATUS_OK;

    while (*pairs && status == RMX_STATUS_OK) {
        size_t length = strcspn(pairs, " ");
        char pair[PAIR_BYTES];
        char name[NAME_BYTES];

        snprintf(pair, sizeof(pair), "%.*s", (int)length, pairs);
        const char *value = split(pair, &name);

        status = set(muxer, name, value, words);
        pairs += length + strspn(pairs + length, " ");
    }
    return status;
}

/* Copies "movflags=+x+faststart" without the one flag. Returns false if nothing is left. */
static bool drop_faststart(const char *pair, char (*kept)[RMX_JOB_OPTIONS_BYTES])
{
    size_t name = strcspn(pair, "=") + 1;
    size_t used = name;

    memcpy(*kept, pair, name);
    for (const char *flag = pair + name; *flag;) {
        size_t sign = strspn(flag, "+-");
        size_t length = sign + strcspn(flag + sign, "+-");

        if (length - sign != strlen("faststart") ||
            strncmp(flag + sign, "faststart", length - sign) != 0) {
            memcpy(*kept + used, flag, length);
            used += length;
        }
        flag += length;
    }
    (*kept)[used] = '\0';
    return used > name;
}

enum rmx_status rmx_options_apply(AVFormatContext *muxer, const char *of_container,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    enum rmx_status status = apply_container(muxer, of_container, words);
    bool delivered = rmx_format_find(spec->format)->patch == RMX_PATCH_ALWAYS;
    char kept[RMX_JOB_OPTIONS_BYTES];
    const char *pair;
    size_t cursor = 0;

    while (status == RMX_STATUS_OK && rmx_job_next_option(spec, &cursor, &pair)) {
        if (!delivered || strncmp(pair, "movflags=", strlen("movflags=")) != 0) {
            status = apply(muxer, pair, words);
        } else if (drop_faststart(pair, &kept)) {
            status = apply(muxer, kept, words);
        }
    }
    return status;
}

bool rmx_options_has_flag(const AVFormatContext *muxer, const char *option, const char *flag)
{
    const AVClass *const *private = muxer->priv_data;
    int64_t value = 0;

    if (!muxer->oformat->priv_class) {
        return false;
    }
    const AVOption *of_muxer = av_opt_find(muxer->priv_data, option, NULL, 0, 0);

    if (!of_muxer || !*private) {
        return false;
    }
    const AVOption *constant = av_opt_find(muxer->priv_data, flag, of_muxer->unit, 0, 0);

    if (!constant || av_opt_get_int(muxer->priv_data, option, 0, &value) < 0) {
        return false;
    }
    return value & constant->default_val.i64;
}
