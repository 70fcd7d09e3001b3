/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The files of a muxer that opens several (see files.h). Worker process, a job's fiber.
 */
#include "engine/worker/files.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/mem.h>

#include "engine/worker/kept.h"
#include "engine/worker/options.h"
#include "engine/worker/words.h"
#include "ring/base.h"

#define KEY_BYTES  16u
#define KEY_DIGITS ((size_t)2 * KEY_BYTES)
#define KEY_URL    RMX_FILES_URL_HEAD "key"
#define ENCRYPTED  "crypto:"

/* That is how a muxer with a "method" deletes a file, in place of a system call. */
static bool is_delete(AVDictionary **options)
{
    const AVDictionaryEntry *method =
        options ? av_dict_get(*options, "method", NULL, AV_DICT_MATCH_CASE) : NULL;

    return method && strcmp(method->value, "DELETE") == 0;
}

/* The value of one of the job's options, given last; NULL = none. */
static const char *option_of(const struct rmx_job_spec *spec, const char *name)
{
    const char *value = NULL;
    const char *pair;
    size_t length = strlen(name);
    size_t cursor = 0;

    while (rmx_job_next_option(spec, &cursor, &pair)) {
        if (strncmp(pair, name, length) == 0 && pair[length] == '=') {
            value = pair + length + 1;
        }
    }
    return value;
}

bool rmx_files_have_key(const struct rmx_job_spec *spec)
{
    return option_of(spec, "hls_enc_key");
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* 32 digits. */
static int read_key(const char *text, uint8_t (*key)[KEY_BYTES])
{
    for (size_t at = 0; at < KEY_BYTES; at++) {
        int high = digit(text[2 * at]);
        int low = high < 0 ? -1 : digit(text[2 * at + 1]);

        if (low < 0) {
            return AVERROR(EINVAL);
        }
        (*key)[at] = (uint8_t)(high * 16 + low);
    }
    return 0;
}

/* A file of these bytes, to read. */
static int open_bytes(AVIOContext **io, const void *bytes, size_t size)
{
    unsigned char *buffer = av_memdup(bytes, size);
    AVIOContext *made = NULL;

    if (buffer) {
        made = avio_alloc_context(buffer, (int)size, 0, NULL, NULL, NULL, NULL);
    }
    if (!made) {
        av_free(buffer);
        return AVERROR(ENOMEM);
    }
    made->buf_end = made->buffer + size;
    *io = made;
    return 0;
}

/* The key, or what is known of it, a line each: where players get it, where we do, the vector. */
static int open_key(const struct rmx_job_spec *spec, AVIOContext **io, const char *url)
{
    const char *iv = option_of(spec, "hls_enc_iv");
    char info[RMX_JOB_OPTIONS_BYTES];
    uint8_t key[KEY_BYTES];
    int err = AVERROR(EACCES);

    if (!rmx_files_have_key(spec)) {
        return err;
    }
    if (strcmp(url, RMX_FILES_KEY_INFO) == 0) {
        int bytes = snprintf(info, sizeof(info), "%s\n%s\n%s\n", option_of(spec, "hls_enc_key_url"),
            KEY_URL, iv ? iv : "");

        return bytes < (int)sizeof(info) ? open_bytes(io, info, (size_t)bytes) : AVERROR(EINVAL);
    }
    if (strcmp(url, KEY_URL) == 0) {
        err = read_key(option_of(spec, "hls_enc_key"), &key);
        err = err < 0 ? err : open_bytes(io, key, sizeof(key));
        explicit_bzero(key, sizeof(key));
    }
    return err;
}

/* Into a single file it comes once more. */
static int open_encrypted(
    AVFormatContext *context, AVIOContext **io, const char *name, AVDictionary **options)
{
    const struct rmx_words *words = context->opaque;
    const struct rmx_outlet *outlet = words->outlet;
    bool single = rmx_options_has_flag(context, "hls_flags", "single_file");
    const AVDictionaryEntry *key = av_dict_get(*options, "encryption_key", NULL, 0);
    const AVDictionaryEntry *iv = av_dict_get(*options, "encryption_iv", NULL, 0);
    uint8_t bytes[2][KEY_BYTES];
    int err = key && iv ? 0 : AVERROR(EINVAL);

    if (err == 0 &&
        (strlen(key->value) != KEY_DIGITS || strlen(iv->value) != KEY_DIGITS ||
            read_key(key->value, &bytes[0]) < 0 || read_key(iv->value, &bytes[1]) < 0)) {
        err = AVERROR(EINVAL);
    }
    if (err == 0 && single) {
        err = rmx_kept_open_encrypted(words, bytes[0], bytes[1], io);
    } else if (err == 0) {
        err = outlet->open_part(outlet->owner, name, io);
    }
    if (err == 0 && !single) {
        err = outlet->encrypt_part(outlet->owner, *io, bytes[0], bytes[1]);
    }
    explicit_bzero(bytes, sizeof(bytes));
    return err;
}

/* What was encrypted last, once. */
static int open_segment(struct rmx_kept *kept, AVIOContext **io)
{
    int err = open_bytes(io, kept->segment, kept->segment_bytes);

    av_freep(&kept->segment);
    return err;
}

static int open_file(
    AVFormatContext *context, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    const struct rmx_words *words = context->opaque;
    const struct rmx_outlet *outlet = words->outlet;
    bool encrypted = av_strstart(url, ENCRYPTED, &url);

    if (outlet->open_part && flags == AVIO_FLAG_READ) {
        return words->kept->segment ? open_segment(words->kept, io)
                                    : open_key(words->spec, io, url);
    }
    if (!outlet->open_part || !(flags & AVIO_FLAG_WRITE) || (flags & AVIO_FLAG_READ) ||
        (!av_strstart(url, RMX_FILES_URL_HEAD, &url) &&
            !av_strstart(url, RMX_FILES_URL_HEAD_DASH, &url))) {
        return AVERROR(EACCES);
    }
    if (is_delete(options)) {
        return rmx_kept_drop(words, url) ? 0 : outlet->drop_part(outlet->owner, url);
    }
    if (encrypted) {
        return open_encrypted(context, io, url, options);
    }
    return rmx_kept_takes(words, url) ? rmx_kept_open(words, url, io)
                                      : outlet->open_part(outlet->owner, url, io);
}

static int close_file(AVFormatContext *context, AVIOContext *io)
{
    const struct rmx_words *words = context->opaque;
    const struct rmx_outlet *outlet = words->outlet;

    if (!io->write_flag) { /* a key */
        explicit_bzero(io->buffer, (size_t)io->buffer_size);
        av_freep(&io->buffer);
        avio_context_free(&io);
        return 0;
    }
    if (rmx_kept_has(words, io)) {
        return rmx_kept_close(words, io);
    }
    rmx_assert(outlet->close_part); /* who opened it */
    return outlet->close_part(outlet->owner, io);
}

void rmx_files_attach(AVFormatContext *context)
{
    context->io_open = open_file;
    context->io_close2 = close_file;
}

void rmx_files_name(char (*url)[RMX_FILES_URL_BYTES], const char *muxer, const char *name)
{
    bool dash = strcmp(muxer, "dash") == 0;

    snprintf(*url, sizeof(*url), "%s%s", dash ? RMX_FILES_URL_HEAD_DASH : RMX_FILES_URL_HEAD, name);
}
