/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The bitstream filters a job names. Worker process, a job's fiber.
 */
#include "engine/worker/filters.h"

#include <errno.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>

#include "engine/worker/retouch.h"
#include "ipc/edit.h"
#include "ipc/filter.h"

/* "key=value:key=value", each of the type and in the range that the filter says. */
static enum rmx_status set_options(
    AVBSFContext *filter, const char *options, struct rmx_words *words)
{
    const char *name = filter->filter->name;

    if (!options) {
        return RMX_STATUS_OK;
    }
    if (!filter->filter->priv_class) {
        rmx_words_say(words, "edit bsf: %s has no options", name);
        return RMX_STATUS_BAD_OPTION;
    }
    int err = av_opt_set_from_string(filter->priv_data, options, NULL, "=", ":");

    if (err == AVERROR_OPTION_NOT_FOUND) {
        rmx_words_say(words, "edit bsf: %s has no such option: '%.60s'", name, options);
    } else if (err < 0) {
        rmx_words_say(words, "edit bsf: %s does not take '%.60s'", name, options);
    }
    return err < 0 ? RMX_STATUS_BAD_OPTION : RMX_STATUS_OK;
}

/* One filter, "NAME=OPTIONS", which it takes apart, at the end of the list. */
static enum rmx_status append(AVBSFList *list, char *text, struct rmx_words *words)
{
    char *options = strchr(text, '=');
    AVBSFContext *filter = NULL;

    if (options) {
        *options++ = '\0';
    }
    if (!rmx_filter_is_allowed(text, strlen(text)) || !av_bsf_get_by_name(text)) {
        rmx_words_say(words, "edit bsf: there is no filter '%.60s' here", text);
        return RMX_STATUS_BAD_OPTION;
    }
    if (av_bsf_alloc(av_bsf_get_by_name(text), &filter) < 0) {
        return RMX_STATUS_OVER_LIMIT;
    }
    enum rmx_status status = set_options(filter, options, words);

    if (status == RMX_STATUS_OK && av_bsf_list_append(list, filter) < 0) {
        status = RMX_STATUS_OVER_LIMIT;
    }
    if (status != RMX_STATUS_OK) {
        av_bsf_free(&filter);
    }
    return status;
}

static enum rmx_status parse(AVBSFContext **filter, const char *chain, struct rmx_words *words)
{
    AVBSFList *list = av_bsf_list_alloc();
    enum rmx_status status = list ? RMX_STATUS_OK : RMX_STATUS_OVER_LIMIT;

    for (bool more = true; more && status == RMX_STATUS_OK;) {
        char *text = av_get_token(&chain, ",");

        status = text ? append(list, text, words) : RMX_STATUS_OVER_LIMIT;
        av_free(text);
        more = *chain == ',';
        chain += more;
    }
    if (status == RMX_STATUS_OK && av_bsf_list_finalize(&list, filter) < 0) {
        status = RMX_STATUS_OVER_LIMIT;
    }
    av_bsf_list_free(&list);
    return status;
}

static enum rmx_status set_up(AVBSFContext *filter, AVStream *stream, struct rmx_words *words)
{
    int err = avcodec_parameters_copy(filter->par_in, stream->codecpar);

    filter->time_base_in = stream->time_base;
    if (err >= 0) {
        err = av_bsf_init(filter);
    }
    if (err >= 0) {
        err = avcodec_parameters_copy(stream->codecpar, filter->par_out);
    }
    if (err < 0) {
        rmx_words_say(words, "edit bsf: stream %d, %s, is not for it: %s", stream->index,
            avcodec_get_name(stream->codecpar->codec_id), av_err2str(err));
        return err == AVERROR(ENOMEM) ? RMX_STATUS_OVER_LIMIT : RMX_STATUS_UNSUPPORTED;
    }
    stream->time_base = filter->time_base_out;
    return RMX_STATUS_OK;
}

enum rmx_status rmx_filters_open(AVBSFContext **filter, AVFormatContext *muxer, AVStream *stream,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    AVBSFContext *made = NULL;
    const char *chain;
    enum rmx_status status = rmx_retouch_find(&chain, RMX_EDIT_BSF, muxer, stream, spec, words);

    if (status == RMX_STATUS_OK && chain) {
        status = parse(&made, chain, words);
    }
    if (status == RMX_STATUS_OK && made) {
        status = set_up(made, stream, words);
    }
    if (status != RMX_STATUS_OK) {
        av_bsf_free(&made);
        return status;
    }
    *filter = made;
    return RMX_STATUS_OK;
}

/* No further from zero than a job's own times may be, where muxers can still reckon with it. */
static int64_t bring_near(int64_t ts, AVRational base)
{
    int64_t most = av_rescale_q(RMX_EDIT_TIME_US_MAX, AV_TIME_BASE_Q, base);

    return ts == AV_NOPTS_VALUE ? ts : av_clip64(ts, -most, most);
}

void rmx_filters_tame(AVPacket *packet, AVRational base, int64_t last_dts)
{
    packet->pts = bring_near(packet->pts, base);
    packet->dts = bring_near(packet->dts, base);
    if (packet->dts == AV_NOPTS_VALUE && last_dts != AV_NOPTS_VALUE) {
        packet->dts = av_sat_add64(last_dts, 1);
    } else if (packet->dts == AV_NOPTS_VALUE) {
        packet->dts = packet->pts == AV_NOPTS_VALUE ? 0 : packet->pts;
    }
    packet->duration = FFMAX(packet->duration, 0);
}
