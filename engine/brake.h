/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Slows down a crash loop: after many deaths in a short time the next birth waits, longer each
 * time, until deaths become rare again. A pure calculation; the caller brings the time, and says
 * which deaths count.
 */
#ifndef RMX_ENGINE_BRAKE_H
#define RMX_ENGINE_BRAKE_H

#include <stdint.h>

#define RMX_BRAKE_DEATHS    10u            /* more than these ... */
#define RMX_BRAKE_WINDOW_NS 10000000000ull /* ... in this time are too many */
#define RMX_BRAKE_NS_MIN    100000000ull
#define RMX_BRAKE_DOUBLINGS 6u /* up to 6.4 s */

struct rmx_brake {                     /* all zero: nobody died yet */
    uint64_t deaths[RMX_BRAKE_DEATHS]; /* when; a ring */
    uint64_t count;                    /* ever */
    uint32_t doublings;
};

/* Takes note of a death. Returns how long to wait before the next birth; 0 = not at all. */
uint64_t rmx_brake_death(struct rmx_brake *brake, uint64_t now_ns);

#endif
