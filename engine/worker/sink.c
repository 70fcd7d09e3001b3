/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's output ring as AVIOContexts. See sink.h.
 */
#include "engine/worker/sink.h"

#include <errno.h>
#include <string.h>

#include <libavformat/version.h>
#include <libavutil/error.h>
#include <libavutil/mem.h>

#include "engine/worker/lastwords.h"
#include "engine/worker/remux.h"

#if LIBAVFORMAT_VERSION_MAJOR >= 61
typedef const uint8_t written_byte;
#else
typedef uint8_t written_byte;
#endif

/* libavformat's own buffer. Where the sink can seek it holds only what is written byte by byte: see
 * `direct` below. Where it cannot, muxers still go back inside this buffer to patch the sizes of
 * what they just wrote, and so all of that must fit, but for MP4's boxes (see hold.h). */
#define BUFFER_BYTES_SEEKABLE (4 * 1024)
#define BUFFER_BYTES_STREAM   (64 * 1024)

static const char went_back[] =
    "the muxer goes back to what was sent already: give a file or a positional sink, or allow a "
    "spool";

static const char head_too_large[] =
    "a fragment has so many packets that its head is over 64 MiB: give a frag_duration";

_Static_assert(RMX_HOLD_BYTES_MAX == 64 << 20, "the text says so");

/* Of the ring: when so much of it was offered, the drain is told. */
#define READY_SHARE 2u

/* Tells the drain about the chunks there are now, if it waits for that. */
static void tell_ready(struct rmx_sink *sink)
{
    sink->untold = 0;
    rmx_lastwords_count_move();
    if (rmx_ring_consumer_asked(&sink->ring.ring)) {
        sink->avio->tell(sink->avio->owner, RMX_NOTE_OUTPUT);
    }
}

/* Offers the reserved chunk to the drain, which is not woken for each: it writes many at once. */
static void publish(struct rmx_sink *sink, uint16_t flags)
{
    struct rmx_chunk chunk = {
        .offset = sink->start,
        .bytes = sink->filled,
        .generation = sink->ring.generation,
        .part = sink->part,
        .flags = flags,
    };

    rmx_chunk_fill(&sink->ring, 0, &chunk);
    rmx_ring_publish(&sink->ring.ring, 1);
    sink->gathering = false;
    sink->untold++;
    if (flags == RMX_CHUNK_FLUSH || sink->untold >= sink->ring.ring.slots / READY_SHARE) {
        tell_ready(sink);
    }
}

/* Waits for an empty chunk, which then begins at `at`. Returns 0 or an AVERROR. */
static int reserve(struct rmx_sink *sink)
{
    int room = 0;

    rmx_assert(!sink->gathering);
    rmx_remux_breathe(); /* a muxer may write many at once: a long index */
    while (room == 0) {
        if (rmx_avio_over(sink->avio)) {
            return AVERROR_EXIT;
        }
        room = rmx_ring_reserve_one(&sink->ring.ring);
        if (room == 0) {
            tell_ready(sink);
        }
        if (room == 0 && rmx_ring_producer_ask(&sink->ring.ring)) {
            sink->avio->sleep(sink->avio->owner, RMX_WAIT_OUTPUT, 0);
        }
    }
    if (room < 0) {
        return rmx_avio_end(sink->avio, RMX_STATUS_PEER_CORRUPT, 0);
    }
    sink->start = sink->at;
    sink->filled = 0;
    return 0;
}

/* Can the byte at `at` go into the chunk at hand, leaving no hole? */
static bool fits(const struct rmx_sink *sink)
{
    return sink->at >= sink->start && sink->at <= sink->start + sink->filled &&
           sink->at < sink->start + sink->ring.chunk_bytes;
}

/* Copies what fits into one chunk. Returns how much, or an AVERROR. */
static int gather(struct rmx_sink *sink, const uint8_t *bytes, uint32_t wanted)
{
    uint32_t from;
    uint32_t room;

    if (sink->gathering && !fits(sink)) {
        publish(sink, 0);
    }
    if (!sink->gathering) {
        int error = reserve(sink);

        if (error < 0) {
            return error;
        }
        sink->gathering = true;
    }
    from = (uint32_t)(sink->at - sink->start);
    room = sink->ring.chunk_bytes - from;
    wanted = wanted < room ? wanted : room;
    memcpy(rmx_chunk_payload(&sink->ring, 0) + from, bytes, wanted);
    sink->at += wanted;
    sink->filled = from + wanted > sink->filled ? from + wanted : sink->filled;
    if (sink->at > sink->end) {
        sink->total += sink->at - sink->end;
        sink->end = sink->at;
    }
    if (sink->filled == sink->ring.chunk_bytes) {
        publish(sink, 0);
    }
    return (int)wanted;
}

