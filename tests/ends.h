/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The two ends of a job, without a process around them: whenever the job would sleep, its input is
 * fed from memory and its output is drained to memory. One of them per process.
 */
#ifndef RMX_TESTS_ENDS_H
#define RMX_TESTS_ENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/worker/sink.h"
#include "engine/worker/source.h"

#define ENDS_PARTS 64

struct ends_part { /* of the output */
    char name[64];
    unsigned begun; /* how many times */
    unsigned ended; /* likewise */
    unsigned gone;
    unsigned char *bytes;
    size_t size;
};

struct ends {
    struct rmx_avio avio;
    struct rmx_source source;
    struct rmx_sink sink;
    struct ends_part parts[ENDS_PARTS];
    _Atomic uint32_t stop;
    bool late;
    unsigned sleeps;
    unsigned seeks;
    unsigned chunks;            /* drained */
    bool in_order;              /* the output came without a jump back */
    bool ended;                 /* the last chunk that came said END */
    bool lie;                   /* the feed sends what no feed may */
    bool forgetful;             /* what is drained is thrown away */
    unsigned stop_after_chunks; /* 0 = never */
    size_t fed_bytes;           /* of the input; what lies beyond comes never, and no end */
    bool endless;               /* the input does not end at fed_bytes */
    uint32_t feed_bytes_max;    /* in one chunk */
};

extern struct ends ends;

/* The input's bytes stay the caller's, and as they are, until ends_close(). */
void ends_open(const void *bytes, size_t size, bool seekable, uint32_t slots, uint32_t chunk_bytes);

/* What a task does at the end of its output. */
void ends_finish(void);

void ends_close(void);

#endif
