/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's input descriptors -> the chunks of its input ring. See feed.h.
 */
#include "engine/feed.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* One read fills at most this much: larger ones bring nothing (measured: 256 KiB is best). */
#define READ_BYTES_MAX (256u * 1024)

/* Read-ahead of a fresh position in a file that is larger than the ring. */
#define WINDOW_FIRST_BYTES (256u * 1024)

/* In one call of the pump, when none waits: looks for what to do, and reads in each. */
#define TURNS_MAX 4
#define READS_MAX 16

static void read_done(struct rmx_op *op, int result);

_Static_assert(offsetof(struct rmx_read, op) == 0, "an op is its read");

static struct rmx_read *read_at(struct rmx_feed *feed, uint32_t index)
{
    return &feed->reads[(feed->first + index) % RMX_READ_DEPTH_MAX];
}

static bool by_offset(const struct rmx_feed *feed)
{
    return feed->file->kind != RMX_FILE_STREAM;
}

static uint32_t window_first(const struct rmx_feed *feed)
{
    uint32_t slots = feed->ring.ring.slots;
    uint32_t window = WINDOW_FIRST_BYTES / feed->ring.chunk_bytes;

    if (!by_offset(feed) || feed->file->size <= (uint64_t)slots * feed->ring.chunk_bytes) {
        return slots;
    }
    return window < 1 ? 1 : window < slots ? window : slots;
}

void rmx_feed_init(struct rmx_feed *feed, struct rmx_loop *loop, struct rmx_stats *stats,
    const struct rmx_files *files, const struct rmx_chunk_ring *ring, uint32_t depth)
{
    rmx_assert(depth >= 1 && depth <= RMX_READ_DEPTH_MAX);
    rmx_assert(files->count >= 1 && files->count <= RMX_JOB_INPUTS_MAX);
    *feed = (struct rmx_feed){
        .loop = loop,
        .stats = stats,
        .files = *files,
        .file = files->file,
        .begun = 1,
        .ring = *ring,
        .depth = depth,
        .released = ring->ring.seen,
    };
    feed->window = window_first(feed);
}

/* It has seen all there is, gives none of it back, and sleeps for more: it looks for something
 * further on. It asks before it wakes us (and if we are awake, our own ask comes after its), so a
 * relaxed look is enough; a lie costs read-ahead. */
static bool starves(struct rmx_ring *ring)
{
    return atomic_load_explicit(&ring->shm->consumer_asks, memory_order_relaxed) != 0;
}

/* How many more slots may be filled ahead of the consumer. */
static uint32_t allowed(struct rmx_feed *feed)
{
    struct rmx_ring *ring = &feed->ring.ring;
    uint32_t room;
    uint32_t used;

    if (rmx_ring_reserve(ring, &room) < 0) {
        feed->corrupt = true;
        return 0;
    }
    if (ring->seen != feed->released) { /* it reads on */
        feed->released = ring->seen;
        feed->window = feed->window > ring->slots / 2 ? ring->slots : feed->window * 2;
    }
    used = ring->slots - room + feed->taken;
    if (used >= feed->window && feed->taken == 0 && starves(ring)) {
        feed->window = feed->window > ring->slots / 2 ? ring->slots : feed->window * 2;
    }
    return used < feed->window ? feed->window - used : 0;
}

static void publish(struct rmx_feed *feed, const struct rmx_read *read)
{
    uint32_t chunk_bytes = feed->ring.chunk_bytes;
    uint32_t chunks = (read->got + chunk_bytes - 1) / chunk_bytes;
    bool last = read->end || read->error < 0;

    if (chunks == 0) {
        rmx_assert(last);
        chunks = 1;
    }
    rmx_assert(chunks == read->slots || last || feed->count == 1);
    for (uint32_t i = 0; i < chunks; i++) {
        uint32_t left = read->got - i * chunk_bytes;
        struct rmx_chunk chunk = {
            .offset = read->offset + (uint64_t)i * chunk_bytes,
            .bytes = left < chunk_bytes ? left : chunk_bytes,
            .generation = feed->ring.generation,
            .part = feed->ring.part,
        };

        if (last && i == chunks - 1) {
            chunk.flags = read->error < 0 ? RMX_CHUNK_ERROR : RMX_CHUNK_END;
            chunk.error = read->error;
        }
        rmx_chunk_fill(&feed->ring, i, &chunk);
    }
    rmx_ring_publish(&feed->ring.ring, chunks);
    if (!by_offset(feed)) {
        feed->at = read->offset + read->got;
    }
    feed->bytes += read->got;
    if (!feed->file->spool) {
        rmx_stats_add(feed->stats, RMX_STATS_BYTES_IN, read->got);
    }
    rmx_stats_add(feed->stats, RMX_STATS_CHUNKS_IN, chunks);
    if (last) {
        feed->ended = true;
        feed->error = read->error;
        for (uint32_t i = 1; i < feed->count; i++) {
            read_at(feed, i)->stale = true;
        }
    }
}

