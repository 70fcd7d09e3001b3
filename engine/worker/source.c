/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's input ring as AVIOContexts. See source.h.
 */
#include "engine/worker/source.h"

#include <errno.h>
#include <string.h>

#include <libavutil/error.h>
#include <libavutil/mem.h>

#include "engine/worker/lastwords.h"
#include "engine/worker/purse.h"
#include "engine/worker/remux.h"

/* libavformat's own buffer: larger reads go around it, from the ring into the packet. */
#define BUFFER_BYTES 16384

/* Of one of several: what is read before another has its turn. */
#define BUFFER_BYTES_SEVERAL (256 * 1024)

/* A seek forward by less is read through: the feed sends that much in the time a request takes. */
#define SKIP_BYTES ((uint64_t)512 * 1024)

/* Of the ring: when so much of it was given back, the feed is told. */
#define ROOM_SHARE 4u

static int corrupt(struct rmx_source *source)
{
    return rmx_avio_end(source->avio, RMX_STATUS_PEER_CORRUPT, 0);
}

/* Is the end of the input in the ring, or already here? Then nobody waits for room; of a seek the
 * feed is told in any case, and for that alone it may have asked. */
static bool has_end(struct rmx_source *source)
{
    struct rmx_chunk last;
    uint32_t ready = 0;

    if (source->ended) {
        return true;
    }
    return rmx_ring_peek(&source->ring.ring, &ready) == 0 && ready > 0 &&
           rmx_chunk_read(&source->ring, ready - 1, &last) == 0 &&
           last.generation == source->ring.generation && (last.flags & RMX_CHUNK_END) != 0;
}

/* Tells the feed about the room there is now, if it waits for that. */
static void tell_room(struct rmx_source *source)
{
    source->untold = 0;
    rmx_lastwords_count_move();
    if (!has_end(source) && rmx_ring_producer_asked(&source->ring.ring)) {
        source->avio->tell(source->avio->owner, RMX_NOTE_INPUT);
    }
}

/* Gives n chunks back. The feed is not woken for each: it fills a part of the ring at once. */
static void release(struct rmx_source *source, uint32_t n)
{
    rmx_ring_release(&source->ring.ring, n);
    source->untold += n;
    if (source->untold >= source->ring.ring.slots / ROOM_SHARE) {
        tell_room(source);
    }
}

static void drop_held(struct rmx_source *source)
{
    rmx_assert(source->holding);
    source->holding = false;
    release(source, 1);
}

static bool held_covers(const struct rmx_source *source, uint64_t at)
{
    return source->holding && source->held.part == source->now->part && at >= source->held.offset &&
           at < source->held.offset + source->held.bytes;
}

/* Will the stream as it flows now come to `at`, and soon? */
static int within_reach(struct rmx_source *source, bool *within)
{
    uint32_t ready = 0;
    uint64_t reach;

    if (source->now->part != source->ring.part || source->now->at < source->next) {
        *within = false;
        return 0;
    }
    if (rmx_ring_peek(&source->ring.ring, &ready) < 0) {
        return corrupt(source);
    }
    reach = (uint64_t)ready * source->ring.chunk_bytes;
    reach = reach > SKIP_BYTES ? reach : SKIP_BYTES;
    *within = source->ended || source->now->at - source->next <= reach;
    return 0;
}

static bool can_seek(const struct rmx_source_input *input)
{
    return input->context->seek != NULL;
}

/* May the stream go on in the input that is read now? From a stream only at its end, to one only
 * at its start. */
static bool may_turn(const struct rmx_source *source)
{
    const struct rmx_source_input *from = &source->input[source->ring.part];

    return (can_seek(from) || source->ended) && (can_seek(source->now) || source->now->at == 0);
}

/* Asks for the stream to go on at `at`. All that came before is dropped at once, so that the feed
 * has room for what comes. */
