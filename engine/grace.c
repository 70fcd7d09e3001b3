/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How long a worker may take to stop a job. See grace.h.
 */
#include "engine/grace.h"

#include "engine/berth.h"

/* Which flow is on its core, by its own word: one that lies about it has a little longer, until the
 * time by the clock is up. */
static uint32_t on_core(const struct rmx_berth *berth)
{
    return atomic_load_explicit(&berth->shm->last_words.flow, memory_order_relaxed);
}

static void look(struct rmx_berth *berth, uint64_t now, uint64_t grace_ns)
{
    struct rmx_grace *grace = &berth->grace;
    /* Relaxed, as all of its words on itself. */
    uint32_t moves = atomic_load_explicit(&berth->shm->last_words.moves, memory_order_relaxed);

    grace->over = rmx_watchdog_look(&grace->watchdog, on_core(berth), berth->notes + moves,
        rmx_watchdog_cpu_ns(berth->pid), grace_ns);
    grace->look_ns = now + grace_ns / RMX_GRACE_LOOKS;
}

void rmx_grace_begin(struct rmx_berth *berth, uint32_t flow, uint64_t now)
{
    bool was_seen = berth->grace.watchdog.flow == flow; /* at the last look, which may be recent */

    if (was_seen || on_core(berth) == flow) { /* what it computed until now is no fault */
        berth->grace.watchdog = (struct rmx_watchdog){ 0 };
        look(berth, now, 0);
    }
}

bool rmx_grace_is_over(struct rmx_berth *berth, uint32_t flow, uint64_t now, uint64_t grace_ns)
{
    if (now >= berth->grace.look_ns) {
        look(berth, now, grace_ns);
    }
    return berth->grace.over && berth->grace.watchdog.flow == flow;
}
