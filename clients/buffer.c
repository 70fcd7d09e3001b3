/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A block of memory that grows as a sink. Runs in the client process, on the thread that waits for
 * the job; allocates nothing but what it is asked to hold.
 */
#include "clients/ringmux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 65536u

static int make_room(struct rmx_buffer *buffer, size_t size)
{
    size_t room = buffer->room > 0 ? buffer->room : ROOM_FIRST;

    if (size <= buffer->room) {
        return 0;
    }
    while (room < size && room <= SIZE_MAX / 2) {
        room *= 2;
    }
    room = room < size ? size : room;
    unsigned char *bytes = realloc(buffer->bytes, room);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    buffer->bytes = bytes;
    buffer->room = room;
    return 0;
}

static int write_buffer(void *user, const struct rmx_piece *piece)
{
    struct rmx_buffer *buffer = user;
    size_t limit = buffer->max > 0 ? buffer->max : PTRDIFF_MAX;

    if (piece->part != 0 || (piece->flags & RMX_PIECE_NAME) != 0) {
        return -EINVAL; /* one buffer is one file */
    }
    if (piece->size == 0) {
        return 0;
    }
    if (piece->offset > limit || piece->size > limit - piece->offset) {
        return -EFBIG;
    }
    size_t end = (size_t)piece->offset + piece->size;
    int err = make_room(buffer, end);
    if (err < 0) {
        return err;
    }
    if (piece->offset > buffer->size) { /* a hole, as in a file */
        memset(buffer->bytes + buffer->size, 0, (size_t)piece->offset - buffer->size);
    }
    memcpy(buffer->bytes + piece->offset, piece->bytes, piece->size);
    buffer->size = end > buffer->size ? end : buffer->size;
    return 0;
}

void rmx_buffer_sink(struct rmx_buffer *buffer, struct rmx_sink *sink)
{
    *sink = (struct rmx_sink){ .write = write_buffer, .user = buffer };
}

void rmx_buffer_free(struct rmx_buffer *buffer)
{
    free(buffer->bytes);
    buffer->bytes = NULL;
    buffer->size = 0;
    buffer->room = 0;
}
