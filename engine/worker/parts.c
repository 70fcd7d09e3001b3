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

#include "engine/worker/cipher.h"
#include "engine/worker/hold.h"
#include "ipc/file_name.h"

#if LIBAVFORMAT_VERSION_MAJOR >= 61
typedef const uint8_t written_byte;
#else
typedef uint8_t written_byte;
#endif

/* libavformat's own, as for a sink: of the first little is used, see `direct` below; in the second
 * muxers go back, and further in what is held (see hold.h). */
#define BUFFER_BYTES_SEEKABLE (4 * 1024)
#define BUFFER_BYTES_STREAM   (64 * 1024)

#define ROOM_AT_FIRST 16u

struct rmx_part { /* one that is open */
    struct rmx_parts *parts;
    struct rmx_part *next;
    AVIOContext *io;
    uint64_t at;          /* where the muxer's next byte goes */
    uint64_t end;         /* one beyond the furthest byte sent on */
    bool holds;           /* nobody writes by offset: all goes through the hold */
    struct rmx_hold hold; /* of an MP4; what is not one passes */
    uint16_t number;
    struct rmx_cipher *cipher; /* NULL: bytes are written as they are */
    bool eclipsed; /* it was begun anew since: what is written here is lost, and is an error */
};

void rmx_parts_init(struct rmx_parts *parts, struct rmx_sink *sink)
{
    *parts = (struct rmx_parts){ .sink = sink };
}

/* --- names ----------------------------------------------------------------------------------- */

static uint32_t hash(const char *name)
{
    uint32_t sum = 2166136261u;

    for (; *name != '\0'; name++) {
        sum = (sum ^ (unsigned char)*name) * 16777619u;
    }
    return sum;
}

/* The name's number, or -1. */
static int find(const struct rmx_parts *parts, const char *name)
{
    uint32_t wanted = hash(name);

    for (uint32_t number = 0; number < parts->count; number++) {
        const struct rmx_part_name *known = &parts->names[number];

        if (known->hash == wanted && known->text != NULL && strcmp(known->text, name) == 0) {
            return (int)number;
        }
    }
    return -1;
}

static bool is_open(const struct rmx_parts *parts, uint32_t number)
{
    const struct rmx_part *part = parts->open;

    while (part != NULL && part->number != number) {
        part = part->next;
    }
    return part != NULL;
}

static int make_room(struct rmx_parts *parts)
{
    uint32_t room = parts->room == 0 ? ROOM_AT_FIRST : 2 * parts->room;
    struct rmx_part_name *names;

    if (parts->count < parts->room) {
        return 0;
    }
    names = av_realloc_array(parts->names, room, sizeof(*names));
    if (names == NULL) {
        return AVERROR(ENOMEM);
    }
    parts->names = names;
    parts->room = room;
    return 0;
}

/* A number for a new name: when all have been given away, that of the file complete the longest. */
static int new_number(struct rmx_parts *parts)
{
    if (parts->count < RMX_FILE_NAMES_MAX) {
        int error = make_room(parts);

        if (error < 0) {
            return error;
        }
        parts->names[parts->count] = (struct rmx_part_name){ .text = NULL };
        return (int)parts->count++;
    }
    for (uint32_t tries = 0; tries < parts->count; tries++) {
        uint32_t number = parts->oldest;

        parts->oldest = (parts->oldest + 1) % parts->count;
        if (!is_open(parts, number)) {
            return (int)number;
        }
    }
    return AVERROR(EMFILE);
}

/* The name's number, a new one if it is new; or AVERROR. */
static int number_of(struct rmx_parts *parts, const char *name)
{
    int number = find(parts, name);

    if (number >= 0) {
        return number;
    }
    char *text = av_strdup(name);

    number = text == NULL ? AVERROR(ENOMEM) : new_number(parts);
    if (number < 0) {
        av_free(text);
        return number;
    }
    av_free(parts->names[number].text);
    parts->names[number] = (struct rmx_part_name){ .text = text, .hash = hash(text) };
    return number;
}

/* --- bytes ----------------------------------------------------------------------------------- */

static int write_plain(struct rmx_part *part, const uint8_t *bytes, int size)
{
    uint64_t at = part->holds ? part->end : part->at;
    int written;

    if (part->eclipsed) {
        return AVERROR(EIO);
    }
    rmx_sink_turn_to(part->parts->sink, part->number, at, part->end);
    written = rmx_sink_write(part->parts->sink, bytes, size);
    if (written > 0) {
        at += (uint64_t)written;
        part->end = at > part->end ? at : part->end;
        part->at = part->holds ? part->at : at;
    }
    return written;
}

static int write_secret(struct rmx_part *part, const uint8_t *bytes, int size)
{
    uint8_t made[RMX_CIPHER_ROOM];
    int done = 0;

    if (!part->cipher) {
        return write_plain(part, bytes, size);
    }
    while (done < size) {
        size_t some = (size_t)(size - done);
        size_t whole = rmx_cipher_take(part->cipher, bytes + done, &some, made);
        int error = write_plain(part, made, (int)whole);

        if (error < 0) {
            return error;
        }
        done += (int)some;
    }
    return size;
}

static int pass_held(void *owner, uint64_t at, const unsigned char *bytes, size_t size)
{
    int written = write_secret(owner, bytes, (int)size);

    (void)at; /* in order */
    return written < 0 ? written : 0;
}

