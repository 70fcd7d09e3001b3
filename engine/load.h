/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much is too much: from what presses on a lane, the level that says which classes of jobs it
 * refuses for now, and how far the windows of its sessions are narrowed. Runs on the lane's thread.
 * Decides, does nothing; the lane's side of it is engine/meter.h's.
 *
 *   0  calm
 *   1  new background jobs end BUSY
 *   2  new normal ones too
 *   3  all new ones
 *
 * Processors that are busy are no overload: one long job keeps one busy, and is done the sooner for
 * it. They count only while a crowd of jobs waits for them. A level rises at once, to whatever is
 * asked for, and falls one at a time, after it has not been needed for a while. While it stands,
 * jobs are refused only as long as there is too much in front of them: a level that holds on does
 * not let workers idle.
 */
#ifndef RMX_ENGINE_LOAD_H
#define RMX_ENGINE_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/job.h"

#define RMX_LOAD_LEVELS  4u
#define RMX_LOAD_LOOK_NS 100000000u /* between two looks */

/* Where too much begins; 0 = that never is too much. */
struct rmx_load_limits {
    uint32_t cpu;     /* percent of the workers' time */
    uint32_t queue;   /* jobs; twice as many for level 2, four times for level 3 */
    uint32_t rings;   /* percent of the pairs */
    uint32_t workers; /* at work */
};

/* What presses at one moment. */
struct rmx_load_pressure {
    uint32_t queued; /* jobs that wait for a pair */
    uint32_t crowd;  /* those, and those with a pair that wait for nothing but a processor */
    uint32_t rings;  /* percent of the pairs in use, of the kind that is scarcer */
};

struct rmx_load {
    uint32_t level;
    uint32_t cpu_permille; /* of the workers' time, in the last second or so */
    uint32_t starts;       /* jobs started in a second, likewise */
    uint64_t looked_ns;    /* 0 = never */
    uint64_t low_since_ns; /* the level was not needed any more then; 0 = it is */
};

/* What happened between two looks. */
struct rmx_load_work {
    uint64_t busy_ns; /* of all workers together */
    uint64_t starts;
};

/* One look, at most one in RMX_LOAD_LOOK_NS. Returns whether the level changed. */
bool rmx_load_look(struct rmx_load *load, const struct rmx_load_limits *limits,
    const struct rmx_load_pressure *pressure, const struct rmx_load_work *work, uint64_t now_ns);

/* Is a new job of this class refused now? */
bool rmx_load_refuses(const struct rmx_load *load, const struct rmx_load_limits *limits,
    const struct rmx_load_pressure *pressure, uint32_t class_);

/* When one that is refused is worth another try: what is in front of it will be done. */
uint64_t rmx_load_retry_ns(const struct rmx_load *load, const struct rmx_load_pressure *pressure);

/* How many credits the end of a job of this class gives back to a session that may have `most`
 * of them and has `now`: 0 to narrow its window, 2 to widen it again. It keeps some: at level 1 a
 * quarter, then a sixteenth, then a 64th; one at least. */
uint32_t rmx_load_credits(
    const struct rmx_load *load, uint32_t class_, uint32_t now, uint32_t most);

#endif
