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
#define SYNC_BYTE    0x47
#define HABIT        24 /* pictures: about a second */

enum {
    HAS_ADAPTATION = 0x20, /* byte 3 */
    HAS_PAYLOAD = 0x10,
    BEGINS_UNIT = 0x40,   /* byte 1 */
    DISCONTINUITY = 0x80, /* byte 5, with an adaptation field */
    HAS_PCR = 0x10,
    HAS_OPCR = 0x08,
    HAS_SPLICE = 0x04,
    HAS_MORE = 0x03, /* private data, extension: never seen with pictures, and not looked into */
};

/* --- where pictures end ---------------------------------------------------------------------- */

/* Is there an adaptation field that has more room than content? */
static bool is_filled_up(const uint8_t *packet)
{
    unsigned bytes = packet[4];
    uint8_t flags = packet[5];

    if (!(packet[3] & HAS_ADAPTATION)) {
        return false;
    }
    if (bytes == 0) { /* one byte was to be filled */
        return true;
    }
    unsigned content =
        1u + (flags & HAS_PCR ? 6 : 0) + (flags & HAS_OPCR ? 6 : 0) + (flags & HAS_SPLICE ? 1 : 0);

    return !(flags & HAS_MORE) && bytes > content;
}

/* Does a picture of unknown length begin here? */
static bool begins_picture(const uint8_t *packet)
{
    unsigned at = 4 + (packet[3] & HAS_ADAPTATION ? 1u + packet[4] : 0);

    return at + 6 <= RMX_TAP_TS_BYTES && AV_RB24(packet + at) == 1 &&
           (packet[at + 3] & 0xf0) == 0xe0 && AV_RB16(packet + at + 4) == 0;
}

static struct rmx_tap_pid *find(struct rmx_tap *tap, uint16_t pid)
{
    for (unsigned slot = 0; slot < tap->count; slot++) {
        if (tap->pids[slot].pid == pid) {
            return &tap->pids[slot];
        }
    }
    return NULL;
}

static struct rmx_tap_pid *add(struct rmx_tap *tap, uint16_t pid)
{
    if (tap->count == RMX_TAP_PIDS_MAX) {
        return NULL;
    }
    tap->pids[tap->count] = (struct rmx_tap_pid){ .pid = pid };
    return &tap->pids[tap->count++];
}

/* The picture before was all there when the next one began: did it keep to the habit? One that fits
 * exactly says nothing. */
static void judge(struct rmx_tap_pid *state)
{
    if (state->filled == 1 && state->last_filled) {
        state->kept++;
    } else if (state->filled > 0) {
        state->erratic = true;
    }
}

static void note_picture(struct rmx_tap_pid *state, const uint8_t *packet, bool begins)
{
    if (begins) {
        judge(state);
        state->filled = 0;
    } else if (state->said) {
        state->erratic = true; /* it was not the last */
    }
    state->counter = packet[3] & 15;
    state->last_filled = is_filled_up(packet);
    state->filled = (uint8_t)FFMIN(state->filled + state->last_filled, UINT8_MAX);
    state->said = false;
    state->ended = state->last_filled && state->kept >= HABIT && !state->erratic;
}

static void look_at(struct rmx_tap *tap, const uint8_t *packet)
{
    if (packet[0] != SYNC_BYTE) {
        tap->is_ts = false;
        return;
    }
    if (!(packet[3] & HAS_PAYLOAD)) {
        return;
    }
    uint16_t pid = AV_RB16(packet + 1) & 0x1fff;
    bool begins = packet[1] & BEGINS_UNIT;
    struct rmx_tap_pid *state = find(tap, pid);

    if (!state && begins && begins_picture(packet)) {
        state = add(tap, pid);
    }
    if (state) {
        note_picture(state, packet, begins);
    }
}

static void pass(struct rmx_tap *tap, const uint8_t *bytes, unsigned count)
{
    while (count > 0 && tap->is_ts) {
        unsigned missing = FFMIN(RMX_TAP_TS_BYTES - tap->partial_bytes, count);

        if (missing == RMX_TAP_TS_BYTES) {
            look_at(tap, bytes);
        } else {
            memcpy(tap->partial + tap->partial_bytes, bytes, missing);
            tap->partial_bytes += missing;
            if (tap->partial_bytes == RMX_TAP_TS_BYTES) {
                tap->partial_bytes = 0;
                look_at(tap, tap->partial);
            }
        }
        bytes += missing;
        count -= missing;
    }
}

/* An empty unit begins: with the counter of the packet before, which no other may have, but for
 * where the stream says that it is broken. */
static int say_ended(struct rmx_tap_pid *state, uint8_t *packet)
{
    memset(packet, 0xff, RMX_TAP_TS_BYTES);
    packet[0] = SYNC_BYTE;
    AV_WB16(packet + 1, BEGINS_UNIT << 8 | state->pid);
    packet[3] = HAS_ADAPTATION | HAS_PAYLOAD | state->counter;
    packet[4] = RMX_TAP_TS_BYTES - 6; /* leaves one byte */
    packet[5] = DISCONTINUITY;
    state->ended = false;
    state->said = true;
    return RMX_TAP_TS_BYTES;
}

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
    for (unsigned slot = 0; slot < tap->count && tap->is_ts && tap->partial_bytes == 0; slot++) {
        if (tap->pids[slot].ended && wanted >= RMX_TAP_TS_BYTES) {
            return say_ended(&tap->pids[slot], buffer);
        }
    }
    int got = read_on(tap, buffer, wanted);

    if (got > 0) {
        pass(tap, buffer, (unsigned)got);
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
    tap->is_ts = true;
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
