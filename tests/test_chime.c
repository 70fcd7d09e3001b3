/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client's bell: quick to ring, or with a crowd before it.
 */
#include "engine/worker/chime.h"

#include <criterion/criterion.h>
#include <sys/eventfd.h>
#include <time.h>

#include "tests/crowd.h"

#define NS_PER_MS UINT64_C(1000000)
#define TRIAL_MS  500u

static struct rmx_bell_shm word;
static struct rmx_chime chime;
static struct crowd crowd;

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void set_up(void)
{
    chime = (struct rmx_chime){ .bell = { &word, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) } };
    cr_assert_geq(chime.bell.fd, 0);
}

/* Rings a sleeper again and again. Returns how often he was woken; and what the core did. */
static uint32_t ring_for_a_while(uint64_t *spent_ns)
{
    const struct timespec pause = { .tv_nsec = 100000 };
    uint64_t until = read_clock(CLOCK_MONOTONIC) + TRIAL_MS * NS_PER_MS;
    uint32_t rings = 0;

    *spent_ns = 0;
    while (read_clock(CLOCK_MONOTONIC) < until) {
        uint64_t began = read_clock(CLOCK_THREAD_CPUTIME_ID);

        rmx_bell_arm(&chime.bell);
        (void)rmx_chime_ring(&chime);
        *spent_ns += read_clock(CLOCK_THREAD_CPUTIME_ID) - began;
        rings += rmx_bell_hear(&chime.bell);
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
    return rings;
}

TestSuite(chime, .timeout = 60, .init = set_up);

Test(chime, bell_without_a_crowd_rings_each_time)
{
    for (int i = 0; i < 10000; i++) {
        rmx_bell_arm(&chime.bell);
        (void)rmx_chime_ring(&chime);
        cr_assert(chime.owed || rmx_bell_hear(&chime.bell));
        cr_assert_not(chime.owed, "ring %d", i);
    }
}

Test(chime, bell_with_a_crowd_rings_seldom_and_takes_little_of_the_core)
{
    uint64_t spent_ns;
    uint32_t rings;

    crowd_gather(&crowd, chime.bell.fd);
    rings = ring_for_a_while(&spent_ns);
    crowd_scatter(&crowd);
    cr_assert_gt(rings, 2);
    cr_assert_lt(rings, 12, "%u rings", rings);
    cr_assert_lt(spent_ns, TRIAL_MS * NS_PER_MS / 8);
}

Test(chime, ring_that_is_owed_comes_when_it_was_said)
{
    uint64_t due_ns = 0;
    struct timespec due;

    crowd_gather(&crowd, chime.bell.fd);
    while (due_ns == 0) {
        (void)rmx_bell_hear(&chime.bell);
        rmx_bell_arm(&chime.bell);
        due_ns = rmx_chime_ring(&chime);
    }
    cr_assert(chime.owed);
    cr_assert_not(rmx_bell_hear(&chime.bell));
    due = (struct timespec){ (time_t)(due_ns / 1000000000u), (long)(due_ns % 1000000000u) };
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    cr_assert_eq(rmx_chime_ring(&chime), 0);
    cr_assert_not(chime.owed);
    cr_assert(rmx_bell_hear(&chime.bell));
    crowd_scatter(&crowd);
}

Test(chime, bell_rings_each_time_again_when_the_crowd_is_gone)
{
    uint64_t spent_ns;

    crowd_gather(&crowd, chime.bell.fd);
    (void)ring_for_a_while(&spent_ns);
    crowd_scatter(&crowd);
    (void)ring_for_a_while(&spent_ns);
    cr_assert_gt(ring_for_a_while(&spent_ns), 100);
}
