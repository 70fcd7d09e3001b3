/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Does an MP4's index follow its samples? See index.h.
 */
#include "engine/worker/index.h"

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>

#include "engine/worker/box.h"

#define BOXES_MAX 64 /* before the samples; files have two or three */

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

int rmx_index_follows(struct rmx_source *source)
{
    uint64_t at = 0;

    if (source->context->seek != NULL) {
        return 0;
    }
    for (int boxes = 0; boxes < BOXES_MAX; boxes++) {
        unsigned char head[RMX_BOX_HEAD_BYTES];
        struct rmx_box box;
        int n = rmx_source_peek(source, at, head, RMX_BOX_HEAD_SHORT_BYTES);

        if (n == RMX_BOX_HEAD_SHORT_BYTES && rmx_box_is_long(head)) {
            n = rmx_source_peek(source, at, head, RMX_BOX_HEAD_BYTES);
        }
        if (n < 0) {
            return n;
        }
        if (rmx_box_read(&box, head, (uint32_t)n, at, INT64_MAX) < 0) {
            return 0;
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
