/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who remuxes a live stream: a job of ringmux through client rings, or an ffmpeg process through
 * pipes. Both are written to and read from without blocking, by one thread that polls a descriptor
 * while there is nothing to do. For benchmarks: a failure ends the program.
 */
#ifndef RMX_BENCH_LIVE_PEER_H
#define RMX_BENCH_LIVE_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "clients/ringmux.h"

struct rmx_live_peer {
    struct rmx_client *client; /* NULL: it is ffmpeg */
    uint64_t id;
    bool polling; /* ringmux: waits in rmx_peek(), not in poll(2) */
    pid_t pid;
    int in;
    int out;
};

/* What either is told to make: the same. */
struct rmx_live_way {
    const char *input_format; /* ffmpeg's names */
    const char *output_format;
    const char *job_format;    /* ringmux's */
    const char *movflags;      /* ffmpeg's, or NULL */
    uint32_t fragment_us;      /* ringmux's */
    uint32_t input_ring_bytes; /* 0: usual */
};

void rmx_live_peer_ringmux(
    struct rmx_live_peer *peer, struct rmx_client *client, const struct rmx_live_way *way);

/* Bound to `core`, as the worker is. */
void rmx_live_peer_ffmpeg(struct rmx_live_peer *peer, int core, const struct rmx_live_way *way);

/* Returns how many bytes it took: 0 if it has no room now. */
size_t rmx_live_peer_write(struct rmx_live_peer *peer, const void *bytes, size_t size);

/* Returns how many bytes there were: 0 if there are none now, -1 after the last. */
ptrdiff_t rmx_live_peer_read(struct rmx_live_peer *peer, void *to, size_t size);

/* Sleeps until there may be something to read, or until_ns (CLOCK_MONOTONIC). */
void rmx_live_peer_wait(struct rmx_live_peer *peer, uint64_t until_ns);

/* The input is complete. What comes out still is to be read to its end. */
void rmx_live_peer_finish(struct rmx_live_peer *peer);

/* After the last byte was read: it must have ended well. */
void rmx_live_peer_close(struct rmx_live_peer *peer);

#endif
