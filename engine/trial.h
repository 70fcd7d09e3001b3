/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The trial berth: where a job that may have ended its worker runs once more, alone. There is one
 * in a lane, for one job at a time, and those accused wait for it. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_TRIAL_H
#define RMX_ENGINE_TRIAL_H

#include <stdint.h>

#include "engine/berth.h"

struct rmx_lane;

/* One that others wait for may take so long, by the clock. */
#define RMX_TRIAL_NS 10000000000u

/* A pair of each size, as those of the shared berths are. */
void rmx_trial_geometry(struct rmx_pair_geometry trial[RMX_PAIR_SIZES],
    const struct rmx_pair_geometry shared[RMX_PAIR_SIZES]);

/* Stops a trial that holds others up for too long. */
void rmx_trial_watch(struct rmx_lane *lane, uint64_t now_ns);

#endif
