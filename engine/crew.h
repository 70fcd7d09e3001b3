/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A lane's workers: their berths, the notes they write, what happens when one dies. Runs on the
 * lane's thread. Must never let a worker's word touch a job that is not that worker's.
 */
#ifndef RMX_ENGINE_CREW_H
#define RMX_ENGINE_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/berth.h"
#include "engine/portion.h"
#include "engine/warden.h"

struct rmx_lane;

struct rmx_crew {
    struct rmx_lane *lane;
    struct rmx_warden warden;
    struct rmx_berth
        *berths;      /* one for each worker: the shared ones, then those of engine/cell.h */
    uint64_t *claims; /* of all their shares; owned */
    uint32_t workers; /* that are shared */
    uint32_t isolated;
    uint32_t count;          /* of all berths */
    uint32_t channels_max;   /* of one worker */
    uint64_t watch_ns;       /* when to look next */
    uint32_t shares_refused; /* by workers, and not in the log yet */
    uint64_t shares_warn_ns; /* when they may be */
};

/* Makes the berths on the lane's node and starts the workers, which follow as the loop turns.
 * Returns 0 or -errno; *why then is a sentence (static) that says what to do. */
int rmx_crew_start(struct rmx_crew *crew, struct rmx_lane *lane, const char **why);
void rmx_crew_fini(struct rmx_crew *crew);

/* Sends the berth's worker a message and a note that it is there. Returns 0, -EAGAIN: its socket is
 * full, or no descriptors can be sent now; or another -errno: its process is being ended. */
int rmx_crew_tell(struct rmx_crew *crew, struct rmx_berth *berth,
    const struct rmx_lane_msg *message, const int *fds, int fds_count);

/* Does what could not be done when it was due. */
void rmx_crew_tend(struct rmx_crew *crew);

/* Gives berths whose worker died a new one, once nobody needs what it left there; and ends
 * those that take no more jobs. */
void rmx_crew_refill(struct rmx_crew *crew);

/* Ends the process of a worker that has nothing left to do and is to be given nothing more: it has
 * had a job to itself, or its time is over. It is no fault, and the berth is refilled. */
void rmx_crew_retire(struct rmx_crew *crew, struct rmx_berth *berth);

/* The worker in this berth broke a rule: it is believed no more, and its process is ended. What
 * becomes of its jobs is engine/replay.h's. */
void rmx_crew_condemn(struct rmx_crew *crew, struct rmx_berth *berth, const char *why);

/* Acts on what the workers wrote. Returns whether there was anything. */
bool rmx_crew_take_notes(struct rmx_crew *crew);

/* Looks for jobs that only compute, and for one that is tried alone for so long that others wait
 * for it, at most once a second, and stops them. */
void rmx_crew_watch(struct rmx_crew *crew);

/* Says to every worker that we are about to sleep. False: one has written meanwhile. */
bool rmx_crew_may_sleep(struct rmx_crew *crew);

/* Says that we are awake. */
void rmx_crew_wake(struct rmx_crew *crew);

#endif
