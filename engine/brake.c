/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Slows down a crash loop. See brake.h.
 */
#include "engine/brake.h"

#include <stdbool.h>

uint64_t rmx_brake_death(struct rmx_brake *brake, uint64_t now_ns)
{
    uint64_t *oldest = &brake->deaths[brake->count % RMX_BRAKE_DEATHS];
    bool too_many = brake->count >= RMX_BRAKE_DEATHS && now_ns - *oldest < RMX_BRAKE_WINDOW_NS;
    uint64_t wait_ns = RMX_BRAKE_NS_MIN << brake->doublings;

    *oldest = now_ns;
    brake->count++;
    if (!too_many) {
        brake->doublings = 0;
        return 0;
    }
    if (brake->doublings < RMX_BRAKE_DOUBLINGS) {
        brake->doublings++;
    }
    return wait_ns;
}
