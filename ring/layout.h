/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The shared bytes: everything two processes may find in an arena. Read by every process; wire
 * format, little endian. Must never hold a pointer, a size or an index: geometry is told in
 * messages, checked once and kept in private memory. Every word here may be a lie.
 *
 * A ring is a head, then rows of one cache line: a word that says how many entries have ever been
 * offered, then as many entries as fit behind it (7 of 8 bytes, 3 notes, 2 chunks). The last row
 * may be filled in part only.
 *
 *     head | offered, entry, entry, .. | offered, entry, entry, .. | ..
 *
 * Who publishes a batch says so in one row, that of the batch's first entry, where the consumer
 * looks for it: news and entry travel on one line, and no line is written for each entry and read
 * for each. The words of other rows are from earlier batches: true, but old.
 *
 * How a chunk lives. Counts only ever grow; `count & (slots - 1)` is the slot. The producer owns
 * the slots from offered to released + slots, the consumer those from released to offered:
 *
 *                    released        offered         released + slots
 *     slots   ... free | ready ready | free free free | (same slots again) ...
 *                      ^ consumer    ^ producer
 *
 *     producer            the slot                          consumer
 *     reserve             FREE: the producer's to write
 *     write the bytes
 *     publish  --- R1 --> READY: the consumer's to read --> peek (A1)
 *                                                           copy the bytes out
 *     reserve (A2) <----- FREE again <------------- R2 ---- release
 *
 * The labelled edges. Each is one pair of operations; what is written before R is seen after A:
 *
 *     R1 publish  -> A1 peek      a chunk's bytes travel to the consumer
 *     R2 release  -> A2 reserve   the empty slot travels back to the producer
 *     R3 seek     -> A3 seek due  the new offset travels to the producer
 *     R4 asked    -> A4 ask       what was published (or released) travels to who wants to sleep
 *     R5 ask      -> A5 asked     that the sleeper's bell is armed travels to who will ring it
 *     R6 ring     -> A6 arm       what happened before the ring travels to who wants to sleep
 */
#ifndef RMX_RING_LAYOUT_H
#define RMX_RING_LAYOUT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "ring/base.h"

/* The head of every ring. Each line has one writer, but for the ask words (see ring.h). */
struct rmx_ring_shm {
    /* 1 = the producer sleeps for room (or for a seek); set by it, taken by the consumer */
    _Alignas(RMX_LINE) _Atomic uint32_t producer_asks;

    /* the consumer's line */
    _Alignas(RMX_LINE) _Atomic uint64_t released; /* entries ever given back */
    _Atomic uint64_t seek_offset;                 /* where the stream shall go on */
    _Atomic uint32_t seek_generation;             /* seeks ever wanted, modulo 2^32 */
    _Atomic uint32_t seek_part;                   /* which of the job's files goes on */

    /* 1 = the consumer sleeps for entries; set by it, taken by the producer */
    _Alignas(RMX_LINE) _Atomic uint32_t consumer_asks;
};

_Static_assert(offsetof(struct rmx_ring_shm, producer_asks) == 0, "layout is wire format");
_Static_assert(offsetof(struct rmx_ring_shm, released) == 128, "layout is wire format");
_Static_assert(offsetof(struct rmx_ring_shm, seek_offset) == 136, "layout is wire format");
_Static_assert(offsetof(struct rmx_ring_shm, seek_generation) == 144, "layout is wire format");
_Static_assert(offsetof(struct rmx_ring_shm, seek_part) == 148, "layout is wire format");
_Static_assert(offsetof(struct rmx_ring_shm, consumer_asks) == 256, "layout is wire format");
_Static_assert(sizeof(struct rmx_ring_shm) == 384, "layout is wire format");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock would not cross the process boundary");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a lock would not cross the process boundary");

/* A row. */
struct rmx_row_shm {
    _Atomic uint64_t offered; /* entries ever, as of the last batch that began in this row */
    unsigned char entries[56];
};

_Static_assert(offsetof(struct rmx_row_shm, entries) == 8, "layout is wire format");
_Static_assert(sizeof(struct rmx_row_shm) == 64, "layout is wire format");

