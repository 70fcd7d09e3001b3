/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A ring of notes: short words from one process to another, where a message on a socket would cost
 * a system call each. One end per struct, on one thread of one process. A full mailbox is the
 * caller's to handle: nothing is dropped and nothing waits here. What a note means is not known
 * here, so its reader checks every word of it.
 */
#ifndef RMX_RING_MAIL_H
#define RMX_RING_MAIL_H

#include <stdint.h>

#include "ring/region.h"
#include "ring/ring.h"

struct rmx_mail {
    struct rmx_ring ring;
};

struct rmx_note {
    uint32_t kind;
    uint32_t flow;
    uint64_t value;
};

/* What a mail ring takes in a region: a multiple of RMX_LINE, or 0 if slots is not a power of two
 * up to RMX_RING_SLOTS_MAX. */
size_t rmx_mail_bytes(uint32_t slots);

/* Makes an empty ring before either end attaches; first_count: see rmx_ring_init(). Returns 0, or
 * -EINVAL as rmx_mail_attach(). */
int rmx_mail_init(
    const struct rmx_region *region, uint64_t at, uint32_t slots, uint64_t first_count);

/* Takes one end of the ring at offset `at`; see rmx_ring_attach(). Returns 0, or -EINVAL: slots is
 * not a power of two up to RMX_RING_SLOTS_MAX, `at` is not a multiple of RMX_LINE, or the ring does
 * not lie inside the region. */
int rmx_mail_attach(
    struct rmx_mail *mail, const struct rmx_region *region, uint64_t at, uint32_t slots);

/* Sends a note. After the last of a batch, ask rmx_ring_consumer_asked(). Returns 0, -EAGAIN (full:
 * nothing was sent) or -EBADMSG. */
int rmx_mail_post(struct rmx_mail *mail, const struct rmx_note *note);

/* Takes the oldest note. Returns 1, 0 (none: *note is untouched) or -EBADMSG. After the last of a
 * batch, ask rmx_ring_producer_asked() if the sender ever sleeps for room. */
int rmx_mail_take(struct rmx_mail *mail, struct rmx_note *note);

#endif
