/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DASH in single files (see volumes.h). Worker process, a job's fiber.
 */
#include "engine/worker/volumes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/avstring.h>
#include <libavutil/error.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/macros.h>
#include <libavutil/mem.h>

#include "engine/worker/streams.h"
#include "ipc/file_name.h"

#define BOX_HEAD 8u
#define INIT     "\t\t\t\t\t<Initialization sourceURL=\""
#define SEGMENT  "\t\t\t\t\t<SegmentURL media=\""
#define LIST     "\t\t\t\t<SegmentList "
#define OF       "\t\t\t<Representation id=\""

struct range {
    unsigned long number; /* 0: what comes before segments */
    int64_t at;
    int64_t bytes;
    int64_t index_bytes; /* of them, in front; 0 = none */
};

struct rmx_volume {
    char name[RMX_FILE_NAME_BYTES]; /* "" = nothing came yet */
    AVIOContext *io;
    int64_t bytes;
    struct range *ranges; /* by their numbers, which grow */
    size_t count;
    size_t room;
};

struct name {
    unsigned long stream;
    unsigned long number;
    const char *extension;
};

static bool read_name(const char *text, struct name *name)
{
    char *end;

    if (*text < '0' || *text > '9') {
        return false;
    }
    name->stream = strtoul(text, &end, 10);
    if (end[0] != '.' || end[1] < '0' || end[1] > '9') {
        return false;
    }
    name->number = strtoul(end + 1, &end, 10);
    name->extension = end + 1;
    return *end == '.' && name->stream < RMX_STREAMS_MAX;
}

bool rmx_volumes_know(const char *text)
{
    struct name name;

    return read_name(text, &name);
}

/* --- bytes ----------------------------------------------------------------------------------- */

static struct rmx_volume *reach(struct rmx_volumes *volumes, unsigned long stream)
{
    if (!volumes->all) {
        volumes->all = av_calloc(RMX_STREAMS_MAX, sizeof(*volumes->all));
    }
    if (!volumes->all) {
        return NULL;
    }
    volumes->count = FFMAX(volumes->count, (unsigned)stream + 1);
    return &volumes->all[stream];
}

static int begin(struct rmx_volume *volume, const struct rmx_outlet *outlet, const char *list,
    const struct name *name)
{
    const char *dot = strrchr(list, '.');
    int stem = dot ? (int)(dot - list) : (int)strlen(list);
    bool webm = strcmp(name->extension, "webm") == 0;
    int length = snprintf(volume->name, sizeof(volume->name), "%.*s-stream%lu.%s", stem, list,
        name->stream, webm ? "webm" : "mp4");

    if (length >= (int)sizeof(volume->name)) {
        return AVERROR(EINVAL);
    }
    return outlet->open_part(outlet->owner, volume->name, &volume->io);
}

static struct range *new_range(struct rmx_volume *volume)
{
    if (volume->count == volume->room) {
        size_t room = FFMAX(2 * volume->room, 64);
        struct range *ranges = av_realloc_array(volume->ranges, room, sizeof(*ranges));

        if (!ranges) {
            return NULL;
        }
        volume->ranges = ranges;
        volume->room = room;
    }
    return &volume->ranges[volume->count++];
}

/* The size of the box in front if it is of that type, else 0. */
static size_t box_of(const uint8_t *bytes, size_t size, const char *type)
{
    bool there = size >= BOX_HEAD && memcmp(bytes + 4, type, 4) == 0;

    return there && AV_RB32(bytes) <= size ? AV_RB32(bytes) : 0;
}

int rmx_volumes_put(struct rmx_volumes *volumes, const struct rmx_outlet *outlet, const char *list,
    const char *text, uint8_t *bytes, size_t size)
{
    struct name name;
    struct rmx_volume *volume = read_name(text, &name) ? reach(volumes, name.stream) : NULL;
    int err = volume ? 0 : AVERROR(ENOMEM);

    if (err == 0 && !volume->io) {
        err = begin(volume, outlet, list, &name);
    }
    struct range *range = err == 0 ? new_range(volume) : NULL;

    if (!range) {
        return err < 0 ? err : AVERROR(ENOMEM);
    }
    size_t skipped = box_of(bytes, size, "styp"); /* a file's of its own */

    bytes += skipped;
    size -= skipped;
    *range = (struct range){
        .number = name.number,
        .at = volume->bytes,
        .bytes = (int64_t)size,
        .index_bytes = (int64_t)box_of(bytes, size, "sidx"),
    };
    volume->bytes += range->bytes;
    avio_write(volume->io, bytes, (int)size);
    avio_flush(volume->io);
    return FFMIN(volume->io->error, 0);
}

