/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sleep and wake. A thread that waits for many rings has one bell: a word that says it sleeps and
 * an eventfd that wakes it (through poll, epoll, io_uring or a language's own poller). Used by
 * every process. Must never be trusted for more than speed: a peer that writes the word as it
 * likes, or never rings, costs latency on its own job, because every sleep has a bound.
 *
 *     sleeper                               waker
 *     arm                       A6          publish, release, seek ...
 *     ask every ring it waits for           asked? then ring              R6
 *     all said it may sleep:
 *         poll(fd), with a time limit       (rings: the word was 1, so it writes the eventfd)
 *     disarm
 *     hear
 *     serve every ring
 *
 * Arm comes before the asks, never after: who takes an ask must find the bell armed (ring.h). The
 * bell's word is one more ask word, and of its two exchanges one comes first: if arm does, ring
 * sees 1 and writes the eventfd; if ring does, all that came before it is visible to the looks that
 * follow arm. So a waker may also ring without any ask, for news that no ring carries, and pays one
 * exchange while the sleeper is awake. Many may ring one bell; one thread sleeps on it.
 */
#ifndef RMX_RING_BELL_H
#define RMX_RING_BELL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "ring/layout.h"

struct rmx_bell {
    struct rmx_bell_shm *shm;
    int fd; /* eventfd, non-blocking; owned by whoever made it */
};

/* Sleeper: says that it is about to sleep. The looks at everything it waits for come after this. */
static inline void rmx_bell_arm(const struct rmx_bell *bell)
{
    /* A6, pairs with R6: what was done before the bell last rang is visible to those looks. */
    (void)atomic_exchange_explicit(&bell->shm->asleep, 1, memory_order_acquire);
}

/* Sleeper: awake, or not going to sleep after all. An exchange, so that the chain of exchanges
 * holds; relaxed, because it tells nobody anything. */
static inline void rmx_bell_disarm(const struct rmx_bell *bell)
{
    (void)atomic_exchange_explicit(&bell->shm->asleep, 0, memory_order_relaxed);
}

/* Sleeper: empties the eventfd, so that the next sleep does not end at once. Returns true if it had
 * been rung. */
bool rmx_bell_hear(const struct rmx_bell *bell);

/* Waker: wakes the sleeper if it sleeps. Returns true if that took a system call, for the count. */
bool rmx_bell_ring(const struct rmx_bell *bell);

#endif
