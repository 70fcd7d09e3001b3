/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A transport stream of made-up pictures.
 */
#include "tests/packed_ts.h"

#include <string.h>

#include <libavutil/bswap.h>
#include <libavutil/common.h>
#include <libavutil/crc.h>
#include <libavutil/intreadwrite.h>

#include "ring/base.h"

#define TS_BYTES        188
#define PICTURE_PID     0x100
#define PMT_PID         0x1000
#define FRAME           3600 /* of 90 kHz */
#define SHORT_BYTES     400
#define DELIMITER_BYTES 6 /* of H.264; H.265's has one more */

const char *const packed_way_names[PACKED_WAYS] = { "each", "measured", "full", "by slice",
    "by slice, measured", "in pairs", "in pieces", "early delimiter" };

struct packed_ts packed;

/* --- pictures -------------------------------------------------------------------------------- */

static const uint8_t h264_sets[] = { 0, 0, 0, 1, 0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41,
    0xfe, 0xab, 0x0e, 0x6a, 0x02, 0x02, 0x02, 0x80, 0x00, 0x00, 0x03, 0x00, 0x80, 0x00, 0x00, 0x19,
    0x07, 0x8a, 0x14, 0xcb, 0, 0, 0, 1, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0 };
static const uint8_t hevc_sets[] = { 0, 0, 0, 1, 0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60,
    0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x5a, 0x95, 0x98, 0x09,
    0, 0, 0, 1, 0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00,
    0x00, 0x03, 0x00, 0x5a, 0xa0, 0x06, 0xb2, 0x01, 0xe1, 0xd7, 0x96, 0x56, 0x69, 0x24, 0xca, 0xe6,
    0x80, 0x80, 0x00, 0x00, 0x03, 0x00, 0x80, 0x00, 0x00, 0x0f, 0x04, 0, 0, 0, 1, 0x44, 0x01, 0xc1,
    0x72, 0xb4, 0x62, 0x40 };

static void code(const uint8_t *bytes, size_t count)
{
    rmx_assert(packed.coded_bytes + count <= PACKED_BYTES_MAX);
    memcpy(packed.coded + packed.coded_bytes, bytes, count);
    packed.coded_bytes += count;
}

static void code_slice(unsigned slice, bool key, uint8_t fill)
{
    static const uint8_t first_block[PACKED_SLICES] = { 0x9a, 0x48, 0x68 };
    uint8_t head[] = { 0, 0, 1, key ? 0x65 : 0x41, first_block[slice], 0x84, 0x88 };
    size_t bytes = packed.picture_bytes / packed.slices;

    if (packed.codec == AV_CODEC_ID_HEVC) {
        head[3] = key ? 0x26 : 0x02;
        head[4] = 0x01;
        head[5] = slice == 0 ? 0xaf : 0x48;
    }
    code(head, sizeof(head));
    rmx_assert(packed.coded_bytes + bytes <= PACKED_BYTES_MAX);
    memset(packed.coded + packed.coded_bytes, fill, bytes);
    packed.coded_bytes += bytes;
}

void packed_code(bool key)
{
    static const uint8_t h264_delimiter[] = { 0, 0, 0, 1, 0x09, 0xf0 };
    static const uint8_t hevc_delimiter[] = { 0, 0, 0, 1, 0x46, 0x01, 0x50 };
    bool hevc = packed.codec == AV_CODEC_ID_HEVC;
    unsigned number = packed.pictures++;

    rmx_assert(number < PACKED_PICTURES_MAX);
    packed.begins[number] = packed.coded_bytes;
    if (packed.delimited) {
        code(hevc ? hevc_delimiter : h264_delimiter,
            hevc ? sizeof(hevc_delimiter) : sizeof(h264_delimiter));
    }
    if (key) {
        code(hevc ? hevc_sets : h264_sets, hevc ? sizeof(hevc_sets) : sizeof(h264_sets));
    }
    for (unsigned slice = 0; slice < packed.slices * (packed.fields ? 2 : 1); slice++) {
        packed.slice_at[number][slice] = packed.coded_bytes;
        code_slice(slice % packed.slices, key, (uint8_t)(number % 200 + 4));
    }
    packed.begins[packed.pictures] = packed.coded_bytes;
}

