/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The head of an MP4 box. See box.h.
 */
#include "engine/worker/box.h"

#include <errno.h>

#include <libavutil/intreadwrite.h>

bool rmx_box_is_long(const unsigned char *head)
{
    return AV_RB32(head) == 1;
}

int rmx_box_read(
    struct rmx_box *box, const unsigned char *head, uint64_t bytes, uint64_t at, uint64_t limit)
{
    uint32_t head_bytes = RMX_BOX_HEAD_SHORT_BYTES;
    uint64_t size;

    if (bytes < RMX_BOX_HEAD_SHORT_BYTES || at > limit) {
        return -EBADMSG;
    }
    size = AV_RB32(head);
    if (rmx_box_is_long(head)) {
        if (bytes < RMX_BOX_HEAD_BYTES) {
            return -EBADMSG;
        }
        head_bytes = RMX_BOX_HEAD_BYTES;
        size = AV_RB64(head + RMX_BOX_HEAD_SHORT_BYTES);
    } else if (size == 0) {
        size = limit - at;
    }
    if (size < head_bytes || size > limit - at) {
        return -EBADMSG;
    }
    *box = (struct rmx_box){
        .at = at,
        .end = at + size,
        .head_bytes = head_bytes,
        .type = AV_RB32(head + 4),
    };
    return 0;
}
