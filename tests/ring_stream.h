/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A producer and a consumer that use all of ring/ at once: a stream of known bytes goes through a
 * chunk ring, the consumer checks every byte, jumps about in it, and says by mail when it has
 * enough; both sleep on bells. tests/tsan_ring.c runs the two as threads over one mapping,
 * tests/test_ring_processes.c as processes. What is wrong ends the process with a line on stderr.
 */
#ifndef RMX_TESTS_RING_STREAM_H
#define RMX_TESTS_RING_STREAM_H

#include "ring/bell.h"
#include "ring/chunk.h"
#include "ring/mail.h"
#include "ring/region.h"

#define STREAM_BYTES 100000u /* how long the stream is; no multiple of a chunk */

enum stream_role {
    STREAM_PRODUCER,
    STREAM_CONSUMER,
    STREAM_ROLES,
};

struct stream_end {
    struct rmx_chunk_ring chunks; /* producer -> consumer */
    struct rmx_mail mail;         /* consumer -> producer */
    struct rmx_bell own;          /* on which this end sleeps */
    struct rmx_bell peer;
    uint32_t random; /* state */
    uint32_t sleeps; /* how often this end was really woken by its bell */
};

/* Memory for one stream, with empty rings whose counts start at first_count. */
void stream_create(struct rmx_region *region, uint64_t first_count);

/* Takes one end; bells are the two eventfds, by role. */
void stream_attach(struct stream_end *end, const struct rmx_region *region, enum stream_role role,
    const int bells[STREAM_ROLES]);

/* Serves the stream until told to stop. */
void stream_produce(struct stream_end *end);

/* Seeks `seeks` times to anywhere, often before it has read what it sought last; then reads from
 * the beginning to the end, and tells the producer to stop. */
void stream_consume(struct stream_end *end, uint32_t seeks);

#endif
