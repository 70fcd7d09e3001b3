/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The jobs of one client: which names are in flight, on which of its lines, which have ended and
 * wait to be collected. Runs in the client process, under the client's lock; no I/O, allocates
 * nothing.
 *
 *   FREE -> FLYING -> ENDED -> SHOWN -> FREE      SHOWN -> KEPT -> FREE: it has rings still
 */
#ifndef RMX_CLIENTS_INFLIGHT_H
#define RMX_CLIENTS_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/wire.h"

#define RMX_INFLIGHT_MAX   RMX_CREDITS_MAX
#define RMX_INFLIGHT_LINES 4u /* a client has: one to the daemon of new jobs, others that drain */

enum rmx_inflight_state {
    RMX_INFLIGHT_FREE,
    RMX_INFLIGHT_FLYING,
    RMX_INFLIGHT_ENDED, /* its result is here, and not yet for the caller */
    RMX_INFLIGHT_SHOWN, /* it may be collected */
    RMX_INFLIGHT_KEPT,  /* it was collected: only its name lives on */
};

struct rmx_inflight_job {
    enum rmx_inflight_state state;
    uint32_t next; /* in the list of its state */
    uint64_t id;   /* a count above its own index, so a name is not used again for long */
    void *user;
    uint32_t line;  /* the one it was sent on */
    uint32_t group; /* 0 = none */
    uint32_t kinds; /* enum rmx_event_kind: what happened and the caller was not told of */
    bool kept;      /* it is to be KEPT when it was collected */
    bool orphan;    /* nobody waits for its result: it is not to be shown */
    bool claimed;   /* its result is for the one who claimed it, and no other */
    bool lost;      /* it ended with its line */
    struct rmx_job_result result; /* ENDED, SHOWN */
};

struct rmx_inflight_list { /* RMX_INFLIGHT_MAX = none */
    uint32_t first;
    uint32_t last;
};

struct rmx_inflight {
    uint32_t free;                        /* first of the free list; RMX_INFLIGHT_MAX = none */
    uint32_t room;                        /* how many are on it */
    uint32_t unshown;                     /* FLYING and ENDED ones: there is more to come */
    uint32_t on_line[RMX_INFLIGHT_LINES]; /* those of each line, in any state but FREE */
    struct rmx_inflight_list ended;
    struct rmx_inflight_list shown;
    struct rmx_inflight_job jobs[RMX_INFLIGHT_MAX];
};

void rmx_inflight_init(struct rmx_inflight *inflight);

/* A job's place in the table, by its name. */
static inline uint32_t rmx_inflight_place(uint64_t id)
{
    return (uint32_t)(id % RMX_INFLIGHT_MAX);
}

/* Takes a free place for a job of this line and returns its name, which is not 0. Asserts that
 * there is room. */
uint64_t rmx_inflight_add(struct rmx_inflight *inflight, uint32_t line, void *user);

/* Takes back an add whose job was never sent. */
void rmx_inflight_undo(struct rmx_inflight *inflight, uint64_t id);

/* The job of this name, in any state but FREE, or NULL. Any number may be asked about. */
struct rmx_inflight_job *rmx_inflight_find(struct rmx_inflight *inflight, uint64_t id);

/* Is this the name of a job in flight? Any number may be asked about. */
bool rmx_inflight_has(const struct rmx_inflight *inflight, uint64_t id);

/* This line says that the job result->job names has ended. Returns 0, or -EBADMSG when no such job
 * of it is in flight. */
int rmx_inflight_end(
    struct rmx_inflight *inflight, uint32_t line, const struct rmx_job_result *result);

/* This line was lost: every job in flight on it has ended with this status. */
void rmx_inflight_end_all(
    struct rmx_inflight *inflight, uint32_t line, uint32_t status, const char *text);

/* Takes the job that ended first of those not taken so, or NULL. It stays ENDED. */
struct rmx_inflight_job *rmx_inflight_next(struct rmx_inflight *inflight);

/* Is there one to take? */
static inline bool rmx_inflight_has_ended(const struct rmx_inflight *inflight)
{
    return inflight->ended.first != RMX_INFLIGHT_MAX;
}

/* An ENDED job that was taken is for the caller now. */
void rmx_inflight_show(struct rmx_inflight *inflight, struct rmx_inflight_job *job);

/* An ENDED job that was taken is for nobody. */
void rmx_inflight_forget(struct rmx_inflight *inflight, struct rmx_inflight_job *job);

/* The job that was shown first of those not collected and not claimed, or NULL; valid until the
 * next call. Its place is free from here on, unless it is kept. */
const struct rmx_inflight_job *rmx_inflight_collect(struct rmx_inflight *inflight);

/* Of a job in flight the result will be collected by name. */
void rmx_inflight_claim(struct rmx_inflight *inflight, uint64_t id);

/* Collects this one, which was claimed, if it is shown; else NULL. */
const struct rmx_inflight_job *rmx_inflight_collect_one(struct rmx_inflight *inflight, uint64_t id);

/* A KEPT job's name is not needed any more. */
void rmx_inflight_let_go(struct rmx_inflight *inflight, struct rmx_inflight_job *job);

#endif