void rmx_volumes_forget(struct rmx_volumes *volumes, const char *text)
{
    struct name name;
    size_t gone = 1; /* what comes before segments stays */

    if (!read_name(text, &name) || name.stream >= volumes->count) {
        return;
    }
    struct rmx_volume *volume = &volumes->all[name.stream];

    while (gone < volume->count && volume->ranges[gone].number <= name.number) {
        gone++;
    }
    if (gone > 1) {
        memmove(volume->ranges + 1, volume->ranges + gone,
            (volume->count - gone) * sizeof(*volume->ranges));
        volume->count -= gone - 1;
    }
}

int rmx_volumes_close(struct rmx_volumes *volumes, const struct rmx_outlet *outlet)
{
    int err = 0;

    for (unsigned slot = 0; slot < volumes->count; slot++) {
        struct rmx_volume *volume = &volumes->all[slot];
        int closed = volume->io ? outlet->close_part(outlet->owner, volume->io) : 0;

        volume->io = NULL;
        err = err < 0 ? err : closed;
    }
    return err;
}

void rmx_volumes_fini(struct rmx_volumes *volumes)
{
    for (unsigned slot = 0; slot < volumes->count; slot++) {
        av_freep(&volumes->all[slot].ranges);
    }
    av_freep(&volumes->all);
    volumes->count = 0;
}

/* --- the manifest ---------------------------------------------------------------------------- */

static const struct range *find(const struct rmx_volumes *volumes, const char *text)
{
    struct name name;
    size_t low = 0;

    if (!read_name(text, &name) || name.stream >= volumes->count) {
        return NULL;
    }
    const struct rmx_volume *volume = &volumes->all[name.stream];
    size_t high = volume->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (volume->ranges[middle].number < name.number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < volume->count && volume->ranges[low].number == name.number ? &volume->ranges[low]
                                                                            : NULL;
}

static int put_range(const struct rmx_volumes *volumes, const char *line, AVBPrint *edited)
{
    bool init = av_strstart(line, INIT, &line);
    const struct range *range =
        init || av_strstart(line, SEGMENT, &line) ? find(volumes, line) : NULL;

    if (!range) {
        return AVERROR_BUG;
    }
    av_bprintf(edited, "\t\t\t\t\t<%s=\"%" PRId64 "-%" PRId64 "\" ",
        init ? "Initialization range" : "SegmentURL mediaRange", range->at,
        range->at + range->bytes - 1);
    if (range->index_bytes > 0) {
        av_bprintf(edited, "indexRange=\"%" PRId64 "-%" PRId64 "\" ", range->at,
            range->at + range->index_bytes - 1);
    }
    av_bprintf(edited, "/>\n");
    return 0;
}

static void put_name(const struct rmx_volumes *volumes, unsigned long stream, AVBPrint *edited)
{
    const char *name = stream < volumes->count ? volumes->all[stream].name : "";

    av_bprintf(edited, "\t\t\t\t<BaseURL>");
    for (; *name; name++) {
        const char *escaped = *name == '&' ? "&amp;" : *name == '<' ? "&lt;" : NULL;

        av_bprintf(edited, "%.*s", escaped ? (int)strlen(escaped) : 1, escaped ? escaped : name);
    }
    av_bprintf(edited, "</BaseURL>\n");
}

int rmx_volumes_edit(const struct rmx_volumes *volumes, const char *text, AVBPrint *edited)
{
    unsigned long stream = 0;
    const char *value;
    int err = 0;

    for (size_t length; *text && err == 0; text += length) {
        length = strcspn(text, "\n");
        length += text[length] == '\n';
        if (av_strstart(text, OF, &value)) {
            stream = strtoul(value, NULL, 10);
        }
        if (av_strstart(text, INIT, NULL) || av_strstart(text, SEGMENT, NULL)) {
            err = put_range(volumes, text, edited);
            continue;
        }
        if (av_strstart(text, LIST, NULL)) {
            put_name(volumes, stream, edited);
        }
        av_bprint_append_data(edited, text, (unsigned)length);
    }
    return err;
}
