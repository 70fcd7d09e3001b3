/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A crowd before a bell. See crowd.h.
 */
#include "tests/crowd.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define WAITERS 900 /* of each thread: within any limit of descriptors */

static void *wait_in_crowd(void *argument)
{
    const struct crowd *crowd = argument;
    struct pollfd waits[1 + WAITERS];

    waits[0] = (struct pollfd){ .fd = crowd->end_fd, .events = POLLIN };
    for (int i = 1; i <= WAITERS; i++) {
        waits[i] = (struct pollfd){ .fd = crowd->epoll_fd, .events = POLLPRI };
    }
    (void)poll(waits, 1 + WAITERS, -1);
    return NULL;
}

void crowd_gather(struct crowd *crowd, int eventfd_of_bell)
{
    const struct timespec soon = { .tv_nsec = 200000000 };
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };

    crowd->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    crowd->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    cr_assert(crowd->epoll_fd >= 0 && crowd->end_fd >= 0);
    cr_assert_eq(epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, eventfd_of_bell, &event), 0);
    for (int i = 0; i < CROWD_THREADS; i++) {
        cr_assert_eq(pthread_create(&crowd->threads[i], NULL, wait_in_crowd, crowd), 0);
    }
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &soon, NULL); /* until they sleep */
}

void crowd_scatter(struct crowd *crowd)
{
    uint64_t once = 1;

    cr_assert_eq(write(crowd->end_fd, &once, sizeof(once)), (ssize_t)sizeof(once));
    for (int i = 0; i < CROWD_THREADS; i++) {
        cr_assert_eq(pthread_join(crowd->threads[i], NULL), 0);
    }
    (void)close(crowd->epoll_fd);
    (void)close(crowd->end_fd);
}
