/* SPDX-License-Identifier: BSD-2-Clause
 *
 * libringmux's calls that write a job's input and read its output in shared memory (see ringmux.h).
 * Runs in the client process, on any of the caller's threads, one at a time for each end. Bytes are
 * copied without the lock.
 */
#include "clients/ringmux.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "clients/handle.h"
#include "clients/patience.h"
#include "clients/tend.h"
#include "ipc/lane_wire.h"
#include "ring/base.h"

/* A call on this end succeeded: what was to be told about it is known. */
static void forget_news(struct rmx_client *client, uint64_t id, uint32_t kind)
{
    uint32_t place = rmx_inflight_place(id);
    struct rmx_inflight_job *job = &client->inflight.jobs[place];

    client->streams[place].wants &= ~kind;
    job->kinds &= ~kind;
    if (job->kinds == 0) {
        rmx_marks_clear(&client->untold, place);
    }
}

static int break_off(struct rmx_client *client, uint64_t id)
{
    rmx_tend_break(client, rmx_inflight_place(id));
    return -EBADMSG;
}

/* Tells the worker if it asked for that. Returns 0 or -EBADMSG. */
static int tell(struct rmx_client *client, uint64_t id, uint32_t note, bool asked)
{
    struct rmx_stream *stream = rmx_handle_stream(client, id);

    if (asked && rmx_conduit_tell(stream->channel, note, rmx_inflight_place(id)) < 0) {
        return break_off(client, id);
    }
    return 0;
}

/* --- input --------------------------------------------------------------------------------- */

/* The caller will not write any more. */
static void close_input(struct rmx_client *client, uint64_t id)
{
    struct rmx_stream *stream = rmx_handle_stream(client, id);

    stream->in_closed = true;
    stream->in.reserved = false;
    rmx_tend_let_go(client, rmx_inflight_place(id));
}

/* The stream if the caller may write it, or NULL with *err. */
static struct rmx_stream *find_input(struct rmx_client *client, uint64_t id, int *err)
{
    struct rmx_stream *stream = rmx_handle_stream(client, id);

    *err = 0;
    if (stream == NULL) {
        *err = client->line->lost != 0 ? client->line->lost : -ENOENT;
    } else if (stream->in.place.slots == 0 || stream->in_closed) {
        *err = -ENOENT;
    } else if (stream->has_source) {
        *err = -EBUSY;
    }
    return *err == 0 ? stream : NULL;
}

/* Why nothing can be written any more; 0 = it can. */
static int input_over(struct rmx_client *client, uint64_t id, struct rmx_stream *stream)
{
    int err = stream->broken      ? -EBADMSG
              : stream->lost != 0 ? stream->lost
              : stream->over      ? -EPIPE
                                  : 0;

    if (err < 0) {
        stream->in.reserved = false;
        rmx_tend_let_go(client, rmx_inflight_place(id));
    }
    return err;
}

static int reserve(
    struct rmx_client *client, uint64_t id, void **to, size_t *bytes, struct rmx_patience *patience)
{
    uint64_t offset;
    bool waited = false;
    int err;

    for (;;) {
        struct rmx_stream *stream = find_input(client, id, &err);

        if (stream == NULL) {
            return err == -ENOENT && waited ? -EPIPE : err; /* it ended, and was collected */
        }
        err = input_over(client, id, stream);
        if (err < 0) {
            return err;
        }
        err = rmx_stream_follow(&stream->in, &offset);
        err = err < 0 ? err : rmx_stream_reserve(&stream->in, to, bytes);
        if (err == -EBADMSG) {
            return break_off(client, id);
        }
        if (err == 0) {
            forget_news(client, id, RMX_CAN_WRITE);
            return 0;
        }
        err = rmx_patience_await(client, id, RMX_CAN_WRITE, patience);
        if (err < 0) {
            return err;
        }
        waited = true;
    }
}

int rmx_reserve(struct rmx_client *client, uint64_t id, void **to, size_t *bytes, int timeout_ms)
{
    struct rmx_patience patience = rmx_patience_of(timeout_ms);

    rmx_handle_enter(client);
    int err = reserve(client, id, to, bytes, &patience);
    rmx_handle_leave(client);
    return err;
}

static int commit(struct rmx_client *client, uint64_t id, size_t bytes)
{
    int err;
    struct rmx_stream *stream = find_input(client, id, &err);

    if (stream == NULL) {
        return err;
    }
    if (!stream->in.reserved || bytes == 0 || bytes > stream->in.ring.chunk_bytes) {
        return -EINVAL;
    }
    err = input_over(client, id, stream);
    if (err < 0) {
        return err;
    }
    return tell(client, id, RMX_NOTE_INPUT, rmx_stream_commit(&stream->in, bytes, false, 0));
}

