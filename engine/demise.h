/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker's death, as the log, its jobs and its channels learn of it. Runs on the lane's thread.
 * Must never take a dead worker's words for more than an accusation.
 */
#ifndef RMX_ENGINE_DEMISE_H
#define RMX_ENGINE_DEMISE_H

#include <sys/types.h>

#include "engine/crew.h"
#include "engine/obituary.h"

/* The berth's worker is dead, and the berth not open any more. */
void rmx_demise_tell(
    struct rmx_crew *crew, struct rmx_berth *berth, pid_t pid, const struct rmx_last_words *words);

#endif