int rmx_sink_write(struct rmx_sink *sink, const unsigned char *bytes, int size)
{
    int written = 0;

    if (rmx_avio_over(sink->avio)) {
        return AVERROR_EXIT;
    }
    if (size < 0 || sink->at > (uint64_t)(INT64_MAX - size)) {
        return AVERROR(EINVAL);
    }
    while (written < size) {
        int n = gather(sink, bytes + written, (uint32_t)(size - written));

        if (n < 0) {
            return n;
        }
        written += n;
    }
    return size;
}

int rmx_sink_begin_part(struct rmx_sink *sink, uint16_t part, const char *name)
{
    uint32_t length = (uint32_t)strlen(name);
    int error = AVERROR_EXIT;

    rmx_assert(length > 0 && length <= RMX_CHUNK_BYTES_MIN);
    if (rmx_avio_over(sink->avio)) {
        return error;
    }
    rmx_sink_turn_to(sink, part, 0, 0);
    if (sink->gathering) { /* of what the file was until now */
        publish(sink, 0);
    }
    error = reserve(sink);
    if (error < 0) {
        return error;
    }
    memcpy(rmx_chunk_payload(&sink->ring, 0), name, length);
    sink->filled = length;
    publish(sink, RMX_CHUNK_NAME);
    sink->end = 0;
    return 0;
}

int rmx_sink_end_part(struct rmx_sink *sink, uint16_t part, uint64_t at)
{
    int error = rmx_avio_over(sink->avio) ? AVERROR_EXIT : 0;

    if (error < 0) {
        return error;
    }
    rmx_sink_turn_to(sink, part, at, at);
    if (!sink->gathering) {
        error = reserve(sink);
    }
    if (error == 0) {
        publish(sink, RMX_CHUNK_PART_END);
    }
    return error;
}

int rmx_sink_drop_part(struct rmx_sink *sink, uint16_t part)
{
    int error = rmx_avio_over(sink->avio) ? AVERROR_EXIT : 0;

    if (error < 0) {
        return error;
    }
    if (sink->gathering) {
        publish(sink, 0);
    }
    rmx_sink_turn_to(sink, part, 0, 0);
    error = reserve(sink);
    if (error == 0) {
        publish(sink, RMX_CHUNK_PART_GONE);
    }
    return error;
}

void rmx_sink_turn_to(struct rmx_sink *sink, uint16_t part, uint64_t at, uint64_t end)
{
    if (part != sink->part) {
        if (sink->gathering) {
            publish(sink, 0);
        }
        sink->part = part;
        sink->end = end;
    }
    sink->at = at;
}

/* Ends the job, unless it was over already. */
static int end_job(struct rmx_sink *sink, enum rmx_status status, const char *why)
{
    if (sink->avio->status == RMX_STATUS_OK) {
        sink->ended = status;
        sink->why = why;
    }
    return rmx_avio_end(sink->avio, status, 0);
}

static bool holds_boxes(const struct rmx_sink_output *output)
{
    return !output->seekable && (output->manner & RMX_SINK_BOXES) != 0;
}

static int write_at(
    struct rmx_sink_output *output, uint64_t at, const unsigned char *bytes, int size)
{
    struct rmx_sink *sink = output->sink;
    int written;

    rmx_sink_turn_to(sink, output->part, at, output->end);
    written = rmx_sink_write(sink, bytes, size);
    output->end = sink->end;
    return written;
}

static int pass_boxes(void *owner, uint64_t at, const unsigned char *bytes, size_t size)
{
    int written = write_at(owner, at, bytes, (int)size);

    return written < 0 ? written : 0;
}

int rmx_sink_judge_hold(struct rmx_sink *sink, int error)
{
    if (error == -E2BIG) {
        return end_job(sink, RMX_STATUS_OVER_LIMIT, head_too_large);
    }
    return error; /* -ENOMEM is AVERROR(ENOMEM) */
}

static int write_boxes(struct rmx_sink_output *output, const unsigned char *bytes, int size)
{
    int error = rmx_hold_write(&output->hold, output->at, bytes, (size_t)size);

    return error < 0 ? rmx_sink_judge_hold(output->sink, error) : size;
}

static int write_bytes(void *opaque, written_byte *bytes, int size)
{
    struct rmx_sink_output *output = opaque;
    int written;

    if (rmx_avio_over(output->sink->avio)) {
        return AVERROR_EXIT;
    }
    if (size < 0 || output->at > (uint64_t)(INT64_MAX - size)) {
        return AVERROR(EINVAL);
    }
    written = holds_boxes(output) ? write_boxes(output, bytes, size)
                                  : write_at(output, output->at, bytes, size);
    output->at += written > 0 ? (uint64_t)written : 0;
    return written;
}

