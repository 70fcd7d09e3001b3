/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where a job's outputs go, as the libavformat stage sees them: a stream of bytes each, and for
 * muxers that write several files (HLS, DASH) a way to begin each of them. Worker process, a job's
 * fiber.
 */
#ifndef RMX_ENGINE_WORKER_OUTLET_H
#define RMX_ENGINE_WORKER_OUTLET_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avio.h>

#include "ipc/job.h"

/* What the stage wants done while its input has nothing for it. It may say so, and take it back, at
 * any time: a live job that holds packets back by the clock does, once its header is written and
 * until it finishes. */
struct rmx_idle {
    /* NULL: nothing. Called from inside a read of the input, before each wait for bytes, so never
     * while the stage writes: sends out what is due, which is then pushed. Returns when to be
     * called again though no bytes came: nanoseconds of CLOCK_MONOTONIC (av_gettime_relative() is
     * its microseconds), met to the millisecond; 0 = it holds nothing back. */
    uint64_t (*release)(void *stage);
    void *stage;
};

struct rmx_preview;

struct rmx_outlet {
    AVIOContext *io[RMX_JOB_OUTPUTS_MAX]; /* the first spec->outputs; each says if it can seek */
    bool spooled; /* a DELIVER pass follows, which puts an MP4's index in front */

    /* NULL: one file is all there is. Begins the file of that name, again if it had one: what was
     * in it is gone. Returns 0 with *io, or AVERROR. */
    int (*open_part)(void *owner, const char *name, AVIOContext **io);
    int (*close_part)(void *owner, AVIOContext *io);

    /* A file that was closed is out of date. Does nothing for a name it does not know. Returns 0 or
     * AVERROR. */
    int (*drop_part)(void *owner, const char *name);

    /* What is written to a file that was opened just now is encrypted with AES-128 in CBC mode: key
     * and iv are 16 bytes. Likewise. */
    int (*encrypt_part)(void *owner, AVIOContext *io, const uint8_t *key, const uint8_t *iv);

    /* NULL: nobody waits for less than a full chunk. Sends out at once what was written until now:
     * a live job calls it after each packet. */
    void (*push)(void *owner);
    void *owner;

    struct rmx_idle *idle; /* NULL: nobody calls it */

    struct rmx_preview *preview; /* NULL: io is the output itself */
};

#endif
