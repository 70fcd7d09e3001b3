/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What presses on a lane, and what the lane does about it: reads its workers' clocks, its queue and
 * its pairs, keeps the level (engine/load.h), says each change of it, and answers the gate whether
 * a job is refused. Runs on the lane's thread. Must never believe a worker more than that it was
 * busy all the time.
 */
#ifndef RMX_ENGINE_METER_H
#define RMX_ENGINE_METER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/load.h"

struct rmx_lane;

struct rmx_meter {
    struct rmx_load load;
    uint64_t started; /* jobs of the queue, at the last look */
};

/* Once per turn of the lane: looks if it is time to. */
void rmx_meter_look(struct rmx_lane *lane);

/* Is a new job of this class refused? *retry_ns then says when it is worth another try. */
bool rmx_meter_refuses(const struct rmx_lane *lane, uint32_t class_, uint64_t *retry_ns);

#endif