static int write_part(void *opaque, written_byte *bytes, int size)
{
    struct rmx_part *part = opaque;
    int error;

    if (!part->holds || size <= 0) {
        return write_secret(part, bytes, size);
    }
    error = rmx_hold_write(&part->hold, part->at, bytes, (size_t)size);
    if (error < 0) {
        return rmx_sink_judge_hold(part->parts->sink, error);
    }
    part->at += (uint64_t)size;
    return size;
}

/* Where nobody writes by offset, libavformat asks when it is beyond its own buffer. */
static int64_t seek_held(struct rmx_part *part, int64_t offset, int whence)
{
    if (whence != SEEK_SET || offset < 0 || !rmx_hold_reaches(&part->hold, (uint64_t)offset)) {
        return AVERROR(EPIPE);
    }
    part->at = (uint64_t)offset;
    return offset;
}

/* Where whoever takes the output writes by offset. */
static int64_t seek_part(void *opaque, int64_t offset, int whence)
{
    struct rmx_part *part = opaque;
    int64_t base;

    whence &= ~AVSEEK_FORCE;
    if (part->holds) {
        return seek_held(part, offset, whence);
    }
    if (whence == AVSEEK_SIZE) {
        return (int64_t)part->end;
    }
    if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END) {
        return AVERROR(ENOSYS);
    }
    base = whence == SEEK_SET ? 0 : (int64_t)(whence == SEEK_CUR ? part->at : part->end);
    if (__builtin_add_overflow(base, offset, &base) || base < 0 || (uint64_t)base > part->end) {
        return AVERROR(EINVAL); /* nor is there ever a hole */
    }
    part->at = (uint64_t)base;
    return base;
}

static int new_part(struct rmx_parts *parts, uint16_t number, AVIOContext **io)
{
    struct rmx_part *part = av_mallocz(sizeof(*part));
    bool seekable = parts->sink->output[0].seekable;
    int buffer_bytes = seekable ? BUFFER_BYTES_SEEKABLE : BUFFER_BYTES_STREAM;
    unsigned char *buffer = av_malloc((size_t)buffer_bytes);

    if (part != NULL && buffer != NULL) {
        part->io = avio_alloc_context(buffer, buffer_bytes, 1, part, NULL, write_part, seek_part);
    }
    if (part == NULL || part->io == NULL) {
        av_free(buffer);
        av_free(part);
        return AVERROR(ENOMEM);
    }
    for (struct rmx_part *other = parts->open; other != NULL; other = other->next) {
        other->eclipsed |= other->number == number;
    }
    part->io->seekable = seekable ? AVIO_SEEKABLE_NORMAL : 0;
    part->io->direct = seekable; /* gathering is the sink's job: one copy less */
    part->holds = !seekable;
    part->hold = (struct rmx_hold){ .pass = pass_held, .owner = part, .doubts = true };
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
    rmx_hold_fini(&part->hold);
    rmx_cipher_free(&part->cipher);
    av_freep(&part->io->buffer); /* libavformat may have replaced ours */
    avio_context_free(&part->io);
    av_free(part);
}

int rmx_parts_open(void *owner, const char *name, AVIOContext **io)
{
    struct rmx_parts *parts = owner;
    bool good = rmx_file_name_is_plain(name, strlen(name));
    int number = good ? number_of(parts, name) : AVERROR(EINVAL);
    int error = number < 0 ? number : rmx_sink_begin_part(parts->sink, (uint16_t)number, name);

    return error < 0 ? error : new_part(parts, (uint16_t)number, io);
}

static struct rmx_part **find_open(struct rmx_parts *parts, const AVIOContext *io)
{
    struct rmx_part **link = &parts->open;

    while (*link != NULL && (*link)->io != io) {
        link = &(*link)->next;
    }
    rmx_assert(*link != NULL);
    return link;
}

int rmx_parts_encrypt(void *owner, AVIOContext *io, const uint8_t *key, const uint8_t *iv)
{
    struct rmx_part *part = *find_open(owner, io);

    rmx_assert(part->cipher == NULL && part->end == 0);
    part->cipher = rmx_cipher_new(key, iv);
    io->seekable = 0;
    return part->cipher == NULL ? AVERROR(ENOMEM) : 0;
}

static int write_padding(struct rmx_part *part)
{
    uint8_t block[RMX_CIPHER_BLOCK];

    if (part->cipher == NULL || part->eclipsed) {
        return 0;
    }
    rmx_cipher_end(part->cipher, block);
    return write_plain(part, block, sizeof(block));
}

int rmx_parts_close(void *owner, AVIOContext *io)
{
    struct rmx_parts *parts = owner;
    struct rmx_part **link = find_open(parts, io);
    int error;

    avio_flush(io);
    error = io->error;
    if (error == 0) {
        error = rmx_hold_end(&(*link)->hold);
    }
    if (error == 0) {
        error = write_padding(*link);
        error = error > 0 ? 0 : error;
    }
    if (error == 0 && !(*link)->eclipsed) {
        error = rmx_sink_end_part(parts->sink, (*link)->number, (*link)->end);
    }
    free_part(link);
    return error;
}

int rmx_parts_drop(void *owner, const char *name)
{
    struct rmx_parts *parts = owner;
    int number = find(parts, name);

    if (number < 0 || is_open(parts, (uint32_t)number)) {
        return 0; /* out of date for so long that it was forgotten */
    }
    return rmx_sink_drop_part(parts->sink, (uint16_t)number);
}

void rmx_parts_fini(struct rmx_parts *parts)
{
    while (parts->open != NULL) {
        free_part(&parts->open);
    }
    for (uint32_t number = 0; number < parts->count; number++) {
        av_freep(&parts->names[number].text);
    }
    av_freep(&parts->names);
    parts->count = 0;
    parts->room = 0;
}
