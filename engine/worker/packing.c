/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How pictures lie in PES packets. Worker process, a job's fiber. Does no I/O.
 */
#include "engine/worker/packing.h"

#include <string.h>

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>

#include "engine/worker/nal.h"

#define SYNC_BYTE      0x47
#define LARGE_BYTES    32768
#define PES_HEAD_BYTES 9 /* the last of them says how many follow */

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

/* --- a TS packet ----------------------------------------------------------------------------- */

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

static unsigned payload_at(const uint8_t *packet)
{
    return 4 + (packet[3] & HAS_ADAPTATION ? 1u + packet[4] : 0);
}

/* Does a PES packet of pictures begin here? */
static bool is_picture_head(const uint8_t *packet)
{
    unsigned at = payload_at(packet);

    return at + PES_HEAD_BYTES <= RMX_PACKING_BYTES && AV_RB24(packet + at) == 1 &&
           (packet[at + 3] & 0xf0) == 0xe0;
}

/* --- a PID ----------------------------------------------------------------------------------- */

static struct rmx_packing_pid *find(struct rmx_packing *packing, uint16_t pid)
{
    for (unsigned slot = 0; slot < packing->count; slot++) {
        if (packing->pids[slot].pid == pid) {
            return &packing->pids[slot];
        }
    }
    return NULL;
}

static struct rmx_packing_pid *add(struct rmx_packing *packing, uint16_t pid)
{
    if (packing->count == RMX_PACKING_PIDS_MAX) {
        return NULL;
    }
    packing->pids[packing->count] = (struct rmx_packing_pid){ .pid = pid };
    return &packing->pids[packing->count++];
}

/* The picture before was all there when the next one began: did it keep to the habit? One that fits
 * exactly says nothing. */
static void judge(struct rmx_packing_pid *state)
{
    if (state->measured) {
        return;
    }
    if (state->filled == 1 && state->last_filled) {
        state->kept++;
    } else if (state->filled > 0) {
        state->erratic = true;
    }
}

/* What a PES packet begins with. Where packets are missing before it, another multiplexer may have
 * taken over. */
static void begin(struct rmx_packing_pid *state, const uint8_t *packet)
{
    unsigned at = payload_at(packet);
    bool follows = ((state->counter + 1u) & 15) == (packet[3] & 15);

    judge(state);
    if (!follows) {
        state->kept = 0;
        state->begun = 0;
    }
    state->filled = 0;
    state->begun++;
    if (!is_picture_head(packet)) {
        state->torn_h264 = true;
        state->torn_hevc = true;
        return;
    }
    state->measured = AV_RB16(packet + at + 4) != 0;
    state->any_measured |= state->measured;
    at = FFMIN(at + PES_HEAD_BYTES + packet[at + 8], RMX_PACKING_BYTES);

    const uint8_t *data = packet + at;
    size_t bytes = RMX_PACKING_BYTES - at;

    state->torn_h264 |= !rmx_nal_begins_picture(AV_CODEC_ID_H264, data, bytes);
    state->torn_hevc |= !rmx_nal_begins_picture(AV_CODEC_ID_HEVC, data, bytes);
}

static void note_packet(struct rmx_packing_pid *state, const uint8_t *packet, bool begins)
{
    if (begins) {
        begin(state, packet);
    } else if (state->said) {
        state->erratic = true; /* it was not the last */
    }
    state->counter = packet[3] & 15;
    state->last_filled = is_filled_up(packet);
    state->filled = (uint8_t)FFMIN(state->filled + state->last_filled, UINT8_MAX);
    state->said = false;
    state->ended = state->last_filled && state->kept >= RMX_PACKING_HABIT && !state->erratic &&
                   !state->measured;
}

static void look_at(struct rmx_packing *packing, const uint8_t *packet)
{
    if (packet[0] != SYNC_BYTE) {
        packing->is_ts = false;
        return;
    }
    if (!(packet[3] & HAS_PAYLOAD)) {
        return;
    }
    uint16_t pid = AV_RB16(packet + 1) & 0x1fff;
    bool begins = packet[1] & BEGINS_UNIT;
    struct rmx_packing_pid *state = find(packing, pid);

    if (!state && begins && is_picture_head(packet)) {
        state = add(packing, pid);
    }
    if (state) {
        note_packet(state, packet, begins);
    }
}

void rmx_packing_note(struct rmx_packing *packing, const uint8_t *bytes, unsigned count)
{
    while (count > 0 && packing->is_ts) {
        unsigned missing = FFMIN(RMX_PACKING_BYTES - packing->partial_bytes, count);

        if (missing == RMX_PACKING_BYTES) {
            look_at(packing, bytes);
        } else {
            memcpy(packing->partial + packing->partial_bytes, bytes, missing);
            packing->partial_bytes += missing;
            if (packing->partial_bytes == RMX_PACKING_BYTES) {
                packing->partial_bytes = 0;
                look_at(packing, packing->partial);
            }
        }
        bytes += missing;
        count -= missing;
    }
}

/* With the counter of the packet before, which no other may have, but for where the stream says
 * that it is broken. The unit has no bytes yet, no times, and does not say how long it is. */
static void make_head(const struct rmx_packing_pid *state, uint8_t *packet)
{
    static const uint8_t head[PES_HEAD_BYTES] = { 0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0 };
    const unsigned at = RMX_PACKING_BYTES - sizeof(head);

    memset(packet, 0xff, at);
    packet[0] = SYNC_BYTE;
    AV_WB16(packet + 1, BEGINS_UNIT << 8 | state->pid);
    packet[3] = HAS_ADAPTATION | HAS_PAYLOAD | state->counter;
    packet[4] = (uint8_t)(at - 5);
    packet[5] = DISCONTINUITY;
    memcpy(packet + at, head, sizeof(head));
}

bool rmx_packing_say_ended(struct rmx_packing *packing, uint8_t *packet)
{
    if (!packing->is_ts || packing->partial_bytes > 0) {
        return false;
    }
    for (unsigned slot = 0; slot < packing->count; slot++) {
        struct rmx_packing_pid *state = &packing->pids[slot];

        if (state->ended) {
            make_head(state, packet);
            state->ended = false;
            state->said = true;
            return true;
        }
    }
    return false;
}

/* A demuxer gives a PES packet when it has all that was announced, or when the next one begins. Who
 * announces that cannot announce more than 64 KB: a large picture takes several. */
enum rmx_packing_kind rmx_packing_kind(
    const struct rmx_packing *packing, int pid, enum AVCodecID codec, size_t bytes)
{
    const struct rmx_packing_pid *state = packing->pids;
    const struct rmx_packing_pid *end = packing->pids + packing->count;

    while (state < end && state->pid != pid) {
        state++;
    }
    if (!packing->is_ts || state == end ||
        (codec == AV_CODEC_ID_HEVC ? state->torn_hevc : state->torn_h264)) {
        return RMX_PACKING_LOOSE;
    }
    bool may_go_on =
        state->any_measured && (state->begun < RMX_PACKING_HABIT || bytes > LARGE_BYTES);

    return may_go_on ? RMX_PACKING_ALIGNED : RMX_PACKING_WHOLE;
}
