/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Moves bytes between a caller's source, a job's rings and a caller's sink (see pump.h). Runs in
 * the client process, without the client's lock.
 */
#include "clients/pump.h"

#include <errno.h>

#include "ipc/lane_wire.h"

/* A source or sink is a stranger too: what is no errno value becomes one. */
static int sane_error(ptrdiff_t error)
{
    return error < 0 && error >= -RMX_ERRNO_MAX ? (int)error : -EIO;
}

/* --- source -> input ring ----------------------------------------------------------------- */

static int follow_seek(struct rmx_stream *stream)
{
    uint64_t offset = 0;
    int due = rmx_stream_follow(&stream->in, &offset);

    if (due <= 0) {
        return due;
    }
    int err = stream->source.seek(stream->source.user, offset);
    stream->source_error = err < 0 ? sane_error(err) : 0;
    stream->source_rests = false;
    return 0;
}

/* How much of the room the source may fill: not beyond the size it has, nor the largest there is,
 * wherever the worker wanted to go. */
static size_t wanted(const struct rmx_stream_in *in, size_t room)
{
    uint64_t at = atomic_load_explicit(&in->at, memory_order_relaxed); /* our own */
    uint64_t end = in->size < INT64_MAX ? in->size : INT64_MAX;
    uint64_t left = at < end ? end - at : 0;

    return left < room ? (size_t)left : room;
}

/* Fills one chunk. Returns 1, 0 (the source has nothing now) or -EBADMSG. */
static int fill_chunk(struct rmx_stream *stream, uint32_t flow, void *to, size_t room)
{
    size_t bytes = wanted(&stream->in, room);
    ptrdiff_t got = stream->source_error;

    if (got == 0 && bytes > 0) {
        got = stream->source.read(stream->source.user, to, bytes);
        got = got > (ptrdiff_t)bytes ? -EIO : got;
    }
    if (got == -EAGAIN && stream->source_error == 0) {
        stream->in.reserved = false;
        stream->source_rests = true;
        return 0;
    }
    int error = got < 0 ? sane_error(got) : 0;
    size_t taken = got < 0 ? 0 : (size_t)got;
    bool end = taken == 0 || wanted(&stream->in, taken + 1) == taken;
    stream->source_error = 0;
    if (rmx_stream_commit(&stream->in, taken, end, error) &&
        rmx_conduit_tell(stream->channel, RMX_NOTE_INPUT, flow) < 0) {
        return -EBADMSG;
    }
    return 1;
}

/* Returns 1: go on; 0: wait for the worker; or -EBADMSG. */
static int feed_chunk(struct rmx_stream *stream, uint32_t flow)
{
    struct rmx_stream_in *in = &stream->in;
    void *to;
    size_t room;
    int err = follow_seek(stream);

    if (err < 0) {
        return err;
    }
    if (in->ended || stream->source_rests) {
        return in->seekable && !rmx_stream_ask_seek(in);
    }
    err = rmx_stream_reserve(in, &to, &room);
    if (err == -EAGAIN) {
        return !rmx_stream_ask_room(in);
    }
    if (err < 0) {
        return err;
    }
    err = fill_chunk(stream, flow, to, room);
    return err < 0 ? err : 1;
}

/* --- output ring -> sink ------------------------------------------------------------------ */

/* The sink takes the piece in hand. Returns 1, 0 (not now), -ECANCELED or -EBADMSG. */
static int give_piece(struct rmx_stream *stream, uint32_t flow, const struct rmx_piece *piece)
{
    int err = stream->sink.write(stream->sink.user, piece);

    if (err == -EAGAIN) {
        stream->sink_rests = true;
        return 0;
    }
    if (err != 0) {
        stream->sink_error = sane_error(err);
        stream->out_closed = true;
        return -ECANCELED;
    }
    if (rmx_stream_release(&stream->out) &&
        rmx_conduit_tell(stream->channel, RMX_NOTE_OUTPUT, flow) < 0) {
        return -EBADMSG;
    }
    return 1;
}

/* Returns as feed_chunk(), or -ECANCELED. */
static int drain_chunk(struct rmx_stream *stream, uint32_t flow, bool over)
{
    struct rmx_piece piece;

    if (stream->sink_rests) {
        return 0;
    }
    int found = rmx_stream_peek(&stream->out, &piece);
    switch (found) {
    case 1:
        return give_piece(stream, flow, &piece);
    case -EAGAIN:
        if (!over) {
            return !rmx_stream_ask_chunk(&stream->out);
        }
        stream->cut = true;
        break;
    case -EBADMSG:
        return found;
    default: /* the end, or what a failed job has instead */
        break;
    }
    stream->out_closed = true;
    return 0;
}

int rmx_pump_turn(struct rmx_stream *stream, uint32_t flow, bool over)
{
    bool feeds = stream->has_source && !over;
    bool drains = stream->has_sink && !stream->out_closed;
    uint32_t budget = stream->in.place.slots + stream->out.place.slots;

    while ((feeds || drains) && budget-- > 0) {
        int more = feeds ? feed_chunk(stream, flow) : 0;

        if (more < 0) {
            return more;
        }
        feeds = more > 0;
        more = drains ? drain_chunk(stream, flow, over) : 0;
        if (more < 0) {
            return more;
        }
        drains = more > 0;
    }
    return feeds || drains;
}
