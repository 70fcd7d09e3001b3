/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job whose worker died: finds the facts that engine/replay.h judges by, and does what comes of
 * it. What runs again is the job's present pass (engine/course.h): from the start of its input, to
 * the start of its output. Works on a struct rmx_flow, whose life is engine/flow.c's. Runs on the
 * lane's thread.
 */
#ifndef RMX_ENGINE_RERUN_H
#define RMX_ENGINE_RERUN_H

#include <stdbool.h>

#include "engine/flow.h"

/* The pass is over, and the kernel has nothing of it. True: its worker died, and the job is to wait
 * for another one, as if it had not begun. False: nothing of that kind, or it is to end, and with
 * what is decided: flow->stop. */
bool rmx_rerun_is_due(struct rmx_flow *flow);

/* It is about to end. If well: what workers that died have written behind the end of its output is
 * cut off, and if that fails it is no good end. */
void rmx_rerun_trim(struct rmx_flow *flow);

#endif
