/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a struct rmx_client is, its lock, and how its threads wait. Runs in the client process, on
 * any of the caller's threads. Never holds the lock while it sleeps; starts no thread.
 *
 * Waiting. One of the threads that wait sleeps in epoll_wait(2) for the daemon's socket and all
 * workers' bells; the others sleep on condition variables. Whoever hears something wakes those it
 * concerns, whichever thread it is, and who leaves epoll_wait for good wakes a successor.
 *
 * The descriptor callers poll is another epoll set, since their poll must not swallow what a thread
 * of ours waits for, nor the reverse: it has the sockets, the bells and `news`, which is readable
 * while there is something to tell that no descriptor shows any more.
 *
 * Lines. New jobs go to one; others drain until what they have in flight is done (muster.h). Which
 * job is whose, the table of those in flight knows, which all lines share.
 */
#ifndef RMX_CLIENTS_HANDLE_H
#define RMX_CLIENTS_HANDLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clients/cohort.h"
#include "clients/conduit.h"
#include "clients/dial.h"
#include "clients/line.h"
#include "clients/marks.h"
#include "clients/private.h"
#include "clients/ringmux.h"
#include "clients/stream.h"

struct rmx_waiter;

struct rmx_client {
    struct rmx_client *self; /* for calls that promise the caller to change nothing */
    struct rmx_private private;
    int poll_fd;                    /* owned: epoll, for callers */
    int sleep_fd;                   /* owned: epoll, for our threads */
    int news_fd;                    /* owned: eventfd in poll_fd */
    int kick_fd;                    /* owned: eventfd in sleep_fd, gets a thread out of it */
    uint64_t features;              /* RMX_FEATURE_*: what it asks each daemon for */
    char path[RMX_DIAL_PATH_BYTES]; /* where these listen */

    pthread_mutex_t lock; /* holds all below, but what says otherwise */
    struct rmx_waiter *waiters;
    struct rmx_waiter *leader; /* of those: the one in epoll_wait() */
    uint64_t wakes;            /* of those who wait for ANYTHING, so far: for those who poll */
    bool news;                 /* news_fd is readable */
    struct rmx_line *line;     /* that new jobs go to */
    struct rmx_line *lines[RMX_INFLIGHT_LINES]; /* owned, by number: that one among them */
    bool moving;             /* a thread connects to another daemon: it alone has this: */
    struct rmx_line *coming; /* owned: greeted, not welcomed yet; else NULL */
    struct rmx_inflight inflight;
    struct rmx_cohorts cohorts;
    struct rmx_marks untold;  /* jobs with something for rmx_events() */
    struct rmx_marks due;     /* jobs whose source or sink can do something, and is not at it */
    struct rmx_marks cancels; /* jobs whose CANCEL the socket had no room for */

    uint64_t spin_ns;
    size_t channel_bytes;   /* 0 = the usual size */
    bool opening;           /* a thread opens a channel */
    uint64_t open_again_ns; /* the daemon had no room for one more: not before then */
    struct rmx_conduit *channels[RMX_CHANNELS_MAX];
    struct rmx_stream *streams; /* RMX_INFLIGHT_MAX, by place; NULL before the first channel */
};

/* Makes the descriptors. Returns 0 or -errno. */
int rmx_handle_init(struct rmx_client *client);

/* Accepts a client that was only zeroed, with its descriptors at -1. */
void rmx_handle_fini(struct rmx_client *client);

/* Registers a line's socket under this number. Returns 0 or -errno. */
int rmx_handle_listen(struct rmx_client *client, const struct rmx_line *line, uint32_t number);

/* Closes its socket, of which nobody will hear any more. */
void rmx_handle_ignore(struct rmx_client *client, struct rmx_line *line);

/* Registers a channel that is open, as number `index`. Returns 0 or -errno. */
int rmx_handle_watch(struct rmx_client *client, uint32_t index);
void rmx_handle_unwatch(struct rmx_client *client, uint32_t index);

void rmx_handle_enter(struct rmx_client *client);
void rmx_handle_leave(struct rmx_client *client); /* and sees to `news` */

/* The job's rings, or NULL: it has none, or there is no such job. */
struct rmx_stream *rmx_handle_stream(struct rmx_client *client, uint64_t id);

/* Takes in all there is, without waiting. Under the lock. */
void rmx_handle_hear(struct rmx_client *client);

/* Can nothing more come: is the line for new jobs lost, and nothing in flight on others? */
static inline bool rmx_handle_is_over(const struct rmx_client *client)
{
    return client->line->lost != 0 && client->inflight.unshown == 0 &&
           !rmx_cohort_is_on(&client->cohorts, UINT32_MAX);
}

/* Takes in what a call other than hearing left: lost lines, and jobs that ended with them. Under
 * the lock. */
void rmx_handle_digest(struct rmx_client *client);

/* Polls the channels for mail as long as rmx_spin() allows, at most until then, and takes it in.
 * Returns true: look again, there was some or another thread had news; false: nothing happened, or
 * a daemon said something, and rmx_handle_wait() may follow, which hears it. The lock is let go of
 * now and then. */
bool rmx_handle_poll(struct rmx_client *client, uint64_t until_ns);

#define RMX_HANDLE_ANYTHING UINT32_MAX

/* Sleeps until rmx_handle_wake() names this job's place and one of the kinds (or ANYTHING), having
 * been entered; the lock is not held meanwhile. Returns 1: look again; 0: until_ns passed; or
 * -EINTR, of which only the thread in epoll_wait() learns. */
int rmx_handle_wait(struct rmx_client *client, uint32_t place, uint32_t kinds, uint64_t until_ns);

/* Wakes who waits for these kinds (enum rmx_event_kind) of this job, or for ANYTHING. */
void rmx_handle_wake(struct rmx_client *client, uint32_t place, uint32_t kinds);

/* Something for rmx_events() happened. */
void rmx_handle_notice(struct rmx_client *client, uint32_t place, uint32_t kinds);

#endif