static bool in_hand(const struct rmx_sink_output *output, uint64_t at)
{
    const struct rmx_sink *sink = output->sink;

    if (holds_boxes(output)) {
        return rmx_hold_reaches(&output->hold, at);
    }
    return at == output->at || (sink->gathering && sink->part == output->part &&
                                   at >= sink->start && at <= sink->start + sink->filled);
}

static int64_t seek(void *opaque, int64_t offset, int whence)
{
    struct rmx_sink_output *output = opaque;
    int64_t base;

    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE && output->seekable) {
        return (int64_t)output->end;
    }
    if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END) {
        return AVERROR(ENOSYS);
    }
    base = whence == SEEK_SET ? 0 : (int64_t)(whence == SEEK_CUR ? output->at : output->end);
    if (__builtin_add_overflow(base, offset, &base) || base < 0) {
        return AVERROR(EINVAL);
    }
    if (!output->seekable && !in_hand(output, (uint64_t)base)) {
        /* A muxer that only patches what it just wrote does not look whether this failed, and would
         * write the patch at the wrong place. The others try, and do without. */
        return (output->manner & RMX_SINK_FORWARD) != 0
                   ? end_job(output->sink, RMX_STATUS_NEEDS_SEEKABLE_OUTPUT, went_back)
                   : AVERROR(EPIPE);
    }
    output->at = (uint64_t)base;
    return base;
}

void rmx_sink_init(struct rmx_sink *sink, struct rmx_avio *avio, const struct rmx_chunk_ring *ring)
{
    *sink = (struct rmx_sink){ .avio = avio, .ring = *ring };
}

void rmx_sink_hurry(struct rmx_sink *sink)
{
    rmx_assert(sink->total == 0 && !sink->gathering);
    sink->untold = sink->ring.ring.slots / READY_SHARE;
}

int rmx_sink_add(struct rmx_sink *sink, bool seekable, unsigned manner)
{
    int buffer_bytes = seekable ? BUFFER_BYTES_SEEKABLE : BUFFER_BYTES_STREAM;
    unsigned char *buffer = av_malloc((size_t)buffer_bytes);
    struct rmx_sink_output *output = &sink->output[sink->outputs];

    rmx_assert(sink->outputs < RMX_JOB_OUTPUTS_MAX && sink->total == 0);
    if (buffer == NULL) {
        return -ENOMEM;
    }
    *output = (struct rmx_sink_output){
        .sink = sink,
        .part = (uint16_t)sink->outputs,
        .seekable = seekable,
        .manner = manner,
        .hold = { .pass = pass_boxes, .owner = output },
    };
    output->context = avio_alloc_context(buffer, buffer_bytes, 1, output, NULL, write_bytes, seek);
    if (output->context == NULL) {
        av_free(buffer);
        return -ENOMEM;
    }
    output->context->seekable = seekable ? AVIO_SEEKABLE_NORMAL : 0;
    output->context->direct = seekable; /* gathering is our job: one copy less */
    sink->outputs++;
    return 0;
}

void rmx_sink_push(struct rmx_sink *sink)
{
    for (uint32_t i = 0; i < sink->outputs; i++) {
        avio_flush(sink->output[i].context);
    }
    if (sink->gathering) { /* in a chunk that is reserved: there is room for it */
        publish(sink, RMX_CHUNK_FLUSH);
    }
    if (sink->untold > 0) {
        tell_ready(sink);
    }
}

void rmx_sink_finish(struct rmx_sink *sink)
{
    for (uint32_t i = 0; i < sink->outputs; i++) {
        (void)rmx_hold_end(&sink->output[i].hold);
    }
    sink->avio->ending = true;
    if (!sink->gathering) {
        sink->at = sink->end;
        if (reserve(sink) < 0) {
            return;
        }
    }
    publish(sink, RMX_CHUNK_END);
}

void rmx_sink_end_empty(struct rmx_chunk_ring *ring)
{
    struct rmx_chunk chunk = { .generation = ring->generation, .flags = RMX_CHUNK_END };

    if (rmx_ring_reserve_one(&ring->ring) == 1) {
        rmx_chunk_fill(ring, 0, &chunk);
        rmx_ring_publish(&ring->ring, 1);
    }
}

void rmx_sink_fini(struct rmx_sink *sink)
{
    for (uint32_t i = 0; i < sink->outputs; i++) {
        rmx_hold_fini(&sink->output[i].hold);
        av_freep((void *)&sink->output[i].context->buffer);
        avio_context_free(&sink->output[i].context);
    }
    sink->outputs = 0;
}
