/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client's bell, as the worker rings it. See chime.h.
 */
#include "engine/worker/chime.h"

#include <time.h>

#include "ring/base.h"

#define NS_PER_MS UINT64_C(1000000)

/* A ring takes some 5 us where one waits for it; where it takes longer than this, thousands do. */
#define DEAR_NS UINT64_C(100000)

/* A mute is at least so many times as long as the ring: a 17th of the core at most is spent on one
 * such bell, whatever waits for it. */
#define SHARE 16u

/* And at least so long: twice as long each time, half as long again after so many quick rings. */
#define MUTED_NS_MIN (10 * NS_PER_MS)
#define MUTED_NS_MAX (160 * NS_PER_MS)
#define QUICK_RINGS  16u

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;

    rmx_assert(clock_gettime(clock, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t larger(uint64_t one, uint64_t other)
{
    return one > other ? one : other;
}

static void praise(struct rmx_chime *chime)
{
    chime->suspect = false;
    chime->quick_rings++;
    if (chime->quick_rings == QUICK_RINGS) {
        chime->quick_rings = 0;
        chime->mute_ns /= 2;
    }
}

static void mute(struct rmx_chime *chime, uint64_t took_ns)
{
    uint64_t least_ns = larger(chime->mute_ns, MUTED_NS_MIN);

    chime->muted_until_ns = read_clock(CLOCK_MONOTONIC) + larger(least_ns, took_ns * SHARE);
    chime->mute_ns = least_ns * 2 < MUTED_NS_MAX ? least_ns * 2 : MUTED_NS_MAX;
    chime->quick_rings = 0;
}

/* The time of the core is known by a system call only, so it is asked for where it matters. */
static void ring_and_judge(struct rmx_chime *chime)
{
    clockid_t clock = chime->suspect ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    uint64_t began_ns = read_clock(clock);
    uint64_t took_ns;

    if (!rmx_bell_ring(&chime->bell)) {
        return;
    }
    took_ns = read_clock(clock) - began_ns;
    if (took_ns <= DEAR_NS) {
        praise(chime);
    } else if (!chime->suspect) {
        chime->suspect = true;
    } else {
        mute(chime, took_ns);
    }
}

uint64_t rmx_chime_ring(struct rmx_chime *chime)
{
    chime->owed = chime->muted_until_ns != 0 && read_clock(CLOCK_MONOTONIC) < chime->muted_until_ns;
    if (chime->owed) {
        return chime->muted_until_ns;
    }
    chime->muted_until_ns = 0;
    ring_and_judge(chime);
    return 0;
}
