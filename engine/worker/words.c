/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The last words of libavformat about a job. Worker process, any job's fiber. Never writes to a
 * descriptor.
 */
#include "engine/worker/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A media file can put its own bytes into a log line: only printable ASCII leaves this file. */
static void make_printable(char *text)
{
    for (char *at = text; *at; at++) {
        if (*at < ' ' || *at > '~') {
            *at = '?';
        }
    }
}

static void strip_newline(struct rmx_words *words)
{
    size_t length = strlen(words->text);

    words->open = length > 0 && length + 1 < sizeof(words->text);
    if (length > 0 && words->text[length - 1] == '\n') {
        words->text[length - 1] = '\0';
        words->open = false;
    }
}

static const char *format_name(const AVFormatContext *context)
{
    if (context->iformat) {
        return context->iformat->name;
    }
    return context->oformat ? context->oformat->name : "";
}

static void add_line(
    struct rmx_words *words, const AVFormatContext *context, const char *format, va_list arguments)
{
    size_t used = words->open ? strlen(words->text) : 0;

    if (used == 0) {
        const char *name = format_name(context);
        int length = *name ? snprintf(words->text, sizeof(words->text), "[%s] ", name) : 0;

        used = (size_t)length;
    }
    vsnprintf(words->text + used, sizeof(words->text) - used, format, arguments);
    strip_newline(words);
    make_printable(words->text);
}

/* A muxer of several files says so, once per process, where it cannot rename them: ours have no
 * other name. */
static bool is_noise(const char *format)
{
    static const char noise[] = "Cannot use rename on non file protocol";

    return strncmp(format, noise, sizeof(noise) - 1) == 0;
}

/* Most lines are thrown away here, so the level is looked at first. Lines of decoders and parsers
 * are noise of the probing: only the two format contexts speak for the job. */
static void on_log(void *speaker, int level, const char *format, va_list arguments)
{
    if ((level & 0xff) > AV_LOG_ERROR || !speaker || is_noise(format)) {
        return;
    }
    if (*(const AVClass *const *)speaker != avformat_get_class()) {
        return;
    }
    const AVFormatContext *context = speaker;

    if (context->opaque) {
        add_line(context->opaque, context, format, arguments);
    }
}

void rmx_words_init_process(void)
{
    av_log_set_level(AV_LOG_ERROR);
    av_log_set_callback(on_log);
}

void rmx_words_attach(struct rmx_words *words, AVFormatContext *context)
{
    context->opaque = words;
}

void rmx_words_say(struct rmx_words *words, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(words->text, sizeof(words->text), format, arguments);
    va_end(arguments);
    make_printable(words->text);
    words->open = false;
}

void rmx_words_warn(struct rmx_words *words, const char *format, ...)
{
    va_list arguments;

    if (words->warning[0]) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(words->warning, sizeof(words->warning), format, arguments);
    va_end(arguments);
    make_printable(words->warning);
}

void rmx_words_default(struct rmx_words *words, int averror)
{
    if (words->text[0] == '\0' && averror == AVERROR_EOF) {
        rmx_words_say(words, "the input ends before there is any media");
    } else if (words->text[0] == '\0') {
        (void)av_strerror(averror, words->text, sizeof(words->text));
        make_printable(words->text);
    }
}
