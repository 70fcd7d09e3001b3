/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A stream on its way to the demuxer. Worker process, a job's fiber.
 */
#include "engine/worker/tap.h"

#include <errno.h>
#include <string.h>

#include <libavutil/common.h>
#include <libavutil/error.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>

#include "ring/base.h"

#define BUFFER_BYTES 4096 /* larger reads go around it, into the packet */
#define HEAD_BYTES   16384

/* --- reading --------------------------------------------------------------------------------- */

/* The input's state is kept as if it had been read through its buffer. Returns bytes or AVERROR. */
static int read_input(AVIOContext *input, uint8_t *buffer, int wanted)
{
    int got = input->read_packet(input->opaque, buffer, wanted);

    if (got > 0) {
        input->pos += got;
    } else if (got == 0 || got == AVERROR_EOF) {
        input->eof_reached = 1;
        got = AVERROR_EOF;
    } else {
        input->error = got;
    }
    return got;
}

/* Is there room to keep more? Makes it, up to the limit, where everything is kept. */
static bool has_room(struct rmx_tap *tap)
{
    if (tap->head_bytes == tap->head_room && tap->context->seekable != 0 &&
        tap->head_room < RMX_TAP_HEAD_MAX) {
        uint8_t *head = av_realloc(tap->head, tap->head_room * 2);

        if (head) {
            tap->head = head;
            tap->head_room *= 2;
        }
    }
    return tap->head_bytes < tap->head_room;
}

/* What was read before, or is read now to be kept. Returns 0 when that is over. */
static int read_head(struct rmx_tap *tap, uint8_t *buffer, int wanted)
{
    if (tap->keeping && tap->head_at == tap->head_bytes && has_room(tap)) {
        int got = read_input(
            tap->input, tap->head + tap->head_bytes, (int)(tap->head_room - tap->head_bytes));

        if (got < 0) {
            return got;
        }
        tap->head_bytes += (size_t)got;
    }
    size_t bytes = FFMIN((size_t)wanted, tap->head_bytes - tap->head_at);

    memcpy(buffer, tap->head + tap->head_at, bytes);
    tap->head_at += bytes;
    return (int)bytes;
}

/* What was kept, or is new. */
static int read_on(struct rmx_tap *tap, uint8_t *buffer, int wanted)
{
    int got = tap->head ? read_head(tap, buffer, wanted) : 0;

    if (got == 0) {
        av_freep(&tap->head); /* as far as it went */
        rmx_tap_forget(tap);
        got = read_input(tap->input, buffer, wanted);
    }
    return got;
}

/* --- where another demuxer goes on ----------------------------------------------------------- */

/* Looks at the box that begins. Returns 0 when that is to be read on, or AVERROR. */
static int look_ahead(struct rmx_tap *tap)
{
    while (tap->held_bytes < RMX_TAP_HELD_BYTES) {
        int got =
            read_on(tap, tap->held + tap->held_bytes, (int)(RMX_TAP_HELD_BYTES - tap->held_bytes));

        if (got < 0) {
            return tap->held_bytes > 0 ? 0 : got;
        }
        tap->held_bytes += (unsigned)got;
    }
    tap->cut = rmx_fragments_may_begin(tap->held);
    return tap->cut ? AVERROR_EOF : 0;
}

static int read_held(struct rmx_tap *tap, uint8_t *buffer, int wanted)
{
    unsigned bytes = FFMIN(tap->held_bytes, (unsigned)wanted);

    memcpy(buffer, tap->held, bytes);
    tap->held_bytes -= bytes;
    memmove(tap->held, tap->held + bytes, tap->held_bytes);
    return (int)bytes;
}

static int read_recap(struct rmx_tap *tap, uint8_t *buffer, int wanted)
{
    struct rmx_recap *recap = &tap->recap;
    size_t bytes = FFMIN((size_t)wanted, recap->count - recap->at);

    memcpy(buffer, recap->bytes + recap->at, bytes);
    recap->at += bytes;
    if (recap->at == recap->count) {
        rmx_recap_fini(recap);
    }
    return (int)bytes;
}

/* Bytes that are read again were noted. */
static void note(struct rmx_tap *tap, const uint8_t *bytes, size_t count)
{
    size_t known = (size_t)FFMIN(tap->noted - tap->at, count);

    rmx_fragments_note(&tap->fragments, bytes + known, count - known);
    tap->at += count;
    tap->noted = FFMAX(tap->noted, tap->at);
}

