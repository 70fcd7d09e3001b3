/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a media file is made of. See anatomy.h.
 */
#include "tests/anatomy.h"

#include <stdbool.h>
#include <string.h>

#define DEPTH_MAX       12u
#define TS_BYTES        188u
#define OGG_HEAD_BYTES  27u
#define FLV_HEAD_BYTES  9u
#define FLV_TAG_BYTES   11u
#define OGG_POLYNOMIAL  0x04c11db7u
#define RIFF_HEAD_BYTES 8u

struct reading {
    struct anatomy *anatomy;
    const uint8_t *bytes;
    size_t size; /* of the file */
};

static uint64_t read_big(const uint8_t *bytes, uint32_t wide)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < wide; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static uint64_t read_little(const uint8_t *bytes, uint32_t wide)
{
    uint64_t value = 0;

    for (uint32_t i = wide; i > 0; i--) {
        value = value << 8 | bytes[i - 1];
    }
    return value;
}

/* The piece's index, or ANATOMY_NO_PARENT: there is no more room. */
static uint32_t add(const struct reading *reading, const struct anatomy_piece *piece)
{
    struct anatomy *anatomy = reading->anatomy;

    if (anatomy->count == ANATOMY_PIECES_MAX) {
        return ANATOMY_NO_PARENT;
    }
    anatomy->pieces[anatomy->count] = *piece;
    return anatomy->count++;
}

static bool is_one_of(uint64_t name, const uint32_t *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i] == name) {
            return true;
        }
    }
    return false;
}

#define ONE_OF(name, names) is_one_of(name, names, sizeof(names) / sizeof(*(names)))

/* --- MP4 -------------------------------------------------------------------------------------- */

#define NAME(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

/* What lies in the body before the boxes inside; SIZE_MAX: no boxes are inside. */
static size_t before_boxes(uint64_t name)
{
    static const uint32_t plain[] = { NAME('m', 'o', 'o', 'v'), NAME('t', 'r', 'a', 'k'),
        NAME('m', 'd', 'i', 'a'), NAME('m', 'i', 'n', 'f'), NAME('s', 't', 'b', 'l'),
        NAME('m', 'o', 'o', 'f'), NAME('t', 'r', 'a', 'f'), NAME('m', 'v', 'e', 'x'),
        NAME('e', 'd', 't', 's'), NAME('u', 'd', 't', 'a'), NAME('d', 'i', 'n', 'f'),
        NAME('i', 'l', 's', 't'), NAME('s', 'i', 'n', 'f'), NAME('s', 'c', 'h', 'i'),
        NAME('w', 'a', 'v', 'e'), NAME('i', 'p', 'r', 'p'), NAME('i', 'p', 'c', 'o'),
        NAME('m', 'f', 'r', 'a'), NAME('t', 'r', 'e', 'f') };
    static const uint32_t counted[] = { NAME('s', 't', 's', 'd'), NAME('d', 'r', 'e', 'f') };
    static const uint32_t video[] = { NAME('a', 'v', 'c', '1'), NAME('h', 'v', 'c', '1'),
        NAME('h', 'e', 'v', '1'), NAME('a', 'v', '0', '1'), NAME('v', 'p', '0', '9'),
        NAME('e', 'n', 'c', 'v') };
    static const uint32_t audio[] = { NAME('m', 'p', '4', 'a'), NAME('e', 'n', 'c', 'a'),
        NAME('O', 'p', 'u', 's'), NAME('a', 'c', '-', '3'), NAME('f', 'L', 'a', 'C') };

    if (ONE_OF(name, plain)) {
        return 0;
    }
    if (ONE_OF(name, counted)) {
        return 8;
    }
    if (ONE_OF(name, video)) {
        return 78;
    }
    if (ONE_OF(name, audio)) {
        return 28;
    }
    return name == NAME('m', 'e', 't', 'a') ? 4 : SIZE_MAX;
}

static bool read_box(const struct reading *reading, size_t at, size_t end, uint32_t parent,
    struct anatomy_piece *piece)
{
    uint64_t said;

    if (end - at < 8) {
        return false;
    }
    *piece = (struct anatomy_piece){ .at = at, .head_bytes = 8, .parent = parent };
    piece->size = ANATOMY_BIG;
    piece->size_at = at;
    piece->size_wide = 4;
    said = read_big(reading->bytes + at, 4);
    if (said == 1 && end - at >= 16) {
        piece->head_bytes = 16;
        piece->size_at = at + 8;
        piece->size_wide = 8;
        said = read_big(reading->bytes + at + 8, 8);
    }
    piece->size_more = (int64_t)piece->head_bytes;
    piece->bytes = said < end - at ? (size_t)said : end - at;
    return piece->bytes >= piece->head_bytes;
}

/* A level a call: files from outside nest deeper than DEPTH_MAX only to do harm. */
/* NOLINTNEXTLINE(misc-no-recursion): no deeper than DEPTH_MAX */
static void read_boxes(
    const struct reading *reading, size_t at, size_t end, uint32_t parent, uint32_t depth)
{
    struct anatomy_piece piece;

    while (at < end && read_box(reading, at, end, parent, &piece)) {
        size_t skip = before_boxes(read_big(reading->bytes + at + 4, 4));
        uint32_t index = add(reading, &piece);

        if (skip < piece.bytes - piece.head_bytes && depth < DEPTH_MAX) {
            read_boxes(reading, at + piece.head_bytes + skip, at + piece.bytes, index, depth + 1);
        }
        at += piece.bytes;
    }
}

