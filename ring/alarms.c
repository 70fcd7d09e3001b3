/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When each of many is to be looked at. See alarms.h.
 */
#include "ring/alarms.h"

#include <stdbool.h>
#include <string.h>

#include "ring/base.h"

void rmx_alarms_init(struct rmx_alarms *alarms, struct rmx_alarm *entries, uint32_t most)
{
    *alarms = (struct rmx_alarms){ .entries = entries, .most = most };
    memset(entries, 0, most * sizeof(*entries));
}

static bool is_earlier(const struct rmx_alarm *entries, uint32_t who, uint32_t other)
{
    return entries[who].at_ns < entries[other].at_ns;
}

static void put(struct rmx_alarm *entries, uint32_t index, uint32_t who)
{
    entries[index].who = who;
    entries[who].place = index + 1;
}

/* Moves it up from `index`, past those that are later. */
static void rise(struct rmx_alarm *entries, uint32_t index, uint32_t who)
{
    while (index > 0 && is_earlier(entries, who, entries[(index - 1) / 2].who)) {
        put(entries, index, entries[(index - 1) / 2].who);
        index = (index - 1) / 2;
    }
    put(entries, index, who);
}

/* And down, past those that are earlier, of so many. */
static void sink(struct rmx_alarm *entries, uint32_t count, uint32_t index, uint32_t who)
{
    for (;;) {
        uint32_t below = index * 2 + 1;

        if (below + 1 < count && is_earlier(entries, entries[below + 1].who, entries[below].who)) {
            below++;
        }
        if (below >= count || !is_earlier(entries, entries[below].who, who)) {
            put(entries, index, who);
            return;
        }
        put(entries, index, entries[below].who);
        index = below;
    }
}

/* Where it was stands the last one, wherever that belongs. */
static void take_out(struct rmx_alarms *alarms, uint32_t who)
{
    struct rmx_alarm *entries = alarms->entries;
    uint32_t index = entries[who].place - 1;
    uint32_t last = entries[--alarms->count].who;

    entries[who].place = 0;
    if (last != who) {
        sink(entries, alarms->count, index, last);
        rise(entries, entries[last].place - 1, last);
    }
}

void rmx_alarms_set(struct rmx_alarms *alarms, uint32_t who, uint64_t at_ns)
{
    rmx_assert(who < alarms->most);
    bool has_one = alarms->entries[who].place != 0;

    if (has_one && at_ns == alarms->entries[who].at_ns) {
        return;
    }
    if (has_one) {
        take_out(alarms, who);
    }
    if (at_ns != RMX_ALARMS_NEVER) {
        alarms->entries[who].at_ns = at_ns;
        rise(alarms->entries, alarms->count++, who);
    }
}

uint32_t rmx_alarms_take_due(struct rmx_alarms *alarms, uint64_t now_ns)
{
    uint32_t who = alarms->entries[0].who;

    if (alarms->count == 0 || rmx_alarms_first_ns(alarms) > now_ns) {
        return RMX_ALARMS_NONE;
    }
    rmx_assert(alarms->entries[who].place == 1);
    take_out(alarms, who);
    return who;
}
