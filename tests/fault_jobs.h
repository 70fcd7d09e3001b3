/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The jobs of one flow, of which each has an end, and what came of them. What is wrong ends the
 * process: see race_fail().
 */
#ifndef RMX_TESTS_FAULT_JOBS_H
#define RMX_TESTS_FAULT_JOBS_H

#include "tests/race_job.h"

#define FAULT_JOBS_MAX 8

struct fault_jobs {
    struct rmx_client *client;
    struct race_job job[FAULT_JOBS_MAX];
    size_t count;               /* places used */
    size_t left;                /* jobs without an end */
    struct race_reference made; /* what came of the newest that ended */
};

extern struct race fault_race;
extern unsigned fault_ends[RMX_END_KINDS]; /* by status, of all jobs */

/* A connection. False: it was refused, as a daemon may. */
bool fault_jobs_open(struct fault_jobs *jobs);

/* One more, of the first clip. */
struct race_job *fault_jobs_add(struct fault_jobs *jobs, enum race_kind kind, size_t format);

/* Sends those that were added since the last time. */
void fault_jobs_submit(struct fault_jobs *jobs);

/* It was sent, and has no end yet. */
bool fault_jobs_going(const struct race_job *job);

/* Feeds them and takes from them until each has its end. */
void fault_jobs_wait(struct fault_jobs *jobs);

/* True: what a call of the library says is what it may say of a daemon that lacks something, or is
 * gone. False: it is no error. The first is kept, to be printed. */
bool fault_jobs_refused(int error);

/* How many ended how, and what was refused, in a line. */
void fault_jobs_print(void);

#endif
