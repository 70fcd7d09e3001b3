/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Boxes held until their sizes are known. See hold.h.
 */
#include "engine/worker/hold.h"

#include <errno.h>
#include <string.h>

#include <libavutil/intreadwrite.h>
#include <libavutil/macros.h>
#include <libavutil/mem.h>

#include "engine/worker/box.h"
#include "ring/base.h"

#define ROOM_AT_FIRST ((size_t)128 << 10)

/* Of this box the size is not known yet. Samples with a size of 0 go on to the end of the file. */
static bool is_open(const unsigned char *head)
{
    return AV_RB32(head) == 0 && AV_RB32(head + 4) != MKBETAG('m', 'd', 'a', 't');
}

static bool tells_type(const unsigned char *head)
{
    return AV_RB32(head + 4) == MKBETAG('f', 't', 'y', 'p') ||
           AV_RB32(head + 4) == MKBETAG('s', 't', 'y', 'p');
}

/* How many of the bytes at hold->start may pass: those of boxes whose sizes are known. */
static size_t count_clear(struct rmx_hold *hold, const unsigned char *bytes, size_t size)
{
    uint64_t end = hold->start + size;
    struct rmx_box box;

    while (hold->clear < end) {
        const unsigned char *head = bytes + (hold->clear - hold->start);
        uint64_t there = end - hold->clear;

        if (there >= RMX_BOX_HEAD_SHORT_BYTES && hold->doubts && !tells_type(head)) {
            hold->clear = UINT64_MAX;
            break;
        }
        if (there < RMX_BOX_HEAD_SHORT_BYTES || is_open(head) ||
            (rmx_box_is_long(head) && there < RMX_BOX_HEAD_BYTES)) {
            return (size_t)(hold->clear - hold->start);
        }
        if (rmx_box_read(&box, head, there, hold->clear, INT64_MAX) < 0) {
            hold->clear = UINT64_MAX; /* that was no box: nothing is known of what follows */
            break;
        }
        hold->clear = box.end;
        hold->doubts = false;
    }
    return size;
}

/* Makes room for so many bytes in all. Returns 0, -ENOMEM or -E2BIG. */
static int widen(struct rmx_hold *hold, size_t size)
{
    size_t room = hold->room > 0 ? hold->room : ROOM_AT_FIRST;
    unsigned char *bytes;

    if (size > RMX_HOLD_BYTES_MAX) {
        return -E2BIG;
    }
    while (room < size) {
        room *= 2;
    }
    if (room == hold->room) {
        return 0;
    }
    bytes = av_realloc(hold->bytes, room);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    hold->bytes = bytes;
    hold->room = room;
    return 0;
}

/* What was held until now, and of it the first `clear` bytes pass. */
static int let_pass(struct rmx_hold *hold, size_t clear)
{
    int error = clear > 0 ? hold->pass(hold->owner, hold->start, hold->bytes, clear) : 0;

    if (error < 0) {
        return error;
    }
    hold->start += clear;
    hold->filled -= clear;
    if (hold->filled == 0) {
        av_freep(&hold->bytes);
        hold->room = 0;
    } else if (clear > 0) {
        memmove(hold->bytes, hold->bytes + clear, hold->filled);
    }
    return 0;
}

bool rmx_hold_reaches(const struct rmx_hold *hold, uint64_t at)
{
    return at >= hold->start && at - hold->start <= hold->filled;
}

int rmx_hold_write(struct rmx_hold *hold, uint64_t at, const unsigned char *bytes, size_t size)
{
    size_t from = (size_t)(at - hold->start);
    int error;

    rmx_assert(rmx_hold_reaches(hold, at) && size <= INT32_MAX);
    if (hold->filled == 0) {
        size_t clear = count_clear(hold, bytes, size);

        error = clear > 0 ? hold->pass(hold->owner, at, bytes, clear) : 0;
        if (error < 0) {
            return error;
        }
        hold->start += clear;
        bytes += clear;
        size -= clear;
        from = 0;
    }
    if (size == 0) {
        return 0;
    }
    error = widen(hold, from + size);
    if (error < 0) {
        return error;
    }
    memcpy(hold->bytes + from, bytes, size);
    hold->filled = from + size > hold->filled ? from + size : hold->filled;
    return let_pass(hold, count_clear(hold, hold->bytes, hold->filled));
}

int rmx_hold_end(struct rmx_hold *hold)
{
    return let_pass(hold, hold->filled);
}

void rmx_hold_fini(struct rmx_hold *hold)
{
    av_freep(&hold->bytes);
    hold->filled = 0;
    hold->room = 0;
}
