/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the process that remuxes with libavformat in a plain loop (libavformat.c) is told, and what
 * it says: structs over its standard input and output, one answer for each order. It has no more
 * than libavformat does: no daemon, no sandbox, no other process.
 */
#ifndef RMX_BENCH_PEERS_LIBAVFORMAT_H
#define RMX_BENCH_PEERS_LIBAVFORMAT_H

#include <stdint.h>

#define RMX_ORDER_TEXT 160

struct rmx_order {
    char input[RMX_ORDER_TEXT];  /* a file */
    char output[RMX_ORDER_TEXT]; /* a file, made anew by each job; "" = memory, the input too */
    char muxer[32];
    char movflags[RMX_ORDER_TEXT]; /* "" = none */
    char demuxer[32]; /* "" = it looks at the input's bytes, and at the streams as ffmpeg does */
    uint64_t jobs;    /* it ends after so many, one after the other, */
    uint64_t ns;      /* or at the first end after so long */
};

struct rmx_answer {
    uint64_t jobs;
    uint64_t ns;     /* of all of them */
    uint64_t p50_ns; /* of one, of the last 4096 */
    uint64_t bytes;  /* that the last one wrote */
};

#endif
