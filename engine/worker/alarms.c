/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When a worker's jobs are to be looked at. See alarms.h.
 */
#include "engine/worker/alarms.h"

#include <stdbool.h>

#include "ring/base.h"

static bool is_earlier(const struct rmx_alarms *alarms, uint32_t flow, uint32_t other)
{
    return alarms->at_ns[flow] < alarms->at_ns[other];
}

static void put(struct rmx_alarms *alarms, uint32_t index, uint32_t flow)
{
    alarms->flows[index] = flow;
    alarms->place_of[flow] = index + 1;
}

/* Moves it up from `index`, past those that are later. */
static void rise(struct rmx_alarms *alarms, uint32_t index, uint32_t flow)
{
    while (index > 0 && is_earlier(alarms, flow, alarms->flows[(index - 1) / 2])) {
        put(alarms, index, alarms->flows[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    put(alarms, index, flow);
}

/* And down, past those that are earlier. */
static void sink(struct rmx_alarms *alarms, uint32_t index, uint32_t flow)
{
    for (;;) {
        uint32_t below = index * 2 + 1;

        if (below + 1 < alarms->count &&
            is_earlier(alarms, alarms->flows[below + 1], alarms->flows[below])) {
            below++;
        }
        if (below >= alarms->count || !is_earlier(alarms, alarms->flows[below], flow)) {
            put(alarms, index, flow);
            return;
        }
        put(alarms, index, alarms->flows[below]);
        index = below;
    }
}

/* Where it was stands the last one, wherever that belongs. */
static void take_out(struct rmx_alarms *alarms, uint32_t flow)
{
    uint32_t index = alarms->place_of[flow] - 1;
    uint32_t last = alarms->flows[--alarms->count];

    alarms->place_of[flow] = 0;
    if (last != flow) {
        sink(alarms, index, last);
        rise(alarms, alarms->place_of[last] - 1, last);
    }
}

void rmx_alarms_set(struct rmx_alarms *alarms, uint32_t flow, uint64_t at_ns)
{
    rmx_assert(flow < RMX_WORKER_FLOWS_MAX);
    bool has_one = alarms->place_of[flow] != 0;

    if (has_one && at_ns == alarms->at_ns[flow]) {
        return;
    }
    if (has_one) {
        take_out(alarms, flow);
    }
    if (at_ns != RMX_ALARMS_NEVER) {
        alarms->at_ns[flow] = at_ns;
        rise(alarms, alarms->count++, flow);
    }
}

uint32_t rmx_alarms_take_due(struct rmx_alarms *alarms, uint64_t now_ns)
{
    uint32_t flow = alarms->flows[0];

    if (rmx_alarms_first_ns(alarms) > now_ns) {
        return RMX_ALARMS_NONE;
    }
    rmx_assert(alarms->place_of[flow] == 1);
    take_out(alarms, flow);
    return flow;
}
