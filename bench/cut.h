/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the packets of a stream of bytes end: of MPEG-TS, FLV and fragmented MP4 as ffmpeg and
 * ringmux write them, for benchmarks that must know which bytes were which packet. Trusts its
 * input: it is our own.
 */
#ifndef RMX_BENCH_CUT_H
#define RMX_BENCH_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rmx_cut_stream { RMX_CUT_VIDEO, RMX_CUT_AUDIO, RMX_CUT_STREAMS };

/* A packet: its last byte comes before `end`. What belongs to no packet (headers, tables) counts to
 * the one behind it. */
struct rmx_cut_packet {
    uint64_t end;
    enum rmx_cut_stream stream;
    bool open; /* nothing in it tells that it ends: a PES packet without a length that fills its
                  last transport packet to the last byte */
};

struct rmx_cut {
    struct rmx_cut_packet *packet;
    size_t count;
    size_t room;
};

enum rmx_cut_format { RMX_CUT_TS, RMX_CUT_FLV, RMX_CUT_FMP4 };

/* Finds the packets of bytes[0..size); of fragmented MP4, the fragments, each as a packet of its
 * first track. An incomplete packet at the end is left out, but that of a TS, where nothing tells.
 * Start with a cut of zeros; free with rmx_cut_fini(). */
void rmx_cut_find(
    struct rmx_cut *cut, enum rmx_cut_format format, const unsigned char *bytes, size_t size);
void rmx_cut_fini(struct rmx_cut *cut);

#endif
