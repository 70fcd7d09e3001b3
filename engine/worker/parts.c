/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The files of a muxer that writes several. See parts.h.
 */
#include "engine/worker/parts.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <libavformat/version.h>
#include <libavutil/error.h>
#include <libavutil/mem.h>

#if LIBAVFORMAT_VERSION_MAJOR >= 61
typedef const uint8_t written_byte;
#else
typedef uint8_t written_byte;
#endif

#define BUFFER_BYTES  4096 /* of which little is used: see `direct` below */
#define ROOM_AT_FIRST 16u

struct rmx_part { /* one that is open */
    struct rmx_parts *parts;
    struct rmx_part *next;
    AVIOContext *io;
    uint64_t at;
    uint16_t number;
};

void rmx_parts_init(struct rmx_parts *parts, struct rmx_sink *sink)
{
    *parts = (struct rmx_parts){ .sink = sink };
}

/* --- names ----------------------------------------------------------------------------------- */

static bool is_name(const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = strspn(name, good);

    return length > 0 && length < RMX_PARTS_NAME_BYTES && name[length] == '\0' && name[0] != '.';
}

static int make_room(struct rmx_parts *parts)
{
    uint32_t room = parts->room == 0 ? ROOM_AT_FIRST : 2 * parts->room;
    char(*names)[RMX_PARTS_NAME_BYTES];

    if (parts->count < parts->room) {
        return 0;
    }
    if (room > RMX_PARTS_MAX) {
        return AVERROR(ENOMEM);
    }
    names = av_realloc_array(parts->names, room, sizeof(*names));
    if (names == NULL) {
        return AVERROR(ENOMEM);
    }
    parts->names = names;
    parts->room = room;
    return 0;
}

/* The name's number, a new one if it is new; or AVERROR. */
static int number_of(struct rmx_parts *parts, const char *name)
{
    int error;

    for (uint32_t number = 0; number < parts->count; number++) {
        if (strcmp(parts->names[number], name) == 0) {
            return (int)number;
        }
    }
    error = make_room(parts);
    if (error < 0) {
        return error;
    }
    memcpy(parts->names[parts->count], name, strlen(name) + 1);
    return (int)parts->count++;
}

/* --- bytes ----------------------------------------------------------------------------------- */

static int write_part(void *opaque, written_byte *bytes, int size)
{
    struct rmx_part *part = opaque;
    int written;

    rmx_sink_turn_to(part->parts->sink, part->number, part->at);
    written = rmx_sink_write(part->parts->sink, bytes, size);
    if (written > 0) {
        part->at += (uint64_t)written;
    }
    return written;
}

static int new_part(struct rmx_parts *parts, uint16_t number, AVIOContext **io)
{
    struct rmx_part *part = av_mallocz(sizeof(*part));
    unsigned char *buffer = av_malloc(BUFFER_BYTES);

    if (part != NULL && buffer != NULL) {
        part->io = avio_alloc_context(buffer, BUFFER_BYTES, 1, part, NULL, write_part, NULL);
    }
    if (part == NULL || part->io == NULL) {
        av_free(buffer);
        av_free(part);
        return AVERROR(ENOMEM);
    }
    part->io->direct = 1; /* gathering is the sink's job: one copy less */
    part->parts = parts;
    part->number = number;
    part->next = parts->open;
    parts->open = part;
    *io = part->io;
    return 0;
}

static void free_part(struct rmx_part **link)
{
    struct rmx_part *part = *link;

    *link = part->next;
    av_freep(&part->io->buffer); /* libavformat may have replaced ours */
    avio_context_free(&part->io);
    av_free(part);
}

int rmx_parts_open(void *owner, const char *name, AVIOContext **io)
{
    struct rmx_parts *parts = owner;
    int number = is_name(name) ? number_of(parts, name) : AVERROR(EINVAL);
    int error = number < 0 ? number : rmx_sink_begin_part(parts->sink, (uint16_t)number, name);

    return error < 0 ? error : new_part(parts, (uint16_t)number, io);
}

int rmx_parts_close(void *owner, AVIOContext *io)
{
    struct rmx_parts *parts = owner;
    struct rmx_part **link = &parts->open;
    int error;

    while (*link != NULL && (*link)->io != io) {
        link = &(*link)->next;
    }
    rmx_assert(*link != NULL);
    avio_flush(io);
    error = io->error;
    free_part(link);
    return error;
}

void rmx_parts_fini(struct rmx_parts *parts)
{
    while (parts->open != NULL) {
        free_part(&parts->open);
    }
    av_freep(&parts->names);
    parts->count = 0;
    parts->room = 0;
}
