/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job's rings from the client's side (see stream.h). Runs in the client process.
 */
#include "clients/stream.h"

#include <errno.h>

#include "ring/base.h"

#define CHUNKS_IN_RING 16u /* unless the caller chose */

/* Of an output ring: when so much of it was given back, the worker is told. */
#define ROOM_SHARE 4u

/* A chunk may be empty that has one of these, so that nobody is kept busy with nothing. */
#define EMPTY (RMX_CHUNK_END | RMX_CHUNK_ERROR | RMX_CHUNK_PART_END | RMX_CHUNK_PART_GONE)

struct rmx_job_ring rmx_stream_shape(uint32_t ring_bytes, uint32_t chunk_bytes)
{
    if (chunk_bytes == 0) {
        chunk_bytes = ring_bytes / CHUNKS_IN_RING;
        chunk_bytes = chunk_bytes < RMX_CHUNK_BYTES_MIN ? RMX_CHUNK_BYTES_MIN : chunk_bytes;
        chunk_bytes = chunk_bytes > RMX_CHUNK_BYTES_MAX ? RMX_CHUNK_BYTES_MAX : chunk_bytes;
    }
    return (struct rmx_job_ring){ .slots = ring_bytes / chunk_bytes, .chunk_bytes = chunk_bytes };
}

/* --- input -------------------------------------------------------------------------------- */

static uint64_t load(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed); /* our own: others only look */
}

static void store(_Atomic uint64_t *count, uint64_t value)
{
    atomic_store_explicit(count, value, memory_order_relaxed);
}

int rmx_stream_follow(struct rmx_stream_in *in, uint64_t *offset)
{
    uint32_t generation;
    int due = rmx_chunk_seek_due(&in->ring, offset, &generation);

    if (due <= 0) {
        return due;
    }
    if (!in->seekable || *offset > in->size || in->ring.part != 0) {
        return -EBADMSG;
    }
    store(&in->at, *offset);
    in->ended = false;
    return 1;
}

int rmx_stream_reserve(struct rmx_stream_in *in, void **to, size_t *bytes)
{
    int room = rmx_ring_reserve_one(&in->ring.ring);

    if (room <= 0) {
        return room < 0 ? room : -EAGAIN;
    }
    in->reserved = true;
    *to = rmx_chunk_payload(&in->ring, 0);
    *bytes = in->ring.chunk_bytes;
    return 0;
}

bool rmx_stream_commit(struct rmx_stream_in *in, size_t bytes, bool end, int error)
{
    struct rmx_chunk chunk = {
        .offset = load(&in->at),
        .bytes = (uint32_t)bytes,
        .generation = in->ring.generation,
        .flags = error != 0 ? RMX_CHUNK_ERROR
                 : end      ? RMX_CHUNK_END
                            : 0,
        .error = error,
    };

    rmx_assert(in->reserved && bytes <= in->ring.chunk_bytes);
    rmx_chunk_fill(&in->ring, 0, &chunk);
    rmx_ring_publish(&in->ring.ring, 1);
    in->reserved = false;
    in->ended = end || error != 0;
    store(&in->at, chunk.offset + bytes);
    return rmx_ring_consumer_asked(&in->ring.ring);
}

bool rmx_stream_ask_room(struct rmx_stream_in *in)
{
    return rmx_chunk_room_ask(&in->ring);
}

bool rmx_stream_ask_seek(struct rmx_stream_in *in)
{
    return rmx_chunk_seek_ask(&in->ring);
}

/* --- output ------------------------------------------------------------------------------- */

/* Is the chunk one that may come now? */
static bool is_next(const struct rmx_stream_out *out, const struct rmx_chunk *chunk)
{
    if (!out->parts && (chunk->part != 0 || (chunk->flags & RMX_CHUNK_OF_PARTS) != 0)) {
        return false;
    }
    if (chunk->bytes == 0 && (chunk->flags & EMPTY) == 0) {
        return false;
    }
    return out->positional || (chunk->flags & RMX_CHUNK_NAME) != 0 || chunk->part != out->part ||
           chunk->offset == out->next;
}

/* Takes the next chunk in hand. Returns 0, -EAGAIN or -EBADMSG. */
static int take_chunk(struct rmx_stream_out *out)
{
    struct rmx_chunk chunk;
    int ready = rmx_ring_peek_one(&out->ring.ring);

    if (ready <= 0) {
        return ready < 0 ? ready : -EAGAIN;
    }
    if (rmx_chunk_read(&out->ring, 0, &chunk) < 0 || !is_next(out, &chunk)) {
        return -EBADMSG;
    }
    out->held = chunk;
    out->taken = 0;
    out->holding = true;
    out->part = chunk.part;
    out->next = (chunk.flags & RMX_CHUNK_NAME) != 0 ? 0 : chunk.offset + chunk.bytes;
    out->failed = (chunk.flags & RMX_CHUNK_ERROR) != 0;
    out->ended = out->failed || (chunk.flags & RMX_CHUNK_END) != 0;
    return 0;
}

static void show(const struct rmx_stream_out *out, struct rmx_piece *piece)
{
    const struct rmx_chunk *held = &out->held;

    *piece = (struct rmx_piece){
        .bytes = rmx_chunk_payload(&out->ring, 0) + out->taken,
        .size = held->bytes - out->taken,
        .offset = held->offset + out->taken,
        .part = held->part,
    };
    if ((held->flags & RMX_CHUNK_FLUSH) != 0) {
        piece->flags |= RMX_PIECE_FLUSH;
    }
    if ((held->flags & RMX_CHUNK_NAME) != 0) {
        piece->flags |= RMX_PIECE_NAME;
    }
    if ((held->flags & RMX_CHUNK_PART_END) != 0) {
        piece->flags |= RMX_PIECE_PART_END;
    }
    if ((held->flags & RMX_CHUNK_PART_GONE) != 0) {
        piece->flags |= RMX_PIECE_PART_GONE;
    }
    if ((held->flags & RMX_CHUNK_END) != 0 && !out->failed) {
        piece->flags |= RMX_PIECE_END;
    }
}

int rmx_stream_peek(struct rmx_stream_out *out, struct rmx_piece *piece)
{
    if (!out->holding) {
        if (out->ended) {
            return out->failed ? -ECANCELED : 0;
        }
        int err = take_chunk(out);
        if (err < 0) {
            return err;
        }
    }
    if (out->failed && out->held.bytes == out->taken) {
        (void)rmx_stream_release(out);
        return -ECANCELED;
    }
    show(out, piece);
    return 1;
}

bool rmx_stream_release(struct rmx_stream_out *out)
{
    struct rmx_ring *ring = &out->ring.ring;

    rmx_assert(out->holding);
    out->holding = false;
    out->read_at = out->next;
    out->read_part = out->part;
    if ((out->held.flags & RMX_CHUNK_NAME) == 0) {
        store(&out->bytes, load(&out->bytes) + out->held.bytes);
    }
    rmx_ring_release(ring, 1);
    out->untold++;
    if (out->untold < ring->slots / ROOM_SHARE && ring->seen != ring->cursor) {
        return false; /* there is more to read before the worker is needed */
    }
    out->untold = 0;
    return rmx_ring_producer_asked(ring);
}

bool rmx_stream_ask_chunk(struct rmx_stream_out *out)
{
    return rmx_ring_consumer_ask(&out->ring.ring);
}
