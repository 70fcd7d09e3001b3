/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The files of a muxer that opens several (see files.h). Worker process, a job's fiber.
 */
#include "engine/worker/files.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "engine/worker/words.h"
#include "ring/base.h"

/* That is how a muxer with a "method" deletes a file, in place of a system call. */
static bool is_delete(AVDictionary **options)
{
    const AVDictionaryEntry *method =
        options ? av_dict_get(*options, "method", NULL, AV_DICT_MATCH_CASE) : NULL;

    return method && strcmp(method->value, "DELETE") == 0;
}

static int open_file(
    AVFormatContext *context, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    const struct rmx_words *words = context->opaque;
    const struct rmx_outlet *outlet = words->outlet;
    size_t head = strlen(RMX_FILES_URL_HEAD);

    if (!outlet->open_part || !(flags & AVIO_FLAG_WRITE) || (flags & AVIO_FLAG_READ) ||
        strncmp(url, RMX_FILES_URL_HEAD, head) != 0) {
        return AVERROR(EACCES);
    }
    if (is_delete(options)) {
        return outlet->drop_part(outlet->owner, url + head);
    }
    return outlet->open_part(outlet->owner, url + head, io);
}

static int close_file(AVFormatContext *context, AVIOContext *io)
{
    const struct rmx_words *words = context->opaque;
    const struct rmx_outlet *outlet = words->outlet;

    rmx_assert(outlet->close_part); /* who opened it */
    return outlet->close_part(outlet->owner, io);
}

void rmx_files_attach(AVFormatContext *context)
{
    context->io_open = open_file;
    context->io_close2 = close_file;
}

void rmx_files_name(char (*url)[RMX_FILES_URL_BYTES], const char *name)
{
    snprintf(*url, sizeof(*url), RMX_FILES_URL_HEAD "%s", name);
}
