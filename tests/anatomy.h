/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a media file is made of, as far as a mutation wants to know: MP4 boxes, EBML elements, RIFF
 * chunks, transport stream packets, FLV tags, Ogg pages. Takes any bytes; what it cannot read it
 * leaves out. Runs in test programs only.
 */
#ifndef RMX_TESTS_ANATOMY_H
#define RMX_TESTS_ANATOMY_H

#include <stddef.h>
#include <stdint.h>

#define ANATOMY_PIECES_MAX 1024u
#define ANATOMY_NO_PARENT  UINT32_MAX

enum anatomy_size { /* how a piece says how long it is */
    ANATOMY_NO_SIZE,
    ANATOMY_BIG,    /* big endian */
    ANATOMY_LITTLE, /* little endian */
    ANATOMY_VINT,   /* EBML's: the first byte says how many follow */
};

struct anatomy_piece {
    size_t at;          /* in the file */
    size_t bytes;       /* head and body, as far as the file has them */
    size_t head_bytes;  /* name and size */
    size_t size_at;     /* of the size, in the file */
    uint32_t size_wide; /* bytes of it */
    enum anatomy_size size;
    int64_t size_more; /* what the size says beyond the body */
    uint32_t parent;   /* index of the piece around it, or ANATOMY_NO_PARENT */
};

struct anatomy {
    struct anatomy_piece pieces[ANATOMY_PIECES_MAX];
    uint32_t count;
};

/* Finds the pieces, each before those inside it. 0 pieces: it knows no such file. */
void anatomy_read(struct anatomy *anatomy, const uint8_t *bytes, size_t size);

/* Writes a size into a piece's head: as many of its bits as there is room for. */
void anatomy_write_size(uint8_t *bytes, const struct anatomy_piece *piece, uint64_t size);

/* What the piece says. */
uint64_t anatomy_read_size(const uint8_t *bytes, const struct anatomy_piece *piece);

/* Makes the checksums of all Ogg pages right: a demuxer would pass those by that are not. */
void anatomy_mend_ogg(uint8_t *bytes, size_t size);

#endif
