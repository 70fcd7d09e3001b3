/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Starts, watches and restarts a lane's workers: one in each berth and one warm spare, all forked
 * from a zygote. Runs on the lane's thread, driven by its loop; allocates at start only. Must never
 * believe what a worker or the zygote says beyond what it checks, nor wait for either.
 *
 * A process, from its slot in the table:
 *
 *   FREE -> FORKING -> BORN -> SPARE -> WORKING -> GONE -> FREE      any may go GONE early
 *           FORK sent  FORKED  READY    ADOPT sent  pidfd
 *
 * A berth's worker dies: on_death is called. The caller ends what ran there, empties the berth
 * (rmx_berth_reset) and calls rmx_warden_refill(); the spare moves in and on_ready is called.
 *
 * Births wait if processes die outside any job: then something is wrong with the program, or the
 * machine. What jobs do is no reason to let everybody wait: it is put on their clients' bill.
 */
#ifndef RMX_ENGINE_WARDEN_H
#define RMX_ENGINE_WARDEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/berth.h"
#include "engine/brake.h"
#include "engine/loop.h"
#include "engine/nursery.h"
#include "engine/obituary.h"
#include "engine/order.h"

struct rmx_warden_plan {
    const char *program; /* path of ringmux-worker; NULL or "" = see rmx_warden_start() */
    struct rmx_berth *berths;
    uint32_t berths_count;    /* one worker in each, and a spare for all */
    uint64_t alloc_max_bytes; /* the largest single allocation of libavformat's */
    struct rmx_order_limits limits;
    uint64_t spin_ns; /* how long a worker polls before it sleeps */
    void *owner;      /* the caller's, for the callbacks */

    /* There is a process more, which makes itself ready: on the lane's cpus until it is bound. */
    void (*on_born)(void *owner, pid_t pid);

    /* A worker has the berth's arena: notes may be posted. Bind it to its cpu here. */
    void (*on_ready)(void *owner, uint32_t berth, pid_t pid);

    /* The berth's worker is dead, whatever the reason; nothing writes to its arena any more. */
    void (*on_death)(void *owner, uint32_t berth, pid_t pid, const struct rmx_last_words *words);

    /* Zygote or workers end again and again, and none was ever ready: this program, on this
     * machine, never will be. Called once. */
    void (*on_hopeless)(void *owner);
};

enum rmx_process_state {
    RMX_PROCESS_FREE = 0,
    RMX_PROCESS_FORKING = 1,
    RMX_PROCESS_BORN = 2,
    RMX_PROCESS_SPARE = 3,
    RMX_PROCESS_WORKING = 4,
    RMX_PROCESS_GONE = 5,
};

struct rmx_process {
    struct rmx_warden *warden;
    enum rmx_process_state state;
    uint32_t ticket;
    uint32_t berth; /* WORKING: where */
    bool ended;     /* WORKING: by rmx_warden_kill() */
    pid_t pid;
    int ctl_fd;
    int pidfd;
    uint64_t ready_by_ns; /* FORKING, BORN: killed if it takes longer */
    struct rmx_op ctl_op;
    struct rmx_op pidfd_op;
};

#define RMX_WARDEN_FAILURES 3u /* of births, before any worked: then it is hopeless */

struct rmx_warden {
    struct rmx_warden_plan plan;
    struct rmx_loop *loop;
    char program[512];
    struct rmx_nursery nursery;
    int timer_fd;
    struct rmx_op timer_op;
    uint32_t tickets;
    struct rmx_brake brake;
    uint64_t next_birth_ns;
    uint64_t kill_at_ns; /* stopping: patience ends */
    bool stopping;
    bool proven;                   /* a worker was ready once */
    uint32_t failures;             /* of births, while not proven */
    bool *vacant;                  /* by berth: it waits for a worker */
    struct rmx_process *processes; /* berths_count + 1 */
};

/* Starts the zygote; workers follow as the loop turns. The program is plan->program, else the
 * ringmux-worker beside the running program, else the installed one. Returns 0, or
 *   -ENOENT, -EACCES  no such program, or it may not be run
 *   -ENOMEM, -EMFILE, -EAGAIN  the machine has no room */
int rmx_warden_start(
    struct rmx_warden *warden, struct rmx_loop *loop, const struct rmx_warden_plan *plan);

/* After on_death, when the berth is empty again: it gets the spare, now or as soon as there is
 * one. */
void rmx_warden_refill(struct rmx_warden *warden, uint32_t berth);

/* Is there one that would move in at once? */
bool rmx_warden_has_spare(struct rmx_warden *warden);

/* Tells the berth's worker about a channel, as rmx_order_channel(). Returns -ESRCH if there is
 * none. */
int rmx_warden_tell(struct rmx_warden *warden, uint32_t berth, const struct rmx_lane_msg *message,
    const int *fds, int fds_count);

/* Ends the berth's worker now; on_death follows. */
void rmx_warden_kill(struct rmx_warden *warden, uint32_t berth);

/* Asks all to end: idle ones do at once, the others are killed after a short while. No callback
 * comes from here on. Turn the loop until rmx_warden_stopped(), then call rmx_warden_fini(). */
void rmx_warden_stop(struct rmx_warden *warden);
bool rmx_warden_stopped(const struct rmx_warden *warden);

/* Only when stopped, or never started. */
void rmx_warden_fini(struct rmx_warden *warden);

#endif
