/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A ring of chunks: a piece of a byte stream per slot, described by the entry, carried by the
 * payload of the same slot. One end per struct, on one thread of one process. The consumer copies a
 * payload out before it parses it: a hostile producer may change the bytes at any time. Must never
 * use a descriptor's word that was not read once and checked.
 *
 *     the ring's head | rows of 24-byte descriptors | up to a page's end | slots x chunk_bytes
 *
 * Batches go through the embedded ring: reserve, payload + fill for each, publish; peek, read +
 * payload for each, release; then the ask word of the other side.
 *
 * Seeking. The consumer wants the stream to go on elsewhere, perhaps in another of the job's files:
 * it writes the place (part and offset), then a new generation, into its own line, and from then on
 * drops every chunk of an older generation. The producer sees a generation it does not know, stops
 * what it does and goes on from there. If the consumer seeks twice in a row, the producer may read
 * the first generation with the second place, or with one half of each. That is harmless: chunks of
 * the first generation are dropped whatever they hold, and the second generation is still news,
 * read with its own place or a later one. The mix that would hurt, a generation with a place older
 * than it, is what R3 -> A3 excludes.
 */
#ifndef RMX_RING_CHUNK_H
#define RMX_RING_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/layout.h"
#include "ring/region.h"
#include "ring/ring.h"

#define RMX_CHUNK_BYTES_MIN 512u
#define RMX_CHUNK_BYTES_MAX (1u << 20)
#define RMX_CHUNK_ALIGN     4096u /* of a chunk ring, and of its payload: O_DIRECT wants it */

struct rmx_chunk_ring {
    struct rmx_ring ring;
    unsigned char *payload;
    uint32_t chunk_bytes; /* a power of two */
    uint32_t generation;  /* consumer: of the last seek it made; producer: of the last it knows */
    uint16_t part;        /* likewise, which file it goes to; 0 before the first */
};

/* A private copy of a descriptor; layout.h says what the fields mean. */
struct rmx_chunk {
    uint64_t offset;
    uint32_t bytes;
    uint32_t generation;
    uint16_t part;
    uint16_t flags;
    int32_t error;
};

/* What a chunk ring takes in a region: a multiple of RMX_CHUNK_ALIGN, or 0 if slots is not a power
 * of two up to RMX_RING_SLOTS_MAX or chunk_bytes not one from RMX_CHUNK_BYTES_MIN to
 * RMX_CHUNK_BYTES_MAX. */
size_t rmx_chunk_ring_bytes(uint32_t slots, uint32_t chunk_bytes);

/* Makes an empty ring, head and descriptors, before either end attaches; the payload keeps its
 * bytes. first_count: see rmx_ring_init(). Returns 0, or -EINVAL as rmx_chunk_ring_attach(). */
int rmx_chunk_ring_init(const struct rmx_region *region, uint64_t at, uint32_t slots,
    uint32_t chunk_bytes, uint64_t first_count);

/* Takes one end of the ring at offset `at`; see rmx_ring_attach(). All three numbers may come from
 * a peer. Returns 0, or -EINVAL: the geometry is not one that rmx_chunk_ring_bytes() knows, `at` is
 * not a multiple of RMX_CHUNK_ALIGN, or the ring does not lie inside the region. */
int rmx_chunk_ring_attach(struct rmx_chunk_ring *ring, const struct rmx_region *region, uint64_t at,
    uint32_t slots, uint32_t chunk_bytes);

/* The payload of the chunk `index` places after our cursor: chunk_bytes bytes. */
static inline unsigned char *rmx_chunk_payload(const struct rmx_chunk_ring *ring, uint32_t index)
{
    return ring->payload + (size_t)rmx_ring_slot(&ring->ring, index) * ring->chunk_bytes;
}

/* --- the producer's side ------------------------------------------------------------------- */

/* Describes the reserved chunk `index` places after our cursor. What chunk says must be true and in
 * the ranges of layout.h: a wrong one is our bug. */
void rmx_chunk_fill(
    const struct rmx_chunk_ring *ring, uint32_t index, const struct rmx_chunk *chunk);

/* Does the consumer want the stream to go on elsewhere? Returns 1 once per seek, with *offset (0 to
 * INT64_MAX) and *generation (for the chunks from now on, also in ring->generation), and the file
 * in ring->part: whether the source has them is the caller's to check; 0 if not; or -EBADMSG: there
 * is no such place. Chunks reserved but not yet published may be filled anew. */
int rmx_chunk_seek_due(struct rmx_chunk_ring *ring, uint64_t *offset, uint32_t *generation);

/* May the producer sleep for room? As rmx_ring_producer_ask(), but false if a seek is due. */
bool rmx_chunk_room_ask(struct rmx_chunk_ring *ring);

/* The stream is at its end: may the producer sleep for a seek? True: it has asked, and the consumer
 * that seeks will wake it (as will one that releases: ask again). False: a seek is due. */
bool rmx_chunk_seek_ask(struct rmx_chunk_ring *ring);

/* --- the consumer's side ------------------------------------------------------------------- */

/* Reads and checks the descriptor `index` places after our cursor. Returns 0, or -EBADMSG, *chunk
 * untouched: a field is out of the range layout.h states for it, or the generation is one that we
 * never asked for. A chunk whose generation is not ring->generation is older: drop it. */
int rmx_chunk_read(const struct rmx_chunk_ring *ring, uint32_t index, struct rmx_chunk *chunk);

/* Asks for the stream to go on at offset (at most INT64_MAX) of that file. Returns the generation
 * of the chunks to come. The producer may sleep at its end: follow with rmx_ring_producer_asked().
 */
uint32_t rmx_chunk_turn_to(struct rmx_chunk_ring *ring, uint16_t part, uint64_t offset);

/* The same, of the file it is at. */
static inline uint32_t rmx_chunk_seek(struct rmx_chunk_ring *ring, uint64_t offset)
{
    return rmx_chunk_turn_to(ring, ring->part, offset);
}

#endif