/* --- EBML ------------------------------------------------------------------------------------- */

/* Bytes of the number at `at`, by its first one; 0: there is none. */
static uint32_t vint_bytes(const struct reading *reading, size_t at, size_t end, uint32_t max)
{
    uint32_t wide = 1;

    if (at >= end || reading->bytes[at] == 0) {
        return 0;
    }
    while ((reading->bytes[at] & (0x80u >> (wide - 1))) == 0) {
        wide++;
    }
    return wide <= max && wide <= end - at ? wide : 0;
}

static bool holds_elements(uint64_t id)
{
    static const uint32_t masters[] = { 0x1a45dfa3, 0x18538067, 0x114d9b74, 0x4dbb, 0x1549a966,
        0x1654ae6b, 0xae, 0xe0, 0xe1, 0x6d80, 0x6240, 0x5034, 0x5035, 0x1f43b675, 0xa0, 0x75a1,
        0xa6, 0x1c53bb6b, 0xbb, 0xb7, 0x1254c367, 0x7373, 0x63c0, 0x67c8, 0x1043a770, 0x45b9, 0xb6,
        0x80, 0x1941a469, 0x61a7, 0x55b0, 0x55d0 };

    return ONE_OF(id, masters);
}

/* NOLINTNEXTLINE(misc-no-recursion): no deeper than DEPTH_MAX */
static void read_elements(
    const struct reading *reading, size_t at, size_t end, uint32_t parent, uint32_t depth)
{
    for (;;) {
        uint32_t id_bytes = vint_bytes(reading, at, end, 4);
        uint32_t wide = id_bytes ? vint_bytes(reading, at + id_bytes, end, 8) : 0;
        struct anatomy_piece piece = { .at = at, .parent = parent, .size = ANATOMY_VINT };
        uint64_t said;

        if (wide == 0) {
            return;
        }
        piece.head_bytes = id_bytes + wide;
        piece.size_at = at + id_bytes;
        piece.size_wide = wide;
        said = anatomy_read_size(reading->bytes, &piece); /* all ones: up to the end */
        piece.bytes =
            said < end - at - piece.head_bytes ? (size_t)said + piece.head_bytes : end - at;
        uint32_t index = add(reading, &piece);
        if (depth < DEPTH_MAX && holds_elements(read_big(reading->bytes + at, id_bytes))) {
            read_elements(reading, at + piece.head_bytes, at + piece.bytes, index, depth + 1);
        }
        at += piece.bytes;
    }
}

/* --- RIFF ------------------------------------------------------------------------------------- */

/* NOLINTNEXTLINE(misc-no-recursion): no deeper than DEPTH_MAX */
static void read_chunks(
    const struct reading *reading, size_t at, size_t end, uint32_t parent, uint32_t depth)
{
    while (at < end && end - at >= RIFF_HEAD_BYTES) {
        struct anatomy_piece piece = { .at = at,
            .head_bytes = RIFF_HEAD_BYTES,
            .size_at = at + 4,
            .size_wide = 4,
            .size = ANATOMY_LITTLE,
            .parent = parent };
        uint64_t said = read_little(reading->bytes + at + 4, 4);
        uint64_t name = read_big(reading->bytes + at, 4);
        size_t left = end - at - RIFF_HEAD_BYTES;

        piece.bytes = RIFF_HEAD_BYTES + (said + (said & 1) < left ? said + (said & 1) : left);
        uint32_t index = add(reading, &piece);
        bool holds = name == NAME('R', 'I', 'F', 'F') || name == NAME('L', 'I', 'S', 'T');
        if (holds && piece.bytes >= RIFF_HEAD_BYTES + 4 && depth < DEPTH_MAX) {
            read_chunks(reading, at + RIFF_HEAD_BYTES + 4, at + piece.bytes, index, depth + 1);
        }
        at += piece.bytes;
    }
}

/* --- rows of the like: packets, tags, pages --------------------------------------------------- */

static void read_packets(const struct reading *reading, size_t at, size_t stride)
{
    for (; at + TS_BYTES <= reading->size && reading->bytes[at] == 0x47; at += stride) {
        const struct anatomy_piece piece = {
            .at = at, .bytes = stride, .head_bytes = 4, .parent = ANATOMY_NO_PARENT
        };

        if (at + stride > reading->size || add(reading, &piece) == ANATOMY_NO_PARENT) {
            return;
        }
    }
}

