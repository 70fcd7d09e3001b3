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
        .loop = loop,
        .stats = stats,
        .pace = pace,
        .to = *to,
        .file = to->files.file,
        .ring = *ring,
        .coalesce_bytes = pace->coalesce_bytes < half_ring ? pace->coalesce_bytes : half_ring,
    };
    for (uint32_t i = 0; i < RMX_DRAIN_WRITES_MAX; i++) {
        drain->write[i].drain = drain;
        drain->write[i].op.owner = &drain->write[i];
    }
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

static struct rmx_drain_write *write_at(struct rmx_drain *drain, uint32_t place)
{
    return &drain->write[(drain->oldest + place) % RMX_DRAIN_WRITES_MAX];
}

/* Can this chunk go out behind what the write has so far? */
static bool follows(const struct rmx_drain *drain, const struct rmx_drain_write *write,
    const struct rmx_chunk *chunk)
{
    return chunk->part == drain->part &&
           (write->iovecs == 0 ||
               (chunk->offset == write->end &&
                   write->end + chunk->bytes - write->offset <= drain->coalesce_bytes));
}

static void add_chunk(const struct rmx_drain *drain, struct rmx_drain_write *write, uint32_t index,
    const struct rmx_chunk *chunk)
{
    struct iovec *iovec = &write->iovec[write->iovecs];

    if (write->iovecs == 0) {
        write->offset = chunk->offset;
        write->end = chunk->offset;
    }
    iovec->iov_base = rmx_chunk_payload(&drain->ring, index);
    iovec->iov_len = chunk->bytes;
    write->iovecs++;
    write->end += chunk->bytes;
}

/* Collects chunks that lie side by side into one write, of those from the `first` one on that are
 * ready. False: the worker broke the ring. */
static bool gather(
    struct rmx_drain *drain, struct rmx_drain_write *write, uint32_t first, uint32_t ready)
{
    write->chunks = 0;
    write->iovecs = 0;
    write->iovec_first = 0;
    write->offset = 0;
    write->end = 0;
    write->uncounted = 0;
    write->end_taken = false;
    write->over = false;
    while (first + write->chunks < ready && write->chunks < RMX_DRAIN_CHUNKS_MAX &&
           !write->end_taken) {
        uint32_t index = first + write->chunks;
        struct rmx_chunk chunk;

        if (rmx_chunk_read(&drain->ring, index, &chunk) < 0 ||
            chunk.part >= drain->to.files.count ||
            (chunk.flags & (RMX_CHUNK_ERROR | RMX_CHUNK_OF_PARTS)) != 0) {
            drain->corrupt = true;
            return false;
        }
        if (chunk.bytes > 0 && write->iovecs == 0 && drain->writes == 0) {
            drain->part = chunk.part;
            drain->file = &drain->to.files.file[chunk.part];
        }
        if (chunk.bytes > 0 && !follows(drain, write, &chunk)) {
            break;
        }
        if (chunk.bytes > 0) {
            add_chunk(drain, write, index, &chunk);
        }
        write->end_taken = (chunk.flags & RMX_CHUNK_END) != 0;
        write->chunks++;
    }
    return true;
}

/* The chunks of the oldest write are written, or thrown away: their slots go back to the worker. */
static void give_back(struct rmx_drain *drain)
{
    struct rmx_drain_write *write = write_at(drain, 0);

    rmx_ring_release(&drain->ring.ring, write->chunks);
    rmx_stats_add(drain->stats, RMX_STATS_CHUNKS_OUT, write->chunks);
    drain->ended = write->end_taken;
}

static void count_bytes(struct rmx_drain *drain, uint32_t written)
{
    drain->output[drain->part].position += written;
    drain->bytes += written;
    if (!drain->file->spool) {
        rmx_stats_add(drain->stats, RMX_STATS_BYTES_OUT, written);
    }
}

static void submit(struct rmx_drain_write *write)
{
    struct rmx_drain *drain = write->drain;
    uint64_t offset = by_offset(drain) ? drain->file->base + write->offset : UINT64_MAX;

    write->op.done = write_done;
    write->op.aside = drain->file->slow;
    rmx_stats_add(drain->stats, RMX_STATS_URING_WRITES, 1);
    rmx_loop_writev(drain->loop, &write->op, drain->file->fd, &write->iovec[write->iovec_first],
        write->iovecs - write->iovec_first, offset);
    if (may_drop(drain)) {
        drain->since_ns = rmx_clock_ns();
        drain->watch(drain);
    }
}

