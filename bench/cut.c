/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the packets of a stream of bytes end. See cut.h.
 */
#include "bench/cut.h"

#include <stdlib.h>
#include <string.h>

#include "ring/base.h"

#define TS_BYTES         188u
#define FLV_HEAD_BYTES   13u /* with the size of the tag before the first, which is 0 */
#define FLV_TAG_BYTES    11u
#define FLV_BACK_BYTES   4u /* behind each tag, its size */
#define FLV_AUDIO        8u
#define FLV_VIDEO        9u
#define BOX_HEAD_BYTES   8u
#define FIRST_VIDEO_WORD 0xe0 /* of a PES packet's stream id */
#define FIRST_AUDIO_WORD 0xc0

static void add(struct rmx_cut *cut, uint64_t end, enum rmx_cut_stream stream)
{
    if (cut->count == cut->room) {
        cut->room = cut->room == 0 ? 1024 : 2 * cut->room;
        cut->packet = realloc(cut->packet, cut->room * sizeof(*cut->packet));
        rmx_assert(cut->packet != NULL);
    }
    cut->packet[cut->count++] = (struct rmx_cut_packet){ .end = end, .stream = stream };
}

static uint32_t word(const unsigned char *bytes, size_t count)
{
    uint32_t value = 0;

    for (size_t i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* --- MPEG-TS ---------------------------------------------------------------------------------- */

/* The stream id of the PES packet that begins in this transport packet; 0 if none does. */
static unsigned pes_begins(const unsigned char *ts)
{
    bool unit_starts = (ts[1] & 0x40) != 0;
    size_t at = (ts[3] & 0x20) != 0 ? 5u + ts[4] : 4u;

    if (!unit_starts || (ts[3] & 0x10) == 0 || at + 4 > TS_BYTES || word(ts + at, 3) != 1) {
        return 0;
    }
    return ts[at + 3];
}

/* Of a video's PES packet, whose length is not given: does its last transport packet tell? */
static bool is_open(enum rmx_cut_stream stream, const unsigned char *last)
{
    return stream == RMX_CUT_VIDEO && (last[3] & 0x20) == 0;
}

static void add_pes(
    struct rmx_cut *cut, const unsigned char *bytes, uint64_t end, enum rmx_cut_stream stream)
{
    add(cut, end, stream);
    cut->packet[cut->count - 1].open = is_open(stream, bytes + end - TS_BYTES);
}

static void find_ts(struct rmx_cut *cut, const unsigned char *bytes, size_t size)
{
    uint32_t pid = 0;
    uint64_t end = 0;
    enum rmx_cut_stream stream = RMX_CUT_VIDEO;

    for (size_t at = 0; at + TS_BYTES <= size; at += TS_BYTES) {
        uint32_t this_pid = word(bytes + at + 1, 2) & 0x1fff;
        unsigned id = pes_begins(bytes + at);

        if (id >= FIRST_AUDIO_WORD) {
            if (pid != 0) {
                add_pes(cut, bytes, end, stream);
            }
            pid = this_pid;
            stream = id >= FIRST_VIDEO_WORD ? RMX_CUT_VIDEO : RMX_CUT_AUDIO;
        }
        if (this_pid == pid) {
            end = at + TS_BYTES;
        }
    }
    if (pid != 0) {
        add_pes(cut, bytes, end, stream);
    }
}

/* --- FLV -------------------------------------------------------------------------------------- */

/* Is it a packet, and not what describes the packets to come, or ends them? */
static bool is_packet(const unsigned char *tag)
{
    unsigned type = tag[0] & 0x1f;
    const unsigned char *payload = tag + FLV_TAG_BYTES;

    return (type == FLV_VIDEO || type == FLV_AUDIO) && payload[1] == 1; /* AVC and AAC both */
}

static void find_flv(struct rmx_cut *cut, const unsigned char *bytes, size_t size)
{
    size_t at = FLV_HEAD_BYTES;

    while (at + FLV_TAG_BYTES + 2 <= size) {
        size_t end = at + FLV_TAG_BYTES + word(bytes + at + 1, 3) + FLV_BACK_BYTES;

        if (end > size) {
            return;
        }
        if (is_packet(bytes + at)) {
            add(cut, end, (bytes[at] & 0x1f) == FLV_VIDEO ? RMX_CUT_VIDEO : RMX_CUT_AUDIO);
        }
        at = end;
    }
}

/* --- fragmented MP4 --------------------------------------------------------------------------- */

static bool is_box(const unsigned char *box, const char *name)
{
    return memcmp(box + 4, name, 4) == 0;
}

/* The box called `name` directly inside `box`, or NULL. */
static const unsigned char *inside(const unsigned char *box, const char *name)
{
    const unsigned char *end = box + word(box, 4);

    for (box += BOX_HEAD_BYTES; box + BOX_HEAD_BYTES <= end; box += word(box, 4)) {
        if (is_box(box, name)) {
            return box;
        }
        if (word(box, 4) < BOX_HEAD_BYTES) {
            break;
        }
    }
    return NULL;
}

static enum rmx_cut_stream track_of(const unsigned char *moof)
{
    const unsigned char *traf = inside(moof, "traf");
    const unsigned char *tfhd = traf == NULL ? NULL : inside(traf, "tfhd");

    rmx_assert(tfhd != NULL);
    return word(tfhd + 12, 4) == 1 ? RMX_CUT_VIDEO : RMX_CUT_AUDIO;
}

static void find_fmp4(struct rmx_cut *cut, const unsigned char *bytes, size_t size)
{
    const unsigned char *moof = NULL;
    size_t at = 0;

    while (at + BOX_HEAD_BYTES <= size) {
        size_t box_bytes = word(bytes + at, 4);

        if (box_bytes < BOX_HEAD_BYTES || box_bytes > size - at) {
            return;
        }
        if (is_box(bytes + at, "moof")) {
            moof = bytes + at;
        }
        at += box_bytes;
        if (moof != NULL && is_box(bytes + at - box_bytes, "mdat")) {
            add(cut, at, track_of(moof));
        }
    }
}

void rmx_cut_find(
    struct rmx_cut *cut, enum rmx_cut_format format, const unsigned char *bytes, size_t size)
{
    switch (format) {
    case RMX_CUT_TS:
        find_ts(cut, bytes, size);
        break;
    case RMX_CUT_FLV:
        find_flv(cut, bytes, size);
        break;
    case RMX_CUT_FMP4:
        find_fmp4(cut, bytes, size);
        break;
    }
}

void rmx_cut_fini(struct rmx_cut *cut)
{
    free(cut->packet);
    *cut = (struct rmx_cut){ .count = 0 };
}
