/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From the caller's struct rmx_job to the wire's struct rmx_job_spec. Runs in the client process,
 * on the caller's thread; pure, allocates nothing.
 */
#ifndef RMX_CLIENTS_SPEC_H
#define RMX_CLIENTS_SPEC_H

#include <stddef.h>

#include "clients/ringmux.h"
#include "ipc/job.h"

/* Fills *spec; its name of the job is `id`. Where its rings lie, and in which channel, is left to
 * the caller: those fields only pass rmx_job_check(). Returns 0, or the status such a job would end
 * with (BAD_JOB, BAD_OPTION, UNSUPPORTED), with *why set to a static sentence and *spec undefined.
 */
int rmx_spec_fill(
    struct rmx_job_spec *spec, const struct rmx_job *job, uint64_t id, const char **why);

#define RMX_SPEC_FDS_MAX (RMX_JOB_INPUTS_MAX + RMX_JOB_OUTPUTS_MAX)

/* The descriptors of a job that makes sense, in the order the wire wants them. Returns how many. */
size_t rmx_spec_fds(const struct rmx_job *job, int fds[RMX_SPEC_FDS_MAX]);

#endif