static void read_tags(const struct reading *reading)
{
    size_t at = FLV_HEAD_BYTES + 4;

    while (at < reading->size && reading->size - at >= FLV_TAG_BYTES) {
        struct anatomy_piece piece = { .at = at,
            .head_bytes = FLV_TAG_BYTES,
            .size_at = at + 1,
            .size_wide = 3,
            .size = ANATOMY_BIG,
            .size_more = -4,
            .parent = ANATOMY_NO_PARENT };
        size_t bytes = FLV_TAG_BYTES + read_big(reading->bytes + at + 1, 3) + 4;

        piece.bytes = bytes < reading->size - at ? bytes : reading->size - at;
        if (add(reading, &piece) == ANATOMY_NO_PARENT) {
            return;
        }
        at += piece.bytes;
    }
}

/* Head, table and body; 0: there is no page. */
static size_t page_bytes(const uint8_t *bytes, size_t left)
{
    size_t size;

    if (left < OGG_HEAD_BYTES || memcmp(bytes, "OggS", 4) != 0 ||
        left < OGG_HEAD_BYTES + bytes[26]) {
        return 0;
    }
    size = OGG_HEAD_BYTES + (size_t)bytes[26];
    for (size_t i = 0; i < bytes[26]; i++) {
        size += bytes[OGG_HEAD_BYTES + i];
    }
    return size <= left ? size : 0;
}

static void read_pages(const struct reading *reading)
{
    size_t at = 0;
    size_t bytes;

    while ((bytes = page_bytes(reading->bytes + at, reading->size - at)) > 0) {
        const struct anatomy_piece piece = { .at = at,
            .bytes = bytes,
            .head_bytes = OGG_HEAD_BYTES + reading->bytes[at + 26],
            .parent = ANATOMY_NO_PARENT };

        if (add(reading, &piece) == ANATOMY_NO_PARENT) {
            return;
        }
        at += bytes;
    }
}

static uint32_t ogg_sum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < size; i++) {
        sum ^= (uint32_t)(i >= 22 && i < 26 ? 0 : bytes[i]) << 24;
        for (int bit = 0; bit < 8; bit++) {
            sum = sum & 0x80000000u ? sum << 1 ^ OGG_POLYNOMIAL : sum << 1;
        }
    }
    return sum;
}

void anatomy_mend_ogg(uint8_t *bytes, size_t size)
{
    size_t at = 0;
    size_t page;

    while ((page = page_bytes(bytes + at, size - at)) > 0) {
        uint32_t sum = ogg_sum(bytes + at, page);

        for (uint32_t i = 0; i < 4; i++) {
            bytes[at + 22 + i] = (uint8_t)(sum >> 8 * i);
        }
        at += page;
    }
}

/* --- all of them ------------------------------------------------------------------------------ */

void anatomy_read(struct anatomy *anatomy, const uint8_t *bytes, size_t size)
{
    static const uint32_t first_boxes[] = { NAME('f', 't', 'y', 'p'), NAME('s', 't', 'y', 'p'),
        NAME('m', 'o', 'o', 'v'), NAME('m', 'o', 'o', 'f'), NAME('m', 'd', 'a', 't'),
        NAME('f', 'r', 'e', 'e'), NAME('w', 'i', 'd', 'e'), NAME('s', 'k', 'i', 'p') };
    const struct reading reading = { .anatomy = anatomy, .bytes = bytes, .size = size };

    anatomy->count = 0;
    if (size < 16) {
        return;
    }
    uint64_t first = read_big(bytes, 4);
    if (ONE_OF(read_big(bytes + 4, 4), first_boxes)) {
        read_boxes(&reading, 0, size, ANATOMY_NO_PARENT, 0);
    } else if (first == 0x1a45dfa3) {
        read_elements(&reading, 0, size, ANATOMY_NO_PARENT, 0);
    } else if (first == NAME('R', 'I', 'F', 'F')) {
        read_chunks(&reading, 0, size, ANATOMY_NO_PARENT, 0);
    } else if (first >> 8 == NAME(0, 'F', 'L', 'V')) {
        read_tags(&reading);
    } else if (first == NAME('O', 'g', 'g', 'S')) {
        read_pages(&reading);
    } else if (bytes[0] == 0x47) {
        read_packets(&reading, 0, TS_BYTES);
    } else if (bytes[4] == 0x47) {
        read_packets(&reading, 4, TS_BYTES + 4);
    }
}

uint64_t anatomy_read_size(const uint8_t *bytes, const struct anatomy_piece *piece)
{
    uint64_t value = read_big(bytes + piece->size_at, piece->size_wide);

    switch (piece->size) {
    case ANATOMY_LITTLE:
        return read_little(bytes + piece->size_at, piece->size_wide);
    case ANATOMY_VINT:
        return value & ((UINT64_C(1) << 7 * piece->size_wide) - 1);
    case ANATOMY_BIG:
        return value;
    default:
        return 0;
    }
}

void anatomy_write_size(uint8_t *bytes, const struct anatomy_piece *piece, uint64_t size)
{
    if (piece->size == ANATOMY_VINT) {
        uint64_t marker = UINT64_C(1) << 7 * piece->size_wide;

        size = (size & (marker - 1)) | marker;
    }
    for (uint32_t i = 0; i < piece->size_wide; i++) {
        uint32_t byte = piece->size == ANATOMY_LITTLE ? i : piece->size_wide - 1 - i;

        bytes[piece->size_at + byte] = (uint8_t)(size >> 8 * i);
    }
}