/* Moves the write on by what the kernel took. True: all of it is written. */
static bool advance(struct rmx_drain_write *write, uint32_t written)
{
    struct rmx_drain *drain = write->drain;
    struct rmx_drain_output *output = &drain->output[drain->part];

    write->offset += written;
    output->end = write->offset > output->end ? write->offset : output->end;
    if (write == write_at(drain, 0) && !drain->gap) {
        count_bytes(drain, written);
    } else {
        write->uncounted += written;
    }
    while (write->iovec_first < write->iovecs) {
        struct iovec *iovec = &write->iovec[write->iovec_first];

        if (written < iovec->iov_len) {
            iovec->iov_base = (unsigned char *)iovec->iov_base + written;
            iovec->iov_len -= written;
            return false;
        }
        written -= (uint32_t)iovec->iov_len;
        write->iovec_first++;
    }
    return true;
}

static void write_ready(struct rmx_op *op, int events)
{
    struct rmx_drain_write *write = op->owner;
    const struct rmx_drain *drain = write->drain;

    if (events < 0 || drain->stopped || is_dropped(drain)) {
        write_done(op, events < 0 ? events : -ECANCELED);
        return;
    }
    if ((events & (POLLOUT | POLLHUP)) == 0) { /* an error that no write would take away */
        write_done(op, -EIO);
        return;
    }
    submit(write);
}

/* The slots go back in the order in which they came, however the writes end, and bytes count in
 * that order: none behind a gap. */
static void retire(struct rmx_drain *drain)
{
    while (drain->writes > 0 && write_at(drain, 0)->over) {
        struct rmx_drain_write *write = write_at(drain, 0);

        count_bytes(drain, drain->gap ? 0 : write->uncounted);
        write->uncounted = 0;
        drain->gap |= write->iovec_first < write->iovecs && !may_drop(drain);
        give_back(drain);
        drain->oldest = (drain->oldest + 1) % RMX_DRAIN_WRITES_MAX;
        drain->writes--;
    }
}

