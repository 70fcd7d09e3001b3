/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The chunks of a job's output ring -> its output descriptor. See drain.h.
 */
#include "engine/drain.h"

#include <errno.h>
#include <poll.h>

#include "engine/clock.h"

/* Writes in one call of the pump, when none of them waits. */
#define TURNS_MAX 16

/* Of an output's start, written in place: 150 KB take 24 us so, and 75 us through io_uring. */
#define IN_PLACE_BYTES_MAX 524288u

/* A write in place that takes longer is the disk's doing, not the scheduler's: none for a while.
 */
#define SLOW_NS  10000000u
#define PAUSE_NS 1000000000u

static void write_done(struct rmx_op *op, int result);

static bool by_offset(const struct rmx_drain *drain)
{
    return drain->file->kind != RMX_FILE_STREAM;
}

void rmx_drain_init(struct rmx_drain *drain, struct rmx_loop *loop, struct rmx_stats *stats,
    struct rmx_drain_pace *pace, const struct rmx_file *file, const struct rmx_chunk_ring *ring)
{
    uint32_t half_ring = ring->ring.slots * ring->chunk_bytes / 2;

    *drain = (struct rmx_drain){
        .op = { .owner = drain, .aside = file->slow },
        .loop = loop,
        .stats = stats,
        .pace = pace,
        .file = file,
        .ring = *ring,
        .coalesce_bytes = pace->coalesce_bytes < half_ring ? pace->coalesce_bytes : half_ring,
    };
}

/* Can this chunk go out behind what the write has so far? */
static bool follows(const struct rmx_drain *drain, const struct rmx_chunk *chunk, uint64_t bytes)
{
    return drain->iovecs == 0 || (chunk->offset == drain->offset + bytes &&
                                     bytes + chunk->bytes <= drain->coalesce_bytes);
}

/* Collects chunks that lie side by side into one write. Returns its bytes. */
static uint64_t gather(struct rmx_drain *drain, uint32_t ready)
{
    uint64_t bytes = 0;

    drain->chunks = 0;
    drain->iovecs = 0;
    drain->iovec_first = 0;
    drain->end_taken = false;
    while (drain->chunks < ready && drain->chunks < RMX_DRAIN_CHUNKS_MAX && !drain->end_taken) {
        struct rmx_chunk chunk;

        if (rmx_chunk_read(&drain->ring, drain->chunks, &chunk) < 0 || chunk.part != 0 ||
            (chunk.flags & (RMX_CHUNK_ERROR | RMX_CHUNK_OF_PARTS)) != 0) {
            drain->corrupt = true;
            return 0;
        }
        if (chunk.bytes > 0 && !follows(drain, &chunk, bytes)) {
            break;
        }
        if (chunk.bytes > 0) {
            if (drain->iovecs == 0) {
                drain->offset = chunk.offset;
            }
            drain->iovec[drain->iovecs].iov_base = rmx_chunk_payload(&drain->ring, drain->chunks);
            drain->iovec[drain->iovecs].iov_len = chunk.bytes;
            drain->iovecs++;
            bytes += chunk.bytes;
        }
        drain->end_taken = (chunk.flags & RMX_CHUNK_END) != 0;
        drain->chunks++;
    }
    return bytes;
}

/* The gathered chunks are written, or thrown away: their slots go back to the worker. */
static void give_back(struct rmx_drain *drain)
{
    rmx_ring_release(&drain->ring.ring, drain->chunks);
    rmx_stats_add(drain->stats, RMX_STATS_CHUNKS_OUT, drain->chunks);
    drain->chunks = 0;
    drain->ended = drain->end_taken;
}

static void submit(struct rmx_drain *drain)
{
    uint64_t offset = by_offset(drain) ? drain->file->base + drain->offset : UINT64_MAX;

    drain->op.done = write_done;
    rmx_stats_add(drain->stats, RMX_STATS_URING_WRITES, 1);
    rmx_loop_writev(drain->loop, &drain->op, drain->file->fd, &drain->iovec[drain->iovec_first],
        drain->iovecs - drain->iovec_first, offset);
}

/* Moves the write on by what the kernel took. True: all of it is written. */
static bool advance(struct rmx_drain *drain, uint32_t written)
{
    drain->offset += written;
    drain->end = drain->offset > drain->end ? drain->offset : drain->end;
    drain->position += written;
    drain->bytes += written;
    if (!drain->file->spool) {
        rmx_stats_add(drain->stats, RMX_STATS_BYTES_OUT, written);
    }
    while (drain->iovec_first < drain->iovecs) {
        struct iovec *iovec = &drain->iovec[drain->iovec_first];

        if (written < iovec->iov_len) {
            iovec->iov_base = (unsigned char *)iovec->iov_base + written;
            iovec->iov_len -= written;
            return false;
        }
        written -= (uint32_t)iovec->iov_len;
        drain->iovec_first++;
    }
    return true;
}