static int read_mp4(struct rmx_tap *tap, uint8_t *buffer, int wanted)
{
    if (tap->recap.bytes) {
        return read_recap(tap, buffer, wanted);
    }
    if (!tap->cut && tap->held_bytes == 0 && rmx_fragments_is_long(&tap->fragments)) {
        if (rmx_fragments_is_between(&tap->fragments)) {
            int err = look_ahead(tap);

            if (err < 0) {
                return err;
            }
        }
        wanted = (int)FFMIN((size_t)wanted, rmx_fragments_room(&tap->fragments));
    }
    if (tap->cut) {
        return AVERROR_EOF;
    }
    int got = tap->held_bytes > 0 ? read_held(tap, buffer, wanted) : read_on(tap, buffer, wanted);

    if (got > 0) {
        note(tap, buffer, (size_t)got);
    }
    return tap->fragments.nameless ? AVERROR_EOF : got;
}

/* Some are in the context's buffer. */
void rmx_tap_follow(struct rmx_tap *tap)
{
    tap->is_mp4 = true;
    if (tap->head) {
        note(tap, tap->head, tap->head_at);
    } else {
        tap->fragments.lost = true;
    }
}

bool rmx_tap_is_refused(const struct rmx_tap *tap)
{
    return tap->fragments.nameless;
}

bool rmx_tap_was_cut(const struct rmx_tap *tap)
{
    return tap->cut;
}

/* Offsets in the input stay what they were: the recapitulation stands right before, and is shorter
 * than what was read. */
int rmx_tap_resume(struct rmx_tap *tap, unsigned *tracks)
{
    AVIOContext *context = tap->context;
    int err = rmx_recap_make(&tap->recap, &tap->fragments);

    if (err < 0) {
        return err;
    }
    rmx_assert(tap->recap.count <= tap->at);
    rmx_fragments_renew(&tap->fragments);
    *tracks = tap->recap.tracks;
    tap->cut = false;
    context->pos -= (int64_t)tap->recap.count;
    context->buf_ptr = context->buffer;
    context->buf_end = context->buffer;
    context->eof_reached = 0;
    context->error = 0;
    return 0;
}

/* --- all together ---------------------------------------------------------------------------- */

static int read_bytes(void *opaque, uint8_t *buffer, int wanted)
{
    struct rmx_tap *tap = opaque;

    if (tap->is_mp4) {
        return read_mp4(tap, buffer, wanted);
    }
    if (wanted >= RMX_PACKING_BYTES && rmx_packing_say_ended(&tap->packing, buffer)) {
        return RMX_PACKING_BYTES;
    }
    int got = read_on(tap, buffer, wanted);

    if (got > 0) {
        rmx_packing_note(&tap->packing, buffer, (unsigned)got);
    }
    return got;
}

static int64_t seek(void *opaque, int64_t offset, int whence)
{
    struct rmx_tap *tap = opaque;

    if (whence == AVSEEK_SIZE && tap->context->seekable != 0) {
        return (int64_t)tap->head_bytes; /* there is at least that much */
    }
    if (whence != SEEK_SET || !tap->keeping || offset < 0 || (size_t)offset > tap->head_bytes) {
        return AVERROR(EPIPE);
    }
    tap->head_at = (size_t)offset;
    tap->at = (uint64_t)offset;
    return offset;
}

void rmx_tap_keep_all(struct rmx_tap *tap)
{
    if (tap->keeping) {
        tap->context->seekable = AVIO_SEEKABLE_NORMAL;
    }
}

void rmx_tap_forget(struct rmx_tap *tap)
{
    tap->keeping = false;
    tap->context->seekable = 0;
}

void rmx_tap_watch(struct rmx_tap *tap)
{
    rmx_tap_forget(tap);
    tap->packing.is_ts = true;
}

int rmx_tap_init(struct rmx_tap *tap, AVIOContext *input)
{
    unsigned char *buffer = av_malloc(BUFFER_BYTES);

    *tap = (struct rmx_tap){
        .input = input, .head = av_malloc(HEAD_BYTES), .head_room = HEAD_BYTES, .keeping = true
    };
    if (buffer && tap->head) {
        tap->context = avio_alloc_context(buffer, BUFFER_BYTES, 0, tap, read_bytes, NULL, seek);
    }
    if (!tap->context) {
        av_free(buffer);
        av_freep(&tap->head);
        return -ENOMEM;
    }
    tap->context->seekable = 0;
    return 0;
}

void rmx_tap_fini(struct rmx_tap *tap)
{
    if (tap->context) {
        av_freep((void *)&tap->context->buffer);
        avio_context_free(&tap->context);
    }
    av_freep(&tap->head);
    rmx_recap_fini(&tap->recap);
    rmx_fragments_fini(&tap->fragments);
}