/* Takes finished reads off the front, in stream order, and offers their chunks. */
static void reap(struct rmx_feed *feed)
{
    while (feed->count > 0 && read_at(feed, 0)->done) {
        struct rmx_read *read = read_at(feed, 0);

        if (!read->stale && !feed->stopped) {
            publish(feed, read);
        }
        feed->taken -= read->slots;
        feed->first = (feed->first + 1) % RMX_READ_DEPTH_MAX;
        feed->count--;
    }
}

static void submit(struct rmx_feed *feed, struct rmx_read *read)
{
    uint64_t offset = by_offset(feed) ? feed->file->base + read->offset + read->got : UINT64_MAX;

    read->op.done = read_done;
    rmx_stats_add(feed->stats, RMX_STATS_URING_READS, 1);
    rmx_loop_read(feed->loop, &read->op, feed->file->fd, read->to + read->got,
        read->bytes - read->got, offset);
}

/* Takes in what a read returned. True: the read is done; false: it must be started again. */
static bool absorb(struct rmx_feed *feed, struct rmx_read *read, int result)
{
    if (read->stale || feed->stopped) {
        read->done = true;
    } else if (result > 0) {
        read->got += (uint32_t)result;
        read->done = !by_offset(feed) || read->got == read->bytes;
        read->end = by_offset(feed) && read->offset + read->got == feed->file->size;
    } else if (result == 0) {
        read->done = true;
        read->end = true;
    } else if (result != -EINTR) {
        read->done = true;
        read->error = result;
    }
    return read->done;
}

static void read_ready(struct rmx_op *op, int events)
{
    struct rmx_feed *feed = op->owner;
    struct rmx_read *read = (struct rmx_read *)op;

    if (events < 0 || feed->stopped) {
        read_done(op, events < 0 ? events : -ECANCELED);
        return;
    }
    if ((events & (POLLIN | POLLHUP)) == 0) { /* an error that no read would take away */
        read_done(op, -EIO);
        return;
    }
    submit(feed, read);
}

static void read_done(struct rmx_op *op, int result)
{
    struct rmx_feed *feed = op->owner;
    struct rmx_read *read = (struct rmx_read *)op;

    feed->took = feed->took || (result != -EAGAIN && result != -EINTR && result != -ECANCELED);
    if (result == -EAGAIN && !read->stale && !feed->stopped) { /* O_NONBLOCK */
        op->done = read_ready;
        rmx_loop_poll(feed->loop, op, feed->file->fd, POLLIN);
        return;
    }
    if (!absorb(feed, read, result)) {
        submit(feed, read);
        return;
    }
    reap(feed);
    rmx_feed_pump(feed);
    feed->moved(feed);
}

static void read_in_place(struct rmx_feed *feed, struct rmx_read *read)
{
    ssize_t result;

    do {
        result = pread(feed->file->fd, read->to + read->got, read->bytes - read->got,
            (off_t)(feed->file->base + read->offset + read->got));
        rmx_stats_add(feed->stats, RMX_STATS_DIRECT_READS, 1);
    } while (!absorb(feed, read, result < 0 ? -errno : (int)result));
    reap(feed);
}

static void start_read(struct rmx_feed *feed, uint32_t slots)
{
    struct rmx_read *read = read_at(feed, feed->count);
    uint64_t bytes = (uint64_t)slots * feed->ring.chunk_bytes;

    if (by_offset(feed) && feed->at + bytes > feed->file->size) {
        bytes = feed->file->size - feed->at;
        slots = (uint32_t)((bytes + feed->ring.chunk_bytes - 1) / feed->ring.chunk_bytes);
    }
    *read = (struct rmx_read){
        .op = { .owner = feed, .aside = feed->file->slow },
        .to = rmx_chunk_payload(&feed->ring, feed->taken),
        .offset = feed->at,
        .bytes = (uint32_t)bytes,
        .slots = slots,
    };
    feed->at += bytes;
    feed->taken += slots;
    feed->count++;
    if (feed->file->kind == RMX_FILE_MEMORY) {
        read_in_place(feed, read);
    } else {
        submit(feed, read);
    }
}

