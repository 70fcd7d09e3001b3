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

enum { /* what a tfhd says, and its trun */
    RMX_BOX_TFHD_BASE = 0x1,
    RMX_BOX_TFHD_DESCRIPTION = 0x2,
    RMX_BOX_TFHD_DURATION = 0x8,
    RMX_BOX_TFHD_SIZE = 0x10,
    RMX_BOX_TFHD_FROM_MOOF = 0x20000, /* data offsets count from its first byte */
    RMX_BOX_TRUN_OFFSET = 0x1,
    RMX_BOX_TRUN_FIRST_FLAGS = 0x4,
    RMX_BOX_TRUN_DURATIONS = 0x100, /* these of each sample */
    RMX_BOX_TRUN_SIZES = 0x200,
    RMX_BOX_TRUN_FLAGS = 0x400,
    RMX_BOX_TRUN_SHIFTS = 0x800,
};

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