int rmx_commit(struct rmx_client *client, uint64_t id, size_t bytes)
{
    rmx_handle_enter(client);
    int err = commit(client, id, bytes);
    rmx_handle_leave(client);
    return err;
}

static int write_chunk(struct rmx_client *client, uint64_t id, const void *from, size_t *bytes,
    struct rmx_patience *patience)
{
    void *to;
    size_t room;
    int err = reserve(client, id, &to, &room, patience);

    if (err < 0) {
        return err;
    }
    *bytes = *bytes < room ? *bytes : room;
    pthread_mutex_unlock(&client->lock);
    memcpy(to, from, *bytes);
    pthread_mutex_lock(&client->lock);
    return commit(client, id, *bytes);
}

ptrdiff_t rmx_write(
    struct rmx_client *client, uint64_t id, const void *from, size_t bytes, int timeout_ms)
{
    struct rmx_patience patience = rmx_patience_of(timeout_ms);
    size_t done = 0;
    int err = 0;

    bytes = bytes < PTRDIFF_MAX ? bytes : PTRDIFF_MAX;
    rmx_handle_enter(client);
    while (done < bytes && err == 0) {
        size_t some = bytes - done;

        err = write_chunk(client, id, (const unsigned char *)from + done, &some, &patience);
        done += err == 0 ? some : 0;
    }
    rmx_handle_leave(client);
    return done > 0 ? (ptrdiff_t)done : err;
}

/* The last chunk; `error` 0 is the end. To a job that ended already there is nothing to say. */
static int close_with(
    struct rmx_client *client, uint64_t id, int error, struct rmx_patience *patience)
{
    void *to;
    size_t room;
    int err;
    struct rmx_stream *stream = find_input(client, id, &err);

    if (stream == NULL) {
        return err;
    }
    err = reserve(client, id, &to, &room, patience);
    if (err == -EPIPE) {
        if (rmx_handle_stream(client, id) != NULL) {
            close_input(client, id);
        }
        return 0;
    }
    if (err < 0) {
        return err;
    }
    bool asked = rmx_stream_commit(&stream->in, 0, error == 0, error);
    stream->in_closed = true;
    return tell(client, id, RMX_NOTE_INPUT, asked);
}

int rmx_finish(struct rmx_client *client, uint64_t id, int timeout_ms)
{
    struct rmx_patience patience = rmx_patience_of(timeout_ms);

    rmx_handle_enter(client);
    int err = close_with(client, id, 0, &patience);
    rmx_handle_leave(client);
    return err;
}

int rmx_abort(struct rmx_client *client, uint64_t id, int error, int timeout_ms)
{
    struct rmx_patience patience = rmx_patience_of(timeout_ms);

    if (error >= 0 || error < -RMX_ERRNO_MAX) {
        return -EINVAL;
    }
    rmx_handle_enter(client);
    int err = close_with(client, id, error, &patience);
    rmx_handle_leave(client);
    return err;
}

/* --- output -------------------------------------------------------------------------------- */

/* The stream if the caller may read it, or NULL with *err. */
static struct rmx_stream *find_output(struct rmx_client *client, uint64_t id, int *err)
{
    struct rmx_stream *stream = rmx_handle_stream(client, id);

    *err = 0;
    if (stream == NULL) {
        *err = client->line->lost != 0 ? client->line->lost : -ENOENT;
    } else if (stream->out.place.slots == 0) {
        *err = -ENOENT;
    } else if (stream->has_sink) {
        *err = -EBUSY;
    }
    return *err == 0 ? stream : NULL;
}

/* The caller will not read any more. Its memory may go with this. */
static int close_output(struct rmx_client *client, uint64_t id, int why)
{
    struct rmx_stream *stream = rmx_handle_stream(client, id);

    stream->out_closed = true;
    stream->out_why = why;
    stream->out.holding = false;
    rmx_tend_let_go(client, rmx_inflight_place(id));
    return why;
}

/* The job is over and there is nothing more in the ring. */
static int output_over(struct rmx_client *client, uint64_t id)
{
    const struct rmx_inflight_job *job = rmx_inflight_find(&client->inflight, id);
    struct rmx_stream *stream = &client->streams[rmx_inflight_place(id)];

    if (stream->lost != 0) {
        return close_output(client, id, stream->lost);
    }
    if (job->result.status == RMX_OK) { /* which has an end */
        stream->broken = true;
        return close_output(client, id, -EBADMSG);
    }
    return close_output(client, id, -ECANCELED);
}

/* Returns as rmx_peek(). */
static int peek(
    struct rmx_client *client, uint64_t id, struct rmx_piece *piece, struct rmx_patience *patience)
{
    int err;

