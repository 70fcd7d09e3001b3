/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The containers a job may ask for (see format.h). Runs in every process; must never touch a file.
 */
#include "ipc/format.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "ipc/job.h"

static const struct rmx_format rows[] = {
#define RMX_FORMAT(name_, muxer_, patch_, extensions_, index_, options_)                           \
    { .name = name_,                                                                               \
        .muxer = muxer_,                                                                           \
        .patch = RMX_PATCH_##patch_,                                                               \
        .extensions = extensions_,                                                                 \
        .index = index_,                                                                           \
        .options = options_ },
#include "ipc/format.def"
#undef RMX_FORMAT
};

#define RMX_FORMAT(name, muxer, patch, extensions, index, options)                                 \
    _Static_assert(sizeof(name) <= RMX_JOB_NAME_BYTES, "a format's name fits a job's spec");
#include "ipc/format.def"
#undef RMX_FORMAT

const struct rmx_format *rmx_format_at(size_t i)
{
    return i < sizeof(rows) / sizeof(rows[0]) ? &rows[i] : NULL;
}

const struct rmx_format *rmx_format_find(const char *name)
{
    const struct rmx_format *row;

    for (size_t i = 0; (row = rmx_format_at(i)); i++) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

static bool has_extension(const struct rmx_format *row, const char *extension)
{
    size_t length = strlen(extension);
    const char *word = row->extensions;

    while (*word) {
        size_t word_length = strcspn(word, " ");

        if (word_length == length && strncasecmp(word, extension, length) == 0) {
            return true;
        }
        word += word_length;
        word += strspn(word, " ");
    }
    return false;
}

const struct rmx_format *rmx_format_guess(const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *dot = strrchr(slash ? slash : file, '.');
    const struct rmx_format *row;

    if (!dot) {
        return NULL;
    }
    for (size_t i = 0; (row = rmx_format_at(i)); i++) {
        if (has_extension(row, dot + 1)) {
            return row;
        }
    }
    return NULL;
}
