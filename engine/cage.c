/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the daemon knows of its workers' sandbox. See cage.h.
 */
#include "engine/cage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/lane.h"
#include "engine/log.h"
#include "ipc/lane_wire.h"

#define NAMES_BYTES 256 /* of all walls */

static const struct {
    uint32_t bit;
    const char *name;
} walls[] = {
#define WALL(name, bit, text) { 1u << (bit), text },
    RMX_LANE_WALLS(WALL)
#undef WALL
};

/* Writes their names with a comma between two. Returns how many they are. */
static uint64_t name(uint32_t lacks, char *names)
{
    uint64_t count = 0;

    names[0] = '\0';
    for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++) {
        size_t used = strlen(names);

        if ((lacks & walls[i].bit) != 0) {
            (void)snprintf(
                names + used, NAMES_BYTES - used, "%s%s", count > 0 ? ", " : "", walls[i].name);
            count++;
        }
    }
    return count;
}

bool rmx_cage_accept(struct rmx_lane *lane, uint32_t lacks, int error)
{
    char names[NAMES_BYTES];
    uint64_t count = name(lacks, names);
    bool told = lane->caged && lane->cage_lacks == lacks;

    lane->caged = true;
    lane->cage_lacks = lacks;
    rmx_stats_set(&lane->stats, RMX_STATS_SANDBOX_LACKS, count);
    if (count > 0 && !told && lane->index == 0) {
        rmx_log(RMX_LOG_WARN, "sandbox", RMX_LOG_STR("level", "seccomp, and not all else"),
            RMX_LOG_STR("not_permitted", names), RMX_LOG_ERRNO("why", error < 0 ? error : -EPERM));
    } else if (!told && lane->index == 0) {
        rmx_log(RMX_LOG_INFO, "sandbox", RMX_LOG_STR("level", "full"));
    }
    if (count > 0 && lane->config->sandbox == RMX_CAGE_FULL) {
        rmx_lane_fail(lane, -EPERM,
            "sandbox=full, and this machine does not permit all of it: `ringmux-worker --selftest` "
            "says what");
        return false;
    }
    return true;
}

void rmx_cage_count(struct rmx_lane *lane, struct rmx_berth *berth)
{
    const struct rmx_last_words_shm *words = &berth->shm->last_words;
    /* Relaxed, both: a count for people. */
    uint32_t calls = atomic_load_explicit(&words->unknown_calls, memory_order_relaxed);
    uint32_t call = atomic_load_explicit(&words->unknown_call, memory_order_relaxed);
    uint32_t counted = berth->unknown_calls;

    berth->unknown_calls = calls;
    if (calls <= counted) { /* less: it is a new worker's */
        return;
    }
    if (counted == 0) {
        rmx_log(RMX_LOG_WARN, "unknown_system_call", RMX_LOG_U64("lane", lane->index),
            RMX_LOG_U64("worker", berth->index), RMX_LOG_I64("pid", berth->pid),
            RMX_LOG_U64("number", call), RMX_LOG_U64("calls", calls));
    }
    rmx_stats_add(&lane->stats, RMX_STATS_UNKNOWN_CALLS, calls - counted);
}
