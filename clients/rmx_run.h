/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job from submit to its end, with an eye on signals and a hand for the progress line. Runs in
 * the process rmx.
 */
#ifndef RMX_CLIENTS_RMX_RUN_H
#define RMX_CLIENTS_RMX_RUN_H

#include <stdbool.h>

#include "clients/ringmux.h"
#include "clients/rmx_stdio.h"

/* Runs the job to its end and fills *result, whatever happens: a daemon that cannot take it is an
 * end too. A signal cancels it; see rmx_signal_seen(). Moves what goes through stdio meanwhile. */
void rmx_run_job(struct rmx_client *client, const struct rmx_job *job, struct rmx_stdio *stdio,
    bool show_progress, struct rmx_result *result);

/* How a job ended that never started: status, cause, and words of our own. */
__attribute__((format(printf, 4, 5))) void rmx_run_failed(
    struct rmx_result *result, uint32_t status, int cause, const char *format, ...);

#endif