    for (;;) {
        struct rmx_stream *stream = find_output(client, id, &err);

        if (stream == NULL) {
            return err;
        }
        if (stream->broken) {
            return close_output(client, id, -EBADMSG);
        }
        if (stream->out_closed) {
            return stream->out_why;
        }
        bool over = stream->over; /* the ring is looked at after that */
        int found = rmx_stream_peek(&stream->out, piece);
        if (found == 1) {
            forget_news(client, id, RMX_CAN_READ);
            return 1;
        }
        if (found == 0 || found == -ECANCELED) {
            return close_output(client, id, found);
        }
        if (found == -EBADMSG) {
            (void)break_off(client, id);
            return close_output(client, id, found);
        }
        if (over) {
            return output_over(client, id);
        }
        err = rmx_patience_await(client, id, RMX_CAN_READ, patience);
        if (err < 0) {
            return err;
        }
    }
}

int rmx_peek(struct rmx_client *client, uint64_t id, struct rmx_piece *piece, int timeout_ms)
{
    struct rmx_patience patience = rmx_patience_of(timeout_ms);
    struct rmx_piece found;

    rmx_handle_enter(client);
    int err = peek(client, id, &found, &patience);
    rmx_handle_leave(client);
    if (err == 1) {
        *piece = found;
    }
    return err;
}

static int release(struct rmx_client *client, uint64_t id)
{
    int err;
    struct rmx_stream *stream = find_output(client, id, &err);

    if (stream == NULL) {
        return err;
    }
    if (!stream->out.holding) {
        return -EINVAL;
    }
    return tell(client, id, RMX_NOTE_OUTPUT, rmx_stream_release(&stream->out));
}

int rmx_release(struct rmx_client *client, uint64_t id)
{
    rmx_handle_enter(client);
    int err = release(client, id);
    rmx_handle_leave(client);
    return err;
}

/* Copies from one piece. Returns how many bytes, or as rmx_read(). */
static ptrdiff_t read_piece(
    struct rmx_client *client, uint64_t id, void *to, size_t bytes, struct rmx_patience *patience)
{
    struct rmx_piece piece = { .bytes = NULL };
    int found = peek(client, id, &piece, patience);

    if (found != 1) {
        return found;
    }
    rmx_assert(piece.bytes != NULL);
    struct rmx_stream_out *out = &rmx_handle_stream(client, id)->out;
    if ((piece.flags & RMX_PIECE_NAME) != 0 || piece.part != out->read_part ||
        (piece.size > 0 && piece.offset != out->read_at)) {
        return -ESPIPE;
    }
    bytes = bytes < piece.size ? bytes : piece.size;
    pthread_mutex_unlock(&client->lock);
    memcpy(to, piece.bytes, bytes);
    pthread_mutex_lock(&client->lock);
    out->taken += (uint32_t)bytes;
    out->read_at += bytes;
    int err = 0;
    if (bytes == piece.size) {
        err = tell(client, id, RMX_NOTE_OUTPUT, rmx_stream_release(out));
    }
    if (err == 0 && bytes == 0) { /* an end by itself */
        err = peek(client, id, &piece, patience);
    }
    return err < 0 ? err : (ptrdiff_t)bytes;
}

/* Are there more bytes already? What there is, is enough for rmx_read(); an end is for the next
 * call to say. */
static bool has_more(struct rmx_client *client, uint64_t id)
{
    struct rmx_piece piece;

    return rmx_stream_peek(&rmx_handle_stream(client, id)->out, &piece) == 1 && piece.size > 0;
}

ptrdiff_t rmx_read(struct rmx_client *client, uint64_t id, void *to, size_t bytes, int timeout_ms)
{
    struct rmx_patience patience = rmx_patience_of(timeout_ms);
    size_t done = 0;
    ptrdiff_t some = 0;

    if (bytes == 0) {
        return 0;
    }
    bytes = bytes < PTRDIFF_MAX ? bytes : PTRDIFF_MAX;
    rmx_handle_enter(client);
    do {
        some = read_piece(client, id, (unsigned char *)to + done, bytes - done, &patience);
        done += some > 0 ? (size_t)some : 0;
    } while (some > 0 && done < bytes && has_more(client, id));
    rmx_handle_leave(client);
    return done > 0 ? (ptrdiff_t)done : some;
}

int rmx_drop(struct rmx_client *client, uint64_t id)
{
    int err;

    rmx_handle_enter(client);
    struct rmx_stream *stream = find_output(client, id, &err);
    if (stream != NULL && !stream->out_closed) {
        if (!stream->out.ended) {
            rmx_tend_cancel(client, rmx_inflight_place(id));
        }
        (void)close_output(client, id, -ENOENT);
    }
    rmx_handle_leave(client);
    return err;
}
