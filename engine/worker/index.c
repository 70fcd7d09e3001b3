/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an MP4's boxes say of it before anybody reads it. See index.h.
 */
#include "engine/worker/index.h"

#include <string.h>

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>

#include "engine/worker/box.h"

#define BOXES_MAX       64 /* before the samples, or another; files have two or three */
#define TRACKS_MAX      512
#define TKHD_ID_AT      12 /* in its content, after two times of 32 bits */
#define TKHD_LONG_ID_AT 20 /* of 64 bits */
#define TKHD_HEAD_BYTES 24
#define PIECE_BYTES     512 /* looked through at once: on a fiber's stack */
#define TYPE_BYTES      4   /* of a box */

/* May a box of this type stand before both the samples and the index? */
static bool may_come_first(uint32_t type)
{
    static const char *const types[] = { "ftyp", "styp", "free", "skip", "wide", "uuid", "pdin",
        "prft", "meta", "udta", "pnot", "PICT" };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (AV_RB32(types[i]) == type) {
            return true;
        }
    }
    return false;
}

/* The box at `at`, which ends at `limit` at the latest. Returns 1; 0: there is none, or it is torn;
 * or an AVERROR. */
static int peek_box(struct rmx_source *source, uint64_t at, uint64_t limit, struct rmx_box *box)
{
    unsigned char head[RMX_BOX_HEAD_BYTES];
    int n = rmx_source_peek(source, at, head, RMX_BOX_HEAD_SHORT_BYTES);

    if (n == RMX_BOX_HEAD_SHORT_BYTES && rmx_box_is_long(head)) {
        n = rmx_source_peek(source, at, head, RMX_BOX_HEAD_BYTES);
    }
    return n < 0 ? n : rmx_box_read(box, head, (uint32_t)n, at, limit) == 0;
}

int rmx_index_follows(struct rmx_source *source)
{
    uint64_t at = 0;

    if (source->now->context->seek != NULL) {
        return 0;
    }
    for (int boxes = 0; boxes < BOXES_MAX; boxes++) {
        struct rmx_box box;
        int n = peek_box(source, at, INT64_MAX, &box);

        if (n <= 0) {
            return n;
        }
        if (box.type == MKBETAG('m', 'd', 'a', 't') && box.end - at > box.head_bytes) {
            return 1;
        }
        if (box.type != MKBETAG('m', 'd', 'a', 't') && !may_come_first(box.type)) {
            return 0;
        }
        at = box.end;
    }
    return 0;
}

/* --- tracks without an id --------------------------------------------------------------------- */

/* The first box of a type between two places, after at most BOXES_MAX others. Returns as
 * peek_box(). */
static int find_box(
    struct rmx_source *source, uint64_t at, uint64_t end, uint32_t type, struct rmx_box *box)
{
    for (int boxes = 0; boxes < BOXES_MAX && at < end; boxes++) {
        int n = peek_box(source, at, end, box);

        if (n <= 0 || box->type == type) {
            return n;
        }
        at = box->end;
    }
    return 0;
}

/* Is the whole of it there to be seen? Returns 1, 0 or an AVERROR. */
static int is_in_sight(struct rmx_source *source, const struct rmx_box *box)
{
    unsigned char last;

    return rmx_source_peek(source, box->end - 1, &last, 1);
}

/* Returns 1; 0, also if that cannot be seen; or an AVERROR. */
static int has_no_id(struct rmx_source *source, const struct rmx_box *trak)
{
    unsigned char head[TKHD_HEAD_BYTES];
    struct rmx_box tkhd;
    int n = find_box(
        source, trak->at + trak->head_bytes, trak->end, MKBETAG('t', 'k', 'h', 'd'), &tkhd);

    if (n <= 0) {
        return n < 0 ? n : is_in_sight(source, trak);
    }
    n = rmx_source_peek(source, tkhd.at + tkhd.head_bytes, head, TKHD_HEAD_BYTES);
    if (n < TKHD_HEAD_BYTES) {
        return n < 0 ? n : 0;
    }
    return AV_RB32(head + (head[0] == 1 ? TKHD_LONG_ID_AT : TKHD_ID_AT)) > INT32_MAX;
}

static int any_has_no_id(struct rmx_source *source, const struct rmx_box *moov)
{
    uint64_t at = moov->at + moov->head_bytes;
    struct rmx_box trak;

    for (int tracks = 0; tracks < TRACKS_MAX; tracks++) {
        int n = find_box(source, at, moov->end, MKBETAG('t', 'r', 'a', 'k'), &trak);

        if (n <= 0) {
            return n;
        }
        n = has_no_id(source, &trak);
        if (n != 0) {
            return n;
        }
        at = trak.end;
    }
    return 0;
}

/* Of what begins as an MP4. Returns as peek_box(). */
static int find_moov(struct rmx_source *source, struct rmx_box *box)
{
    int n = peek_box(source, 0, INT64_MAX, box);

    if (n <= 0 || box->type == MKBETAG('m', 'o', 'o', 'v')) {
        return n;
    }
    if (box->type != MKBETAG('m', 'd', 'a', 't') && !may_come_first(box->type)) {
        return 0;
    }
    return find_box(source, box->end, INT64_MAX, MKBETAG('m', 'o', 'o', 'v'), box);
}

/* Are these letters anywhere in it, as far as it is in sight? libavformat takes a box wherever it
 * comes upon one. Returns 1, 0 or an AVERROR. */
static int has_letters(struct rmx_source *source, const struct rmx_box *box, const char *type)
{
    unsigned char piece[PIECE_BYTES];
    uint64_t at = box->at;

    while (box->end - at >= TYPE_BYTES) {
        int n = rmx_source_peek(source, at, piece, (uint32_t)FFMIN(PIECE_BYTES, box->end - at));

        if (n < TYPE_BYTES) {
            return n < 0 ? n : 0;
        }
        if (memmem(piece, (size_t)n, type, TYPE_BYTES) != NULL) {
            return 1;
        }
        at += (unsigned)n - (TYPE_BYTES - 1);
    }
    return 0;
}

int rmx_index_is_nameless(struct rmx_source *source)
{
    struct rmx_box moov;
    int n = find_moov(source, &moov);

    n = n <= 0 ? n : any_has_no_id(source, &moov);
    return n <= 0 ? n : has_letters(source, &moov, "trex"); /* no fragment is read without one */
}
