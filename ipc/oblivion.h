/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What must not outlive its job: the keys among its options and edits. Runs in the daemon and the
 * worker; does no I/O.
 */
#ifndef RMX_IPC_OBLIVION_H
#define RMX_IPC_OBLIVION_H

#include "ipc/job.h"

/* Wipes options and edits from memory that is used again, or that others see. */
void rmx_oblivion_take(struct rmx_job_spec *spec);

#endif
