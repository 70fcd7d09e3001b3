/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An MPEG-TS on its way from the input to libavformat's demuxer, with a word added where a picture
 * ends. Most multiplexers do not say how long a picture's PES packet is; it ends where the next one
 * begins, a whole frame's time later. But the last TS packet of each is filled up to 188 bytes, and
 * no other is. Where a stream has kept to that for a while, a picture that was filled up is taken
 * to be whole: an empty PES packet follows it, which nothing comes of but that the demuxer lets the
 * picture go. Worker process, a job's fiber.
 *
 * A stream that breaks its habit costs one picture, and is not believed again.
 */
#ifndef RMX_ENGINE_WORKER_TAP_H
#define RMX_ENGINE_WORKER_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avio.h>

#define RMX_TAP_PIDS_MAX 8   /* of pictures; more than that go on as they come */
#define RMX_TAP_TS_BYTES 188 /* of a packet */

/* One PID with pictures. */
struct rmx_tap_pid {
    uint16_t pid;
    uint8_t counter;  /* of the newest packet */
    uint8_t filled;   /* packets of this picture that were filled up */
    bool last_filled; /* the newest one was */
    bool ended;       /* and so it was the picture's last */
    bool said;        /* which the demuxer knows */
    bool erratic;     /* has a habit of its own */
    uint32_t kept;    /* pictures that kept to the habit */
};

struct rmx_tap {
    AVIOContext *input;
    AVIOContext *context; /* what the demuxer reads */
    struct rmx_tap_pid pids[RMX_TAP_PIDS_MAX];
    unsigned count;
    uint8_t partial[RMX_TAP_TS_BYTES]; /* the first bytes of a packet */
    unsigned partial_bytes;
    bool off; /* not packets of 188 bytes, or no longer */
};

/* Call at a packet's first byte. tap may not move. Returns 0 or -ENOMEM. */
int rmx_tap_init(struct rmx_tap *tap, AVIOContext *input);

/* Accepts one that was zeroed. */
void rmx_tap_fini(struct rmx_tap *tap);

#endif