static int ask_for_seek(struct rmx_source *source)
{
    uint32_t ready = 0;

    if (source->now->part != source->ring.part && !may_turn(source)) {
        return rmx_avio_end(source->avio, RMX_STATUS_NEEDS_SEEKABLE_INPUT, 0);
    }
    if (source->now->part == source->ring.part && !can_seek(source->now)) {
        return corrupt(source); /* it cannot go back, so nobody could ask */
    }
    if (rmx_ring_peek(&source->ring.ring, &ready) < 0) {
        return corrupt(source);
    }
    (void)rmx_chunk_turn_to(&source->ring, source->now->part, source->now->at);
    source->next = source->now->at;
    source->ended = false;
    source->error = 0;
    source->holding = false;
    rmx_ring_release(&source->ring.ring, ready);
    source->untold = 0;
    source->avio->tell(source->avio->owner, RMX_NOTE_INPUT); /* it may be at its end, and idle */
    return 0;
}

/* Does the chunk go on with the input that was asked for, at `next`? */
static bool continues(const struct rmx_source *source, const struct rmx_chunk *chunk, uint64_t next)
{
    return chunk->offset == next && chunk->part == source->ring.part &&
           (chunk->flags & RMX_CHUNK_OF_PARTS) == 0;
}

/* Takes the next chunk, waiting for it if there is none. Returns 0 with or without one in hand. */
static int take_chunk(struct rmx_source *source)
{
    struct rmx_ring *ring = &source->ring.ring;
    struct rmx_chunk chunk;
    uint64_t until_ns;
    int ready = rmx_ring_peek_one(ring);

    if (ready == 0) {
        tell_room(source);
        until_ns = source->avio->starve(source->avio->owner);
        if (rmx_ring_consumer_ask(ring)) {
            source->avio->sleep(source->avio->owner, RMX_WAIT_INPUT, until_ns);
        }
        return 0;
    }
    if (ready < 0 || rmx_chunk_read(&source->ring, 0, &chunk) < 0) {
        return corrupt(source);
    }
    rmx_remux_breathe(); /* a demuxer may take many for one packet, or one that never comes */
    if (chunk.generation != source->ring.generation) { /* from before a seek */
        release(source, 1);
        return 0;
    }
    if (!continues(source, &chunk, source->next)) {
        return corrupt(source);
    }
    source->next += chunk.bytes;
    source->ended = (chunk.flags & (RMX_CHUNK_END | RMX_CHUNK_ERROR)) != 0;
    source->error = chunk.error;
    source->held = chunk;
    source->holding = chunk.bytes > 0;
    if (!source->holding) {
        release(source, 1);
    }
    return 0;
}

static int at_end(struct rmx_source *source)
{
    if (source->error < 0) {
        (void)rmx_avio_end(source->avio, RMX_STATUS_INPUT_IO, source->error);
        return source->error; /* AVERROR(e) is -e */
    }
    return AVERROR_EOF;
}

/* Brings the chunk with the byte `at` into hand. Returns 0 or an AVERROR. */
static int locate(struct rmx_source *source)
{
    while (!rmx_avio_over(source->avio)) {
        bool within = false;
        int error;

        if (held_covers(source, source->now->at)) {
            return 0;
        }
        if (source->now->size != RMX_SOURCE_SIZE_UNKNOWN && source->now->at >= source->now->size) {
            return AVERROR_EOF;
        }
        error = within_reach(source, &within);
        if (error < 0) {
            return error;
        }
        if (source->holding && within) {
            drop_held(source);
        }
        if (!within) {
            error = ask_for_seek(source);
        } else if (source->ended) {
            return at_end(source);
        } else {
            error = take_chunk(source);
        }
        if (error < 0) {
            return error;
        }
    }
    return AVERROR_EXIT;
}

int rmx_source_hold(struct rmx_source *source, const unsigned char **bytes)
{
    int error = locate(source);
    uint32_t from;

    if (error < 0) {
        return error;
    }
    from = (uint32_t)(source->now->at - source->held.offset);
    *bytes = rmx_chunk_payload(&source->ring, 0) + from;
    return (int)(source->held.bytes - from);
}

