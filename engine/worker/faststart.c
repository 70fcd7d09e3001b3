/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Puts the index of a finished MP4 or MOV in front of its samples. See faststart.h.
 */
#include "engine/worker/faststart.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "engine/worker/box.h"

#define BOXES_MAX 4096 /* in a row, outside of the index */

#define TYPE_FTYP MKBETAG('f', 't', 'y', 'p')
#define TYPE_MOOV MKBETAG('m', 'o', 'o', 'v')
#define TYPE_STCO MKBETAG('s', 't', 'c', 'o')
#define TYPE_CO64 MKBETAG('c', 'o', '6', '4')
#define TYPE_SAIO MKBETAG('s', 'a', 'i', 'o')

#define SAIO_HAS_TYPE 1u /* flag: two words come before the count */

/* --- sample positions ------------------------------------------------------------------------ */

/* The boxes on the way from the index to a track's positions. */
static bool leads_to_positions(uint32_t type)
{
    return type == TYPE_MOOV || type == MKBETAG('t', 'r', 'a', 'k') ||
           type == MKBETAG('m', 'd', 'i', 'a') || type == MKBETAG('m', 'i', 'n', 'f') ||
           type == MKBETAG('s', 't', 'b', 'l');
}

struct range {
    uint64_t from;
    uint64_t to;
    uint64_t shift;
};

/* Of what lies in the index itself, which goes to the front. */
static void shift_inside(uint64_t *position, const struct range *range)
{
    if (*position >= range->to && *position - range->to < range->shift) {
        *position -= range->to - range->from;
    }
}

/* Returns 0, or -EOVERFLOW: the position would be beyond `most`. */
static int shift_position(uint64_t *position, uint64_t most, const struct range *range)
{
    if (*position < range->from || *position >= range->to) {
        return 0;
    }
    if (range->shift > most - *position) {
        return -EOVERFLOW;
    }
    *position += range->shift;
    return 0;
}

/* at: so many bytes wide. inside: one of an encrypted track's tables. */
/* NOLINTNEXTLINE(readability-non-const-parameter): AV_WB32() and AV_WB64() write through it */
static int shift_at(unsigned char *at, uint64_t wide, bool inside, const struct range *range)
{
    uint64_t position = wide == 8 ? AV_RB64(at) : AV_RB32(at);
    int error = 0;

    if (inside) {
        shift_inside(&position, range);
    } else {
        error = shift_position(&position, wide == 8 ? UINT64_MAX : UINT32_MAX, range);
    }
    if (wide == 8) {
        AV_WB64(at, position);
    } else {
        AV_WB32(at, (uint32_t)position);
    }
    return error;
}

static bool has_positions(uint32_t type)
{
    return type == TYPE_STCO || type == TYPE_CO64 || type == TYPE_SAIO;
}

/* A table of positions: version and flags, a count, the positions. */
static int shift_table(unsigned char *moov, const struct rmx_box *box, const struct range *range)
{
    unsigned char *table = moov + box->at + box->head_bytes;
    uint64_t bytes = box->end - box->at - box->head_bytes;
    uint64_t wide = box->type == TYPE_CO64 ? 8 : 4;
    uint64_t count;
    int error = 0;

    if (box->type == TYPE_SAIO && bytes >= 4) {
        uint64_t skipped = AV_RB32(table) & SAIO_HAS_TYPE ? 8 : 0;

        wide = table[0] == 1 ? 8 : 4;
        bytes -= FFMIN(skipped, bytes);
        table += skipped;
    }
    if (bytes < 8) {
        return -EBADMSG;
    }
    count = AV_RB32(table + 4);
    if (count > (bytes - 8) / wide) {
        return -EBADMSG;
    }
    for (uint64_t i = 0; i < count && error == 0; i++) {
        error = shift_at(table + 8 + i * wide, wide, box->type == TYPE_SAIO, range);
    }
    return error;
}

int rmx_faststart_shift(
    unsigned char *moov, uint64_t bytes, uint64_t from, uint64_t to, uint64_t shift)
{
    const struct range range = { .from = from, .to = to, .shift = shift };
    uint64_t at = 0;
    int error = 0;

    while (at < bytes && error == 0) { /* each box moves it on by its head at least */
        struct rmx_box box;

        if (rmx_box_read(&box, moov + at, bytes - at, at, bytes) < 0) {
            return -EBADMSG;
        }
        if (has_positions(box.type)) {
            error = shift_table(moov, &box, &range);
        }
        at = leads_to_positions(box.type) ? box.at + box.head_bytes : box.end;
    }
    return error;
}

/* --- finding and loading --------------------------------------------------------------------- */

/* Returns 0, -EBADMSG: there are fewer, or an AVERROR of the source. */
static int read_at(struct rmx_source *source, uint64_t at, unsigned char *to, uint64_t bytes)
{
    source->now->at = at;
    while (bytes > 0) {
        const unsigned char *from;
        int n = rmx_source_hold(source, &from);

        if (n < 0) {
            return n == AVERROR_EOF ? -EBADMSG : n;
        }
        n = (uint64_t)n < bytes ? n : (int)bytes;
        memcpy(to, from, (size_t)n);
        rmx_source_advance(source, (uint32_t)n);
        to += n;
        bytes -= (uint64_t)n;
    }
    return 0;
}

/* Returns 0, -EBADMSG: there is no box, or an AVERROR of the source. */
static int read_box(struct rmx_box *box, struct rmx_source *source, uint64_t at)
{
    unsigned char head[RMX_BOX_HEAD_BYTES];
    uint64_t bytes = FFMIN(source->now->size - at, sizeof(head));
    int error = read_at(source, at, head, bytes);

    return error < 0 ? error : rmx_box_read(box, head, bytes, at, source->now->size);
}

/* Returns 0 with the index's box, 1 if there is none, or an AVERROR of the source. */
static int find_index(struct rmx_box *moov, uint64_t *front, struct rmx_source *source)
{
    uint64_t at = 0;

    *front = 0;
    for (int boxes = 0; boxes < BOXES_MAX && at < source->now->size; boxes++) {
        struct rmx_box box;
        int error = read_box(&box, source, at);

        if (error == -EBADMSG) {
            return 1;
        }
        if (error < 0) {
            return error;
        }
        if (box.type == TYPE_MOOV) {
            *moov = box;
            return 0;
        }
        if (box.type == TYPE_FTYP && at == 0) {
            *front = box.end;
        }
        at = box.end;
    }
    return 1;
}

int rmx_faststart_plan(struct rmx_faststart *plan, struct rmx_source *source)
{
    struct rmx_box box = { 0 };
    uint64_t bytes;
    int error = find_index(&box, &plan->front, source);

    if (error != 0 || box.at == plan->front) {
        return error < 0 ? error : 1;
    }
    bytes = box.end - box.at;
    plan->moov_at = box.at;
    plan->moov_bytes = bytes;
    plan->moov = av_malloc(bytes);
    if (plan->moov == NULL) {
        return -ENOMEM;
    }
    error = read_at(source, box.at, plan->moov, bytes);
    return error < 0 ? error
                     : rmx_faststart_shift(plan->moov, bytes, plan->front, plan->moov_at, bytes);
}

void rmx_faststart_fini(struct rmx_faststart *plan)
{
    av_freep(&plan->moov);
}
