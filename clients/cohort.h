/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The groups of one client: which are open, on which of its lines, what is to be said about them,
 * and how they end. Runs in the client process, under the client's lock; no I/O, allocates nothing.
 *
 * A group is opened on a line when the first job of it goes there, and closed on one that drains.
 * It has ended when the caller closed it, GROUP_DONE came on each of its lines, or that was lost,
 * and the results of all its jobs are there for the caller.
 */
#ifndef RMX_CLIENTS_COHORT_H
#define RMX_CLIENTS_COHORT_H

#include <stdbool.h>
#include <stdint.h>

#include "clients/inflight.h"
#include "ipc/wire.h"

#define RMX_COHORT_MAX RMX_GROUPS_MAX

struct rmx_cohort {
    uint32_t name; /* a count above its own index, so that it is not used again for long */
    bool used;
    bool closed;    /* by the caller */
    bool cancelled; /* by the caller, or since a job of it failed */
    uint32_t jobs;  /* whose results are not shown */
    void *user;
    struct rmx_msg_group spec;    /* as it is opened everywhere */
    uint32_t lines;               /* a bit for each that it is open on */
    uint32_t to_cancel;           /* of those: where that is still to be said */
    uint32_t to_close;            /* likewise */
    uint32_t parting;             /* of those: where it was closed, by us or by a daemon
                                     that drains */
    uint32_t status;              /* what a daemon said first that is not OK, unless it is but what
                                     follows from a failure at another */
    bool by_a_job;                /* of that: it named a job, since that one failed first */
    struct rmx_job_result failed; /* the first job that did not end OK, as the caller saw it end;
                                     job 0 = none */
    void *failed_user;
    uint32_t failed_line;
    uint64_t ended[RMX_GROUP_ENDS];
};

struct rmx_cohorts {
    uint64_t due;    /* a bit for each with to_cancel or to_close */
    uint64_t untold; /* of those that have ended: rmx_events() did not tell */
    struct rmx_cohort groups[RMX_COHORT_MAX];
};

void rmx_cohort_init(struct rmx_cohorts *cohorts);

/* Takes a place for a group and names it in spec. Returns NULL when there is none. */
struct rmx_cohort *rmx_cohort_add(
    struct rmx_cohorts *cohorts, const struct rmx_msg_group *spec, void *user);

/* Its place is free again. */
void rmx_cohort_remove(struct rmx_cohorts *cohorts, struct rmx_cohort *cohort);

/* The group of this name, or NULL. Any number may be asked about. */
struct rmx_cohort *rmx_cohort_find(struct rmx_cohorts *cohorts, uint32_t name);

static inline bool rmx_cohort_has_ended(const struct rmx_cohort *cohort)
{
    return cohort->closed && cohort->lines == 0 && cohort->jobs == 0;
}

/* Is one open on any of these lines, a bit for each? */
bool rmx_cohort_is_on(const struct rmx_cohorts *cohorts, uint32_t lines);

/* It was opened on this line. */
void rmx_cohort_open(struct rmx_cohorts *cohorts, struct rmx_cohort *cohort, uint32_t line);

/* The caller wants no more jobs of it; or wants it to end early. */
void rmx_cohort_close(struct rmx_cohorts *cohorts, struct rmx_cohort *cohort);
void rmx_cohort_cancel(struct rmx_cohorts *cohorts, struct rmx_cohort *cohort);

/* The daemon of this line drains: it takes all groups for closed. */
void rmx_cohort_drain(struct rmx_cohorts *cohorts, uint32_t line);

/* GROUP_DONE came. Returns 0, or -EBADMSG: that group was not closed on this line. */
int rmx_cohort_done(
    struct rmx_cohorts *cohorts, uint32_t line, const struct rmx_msg_group_done *done);

/* The line is gone, and its groups' parts with it. */
void rmx_cohort_lose(struct rmx_cohorts *cohorts, uint32_t line);

/* One that has ended and was not told, or NULL. It is told with this. */
const struct rmx_cohort *rmx_cohort_tell(struct rmx_cohorts *cohorts);

/* The next thing to be said on a line of `lines`, a bit for each. Returns its bit, 0 if there is
 * nothing. */
uint32_t rmx_cohort_next(
    struct rmx_cohorts *cohorts, uint32_t lines, struct rmx_msg_group_name *message);

/* It was said there. */
void rmx_cohort_said(
    struct rmx_cohorts *cohorts, uint32_t line, const struct rmx_msg_group_name *message);

/* A job of a group was heard to have ended; its result is shown to the caller, or thrown away. Asks
 * for neither if the job has no group. */
void rmx_cohort_heard(struct rmx_cohorts *cohorts, const struct rmx_inflight_job *job);
void rmx_cohort_shown(struct rmx_cohorts *cohorts, const struct rmx_inflight_job *job);

#endif
