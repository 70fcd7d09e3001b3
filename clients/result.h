/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From the wire's structs to the caller's: how a job went, and what an operator sees of one. Runs
 * in the client process; pure, allocates nothing.
 */
#ifndef RMX_CLIENTS_RESULT_H
#define RMX_CLIENTS_RESULT_H

#include "clients/ringmux.h"
#include "ipc/wire.h"

void rmx_result_fill(struct rmx_result *result, const struct rmx_job_result *from, void *user);
void rmx_result_describe(struct rmx_job_info *info, const struct rmx_jobs_item *from);

#endif