static void write_done(struct rmx_op *op, int result)
{
    struct rmx_drain_write *write = op->owner;
    struct rmx_drain *drain = write->drain;
    bool goes_on = !drain->stopped && !is_dropped(drain);

    if (!goes_on && result > 0) { /* it was too late to cancel it */
        (void)advance(write, (uint32_t)result);
    }
    if (goes_on && result == -EAGAIN) { /* O_NONBLOCK */
        op->done = write_ready;
        rmx_loop_poll(drain->loop, op, drain->file->fd, POLLOUT);
        return;
    }
    if (goes_on && (result == -EINTR || (result > 0 && !advance(write, (uint32_t)result)))) {
        submit(write);
        return;
    }
    if (goes_on && result <= 0) {
        fail(drain, result < 0 ? result : -EIO);
    }
    write->over = true;
    retire(drain);
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

static void write_in_place(struct rmx_drain *drain, struct rmx_drain_write *write)
{
    uint64_t start = rmx_clock_ns();
    bool whole = false;

    while (!whole && drain->error == 0 && !is_dropped(drain)) {
        ssize_t result = pwritev(drain->file->fd, &write->iovec[write->iovec_first],
            (int)(write->iovecs - write->iovec_first), (off_t)(drain->file->base + write->offset));

        rmx_stats_add(drain->stats, RMX_STATS_DIRECT_WRITES, 1);
        if (result > 0) {
            whole = advance(write, (uint32_t)result);
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

static bool is_in_order(const struct rmx_drain *drain, const struct rmx_drain_write *write)
{
    return by_offset(drain) || write->offset == drain->output[drain->part].position ||
           drain->error < 0;
}

/* How many chunks the worker has ready, those on their way too. */
static uint32_t count_ready(struct rmx_drain *drain)
{
    uint32_t ready = 0;

    if (rmx_ring_peek(&drain->ring.ring, &ready) < 0) {
        drain->corrupt = true;
    }
    return drain->corrupt ? 0 : ready;
}

static void start(struct rmx_drain *drain, struct rmx_drain_write *write)
{
    drain->writes++;
    submit(write);
}

/* Starts a write of what is ready, while there is none. False: nothing was ready. */
static bool start_write(struct rmx_drain *drain)
{
    struct rmx_drain_write *write = write_at(drain, 0);
    uint32_t ready = count_ready(drain);
    uint64_t bytes;

    if (ready == 0 || !gather(drain, write, 0, ready)) {
        return false;
    }
    bytes = write->end - write->offset;
    if (bytes > 0 && !is_dropped(drain) && !is_in_order(drain, write)) {
        drain->corrupt = true; /* a stream goes forward only, and the worker was told */
        return false;
    }
    if (bytes > 0 && drain->may_grow != NULL && drain->error == 0) {
        drain->error = drain->may_grow(drain, write->end);
    }
    if (bytes == 0 || drain->error < 0 || is_dropped(drain)) {
        give_back(drain);
        return true;
    }
    if (goes_in_place(drain, bytes)) {
        write_in_place(drain, write);
    } else {
        start(drain, write);
    }
    return true;
}

/* A second write behind the one that is on its way, for the kernel's thread to go on with: only to
 * a file, only what lies behind the first, and only if it is much. So a patch, which may be of what
 * is on its way, still waits for it. */
static void start_second(struct rmx_drain *drain)
{
    const struct rmx_drain_write *first = write_at(drain, 0);
    struct rmx_drain_write *write = write_at(drain, 1);
    uint32_t ready = count_ready(drain);

    if (drain->file->kind != RMX_FILE_REGULAR || may_drop(drain) || drain->error < 0 ||
        drain->may_grow != NULL || first->end_taken || ready <= first->chunks ||
        !gather(drain, write, first->chunks, ready)) {
        return;
    }
    if (write->offset != first->end || write->end - write->offset < drain->coalesce_bytes / 2) {
        return;
    }
    start(drain, write);
}

static bool is_cancelling(const struct rmx_drain *drain)
{
    return drain->write[0].cancel.busy || drain->write[1].cancel.busy;
}

void rmx_drain_pump(struct rmx_drain *drain)
{
    int turns = 0;

    drain->more = false;
    while (drain->writes == 0 && !is_cancelling(drain) && !drain->stopped && !drain->corrupt &&
           !drain->ended) {
        if (++turns > TURNS_MAX) {
            drain->more = true;
            return;
        }
        if (!start_write(drain) && (drain->corrupt || rmx_ring_consumer_ask(&drain->ring.ring))) {
            return;
        }
    }
    if (drain->writes == 1 && !is_cancelling(drain) && !drain->stopped && !drain->corrupt) {
        start_second(drain);
    }
}

static void cancel_done(struct rmx_op *op, int result)
{
    const struct rmx_drain_write *write = op->owner;
    struct rmx_drain *drain = write->drain;

    (void)result; /* found or too late: the write's own completion tells */
    rmx_drain_pump(drain);
    drain->moved(drain);
}

/* The writes in flight, the newest first, which is to leave no gap; a file's too: its disk may be
 * gone. */
static void cancel_writes(struct rmx_drain *drain)
{
    for (uint32_t i = 0; i < RMX_DRAIN_WRITES_MAX; i++) {
        struct rmx_drain_write *write = write_at(drain, RMX_DRAIN_WRITES_MAX - 1 - i);

        if (write->op.busy && !write->cancel.busy) {
            write->cancel = (struct rmx_op){ .done = cancel_done, .owner = write };
            rmx_loop_cancel(drain->loop, &write->cancel, &write->op);
        }
    }
}

/* --- outputs that may be dropped ----------------------------------------------------------- */

uint64_t rmx_drain_due_ns(const struct rmx_drain *drain)
{
    return drain->writes > 0 && may_drop(drain) && !is_dropped(drain)
               ? drain->since_ns + drain->to.patience_ns
               : UINT64_MAX;
}

void rmx_drain_check_time(struct rmx_drain *drain, uint64_t now)
{
    if (now >= rmx_drain_due_ns(drain)) {
        fail(drain, -ETIME);
        cancel_writes(drain);
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
    cancel_writes(drain);
}
