/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When a worker process has had its time: after so many jobs, or when so much of its memory stays
 * taken, another moves into its berth, between two jobs, and no client sees it. Decides, does
 * nothing, does no I/O. Runs on the lane's thread.
 *
 *   due --idle--------------------------------> GO
 *    `--busy--> CLOSE --its jobs end, one by one, then none is left--> GO
 *                 `--none ended for a while--> OPEN, and later once more
 *
 * While it is closed new jobs go to other workers, or wait: so it is never closed for jobs that
 * last, nor two in a lane at once, nor without a spare that waits to move in, nor with a channel,
 * whose memory would go with it.
 */
#ifndef RMX_ENGINE_RECYCLE_H
#define RMX_ENGINE_RECYCLE_H

#include <stdbool.h>
#include <stdint.h>

/* How long a closed worker may have no job end: its lane has others, or jobs wait for it. */
#define RMX_RECYCLE_PATIENCE_NS      500000000u
#define RMX_RECYCLE_PATIENCE_ONLY_NS 2000000u

/* After it was closed in vain. */
#define RMX_RECYCLE_PAUSE_NS 1000000000u

/* Of one worker; zero when it is new. */
struct rmx_recycle {
    uint64_t jobs;           /* it was given: counted by who gives */
    uint64_t resident_bytes; /* of its own memory, at the last look */
    bool closed;             /* it is given no new job */
    uint32_t used;           /* closed: jobs it had at the last look */
    uint64_t since_ns;       /* closed: since then none has ended */
    uint64_t again_ns;       /* not before */
};

struct rmx_recycle_limits { /* 0 = none */
    uint64_t jobs;
    uint64_t resident_bytes;
};

struct rmx_recycle_view {
    uint64_t now_ns;
    uint32_t used;     /* its jobs */
    uint32_t channels; /* its clients' */
    bool only;         /* no other of the lane takes jobs */
    bool replaceable;  /* a spare is there, and no other berth of the lane waits for it */
};

enum rmx_recycle_deed {
    RMX_RECYCLE_NOTHING,
    RMX_RECYCLE_CLOSE,
    RMX_RECYCLE_OPEN, /* jobs that wait may start there */
    RMX_RECYCLE_GO,   /* end its process now: it has nothing left */
};

/* Worth a look at all? One that is closed is, whatever has become of its memory or the limits: else
 * it would stay so. */
static inline bool rmx_recycle_is_due(
    const struct rmx_recycle *recycle, const struct rmx_recycle_limits *limits)
{
    return recycle->closed || (limits->jobs != 0 && recycle->jobs >= limits->jobs) ||
           (limits->resident_bytes != 0 && recycle->resident_bytes >= limits->resident_bytes);
}

/* Of one that is due. Closed, it is to be looked at again before rmx_recycle_next_ns(). */
enum rmx_recycle_deed rmx_recycle_look(
    struct rmx_recycle *recycle, const struct rmx_recycle_view *view);
uint64_t rmx_recycle_next_ns(const struct rmx_recycle *recycle, bool only);

#endif
