/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A crowd before a bell: very many who wait for it in a way that no ring ends, so that each costs
 * the one who rings a walk past all of them.
 */
#ifndef RMX_TESTS_CROWD_H
#define RMX_TESTS_CROWD_H

#include <pthread.h>

#define CROWD_THREADS 50

struct crowd {
    int epoll_fd; /* the bell is in it, as a client has it */
    int end_fd;
    pthread_t threads[CROWD_THREADS];
};

/* Gathers before that eventfd, and returns when all of them wait. */
void crowd_gather(struct crowd *crowd, int eventfd_of_bell);
void crowd_scatter(struct crowd *crowd);

#endif
