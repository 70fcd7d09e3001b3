/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A stream on its way from the input to libavformat's demuxer. Its first bytes are kept until it is
 * known what they are: libavformat's own buffer forgets what it held when it is filled again, and a
 * stream may come in small pieces.
 *
 * A live MPEG-TS has a word added where a picture ends, see packing.h. Worker process, a job's
 * fiber.
 *
 * A live MP4 in fragments ends, as far as one demuxer can see, when that has had its share of
 * samples; the next one reads on there.
 */
#ifndef RMX_ENGINE_WORKER_TAP_H
#define RMX_ENGINE_WORKER_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avio.h>

#include "engine/worker/box.h"
#include "engine/worker/packing.h"
#include "engine/worker/recap.h"

#define RMX_TAP_HELD_BYTES RMX_BOX_HEAD_SHORT_BYTES
#define RMX_TAP_HEAD_MAX   (8u << 20) /* a demuxer looks at 5 MB, not counting what it skips */

struct rmx_tap {
    AVIOContext *input;   /* read past its own buffer, which stays empty */
    AVIOContext *context; /* what the demuxer reads */
    uint8_t *head;        /* the first bytes; NULL when they were read for good */
    size_t head_room;
    size_t head_bytes;
    size_t head_at; /* the next one to be read */
    bool keeping;   /* more of them */
    struct rmx_packing packing;
    bool is_mp4; /* in fragments, perhaps */
    bool cut;    /* ended, for this demuxer */
    uint64_t at; /* bytes the demuxer has read, but for those it went back over */
    uint64_t noted;
    struct rmx_fragments fragments;   /* which has noted so many */
    uint8_t held[RMX_TAP_HELD_BYTES]; /* the next ones: a box began and they said how it goes on */
    unsigned held_bytes;
    struct rmx_recap recap; /* what comes before them, for a new demuxer */
};

/* Call before anything is read. tap may not move. context can seek among the first 16 KB, until
 * told to forget. Returns 0 or -ENOMEM. */
int rmx_tap_init(struct rmx_tap *tap, AVIOContext *input);

/* What comes next are live MPEG-TS packets of 188 bytes. There is no going back from here. */
void rmx_tap_watch(struct rmx_tap *tap);

/* What comes is a live MP4, and the demuxer's next byte is the first. */
void rmx_tap_follow(struct rmx_tap *tap);

/* Has the MP4 fragments, and a track without an id, or with one that is no int? libavformat then
 * counts from a large negative number up to 0 for each run of samples, a second or two of
 * computing. The stream is at its end before the header is. */
bool rmx_tap_is_refused(const struct rmx_tap *tap);

/* After context said that it was at its end, and was_cut: begins anew for another demuxer, at the
 * same place. *tracks: see recap.h. Returns 0 or -ENOMEM. */
bool rmx_tap_was_cut(const struct rmx_tap *tap);
int rmx_tap_resume(struct rmx_tap *tap, unsigned *tracks);

/* Until told to forget, context can seek among all that was read since the beginning, and says so:
 * as a file is looked at. Where that becomes more than RMX_TAP_HEAD_MAX, it cannot any more, and
 * says that. */
void rmx_tap_keep_all(struct rmx_tap *tap);

/* There is no going back any more. */
void rmx_tap_forget(struct rmx_tap *tap);

/* Accepts one that was zeroed. */
void rmx_tap_fini(struct rmx_tap *tap);

#endif
