/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A thread of a hostile client: it does one evil thing at a time to a channel, as fast as it can,
 * while the client's other thread feeds and drains jobs through it. Runs in test programs only.
 */
#ifndef RMX_TESTS_HOSTILE_HAND_H
#define RMX_TESTS_HOSTILE_HAND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/job.h"

#define HOSTILE_JOBS 8u /* in flight at once */

enum hostile_deed {
    HOSTILE_NOTHING, /* so that jobs come far between the others */
    HOSTILE_WORDS,   /* any word of the arena */
    HOSTILE_HEADS,   /* counts, asks, seeks; lengths, flags, generations of chunks */
    HOSTILE_NUDGES,  /* one of those now and then, or jobs would never come far */
    HOSTILE_PAYLOAD, /* the media itself */
    HOSTILE_MAIL,    /* the mailboxes' counts and notes */
    HOSTILE_FLOOD,   /* good notes about jobs that are there, without end */
    HOSTILE_BELLS,   /* who sleeps, who does not */
    HOSTILE_ALARM,   /* rings the worker, without mail */
    HOSTILE_FULL,    /* the bell's eventfd full, empty, blocking and not */
    HOSTILE_HOLES,   /* gives pages back to the kernel */
    HOSTILE_CRUMBS,  /* chunks without end, each of a byte, of no use or of a seek long ago */
    HOSTILE_CROWD,   /* waits for the worker's bell thousandfold */
    HOSTILE_DEEDS,
};

struct hostile_hand {
    pthread_t thread;
    _Atomic bool over;
    enum hostile_deed deed;
    uint64_t random;
    uint64_t done; /* deeds, when joined */

    unsigned char *arena;
    size_t bytes;
    int arena_fd;
    int wake_fd;
    int watch_fd;                                /* -1 = closed */
    struct rmx_job_ring rings[2 * HOSTILE_JOBS]; /* where jobs' rings are: in, out, in, out, ... */
};

/* A number below `below`; the state is never 0. */
uint64_t hostile_pick(uint64_t *random, uint64_t below);

const char *hostile_deed_name(enum hostile_deed deed);

/* All fields but thread, over and done are set. */
void hostile_hand_start(struct hostile_hand *hand);
void hostile_hand_stop(struct hostile_hand *hand);

#endif
