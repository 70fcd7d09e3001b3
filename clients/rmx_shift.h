/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Works off the jobs of a batch: as many at once as the daemon allows, each from its files to its
 * end. Runs in the process rmx. Never has more in hand than RMX_SHIFT_SEATS jobs, however many
 * there are; must not show a file of a job that did not end OK.
 *
 *                  opened            taken by the daemon
 *   FREE --> DUE ----------> OPEN ----------------------> SENT --> FREE
 *             ^                                            |
 *             +--------------------------------------------+
 *               refused, or lost with its daemon or worker
 *
 * A job that the daemon refuses as BUSY or DRAINING is sent again, and so is, once, one whose
 * daemon or worker died: what it wrote has no name yet. The group collects all, since which end is
 * a failure is decided here.
 */
#ifndef RMX_CLIENTS_RMX_SHIFT_H
#define RMX_CLIENTS_RMX_SHIFT_H

#include <stdbool.h>
#include <stdint.h>

#include "clients/ringmux.h"
#include "clients/rmx_files.h"
#include "clients/rmx_manner.h"
#include "clients/rmx_progress.h"
#include "clients/rmx_tally.h"
#include "clients/rmx_task.h"

#define RMX_SHIFT_SEATS 256

struct rmx_shift_how {
    uint32_t jobs;        /* at once; at most RMX_SHIFT_SEATS */
    uint64_t deadline_ns; /* of all, CLOCK_MONOTONIC; 0 = none */
    bool keep_going;      /* when one fails */
    const struct rmx_manner *manner;
};

enum rmx_seat_state { RMX_SEAT_FREE, RMX_SEAT_DUE, RMX_SEAT_OPEN, RMX_SEAT_SENT };

struct rmx_seat {
    enum rmx_seat_state state;
    uint64_t again_ns;      /* DUE: not before */
    uint32_t losses;        /* daemons and workers that died under it */
    struct rmx_files files; /* OPEN */
    struct rmx_task task;
};

struct rmx_shift {
    struct rmx_client *client;
    const struct rmx_shift_how *how;
    uint32_t group;         /* 0 = not opened yet */
    uint32_t taken;         /* seats that are not FREE */
    uint32_t sent;          /* of these, SENT */
    bool is_blocked;        /* the daemon takes no more now; it will say when */
    bool has_failed;        /* and is not to go on: is_stopping comes next */
    bool is_stopping;       /* no more is started, and all is cancelled */
    bool is_over;           /* what is in flight is left alone */
    uint64_t hold_ns;       /* nothing is sent before */
    uint64_t move_until_ns; /* so long another daemon is looked for; 0 = there is one */
    uint64_t give_up_ns;    /* is_stopping */
    struct rmx_tally tally;
    struct rmx_progress_line line;
    struct rmx_seat seats[RMX_SHIFT_SEATS];
};

/* *how must live as long. `lines` is how many jobs will come, 0 = unknown. */
void rmx_shift_start(struct rmx_shift *shift, struct rmx_client *client,
    const struct rmx_shift_how *how, uint64_t lines, bool show_progress);

/* A seat to read a task into; NULL: there is no room now. */
struct rmx_seat *rmx_shift_seat(struct rmx_shift *shift);

/* Its task was read: the job begins. */
void rmx_shift_take(struct rmx_shift *shift, struct rmx_seat *seat);

/* The line was none: that counts as a job which failed, BAD_JOB. */
void rmx_shift_refuse(struct rmx_shift *shift, uint64_t line, const char *why);

/* Sends what is due, and takes in what has ended; cancels all when a signal came, or a job failed
 * and the others are not to go on. Does not wait, but for a daemon to welcome us. */
void rmx_shift_turn(struct rmx_shift *shift);

/* When a turn is due though nobody calls; RMX_CLOCK_NEVER = when rmx_fd() is readable. */
uint64_t rmx_shift_wakes_ns(const struct rmx_shift *shift);

#endif
