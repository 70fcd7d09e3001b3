/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A transport stream of made-up pictures, which lie in its PES packets as is asked for.
 */
#ifndef RMX_TESTS_PACKED_TS_H
#define RMX_TESTS_PACKED_TS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libavcodec/codec_id.h>

#define PACKED_PES_MAX      1200
#define PACKED_PICTURES_MAX 400
#define PACKED_BYTES_MAX    (8u << 20)
#define PACKED_SLICES       3

/* How pictures are put into PES packets. */
enum packed_way {
    PACKED_EACH,     /* one in each, which does not say how long it is, */
    PACKED_MEASURED, /* or does */
    PACKED_FULL,     /* the last TS packet is filled up with the next picture */
    PACKED_BY_SLICE, /* each slice has its own */
    PACKED_BY_SLICE_MEASURED,
    PACKED_IN_PAIRS,        /* two in each */
    PACKED_IN_PIECES,       /* of so many bytes, measured */
    PACKED_EARLY_DELIMITER, /* the next one's stands at the end */
    PACKED_WAYS,
};

extern const char *const packed_way_names[PACKED_WAYS];

/* What is in the stream: pictures, and the PES packets they lie in. */
struct packed_ts {
    enum AVCodecID codec;
    bool delimited; /* an access unit delimiter begins each picture */
    bool fields;    /* a picture is two, which come together */
    unsigned slices;
    size_t picture_bytes;
    uint8_t coded[PACKED_BYTES_MAX];
    size_t coded_bytes;
    size_t begins[PACKED_PICTURES_MAX + 1];
    size_t slice_at[PACKED_PICTURES_MAX][2 * PACKED_SLICES];
    unsigned pictures;
    uint8_t ts[PACKED_BYTES_MAX * 2];
    size_t ts_bytes;
    size_t ends[PACKED_PES_MAX]; /* of PES packets in the TS */
    size_t ends_coded[PACKED_PES_MAX];
    unsigned packets;
    uint8_t counters[3];
};

extern struct packed_ts packed;

/* Begins anew, with pictures of so many bytes. */
void packed_describe(enum AVCodecID codec, size_t picture_bytes);

/* So many pictures one way, then so many another way. */
void packed_make(enum packed_way before, unsigned lead, enum packed_way after, unsigned rest);

/* One more picture. */
void packed_code(bool key);

/* Packs pictures from `first` until `last`. *at: what was packed before. */
void packed_add(enum packed_way way, unsigned first, unsigned last, size_t *at);

/* A picture in pieces of at most so many bytes. */
void packed_add_pieces(unsigned picture, size_t most);

#endif
