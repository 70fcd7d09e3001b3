/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whether a job can be run twice over the same input, to know beforehand what its muxer would go
 * back for. The daemon asks, who then needs no spool, and the worker, who does it. Does no I/O and
 * allocates nothing.
 */
#ifndef RMX_IPC_REPEAT_H
#define RMX_IPC_REPEAT_H

#include <stdbool.h>

#include "ipc/job.h"

/* Only for a spec that rmx_job_check() passed. False where the muxer is another than MP4's, or
 * where it draws random numbers: they are in an index of encrypted media, unless it is bitexact. */
bool rmx_repeat_tells(const struct rmx_job_spec *spec);

#endif