/* A file's end that no read reaches: it is empty, or the consumer went to it or beyond. */
static void publish_end(struct rmx_feed *feed)
{
    struct rmx_read end = { .offset = feed->at, .end = true };

    publish(feed, &end);
}

static void start_reads(struct rmx_feed *feed)
{
    uint32_t mask = feed->ring.ring.slots - 1;

    uint32_t depth = by_offset(feed) ? feed->depth : 1;

    for (uint32_t i = 0; i < READS_MAX && !feed->ended && feed->count < depth; i++) {
        uint32_t slots = allowed(feed);
        uint32_t most = READ_BYTES_MAX / feed->ring.chunk_bytes;
        uint32_t index = rmx_ring_slot(&feed->ring.ring, 0) + feed->taken;
        uint32_t to_wrap = mask + 1 - (index & mask);

        if (slots == 0) {
            return;
        }
        if (by_offset(feed) && feed->at >= feed->file->size) {
            if (feed->count == 0) {
                publish_end(feed);
            }
            return;
        }
        most = most < 1 ? 1 : most;
        slots = slots < most ? slots : most;
        start_read(feed, slots < to_wrap ? slots : to_wrap);
        if (!by_offset(feed)) { /* where it goes on depends on how much comes */
            return;
        }
    }
}

/* May the worker, who was told which inputs cannot seek, have this one go on there? */
static bool may_turn_to(const struct rmx_feed *feed, uint32_t part, uint64_t offset)
{
    return part < feed->files.count && (feed->files.file[part].kind != RMX_FILE_STREAM ||
                                           (offset == 0 && (feed->begun & (1u << part)) == 0));
}

static void follow_seek(struct rmx_feed *feed)
{
    struct rmx_ring *ring = &feed->ring.ring;
    uint64_t offset;
    uint32_t generation;
    int due = rmx_chunk_seek_due(&feed->ring, &offset, &generation);

    if (due <= 0) {
        feed->corrupt = feed->corrupt || due < 0;
        return;
    }
    if (!may_turn_to(feed, feed->ring.part, offset)) {
        feed->corrupt = true;
        return;
    }
    for (uint32_t i = 0; i < feed->count; i++) {
        read_at(feed, i)->stale = true;
    }
    feed->file = &feed->files.file[feed->ring.part];
    feed->begun |= 1u << feed->ring.part;
    feed->at = offset;
    feed->ended = false;
    feed->error = 0;
    /* What lies unread in the ring will be dropped: it does not count as read-ahead. */
    feed->window = window_first(feed) + (uint32_t)(ring->cursor - ring->seen);
    feed->window = feed->window < ring->slots ? feed->window : ring->slots;
}

/* Nothing more can be done now, and whoever changes that will wake us. */
static bool settled(struct rmx_feed *feed)
{
    uint32_t room = 0;

    if (feed->corrupt || feed->count > 0) {
        return true;
    }
    if (feed->ended) { /* a worker that seeks says so without being asked */
        return true;
    }
    if (rmx_ring_reserve(&feed->ring.ring, &room) == 0 && room == 0) {
        return rmx_chunk_room_ask(&feed->ring);
    }
    return rmx_chunk_seek_ask(&feed->ring) && allowed(feed) == 0;
}

void rmx_feed_pump(struct rmx_feed *feed)
{
    feed->more = false;
    for (int turns = 0; turns == 0 || !settled(feed); turns++) {
        if (feed->stopped || feed->corrupt) {
            return;
        }
        if (turns == TURNS_MAX) {
            feed->more = true;
            return;
        }
        follow_seek(feed);
        if (feed->count > 0 && read_at(feed, 0)->stale) {
            return; /* their slots are being written; the last one's completion comes back here */
        }
        if (!feed->corrupt) {
            start_reads(feed);
        }
    }
}

static void cancel_done(struct rmx_op *op, int result)
{
    struct rmx_feed *feed = op->owner;

    (void)result; /* found or too late: the read's own completion tells */
    feed->cancels--;
    feed->moved(feed);
}

void rmx_feed_stop(struct rmx_feed *feed)
{
    if (feed->stopped) {
        return;
    }
    feed->stopped = true;
    for (uint32_t i = 0; i < feed->count; i++) { /* a file's too: its disk may be gone */
        struct rmx_read *read = read_at(feed, i);

        if (!read->done) {
            read->cancel = (struct rmx_op){ .done = cancel_done, .owner = feed };
            feed->cancels++;
            rmx_loop_cancel(feed->loop, &read->cancel, &read->op);
        }
    }
}
