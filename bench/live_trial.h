/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One trial of a live stream: packets written at a pace, and when each of them came out. For
 * benchmarks: a failure ends the program.
 *
 * Which write a packet belongs to. The input is cut so that each write ends with the last byte of
 * one packet (an FLV tag with its size behind it; of a TS the last transport packet of a PES
 * packet). A packet that came out (an FLV tag, a fragment, a PES packet) is the one with the same
 * number, counted from the end of its stream. "own": the time from before the write of the packet
 * itself until the read that brought its last byte has returned. A TS does not say where a picture
 * ends: a demuxer must see the next one begin, or see how the multiplexer fills up its last packet.
 * Where there is nothing to fill up (one picture in 184), nobody can know, and "own" counts from
 * the write of the stream's next packet, which tells. "next" tells how long after that any packet
 * came: 0 where nobody waited for it. All is the same whoever remuxes.
 */
#ifndef RMX_BENCH_LIVE_TRIAL_H
#define RMX_BENCH_LIVE_TRIAL_H

#include <stddef.h>
#include <stdint.h>

#include "bench/cut.h"
#include "bench/histogram.h"
#include "bench/live_peer.h"

/* A clip, cut into what is written at once. */
struct rmx_live_trial {
    const char *name;
    const unsigned char *clip;
    enum rmx_cut_format output;
    struct rmx_cut in;
    size_t count;       /* of the packets, those that are written */
    uint64_t *wrote_ns; /* when the write of each began */
};

/* What several trials saw, in nanoseconds. */
struct rmx_live_cell {
    struct rmx_histogram own;
    struct rmx_histogram next;
    uint64_t open; /* of those: how many the next packet had to end */
};

/* The clip stays the caller's, and is to stay. */
void rmx_live_trial_init(struct rmx_live_trial *trial, const unsigned char *clip, size_t size,
    enum rmx_cut_format input);
void rmx_live_trial_fini(struct rmx_live_trial *trial);

/* So many packets, at so many a second; before them some as fast as they are taken. Adds to *cell.
 * The peer is closed then. */
void rmx_live_trial_run(struct rmx_live_trial *trial, struct rmx_live_peer *peer, double rate,
    size_t packets, struct rmx_live_cell *cell);

#endif
