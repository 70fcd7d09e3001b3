/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an operator asks of all lanes: it goes from one to the next, a page of a job table at a
 * time, and comes home with what is to be said. Between lanes it lies in a box under a lock; who
 * takes it out owns it. Runs on the lanes' threads. Must never touch another lane's clients or
 * jobs.
 *
 *   IDLE -> AWAY -> HOME -> IDLE
 *            ^        |
 *            +--------+  a page was told, and there are more
 */
#ifndef RMX_ENGINE_ERRAND_H
#define RMX_ENGINE_ERRAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/wire.h"

struct rmx_client;
struct rmx_lane;

enum rmx_errand_state {
    RMX_ERRAND_IDLE = 0,
    RMX_ERRAND_AWAY, /* in a lane's box, or that lane is at it */
    RMX_ERRAND_HOME, /* its message is to be told */
};

/* struct rmx_msg_jobs_reply with its items */
struct rmx_errand_page {
    struct rmx_msg_head head;
    uint32_t last;
    uint32_t zero;
    struct rmx_jobs_item items[RMX_JOBS_ITEMS_MAX];
};
_Static_assert(offsetof(struct rmx_errand_page, items) == sizeof(struct rmx_msg_jobs_reply),
    "it goes out as it lies");

struct rmx_errand {
    enum rmx_errand_state state; /* home lane */
    struct rmx_client *client;   /* who asked; home lane */
    struct rmx_lane *home;
    struct rmx_errand *next; /* in a box */
    uint32_t lane;           /* where it is, or goes to; as many as there are: it has seen all */
    uint32_t entry;          /* of that lane's job table: the next to look at */
    bool homeward;
    bool owed;    /* home's alone: it ended jobs there, so home says so before it ends itself */
    bool cancels; /* CANCEL_JOBS; else JOBS */
    struct rmx_msg_cancel_jobs match; /* CANCEL_JOBS: which */
    uint64_t cancelled;
    struct rmx_errand_page page; /* JOBS */
};

/* Where a lane finds errands; zero takes none. Written under one lock for all lanes. */
struct rmx_errand_box {
    struct rmx_errand *first;
    bool open;
};

/* From here on the lane takes errands; and no more, those that lie there go on without it. */
void rmx_errand_open(struct rmx_lane *lane);
void rmx_errand_close(struct rmx_lane *lane);

/* Sends an IDLE one out, for JOBS or (match) CANCEL_JOBS. */
void rmx_errand_send(struct rmx_errand *errand, const struct rmx_msg_cancel_jobs *match);

/* Does what lies in the lane's box: its control_fd was written. */
void rmx_errand_serve(struct rmx_lane *lane);

/* Tells the client of one that is HOME. False: not now. */
bool rmx_errand_say(struct rmx_errand *errand);

#endif
