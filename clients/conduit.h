/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One channel from the client's side: memory of ours that one worker shares (ipc/channel.h). Runs
 * in the client process, under the client's lock; rmx_conduit_tell() has a lock of its own and may
 * be called without it. Believes no word of the memory; never waits.
 */
#ifndef RMX_CLIENTS_CONDUIT_H
#define RMX_CLIENTS_CONDUIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "clients/pages.h"
#include "ipc/job.h"
#include "ring/bell.h"
#include "ring/chunk.h"
#include "ring/mail.h"
#include "ring/region.h"

struct rmx_conduit {
    uint32_t line; /* to the daemon whose it is */
    uint32_t name; /* the daemon's; 0 = not open yet */
    uint32_t jobs; /* that have rings here */
    bool dead;     /* its worker is gone, or not to be believed: no new jobs */
    bool rung;     /* heard_fd is readable, as far as we know */
    int heard_fd;  /* owned: an epoll descriptor, readable when the worker has rung for us */
    struct rmx_bell worker_bell; /* its descriptor is ours */
    struct rmx_bell client_bell; /* without one: the worker has that */
    struct rmx_mail to_worker;
    struct rmx_mail to_client;
    pthread_mutex_t telling; /* to_worker has one sender at a time */
    struct rmx_region region;
    struct rmx_pages pages;
};

/* Makes and touches the memory. Returns 0 or -errno as rmx_region_create(). */
int rmx_conduit_new(struct rmx_conduit **channel, size_t bytes);

/* Accepts NULL inside. */
void rmx_conduit_free(struct rmx_conduit **channel);

/* The daemon on this line has given it to a worker. Takes both descriptors. */
void rmx_conduit_open(
    struct rmx_conduit *channel, uint32_t line, uint32_t name, int *wake_fd, int *heard_fd);

/* Finds a place for a ring of ring->slots and ring->chunk_bytes, sets ring->at, makes it empty and
 * takes our end. Returns 0, -EAGAIN (no room now) or -ENOBUFS (never). */
int rmx_conduit_place(
    struct rmx_conduit *channel, struct rmx_job_ring *ring, struct rmx_chunk_ring *end);

/* Gives its memory back. */
void rmx_conduit_clear(struct rmx_conduit *channel, const struct rmx_job_ring *ring);

/* Tells the worker about a ring: enum rmx_note_kind. Returns 0 or -EBADMSG: it lets its mail pile
 * up, which no honest one can. */
int rmx_conduit_tell(struct rmx_conduit *channel, uint32_t kind, uint32_t flow);

/* Says that we may sleep from here on; what was told before is in the mail then. */
void rmx_conduit_arm(struct rmx_conduit *channel);

/* As rmx_mail_take(). */
int rmx_conduit_take(struct rmx_conduit *channel, struct rmx_note *note);

/* Makes heard_fd unreadable until the worker rings again. */
void rmx_conduit_hush(struct rmx_conduit *channel);

#endif
