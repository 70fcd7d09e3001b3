/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tests of ring/bell.h: sleeper and waker on one thread.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ring/base.h"
#include "ring/bell.h"

static struct rmx_bell_shm shm;
static struct rmx_bell bell;

static void start(void)
{
    atomic_store(&shm.asleep, 0);
    bell = (struct rmx_bell){ .shm = &shm, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    cr_assert_geq(bell.fd, 0);
}

static void stop(void)
{
    rmx_base_close(&bell.fd);
}

TestSuite(bell, .init = start, .fini = stop);

static bool would_wake(void)
{
    struct pollfd wait = { .fd = bell.fd, .events = POLLIN };

    return poll(&wait, 1, 0) == 1;
}

Test(bell, costs_no_system_call_while_the_sleeper_is_awake)
{
    cr_assert_not(rmx_bell_ring(&bell));
    cr_assert_not(would_wake());
    cr_assert_not(rmx_bell_hear(&bell));
}

Test(bell, wakes_who_has_armed_it_once)
{
    rmx_bell_arm(&bell);
    cr_assert(rmx_bell_ring(&bell));
    cr_assert_not(rmx_bell_ring(&bell), "it has been told");
    cr_assert(would_wake());
    cr_assert(rmx_bell_hear(&bell));
    cr_assert_not(would_wake(), "heard");
}

Test(bell, disarmed_is_silent)
{
    rmx_bell_arm(&bell);
    rmx_bell_disarm(&bell);
    cr_assert_not(rmx_bell_ring(&bell));
}

Test(bell, ring_between_arm_and_disarm_only_wakes_once_too_often)
{
    rmx_bell_arm(&bell);
    cr_assert(rmx_bell_ring(&bell));
    rmx_bell_disarm(&bell);
    cr_assert(would_wake());
    cr_assert(rmx_bell_hear(&bell));
    rmx_bell_arm(&bell);
    cr_assert_not(would_wake());
    cr_assert(rmx_bell_ring(&bell), "and it works again");
}

Test(bell, counter_a_peer_has_filled_up_still_wakes)
{
    uint64_t full = UINT64_MAX - 1;

    cr_assert_eq(write(bell.fd, &full, sizeof(full)), (ssize_t)sizeof(full));
    rmx_bell_arm(&bell);
    cr_assert(rmx_bell_ring(&bell), "it does not block");
    cr_assert(would_wake());
    cr_assert(rmx_bell_hear(&bell));
    cr_assert_not(would_wake());
}

Test(bell, any_value_in_the_word_is_asleep)
{
    atomic_store(&shm.asleep, UINT32_MAX);
    cr_assert(rmx_bell_ring(&bell));
}