#define RMX_RING_ENTRY_BYTES_MAX (sizeof(struct rmx_row_shm) - sizeof(uint64_t))

/* Entries of a row, rows of a ring, bytes of a ring: for boxes whose size is wire format, too. */
#define RMX_ROW_ENTRIES(entry_bytes) (RMX_RING_ENTRY_BYTES_MAX / (entry_bytes))
#define RMX_RING_ROWS(slots, entry_bytes)                                                          \
    (((slots) + RMX_ROW_ENTRIES(entry_bytes) - 1) / RMX_ROW_ENTRIES(entry_bytes))
#define RMX_RING_BYTES(slots, entry_bytes)                                                         \
    (sizeof(struct rmx_ring_shm) + sizeof(struct rmx_row_shm) * RMX_RING_ROWS(slots, entry_bytes))

#define RMX_ERRNO_MAX 4095 /* the kernel's own bound: a -errno is -4095 to -1 */

/* An entry of a chunk ring: what the payload in the same slot is. The producer writes it.
 *
 *   0         8        12           16    18     20      24
 *   | offset  | bytes  | generation | part| flags| error |  */
struct rmx_chunk_shm {
    uint64_t offset;     /* of the first byte in the stream (or file); at most INT64_MAX - bytes */
    uint32_t bytes;      /* at most chunk_bytes; at least 1 unless the stream ends or broke, or one
                            of its files does */
    uint32_t generation; /* of the seek this answers; 0 before the first */
    uint16_t part;       /* which of the job's files */
    uint16_t flags;      /* enum rmx_chunk_flags */
    int32_t error;       /* -errno (-RMX_ERRNO_MAX to -1) when flags say so, else 0 */
};

_Static_assert(offsetof(struct rmx_chunk_shm, bytes) == 8, "layout is wire format");
_Static_assert(offsetof(struct rmx_chunk_shm, generation) == 12, "layout is wire format");
_Static_assert(offsetof(struct rmx_chunk_shm, part) == 16, "layout is wire format");
_Static_assert(offsetof(struct rmx_chunk_shm, flags) == 18, "layout is wire format");
_Static_assert(offsetof(struct rmx_chunk_shm, error) == 20, "layout is wire format");
_Static_assert(sizeof(struct rmx_chunk_shm) == 24, "layout is wire format");

enum rmx_chunk_flags {
    RMX_CHUNK_END = 1u << 0,   /* the stream ends after these bytes */
    RMX_CHUNK_ERROR = 1u << 1, /* the stream broke after these bytes: see error */
    RMX_CHUNK_FLUSH = 1u << 2, /* a reader downstream waits for these bytes: do not coalesce */
    RMX_CHUNK_NAME = 1u << 3,  /* the payload is the name of the file `part`, which begins anew */
    RMX_CHUNK_PART_END = 1u << 4,  /* the file `part` is complete with these bytes, if any */
    RMX_CHUNK_PART_GONE = 1u << 5, /* the file `part`, which was complete, is not wanted any more */
    RMX_CHUNK_OF_PARTS = RMX_CHUNK_NAME | RMX_CHUNK_PART_END | RMX_CHUNK_PART_GONE,
    RMX_CHUNK_FLAGS_ALL = (1u << 6) - 1,
};

/* An entry of a mail ring: a word between two processes.
 *
 *   0      4      8        16
 *   | kind | flow | value  |  */
struct rmx_note_shm {
    uint32_t kind;
    uint32_t flow;
    uint64_t value;
};

_Static_assert(offsetof(struct rmx_note_shm, flow) == 4, "layout is wire format");
_Static_assert(offsetof(struct rmx_note_shm, value) == 8, "layout is wire format");
_Static_assert(sizeof(struct rmx_note_shm) == 16, "layout is wire format");

/* Next to a sleeper's eventfd. */
struct rmx_bell_shm {
    /* 1 = asleep, or about to be; set by the sleeper, taken by whoever rings */
    _Alignas(RMX_LINE) _Atomic uint32_t asleep;
};

_Static_assert(offsetof(struct rmx_bell_shm, asleep) == 0, "layout is wire format");
_Static_assert(sizeof(struct rmx_bell_shm) == 128, "layout is wire format");

#endif
