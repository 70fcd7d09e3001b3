/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job from submit to its end, with an eye on signals and a hand for the progress line. Runs in
 * the process rmx.
 *
 * A daemon that is busy is asked again when it said; one that goes away is left for its successor.
 * The job ends so only when the next try would come after its deadline, or when it cannot be sent
 * again: something of it was written, or read from where nothing can be read twice.
 */
#ifndef RMX_CLIENTS_RMX_RUN_H
#define RMX_CLIENTS_RMX_RUN_H

#include <stdbool.h>

#include "clients/ringmux.h"
#include "clients/rmx_stdio.h"

struct rmx_run_how {
    const char *group; /* one of that name is opened for the job alone; NULL = none */
    bool waits;        /* for a daemon that is busy */
    bool show_progress;
};

/* Runs the job to its end and fills *result, whatever happens: a daemon that cannot take it is an
 * end too. A signal cancels it; see rmx_signal_seen(). Moves what goes through stdio meanwhile. */
void rmx_run_job(struct rmx_client *client, const struct rmx_job *job, struct rmx_stdio *stdio,
    const struct rmx_run_how *how, struct rmx_result *result);

/* The same, of one whose output cannot be opened. */
void rmx_run_unwritten(struct rmx_result *result, int err);

/* The daemon was too busy for the job, and that is its end. Says so in words of our own: the next
 * try would come after its deadline, or the user does not wait. */
void rmx_run_refused(struct rmx_result *result, uint64_t deadline_ns, bool waits);

#define RMX_RUN_RETRY_NS UINT64_C(50000000) /* where the daemon gave no hint */

/* How a job ended that never started: status, cause, and words of our own. */
__attribute__((format(printf, 4, 5))) void rmx_run_failed(
    struct rmx_result *result, uint32_t status, int cause, const char *format, ...);

#endif
