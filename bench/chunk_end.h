/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One end of a chunk ring between two processes, with mail and bells as a channel has them
 * (ipc/channel.h): the one who sleeps watches an eventfd for edges and never reads it, the other
 * posts a note and rings. Counts its system calls. One thread.
 */
#ifndef RMX_BENCH_CHUNK_END_H
#define RMX_BENCH_CHUNK_END_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/bell.h"
#include "ring/chunk.h"
#include "ring/mail.h"

enum rmx_chunk_end_role { RMX_CHUNK_PRODUCER, RMX_CHUNK_CONSUMER, RMX_CHUNK_ROLES };

#define RMX_CHUNK_END_RING_AT 65536u /* in the region; before it are bells and mail */

struct rmx_chunk_end {
    enum rmx_chunk_end_role role;
    struct rmx_chunk_ring ring;
    struct rmx_mail to_me;
    struct rmx_mail to_peer;
    struct rmx_bell own;
    struct rmx_bell peer;
    int epoll;
    uint64_t spin_ns; /* how long it polls before it sleeps */
    uint32_t untold;  /* chunks released that the producer has not heard of */
    uint64_t calls;
    uint64_t wakes; /* of them, those that woke the peer */
};

/* Empties bells, mail and ring, before either end attaches. */
void rmx_chunk_end_make(const struct rmx_region *region, uint32_t slots, uint32_t chunk_bytes);

/* bells: two eventfds by role. Its spin_ns is 0 afterwards. */
void rmx_chunk_end_attach(struct rmx_chunk_end *end, const struct rmx_region *region,
    enum rmx_chunk_end_role role, const int bells[RMX_CHUNK_ROLES], uint32_t slots,
    uint32_t chunk_bytes);
void rmx_chunk_end_fini(struct rmx_chunk_end *end);

/* Waits until there is room, and returns it: chunk_bytes bytes. */
unsigned char *rmx_chunk_end_room(struct rmx_chunk_end *end);
void rmx_chunk_end_publish(struct rmx_chunk_end *end, uint32_t bytes);

/* Waits for a chunk and returns its bytes. */
const unsigned char *rmx_chunk_end_next(struct rmx_chunk_end *end, uint32_t *bytes);
void rmx_chunk_end_release(struct rmx_chunk_end *end);

#endif