/* --- a transport stream ---------------------------------------------------------------------- */

static uint8_t *add_ts(uint16_t pid, unsigned counter, bool begins)
{
    uint8_t *packet = packed.ts + packed.ts_bytes;

    rmx_assert(packed.ts_bytes + TS_BYTES <= sizeof(packed.ts));
    packed.ts_bytes += TS_BYTES;
    memset(packet, 0xff, TS_BYTES);
    packet[0] = 0x47;
    AV_WB16(packet + 1, (begins ? 0x4000 : 0) | pid);
    packet[3] = (uint8_t)(0x10 | (packed.counters[counter]++ & 15));
    return packet;
}

static void add_table(uint16_t pid, unsigned counter, const uint8_t *section, unsigned bytes)
{
    uint8_t *packet = add_ts(pid, counter, true);

    packet[4] = 0;
    memcpy(packet + 5, section, bytes);
    AV_WB32(packet + 5 + bytes,
        av_bswap32(av_crc(av_crc_get_table(AV_CRC_32_IEEE), UINT32_MAX, section, bytes)));
}

static void add_tables(void)
{
    static const uint8_t pat[] = { 0x00, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | PMT_PID >> 8,
        PMT_PID & 255 };
    uint8_t pmt[] = { 0x02, 0xb0, 18, 0, 1, 0xc1, 0, 0, 0xe0 | PICTURE_PID >> 8, PICTURE_PID & 255,
        0xf0, 0, packed.codec == AV_CODEC_ID_HEVC ? 0x24 : 0x1b, 0xe0 | PICTURE_PID >> 8,
        PICTURE_PID & 255, 0xf0, 0 };

    add_table(0, 0, pat, sizeof(pat));
    add_table(PMT_PID, 1, pmt, sizeof(pmt));
}

/* Puts bytes into one TS packet, and fills it up. Returns how many. */
static size_t add_payload(const uint8_t *bytes, size_t count, bool begins)
{
    uint8_t *packet = add_ts(PICTURE_PID, 2, begins);
    size_t room = TS_BYTES - 4 - (begins ? 8 : 0); /* with a clock */
    size_t taken = count < room ? count : room;
    size_t field = TS_BYTES - 4 - taken;

    if (field > 0) {
        packet[3] |= 0x20;
        packet[4] = (uint8_t)(field - 1);
    }
    if (field > 1) {
        packet[5] = begins ? 0x10 : 0;
    }
    if (begins) {
        int64_t clock = (int64_t)packed.packets * FRAME;

        AV_WB32(packet + 6, (uint32_t)(clock >> 1));
        AV_WB16(packet + 10, (uint16_t)((clock & 1) << 15 | 0x7e00));
    }
    memcpy(packet + TS_BYTES - taken, bytes, taken);
    return taken;
}

/* The coded bytes from `from` to `to`; pts < 0: there is none. */
static void add_pes(size_t from, size_t to, int64_t pts, bool measured)
{
    static uint8_t pes[PACKED_BYTES_MAX];
    size_t head = pts < 0 ? 9 : 14;
    size_t bytes = head + to - from;
    size_t at = 0;

    rmx_assert(packed.packets < PACKED_PES_MAX);
    memset(pes, 0, head);
    pes[2] = 1;
    pes[3] = 0xe0;
    rmx_assert(!measured || bytes - 6 <= UINT16_MAX);
    AV_WB16(pes + 4, measured ? (uint16_t)(bytes - 6) : 0);
    pes[6] = 0x80;
    pes[7] = pts < 0 ? 0 : 0x80;
    pes[8] = (uint8_t)(head - 9);
    if (pts >= 0) {
        pes[9] = (uint8_t)(0x21 | pts >> 30 << 1);
        AV_WB16(pes + 10, (uint16_t)((pts >> 15) << 1 | 1));
        AV_WB16(pes + 12, (uint16_t)(pts << 1 | 1));
    }
    memcpy(pes + head, packed.coded + from, to - from);
    if (packed.packets % 20 == 0) {
        add_tables();
    }
    while (at < bytes) {
        at += add_payload(pes + at, bytes - at, at == 0);
    }
    packed.ends[packed.packets] = packed.ts_bytes;
    packed.ends_coded[packed.packets++] = to;
}

