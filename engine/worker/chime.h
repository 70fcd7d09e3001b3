/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client's bell, as the worker rings it. What a ring costs is in the client's hands, since the
 * kernel goes through all who wait for it: one whose rings cost much is muted for a while, at least
 * so many times as long as a ring took, and longer each time. No ring is lost, it only comes late.
 * Worker process, its one thread. Must never make a client wait for what another did to his bell.
 *
 *   a ring took long by the clock -> suspect, measured in time of the core (who preempts us while
 *   we ring makes nothing dear) -> it did -> muted; rung in the meantime -> owed -> rung
 */
#ifndef RMX_ENGINE_WORKER_CHIME_H
#define RMX_ENGINE_WORKER_CHIME_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/bell.h"

struct rmx_chime {
    struct rmx_bell bell;
    uint64_t muted_until_ns; /* 0 = it is not */
    uint64_t mute_ns;        /* for how long the next time, at least */
    uint32_t quick_rings;    /* since mute_ns changed */
    bool suspect;
    bool owed;
};

/* Rings, unless the bell is muted, and then it is owed. Returns 0, or when to call again
 * (CLOCK_MONOTONIC), so that it is rung. */
uint64_t rmx_chime_ring(struct rmx_chime *chime);

#endif