void rmx_source_expect(struct rmx_source *source, uint64_t bytes)
{
    struct rmx_source_input *input = &source->input[source->inputs - 1];

    rmx_assert(input->earned == 0);
    input->earned = bytes;
    rmx_purse_earn(bytes);
}

/* What is read again counts once. */
static void earn(struct rmx_source_input *input, uint32_t n)
{
    if (input->at > input->earned) {
        uint64_t more = input->at - input->earned;

        rmx_purse_earn(more < n ? more : n); /* who skips has not sent it */
        input->earned = input->at;
    }
}

void rmx_source_advance(struct rmx_source *source, uint32_t n)
{
    struct rmx_source_input *input = source->now;

    rmx_assert(n <= source->held.offset + source->held.bytes - input->at);
    input->at += n;
    source->bytes += n;
    earn(input, n);
    if (input->at == source->held.offset + source->held.bytes) {
        drop_held(source);
    }
}

static bool is_admitted(struct rmx_source *source)
{
    bool (*admit)(void *owner) = source->admit;

    source->admit = NULL;
    return admit == NULL || admit(source->avio->owner);
}

static int read_some(struct rmx_source *source, uint8_t *buffer, int wanted)
{
    const unsigned char *bytes;
    int n = rmx_source_hold(source, &bytes);

    if (n <= 0) {
        return n;
    }
    n = n < wanted ? n : wanted;
    memcpy(buffer, bytes, (size_t)n);
    rmx_source_advance(source, (uint32_t)n);
    return n;
}

static int read_bytes(void *opaque, uint8_t *buffer, int wanted)
{
    struct rmx_source_input *input = opaque;
    struct rmx_source *source = input->source;
    int got = 0;
    int n;

    source->now = input;
    if (!is_admitted(source)) {
        return AVERROR_EXIT;
    }
    do { /* of several that seek, all that was asked for: the next turn may be another's */
        n = read_some(source, buffer + got, wanted - got);
        got += n > 0 ? n : 0;
    } while (n > 0 && got < wanted && source->several && can_seek(input));
    return got > 0 ? got : n;
}

/* --- a look ahead ---------------------------------------------------------------------------- */

/* Copies what the first `ready` chunks have of the bytes from `at` on. Returns how many, with
 * *ended if nothing comes after the last of these chunks, or an AVERROR. */
static int copy_head(struct rmx_source *source, uint32_t ready, uint64_t at, unsigned char *to,
    uint32_t wanted, bool *ended)
{
    uint64_t next = 0;
    uint32_t copied = 0;

    *ended = false;
    for (uint32_t i = 0; i < ready && copied < wanted && !*ended; i++) {
        struct rmx_chunk chunk;
        uint64_t from = at + copied;

        if (rmx_chunk_read(&source->ring, i, &chunk) < 0 || !continues(source, &chunk, next) ||
            chunk.generation != source->ring.generation) {
            return corrupt(source);
        }
        next += chunk.bytes;
        *ended = (chunk.flags & (RMX_CHUNK_END | RMX_CHUNK_ERROR)) != 0;
        if (from >= chunk.offset && from < next) {
            uint32_t skipped = (uint32_t)(from - chunk.offset);
            uint32_t n = chunk.bytes - skipped;

            n = n < wanted - copied ? n : wanted - copied;
            memcpy(to + copied, rmx_chunk_payload(&source->ring, i) + skipped, n);
            copied += n;
        }
    }
    return (int)copied;
}

