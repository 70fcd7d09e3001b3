/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How the pictures of a live MPEG-TS lie in its PES packets, seen from outside, and a word added
 * where one ends. Worker process, a job's fiber. Does no I/O.
 *
 * Most multiplexers do not say how long a picture's PES packet is; it ends where the next one
 * begins, a whole frame's time later. But the last TS packet of each is filled up to 188 bytes, and
 * no other is. Where a stream has kept to that for a while, a picture that was filled up is taken
 * to be whole: the head of an empty PES packet follows it, so that the demuxer lets the picture go.
 * Where that was wrong, the rest of the picture becomes a PES packet of its own, and nothing is
 * lost; the stream is not believed again.
 *
 * A PES packet need not be a picture: one may begin in the middle of it. Where any did, or could
 * have, pictures are LOOSE, and it takes a parser and the next picture to find the end of one.
 */
#ifndef RMX_ENGINE_WORKER_PACKING_H
#define RMX_ENGINE_WORKER_PACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libavcodec/codec_id.h>

#define RMX_PACKING_PIDS_MAX 8   /* of pictures; of more than that nothing is known */
#define RMX_PACKING_BYTES    188 /* of a TS packet */
#define RMX_PACKING_HABIT    24  /* pictures: about a second */

enum rmx_packing_kind {
    RMX_PACKING_LOOSE,
    RMX_PACKING_ALIGNED, /* each PES packet so far began with one, but the next may go on with it */
    RMX_PACKING_WHOLE,   /* the next one has begun with another, or always did so */
};

/* One PID with pictures. */
struct rmx_packing_pid {
    uint16_t pid;
    uint8_t counter;   /* of the newest packet */
    uint8_t filled;    /* packets of this picture that were filled up */
    bool last_filled;  /* the newest one was */
    bool ended;        /* and so it was the picture's last */
    bool said;         /* which the demuxer knows */
    bool erratic;      /* has a habit of its own */
    bool measured;     /* this PES packet says how long it is */
    bool any_measured; /* some have */
    bool torn_h264;    /* one did not begin with a picture, if it is that, */
    bool torn_hevc;    /* or that */
    uint32_t kept;     /* pictures that kept to the habit */
    uint32_t begun;    /* PES packets */
};

struct rmx_packing {
    bool is_ts; /* of 188 bytes; the packet that is next begins there */
    struct rmx_packing_pid pids[RMX_PACKING_PIDS_MAX];
    unsigned count;
    uint8_t partial[RMX_PACKING_BYTES]; /* the first bytes of a packet */
    unsigned partial_bytes;
};

/* These bytes come next. */
void rmx_packing_note(struct rmx_packing *packing, const uint8_t *bytes, unsigned count);

/* Is a packet to be put in front of the bytes that come next? Then makes it, of RMX_PACKING_BYTES.
 */
bool rmx_packing_say_ended(struct rmx_packing *packing, uint8_t *packet);

/* Of the PES packets that the demuxer has given so far; the newest is of so many bytes. */
enum rmx_packing_kind rmx_packing_kind(
    const struct rmx_packing *packing, int pid, enum AVCodecID codec, size_t bytes);

#endif
