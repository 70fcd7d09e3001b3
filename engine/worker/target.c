/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The muxer of an output, before it knows its streams (see target.h). Worker process, a job's
 * fiber.
 */
#include "engine/worker/target.h"

#include <errno.h>
#include <string.h>

#include <libavutil/mem.h>
#include <libavutil/opt.h>

#include "engine/worker/files.h"
#include "engine/worker/options.h"
#include "engine/worker/preview.h"
#include "engine/worker/spill.h"
#include "ipc/edit.h"
#include "ipc/format.h"
#include "ring/base.h"

#define MUX_DELAY_US 700000 /* ffmpeg's -muxdelay: MPEG-TS starts 2 x 0.7 s after its clock */

/* --- the context ----------------------------------------------------------------------------- */

/* What the output is called; of one file nobody asks. The spec passed the check. */
const char *rmx_target_name(const struct rmx_job_spec *spec)
{
    const struct rmx_format *format = rmx_format_find(spec->format);
    struct rmx_edit_whole whole;
    const char *why;
    int err = rmx_edit_gather(spec->edits, sizeof(spec->edits), RMX_EDIT_JOB, &whole, &why);

    return err == 0 && whole.output_name ? whole.output_name : format->index;
}

static AVFormatContext *new_context(const struct rmx_format *format, AVIOContext *io,
    const struct rmx_job_spec *spec, struct rmx_words *words)
{
    AVFormatContext *context = NULL;
    bool bitexact = spec->flags & RMX_JOB_BITEXACT;
    char url[RMX_FILES_URL_BYTES];

    rmx_files_name(&url, format->muxer, rmx_target_name(spec));
    if (avformat_alloc_output_context2(&context, NULL, format->muxer, url) < 0) {
        return NULL;
    }
    if (!*format->index) {
        context->pb = io;
    }
    rmx_files_attach(context);
    context->max_delay = MUX_DELAY_US;
    context->flush_packets = 0; /* the output decides when a chunk is full */
    context->flags |= AVFMT_FLAG_CUSTOM_IO | (bitexact ? AVFMT_FLAG_BITEXACT : 0);
    rmx_words_attach(words, context);
    return context;
}

static bool is_set(const AVFormatContext *context, const char *option)
{
    int64_t value = 0;

    return context->oformat->priv_class &&
           av_opt_get_int(context->priv_data, option, 0, &value) >= 0 && value > 0;
}

static bool is_one_file(const AVOutputFormat *muxer)
{
    const struct rmx_format *format;

    for (size_t slot = 0; (format = rmx_format_at(slot)); slot++) {
        if (strcmp(format->muxer, muxer->name) == 0 && !*format->index) {
            return true;
        }
    }
    return false;
}

const AVOutputFormat *rmx_target_container(const AVFormatContext *context)
{
    const AVOutputFormat *container;
    uint8_t *name = NULL;

    if (strcmp(context->oformat->name, "segment") != 0) {
        return context->oformat;
    }
    if (av_opt_get(context->priv_data, "segment_format", 0, &name) < 0) {
        return NULL;
    }
    container = av_guess_format(name && *name ? (const char *)name : NULL, context->url, NULL);
    av_free(name);
    return container && is_one_file(container) ? container : NULL;
}

/* With movflags or a fragment duration, even plain mp4 goes strictly forward. A live job always has
 * a limit of a fragment's size, and fragments if they are asked for. */
static bool goes_back(const AVFormatContext *context, const struct rmx_format *format, bool live)
{
    static const char *const forward[] = { "empty_moov", "frag_keyframe", "frag_every_frame",
        "delay_moov", "dash", "cmaf" };

    for (size_t slot = 0; slot < sizeof(forward) / sizeof(*forward); slot++) {
        if (rmx_options_has_flag(context, "movflags", forward[slot])) {
            return false;
        }
    }
    if (format->patch != RMX_PATCH_ALWAYS) {
        return false;
    }
    return live || (!is_set(context, "frag_duration") && !is_set(context, "frag_size"));
}

/* Can the output take what the muxer does? Says what to do if not. */
static enum rmx_status check_output(AVFormatContext *context, const struct rmx_format *format,
    const struct rmx_outlet *outlet, const AVIOContext *io, const struct rmx_job_spec *spec,
    struct rmx_words *words)
{
    bool live = spec->flags & RMX_JOB_LIVE;
    bool back = goes_back(context, format, live);

    if (*format->index && !outlet->open_part) {
        rmx_words_say(words,
            "%s is several files: its output must be a ring that takes parts (RMX_PARTS)",
            format->name);
        return RMX_STATUS_UNSUPPORTED;
    }
    if (!rmx_target_container(context)) {
        rmx_words_say(words, "%s does not tell what the parts are: give a segment_format",
            rmx_target_name(spec));
        return RMX_STATUS_BAD_OPTION;
    }
    if (live && back) {
        rmx_words_say(words,
            "%s is finished at its end, so it cannot be live: use fmp4, mpegts, flv or matroska",
            format->name);
        return RMX_STATUS_UNSUPPORTED;
    }
    if (outlet->preview) {
        return rmx_preview_attach(outlet->preview, context, back);
    }
    if (back && rmx_job_wants_faststart(spec) && !outlet->spooled) {
        rmx_words_say(words, "faststart needs inputs that can be read twice, and no other "
                             "output: give a file, use fmp4, or allow a spool");
        return RMX_STATUS_NEEDS_SEEKABLE_OUTPUT;
    }
    if (back && !(io->seekable & AVIO_SEEKABLE_NORMAL)) {
        rmx_words_say(words,
            "%s is patched at its end: use fmp4, mpegts or matroska, give a file or a positional "
            "sink, or allow a spool",
            format->name);
        return RMX_STATUS_NEEDS_SEEKABLE_OUTPUT;
    }
    return RMX_STATUS_OK;
}

enum rmx_status rmx_target_open(AVFormatContext **context, const struct rmx_outlet *outlet,
    unsigned output, const struct rmx_job_spec *spec, struct rmx_words *words)
{
    const struct rmx_format *format = rmx_format_find(spec->format);
    AVIOContext *io = outlet->io[output];

    if (!av_guess_format(format->muxer, NULL, NULL)) {
        rmx_words_say(words, "this libavformat has no muxer '%s'", format->muxer);
        return RMX_STATUS_UNSUPPORTED;
    }
    words->outlet = outlet;
    words->spec = spec;
    *context = new_context(format, io, spec, words);
    if (!*context) {
        return RMX_STATUS_OVER_LIMIT;
    }
    if (spec->flags & RMX_JOB_LIVE) {
        rmx_spill_set_options(*context);
    }
    enum rmx_status status = rmx_options_apply(*context, format->options, spec, words);

    return status == RMX_STATUS_OK ? check_output(*context, format, outlet, io, spec, words)
                                   : status;
}
