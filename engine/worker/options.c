/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's muxer options. Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/opt.h>

#include "engine/worker/cuts.h"
#include "engine/worker/files.h"
#include "engine/worker/volumes.h"
#include "ipc/format.h"
#include "ipc/option.h"

#define NAME_BYTES 64  /* of an option; what is longer is no option */
#define PAIR_BYTES 128 /* of a container's own, in ipc/format.def */

/* --- setting --------------------------------------------------------------------------------- */

static enum rmx_status set(
    AVFormatContext *muxer, const char *name, const char *value, struct rmx_words *words)
{
    int err = av_opt_set(muxer, name, value, AV_OPT_SEARCH_CHILDREN);

    if (err == AVERROR_OPTION_NOT_FOUND) {
        rmx_words_say(words, "the %s container has no option '%s'", muxer->oformat->name, name);
    } else if (err < 0) {
        rmx_words_say(words, "option %s: this is not a value it takes", name);
    }
    return err < 0 ? RMX_STATUS_BAD_OPTION : RMX_STATUS_OK;
}

/* Splits "key=value" and returns the value, which must not be shown: it may be a key. */
static const char *split(const char *pair, char (*name)[NAME_BYTES])
{
    size_t length = strcspn(pair, "=");

    snprintf(*name, NAME_BYTES, "%.*s", (int)FFMIN(length, NAME_BYTES), pair);
    return pair[length] == '=' ? pair + length + 1 : pair + length;
}

static enum rmx_status apply(AVFormatContext *muxer, const char *pair, struct rmx_words *words)
{
    char name[NAME_BYTES];
    char url[RMX_FILES_URL_BYTES];
    const char *value = split(pair, &name);

    if (strcmp(name, "segment_times") == 0 && strcmp(value, RMX_CUTS_AT_CHAPTERS) == 0) {
        return RMX_STATUS_OK; /* when they are known */
    }
    if (strcmp(name, RMX_CUTS_SIZE_OPTION) == 0) {
        return RMX_STATUS_OK; /* the muxer has no such thing */
    }
    if (strncmp(name, "hls_enc_", strlen("hls_enc_")) == 0) {
        return RMX_STATUS_OK; /* the muxer reads them from a file: files.h */
    }
    if (strcmp(name, "single_file") == 0) {
        return RMX_STATUS_OK; /* volumes.h: it would open the file itself */
    }
    if (strcmp(name, "hls_segment_filename") == 0 || strcmp(name, "segment_list") == 0) {
        /* names that are whole paths to the muxer */
        rmx_files_name(&url, muxer->oformat->name, value);
        value = url;
    }
    return set(muxer, name, value, words);
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
    const struct rmx_format *format = rmx_format_find(spec->format);
    enum rmx_status status = apply_container(muxer, of_container, words);
    char kept[RMX_JOB_OPTIONS_BYTES];
    const char *pair;
    const char *why;
    size_t cursor = 0;

    if (rmx_option_check_list(spec->options, sizeof(spec->options), format, &why) < 0) {
        rmx_words_say(words, "%s", why);
        return RMX_STATUS_BAD_OPTION;
    }
    while (status == RMX_STATUS_OK && rmx_job_next_option(spec, &cursor, &pair)) {
        if (strncmp(pair, "movflags=", strlen("movflags=")) != 0) {
            status = apply(muxer, pair, words);
        } else if (drop_faststart(pair, &kept)) {
            status = apply(muxer, kept, words);
        }
    }
    if (status == RMX_STATUS_OK && strcmp(muxer->oformat->name, "ismv") == 0) {
        status =
            apply_container(muxer, of_container, words); /* this one does so whatever it is told */
    }
    if (status == RMX_STATUS_OK && rmx_options_wants_single_dash(spec)) {
        status = apply_container(muxer,
            "use_template=0 init_seg_name=" RMX_VOLUMES_INIT " media_seg_name=" RMX_VOLUMES_SEGMENT,
            words);
    }
    if (status == RMX_STATUS_OK && rmx_files_have_key(spec)) {
        status = set(muxer, "hls_key_info_file", RMX_FILES_KEY_INFO, words);
    }
    if (status == RMX_STATUS_OK && rmx_options_has_flag(muxer, "hls_flags", "delete_segments")) {
        status = set(muxer, "method", "PUT", words); /* so that it deletes as files.c knows it */
    }
    return status;
}

bool rmx_options_wants_single_dash(const struct rmx_job_spec *spec)
{
    const struct rmx_format *format = rmx_format_find(spec->format);

    return strcmp(format->muxer, "dash") == 0 &&
           rmx_option_is_on(spec->options, sizeof(spec->options), "single_file");
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

bool rmx_options_is_set(const AVFormatContext *muxer, const char *option)
{
    int64_t value = 0;

    /* Not every muxer has options, nor what they would be looked up in. */
    return muxer->oformat->priv_class && av_opt_get_int(muxer->priv_data, option, 0, &value) >= 0 &&
           value != 0;
}
