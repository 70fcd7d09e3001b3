/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When each of many is to be looked at: one time for each, by number, the earliest on top of a
 * heap. For a lane's jobs and a worker's flows; one thread at a time. Nothing is allocated: the
 * caller has the memory.
 */
#ifndef RMX_RING_ALARMS_H
#define RMX_RING_ALARMS_H

#include <stdint.h>

#define RMX_ALARMS_NEVER UINT64_MAX
#define RMX_ALARMS_NONE  UINT32_MAX

struct rmx_alarm {
    uint64_t at_ns; /* of the one with this number, while it is in the heap */
    uint32_t place; /* of the same: its index in the heap + 1; 0 = it has no alarm */
    uint32_t who;   /* at this index of the heap; none before the one at half of it */
};

struct rmx_alarms {
    struct rmx_alarm *entries; /* most of them; the caller's */
    uint32_t most;
    uint32_t count; /* alarms that are set */
};

/* For the numbers below `most`; none of them has an alarm. */
void rmx_alarms_init(struct rmx_alarms *alarms, struct rmx_alarm *entries, uint32_t most);

/* Instead of what it had until now; RMX_ALARMS_NEVER: it has none. */
void rmx_alarms_set(struct rmx_alarms *alarms, uint32_t who, uint64_t at_ns);

/* The earliest, or RMX_ALARMS_NEVER. */
static inline uint64_t rmx_alarms_first_ns(const struct rmx_alarms *alarms)
{
    return alarms->count == 0 ? RMX_ALARMS_NEVER : alarms->entries[alarms->entries[0].who].at_ns;
}

/* Takes out one whose time has come, the earliest first. Or RMX_ALARMS_NONE. */
uint32_t rmx_alarms_take_due(struct rmx_alarms *alarms, uint64_t now_ns);

#endif