static void write_ready(struct rmx_op *op, int events)
{
    struct rmx_drain *drain = op->owner;

    if (events < 0 || drain->stopped) {
        write_done(op, events < 0 ? events : -ECANCELED);
        return;
    }
    if ((events & (POLLOUT | POLLHUP)) == 0) { /* an error that no write would take away */
        write_done(op, -EIO);
        return;
    }
    submit(drain);
}

static void write_done(struct rmx_op *op, int result)
{
    struct rmx_drain *drain = op->owner;

    if (drain->stopped && result > 0) { /* it was too late to cancel it */
        (void)advance(drain, (uint32_t)result);
    }
    if (!drain->stopped && result == -EAGAIN) { /* O_NONBLOCK */
        op->done = write_ready;
        rmx_loop_poll(drain->loop, op, drain->file->fd, POLLOUT);
        return;
    }
    if (!drain->stopped &&
        (result == -EINTR || (result > 0 && !advance(drain, (uint32_t)result)))) {
        submit(drain);
        return;
    }
    if (!drain->stopped && result <= 0) {
        drain->error = result < 0 ? result : -EIO;
    }
    give_back(drain);
    rmx_drain_pump(drain);
    drain->moved(drain);
}

/* May this write be done by us, now? */
static bool goes_in_place(const struct rmx_drain *drain, uint64_t bytes)
{
    return drain->file->kind == RMX_FILE_MEMORY ||
           (drain->file->kind == RMX_FILE_REGULAR && !drain->file->slow &&
               drain->bytes + bytes <= IN_PLACE_BYTES_MAX &&
               (drain->pace->not_before_ns == 0 || rmx_clock_ns() >= drain->pace->not_before_ns));
}

static void write_in_place(struct rmx_drain *drain)
{
    uint64_t start = rmx_clock_ns();
    bool whole = false;

    while (!whole && drain->error == 0) {
        ssize_t result = pwritev(drain->file->fd, &drain->iovec[drain->iovec_first],
            (int)(drain->iovecs - drain->iovec_first), (off_t)(drain->file->base + drain->offset));

        rmx_stats_add(drain->stats, RMX_STATS_DIRECT_WRITES, 1);
        if (result > 0) {
            whole = advance(drain, (uint32_t)result);
        } else if (result == 0 || errno != EINTR) {
            drain->error = result < 0 ? -errno : -EIO;
        }
    }
    if (drain->file->kind == RMX_FILE_REGULAR) {
        drain->pace->not_before_ns =
            rmx_clock_ns() - start > SLOW_NS ? rmx_clock_ns() + PAUSE_NS : 0;
    }
    give_back(drain);
}

/* Starts a write of what is ready. False: nothing was ready. */
static bool start_write(struct rmx_drain *drain)
{
    uint32_t ready = 0;
    uint64_t bytes;

    if (rmx_ring_peek(&drain->ring.ring, &ready) < 0) {
        drain->corrupt = true;
    }
    if (drain->corrupt || ready == 0) {
        return false;
    }
    bytes = gather(drain, ready);
    if (drain->corrupt ||
        (bytes > 0 && !by_offset(drain) && drain->offset != drain->position && !drain->error)) {
        drain->corrupt = true; /* a stream goes forward only, and the worker was told */
        return false;
    }
    if (bytes > 0 && drain->may_grow != NULL && drain->error == 0) {
        drain->error = drain->may_grow(drain, drain->offset + bytes);
    }
    if (bytes == 0 || drain->error < 0) {
        give_back(drain);
        return true;
    }
    if (goes_in_place(drain, bytes)) {
        write_in_place(drain);
    } else {
        submit(drain);
    }
    return true;
}

void rmx_drain_pump(struct rmx_drain *drain)
{
    int turns = 0;

    drain->more = false;
    while (!drain->op.busy && !drain->stopped && !drain->corrupt && !drain->ended) {
        if (++turns > TURNS_MAX) {
            drain->more = true;
            return;
        }
        if (!start_write(drain) && (drain->corrupt || rmx_ring_consumer_ask(&drain->ring.ring))) {
            return;
        }
    }
}

static void cancel_done(struct rmx_op *op, int result)
{
    struct rmx_drain *drain = op->owner;

    (void)result; /* found or too late: the write's own completion tells */
    drain->moved(drain);
}

void rmx_drain_stop(struct rmx_drain *drain)
{
    if (drain->stopped) {
        return;
    }
    drain->stopped = true;
    if (drain->op.busy) { /* a file's too: its disk may be gone */
        drain->cancel = (struct rmx_op){ .done = cancel_done, .owner = drain };
        rmx_loop_cancel(drain->loop, &drain->cancel, &drain->op);
    }
}
