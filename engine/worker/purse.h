/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a job may have of its worker's memory. A demuxer asks for what a file's header claims, and a
 * file of 700 bytes claims gigabytes: so a job may have no more than its input is worth, whatever
 * the container, and none more than a fixed sum. Worker process, its one thread; the heap (heap.c)
 * charges whoever's turn it is.
 *
 *   limit = min(cap, RMX_PURSE_BASE_BYTES + RMX_PURSE_WORTH * bytes of input)
 *
 * Bytes of input are those of a file, or those that came so far of a stream.
 *
 * A job begins with nothing used, so what is freed on another's turn cannot add up for ever.
 */
#ifndef RMX_ENGINE_WORKER_PURSE_H
#define RMX_ENGINE_WORKER_PURSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/status.h"

/* What a job needs whatever its input is: I/O, tables of formats, a fragment. */
#define RMX_PURSE_BASE_BYTES ((int64_t)16 << 20)

/* And for each byte of input. An honest index takes up to 36: 24 of a demuxer's entry, 128 of a
 * muxer's that has just doubled its table, for a sample whose place and size are written in no less
 * than four, and which has one. */
#define RMX_PURSE_WORTH ((int64_t)64)

#define RMX_PURSE_NO_LIMIT (INT64_MAX / 2)

struct rmx_purse {
    int64_t used_bytes; /* may be below zero: what another job left was freed */
    int64_t peak_bytes;
    int64_t limit_bytes; /* the heap gives no more */
    int64_t cap_bytes;   /* the job's, whatever its input; NO_LIMIT = none */
    int64_t input_bytes; /* that are known to be there */
    bool wide;           /* only the cap counts */
    struct rmx_purse_refusal {
        uint64_t asked_bytes; /* the first time it was beyond the limit; 0 = never */
        int64_t used_bytes;   /* then */
        int64_t limit_bytes;
    } refusal;
    bool alone;         /* no other job is in the worker: the scheduler says */
    bool lacked_alone;  /* the process had no memory left for it, then */
    bool lacked_beside; /* and while there were others */
};

/* Nobody gets more at once; who has a piece may have it grow by as much. */
extern size_t rmx_purse_piece_bytes;

/* Of the job on the core; between turns nobody's, which has no limit. Never NULL. */
extern struct rmx_purse *rmx_purse_current;

/* Sets that size. Returns whether there is a heap that asks: else libavutil is to be told as well.
 */
bool rmx_purse_init_process(size_t piece_bytes);

/* A new job's. cap_bytes: 0 = no limit at all. */
void rmx_purse_open(struct rmx_purse *purse, uint64_t cap_bytes);

/* The turn of the job whose purse it is begins; NULL: it ends. */
void rmx_purse_hold(struct rmx_purse *purse);

/* --- for the heap ---------------------------------------------------------------------------- */

/* It asks here before it gives: else the limits are words only. */
void rmx_purse_guard(void);

/* So many bytes more would be beyond the limit. */
void rmx_purse_refuse(size_t bytes);

/* The process has no memory left. */
void rmx_purse_lack(void);

static inline bool rmx_purse_allows(size_t bytes)
{
    const struct rmx_purse *purse = rmx_purse_current;
    int64_t room = purse->limit_bytes - purse->used_bytes;

    return room >= 0 && bytes <= (uint64_t)room && bytes <= rmx_purse_piece_bytes;
}

static inline void rmx_purse_charge(size_t bytes)
{
    struct rmx_purse *purse = rmx_purse_current;

    purse->used_bytes += (int64_t)bytes;
    if (purse->used_bytes > purse->peak_bytes) {
        purse->peak_bytes = purse->used_bytes;
    }
}

static inline void rmx_purse_refund(size_t bytes)
{
    rmx_purse_current->used_bytes -= (int64_t)bytes;
}

/* --- for the job on the core ----------------------------------------------------------------- */

/* So many more bytes of its input are there. */
void rmx_purse_earn(uint64_t input_bytes);

/* Whether only the cap counts: a decoder makes a large picture out of few bytes. */
void rmx_purse_widen(bool wide);

/* OK, or what the job ends with because an allocation failed, whatever libavformat made of that:
 * BUSY, what others have in use now they give back; OVER_LIMIT, what it cannot have by itself it
 * never can. Then text says so in a sentence. */
enum rmx_status rmx_purse_judge(char *text, size_t bytes);

#endif
