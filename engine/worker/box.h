/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The head of an MP4 box. Worker process, any job's fiber. Does no I/O; believes nothing.
 */
#ifndef RMX_ENGINE_WORKER_BOX_H
#define RMX_ENGINE_WORKER_BOX_H

#include <stdbool.h>
#include <stdint.h>

#define RMX_BOX_HEAD_SHORT_BYTES 8
#define RMX_BOX_HEAD_BYTES       16 /* of one whose size needs 64 bits */

struct rmx_box {
    uint64_t at;         /* its first byte */
    uint64_t end;        /* one beyond its last; the limit for a box that goes on to the end */
    uint32_t head_bytes; /* before its content */
    uint32_t type;       /* big endian, as MKBETAG() makes it */
};

/* Does the head of RMX_BOX_HEAD_SHORT_BYTES go on to RMX_BOX_HEAD_BYTES? */
bool rmx_box_is_long(const unsigned char *head);

/* head: the `bytes` at offset `at`, read once. Returns 0, or -EBADMSG, *box untouched: that is no
 * whole head, the box is smaller than its head, or ends beyond the limit. */
int rmx_box_read(
    struct rmx_box *box, const unsigned char *head, uint64_t bytes, uint64_t at, uint64_t limit);

#endif
