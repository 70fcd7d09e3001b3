/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A fiber: a stack of its own, so that a job may wait inside libavformat without keeping the core.
 * Runs on the worker's one thread (a fiber must be resumed by the thread that started it). Must
 * never be freed while it has work in it.
 *
 *   resume ---> work runs ---> yield ---> back in resume (true: there is more)
 *                          `-> return --> back in resume (false: start it again, or free it)
 */
#ifndef RMX_ENGINE_WORKER_FIBER_H
#define RMX_ENGINE_WORKER_FIBER_H

#include <stdbool.h>
#include <stddef.h>

/* Address space each; only touched pages cost memory. libavformat's deepest demuxer needs a tenth
 * of it. */
#define RMX_FIBER_STACK_BYTES ((size_t)512 * 1024)
/* Below each stack, never accessible: more than any single frame, so that no overflow jumps it. */
#define RMX_FIBER_GUARD_BYTES ((size_t)64 * 1024)

struct rmx_fiber;

/* Returns NULL when there is no address space left. */
struct rmx_fiber *rmx_fiber_new(void);

/* Maps the pages that a job's stack mostly needs, now and not one by one. */
void rmx_fiber_prefault(struct rmx_fiber *fiber);

/* Accepts NULL; nulls the caller's pointer. The fiber must be idle. */
void rmx_fiber_free(struct rmx_fiber **fiber);

/* Gives an idle fiber work, which begins at the next resume. */
void rmx_fiber_start(struct rmx_fiber *fiber, void (*work)(void *argument), void *argument);

/* Runs it until it yields (true) or its work returns (false: it is idle again). */
bool rmx_fiber_resume(struct rmx_fiber *fiber);

/* Goes back to whoever resumed the running fiber. Only from inside one. */
void rmx_fiber_yield(void);

/* The fiber that runs now, or NULL outside of all. */
struct rmx_fiber *rmx_fiber_current(void);

#endif