/* The bytes after which no stuffing is needed: as many as fit into the TS packets it takes. */
static size_t even_end(size_t from, size_t to)
{
    size_t bytes = 8 + 14 + to - from;
    size_t even = (bytes + TS_BYTES - 5) / (TS_BYTES - 4) * (TS_BYTES - 4);

    return FFMIN(to + even - bytes, packed.coded_bytes);
}

/* --- ways of packing ------------------------------------------------------------------------- */

static int64_t time_of(unsigned picture)
{
    return 90000 + (int64_t)picture * FRAME;
}

static void pack_slices(unsigned picture, bool measured)
{
    unsigned slices = packed.slices * (packed.fields ? 2 : 1);

    for (unsigned slice = 0; slice < slices; slice++) {
        size_t from = slice == 0 ? packed.begins[picture] : packed.slice_at[picture][slice];
        size_t to =
            slice + 1 < slices ? packed.slice_at[picture][slice + 1] : packed.begins[picture + 1];

        add_pes(from, to, slice == 0 ? time_of(picture) : -1, measured);
    }
}

void packed_add_pieces(unsigned picture, size_t most)
{
    for (size_t at = packed.begins[picture]; at < packed.begins[picture + 1]; at += most) {
        add_pes(at, FFMIN(at + most, packed.begins[picture + 1]),
            at == packed.begins[picture] ? time_of(picture) : -1, true);
    }
}

/* Packs pictures from `first` until `last`. *at: what was packed before. */
void packed_add(enum packed_way way, unsigned first, unsigned last, size_t *at)
{
    for (unsigned picture = first; picture < last; picture++) {
        size_t end = packed.begins[picture + 1];

        switch (way) {
        case PACKED_FULL:
            end = picture + 1 < last ? even_end(*at, end) : end;
            break;
        case PACKED_EARLY_DELIMITER:
            end += picture + 1 < last ? DELIMITER_BYTES + (size_t)(packed.codec == AV_CODEC_ID_HEVC)
                                      : 0;
            break;
        case PACKED_IN_PAIRS:
            end = packed.begins[FFMIN(picture + 2, last)];
            add_pes(*at, end, time_of(picture++), false);
            break;
        case PACKED_BY_SLICE:
        case PACKED_BY_SLICE_MEASURED:
            pack_slices(picture, way == PACKED_BY_SLICE_MEASURED);
            break;
        case PACKED_IN_PIECES:
            packed_add_pieces(picture, SHORT_BYTES);
            break;
        default:
            break;
        }
        if (way == PACKED_EACH || way == PACKED_FULL || way == PACKED_EARLY_DELIMITER ||
            way == PACKED_MEASURED) {
            add_pes(*at, end, time_of(picture), way == PACKED_MEASURED);
        }
        *at = end;
    }
}

/* So many pictures as they begin, then so many another way. */
void packed_make(enum packed_way before, unsigned lead, enum packed_way after, unsigned rest)
{
    size_t at = 0;

    packed.coded_bytes = packed.ts_bytes = 0;
    packed.pictures = packed.packets = 0;
    memset(packed.counters, 0, sizeof(packed.counters));
    for (unsigned count = 0; count < lead + rest; count++) {
        packed_code(count % 12 == 0);
    }
    packed_add(before, 0, lead, &at);
    packed_add(after, lead, lead + rest, &at);
}

void packed_describe(enum AVCodecID codec, size_t picture_bytes)
{
    packed.codec = codec;
    packed.delimited = true;
    packed.fields = false;
    packed.slices = PACKED_SLICES;
    packed.picture_bytes = picture_bytes;
}
