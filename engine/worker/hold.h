/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a muxer of MP4 has written of a box whose size it does not know yet. It writes a size of 0,
 * the content, and goes back for the size (and for those of the boxes inside): a fragment's head is
 * up to 16 bytes a sample, a megabyte for an hour of sound, and into a pipe nothing can be patched.
 * So what is between the boxes' beginnings and their sizes is held here, and no more; samples pass.
 * Worker process, a job's fiber. Does no I/O but through pass(); its memory is the job's.
 */
#ifndef RMX_ENGINE_WORKER_HOLD_H
#define RMX_ENGINE_WORKER_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No box is held that is larger: four million samples in one fragment, a day of AAC. */
#define RMX_HOLD_BYTES_MAX ((size_t)64 << 20)

struct rmx_hold {
    /* Sends on what is complete: each byte once, in order. Returns 0 or below, which the writer
     * gets. */
    int (*pass)(void *owner, uint64_t at, const unsigned char *bytes, size_t size);
    void *owner;
    bool doubts;          /* boxes they are only if the first one tells a file's or part's type */
    uint64_t start;       /* in the stream, of what is held: all before has passed */
    uint64_t clear;       /* up to here all may pass: the next box begins here */
    unsigned char *bytes; /* what is held; NULL: nothing ever was, or it has passed */
    size_t filled;
    size_t room;
};

/* Can what is at `at` be written, again or for the first time, leaving no hole? */
bool rmx_hold_reaches(const struct rmx_hold *hold, uint64_t at);

/* Takes bytes for where it reaches. Returns 0, what pass() returned, or
 *   -ENOMEM  the job has no memory left for them
 *   -E2BIG   the box is larger than RMX_HOLD_BYTES_MAX */
int rmx_hold_write(struct rmx_hold *hold, uint64_t at, const unsigned char *bytes, size_t size);

/* No more will be written: what is held passes as it is. Returns 0, or what pass() returned. */
int rmx_hold_end(struct rmx_hold *hold);

/* Accepts one that was zeroed. */
void rmx_hold_fini(struct rmx_hold *hold);

#endif