/* Waits until the ring holds more than `ready` chunks; may come back without. */
static void wait_for_more(struct rmx_source *source, uint32_t ready)
{
    struct rmx_ring *ring = &source->ring.ring;
    uint32_t now = 0;
    uint64_t until_ns;

    until_ns = source->avio->starve(source->avio->owner);
    rmx_ring_ask(&ring->shm->consumer_asks);
    if (rmx_ring_peek(ring, &now) < 0 || now > ready) {
        rmx_ring_withdraw(&ring->shm->consumer_asks);
        return; /* who looks next sees it */
    }
    /* After the ask: the feed reads no further ahead than usual unless it sees that. */
    if (rmx_ring_producer_asked(ring)) {
        source->avio->tell(source->avio->owner, RMX_NOTE_INPUT);
    }
    source->avio->sleep(source->avio->owner, RMX_WAIT_INPUT, until_ns);
}

int rmx_source_peek(struct rmx_source *source, uint64_t at, void *bytes, uint32_t wanted)
{
    uint64_t ring_bytes = (uint64_t)source->ring.ring.slots * source->ring.chunk_bytes;

    rmx_assert(source->bytes == 0 && !source->holding && source->next == 0);
    if (wanted > ring_bytes || at > ring_bytes - wanted) {
        return 0;
    }
    while (!rmx_avio_over(source->avio)) {
        uint32_t ready = 0;
        bool ended = false;
        int copied;

        if (rmx_ring_peek(&source->ring.ring, &ready) < 0) {
            return corrupt(source);
        }
        copied = copy_head(source, ready, at, bytes, wanted, &ended);
        if (copied < 0 || (uint32_t)copied == wanted || ended || ready == source->ring.ring.slots) {
            return copied;
        }
        wait_for_more(source, ready);
    }
    return AVERROR_EXIT;
}

/* --- libavformat's side ---------------------------------------------------------------------- */

static int64_t seek(void *opaque, int64_t offset, int whence)
{
    struct rmx_source_input *input = opaque;
    bool sized = input->size <= INT64_MAX;
    int64_t base;

    whence &= ~AVSEEK_FORCE;
    if (whence == SEEK_SET) {
        base = 0;
    } else if (whence == SEEK_CUR) {
        base = (int64_t)input->at;
    } else if ((whence == SEEK_END || whence == AVSEEK_SIZE) && sized) {
        base = (int64_t)input->size;
    } else {
        return AVERROR(ENOSYS);
    }
    if (whence == AVSEEK_SIZE) {
        return base;
    }
    if (__builtin_add_overflow(base, offset, &base) || base < 0) {
        return AVERROR(EINVAL);
    }
    input->at = (uint64_t)base;
    return base;
}

int rmx_source_add(struct rmx_source *source, uint64_t size, bool seekable)
{
    int buffer_bytes = source->several ? BUFFER_BYTES_SEVERAL : BUFFER_BYTES;
    unsigned char *buffer = av_malloc((size_t)buffer_bytes);
    struct rmx_source_input *input = &source->input[source->inputs];

    rmx_assert(source->inputs < RMX_JOB_INPUTS_MAX && source->bytes == 0);
    if (buffer == NULL) {
        return -ENOMEM;
    }
    *input = (struct rmx_source_input){
        .source = source,
        .part = (uint16_t)source->inputs,
        .size = size,
    };
    input->context = avio_alloc_context(
        buffer, buffer_bytes, 0, input, read_bytes, NULL, seekable ? seek : NULL);
    if (input->context == NULL) {
        av_free(buffer);
        return -ENOMEM;
    }
    source->inputs++;
    return 0;
}

void rmx_source_init(struct rmx_source *source, struct rmx_avio *avio,
    const struct rmx_chunk_ring *ring, bool several)
{
    *source = (struct rmx_source){ .avio = avio, .ring = *ring, .several = several };
    source->now = &source->input[0];
}

void rmx_source_fini(struct rmx_source *source)
{
    for (uint32_t i = 0; i < source->inputs; i++) {
        av_freep((void *)&source->input[i].context->buffer); /* libavformat may have its own */
        avio_context_free(&source->input[i].context);
    }
    source->inputs = 0;
}
