/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The chunks of a job's output ring -> its output descriptors. See drain.h.
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
    struct rmx_drain_pace *pace, const struct rmx_drain_to *to, const struct rmx_chunk_ring *ring)
{
    uint32_t half_ring = ring->ring.slots * ring->chunk_bytes / 2;

    *drain = (struct rmx_drain){
        .op = { .owner = drain },
        .loop = loop,
        .stats = stats,
        .pace = pace,
        .to = *to,
        .file = to->files.file,
        .ring = *ring,
        .coalesce_bytes = pace->coalesce_bytes < half_ring ? pace->coalesce_bytes : half_ring,
    };
}

static bool may_drop(const struct rmx_drain *drain)
{
    return (drain->to.may_drop & (1u << drain->part)) != 0;
}

static bool is_dropped(const struct rmx_drain *drain)
{
    return drain->output[drain->part].error < 0;
}

/* The output of the write in hand takes no more. */
static void fail(struct rmx_drain *drain, int error)
{
    drain->output[drain->part].error = error;
    if (!may_drop(drain)) {
        drain->error = error;
    }
}

/* Can this chunk go out behind what the write has so far? */
static bool follows(const struct rmx_drain *drain, const struct rmx_chunk *chunk, uint64_t bytes)
{
    return drain->iovecs == 0 ||
           (chunk->part == drain->part && chunk->offset == drain->offset + bytes &&
               bytes + chunk->bytes <= drain->coalesce_bytes);
}

static void add_chunk(struct rmx_drain *drain, const struct rmx_chunk *chunk)
{
    struct iovec *iovec = &drain->iovec[drain->iovecs];

    if (drain->iovecs == 0) {
        drain->part = chunk->part;
        drain->file = &drain->to.files.file[chunk->part];
        drain->offset = chunk->offset;
    }
    iovec->iov_base = rmx_chunk_payload(&drain->ring, drain->chunks);
    iovec->iov_len = chunk->bytes;
    drain->iovecs++;
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

        if (rmx_chunk_read(&drain->ring, drain->chunks, &chunk) < 0 ||
            chunk.part >= drain->to.files.count ||
            (chunk.flags & (RMX_CHUNK_ERROR | RMX_CHUNK_OF_PARTS)) != 0) {
            drain->corrupt = true;
            return 0;
        }
        if (chunk.bytes > 0 && !follows(drain, &chunk, bytes)) {
            break;
        }
        if (chunk.bytes > 0) {
            add_chunk(drain, &chunk);
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
    drain->op.aside = drain->file->slow;
    rmx_stats_add(drain->stats, RMX_STATS_URING_WRITES, 1);
    rmx_loop_writev(drain->loop, &drain->op, drain->file->fd, &drain->iovec[drain->iovec_first],
        drain->iovecs - drain->iovec_first, offset);
    if (may_drop(drain)) {
        drain->since_ns = rmx_clock_ns();
        drain->watch(drain);
    }
}

/* Moves the write on by what the kernel took. True: all of it is written. */
static bool advance(struct rmx_drain *drain, uint32_t written)
{
    struct rmx_drain_output *output = &drain->output[drain->part];

    drain->offset += written;
    output->end = drain->offset > output->end ? drain->offset : output->end;
    output->position += written;
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

    if (events < 0 || drain->stopped || is_dropped(drain)) {
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
    bool goes_on = !drain->stopped && !is_dropped(drain);

    if (!goes_on && result > 0) { /* it was too late to cancel it */
        (void)advance(drain, (uint32_t)result);
    }
    if (goes_on && result == -EAGAIN) { /* O_NONBLOCK */
        op->done = write_ready;
        rmx_loop_poll(drain->loop, op, drain->file->fd, POLLOUT);
        return;
    }
    if (goes_on && (result == -EINTR || (result > 0 && !advance(drain, (uint32_t)result)))) {
        submit(drain);
        return;
    }
    if (goes_on && result <= 0) {
        fail(drain, result < 0 ? result : -EIO);
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

    while (!whole && drain->error == 0 && !is_dropped(drain)) {
        ssize_t result = pwritev(drain->file->fd, &drain->iovec[drain->iovec_first],
            (int)(drain->iovecs - drain->iovec_first), (off_t)(drain->file->base + drain->offset));

        rmx_stats_add(drain->stats, RMX_STATS_DIRECT_WRITES, 1);
        if (result > 0) {
            whole = advance(drain, (uint32_t)result);
        } else if (result == 0 || errno != EINTR) {
            fail(drain, result < 0 ? -errno : -EIO);
        }
    }
    if (drain->file->kind == RMX_FILE_REGULAR) {
        drain->pace->not_before_ns =
            rmx_clock_ns() - start > SLOW_NS ? rmx_clock_ns() + PAUSE_NS : 0;
    }
    give_back(drain);
}

static bool is_in_order(const struct rmx_drain *drain)
{
    return by_offset(drain) || drain->offset == drain->output[drain->part].position ||
           drain->error < 0;
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
    if (drain->corrupt || (bytes > 0 && !is_dropped(drain) && !is_in_order(drain))) {
        drain->corrupt = true; /* a stream goes forward only, and the worker was told */
        return false;
    }
    if (bytes > 0 && drain->may_grow != NULL && drain->error == 0) {
        drain->error = drain->may_grow(drain, drain->offset + bytes);
    }
    if (bytes == 0 || drain->error < 0 || is_dropped(drain)) {
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
    while (!drain->op.busy && !drain->cancel.busy && !drain->stopped && !drain->corrupt &&
           !drain->ended) {
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
    rmx_drain_pump(drain);
    drain->moved(drain);
}

/* The write in flight; a file's too: its disk may be gone. */
static void cancel_write(struct rmx_drain *drain)
{
    if (drain->op.busy && !drain->cancel.busy) {
        drain->cancel = (struct rmx_op){ .done = cancel_done, .owner = drain };
        rmx_loop_cancel(drain->loop, &drain->cancel, &drain->op);
    }
}

/* --- outputs that may be dropped ----------------------------------------------------------- */

uint64_t rmx_drain_due_ns(const struct rmx_drain *drain)
{
    return drain->op.busy && may_drop(drain) && !is_dropped(drain)
               ? drain->since_ns + drain->to.patience_ns
               : UINT64_MAX;
}

void rmx_drain_check_time(struct rmx_drain *drain, uint64_t now)
{
    if (now >= rmx_drain_due_ns(drain)) {
        fail(drain, -ETIME);
        cancel_write(drain);
    }
}

bool rmx_drain_is_deserted(const struct rmx_drain *drain)
{
    uint32_t dropped = 0;

    for (uint32_t i = 0; i < drain->to.files.count; i++) {
        dropped += drain->output[i].error < 0 ? 1 : 0;
    }
    return dropped > 0 && dropped == drain->to.files.count;
}

void rmx_drain_stop(struct rmx_drain *drain)
{
    if (drain->stopped) {
        return;
    }
    drain->stopped = true;
    cancel_write(drain);
}
