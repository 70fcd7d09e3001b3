/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The zygote: has libavformat loaded and warm, and does nothing but fork workers when the daemon
 * asks and tell how they ended. A process of its own, exec'd by the daemon. Must never read a media
 * byte, nor know of a job: what it forks is as fresh as itself.
 */
#ifndef RMX_ENGINE_WORKER_ZYGOTE_H
#define RMX_ENGINE_WORKER_ZYGOTE_H

#include <stddef.h>

#define RMX_ZYGOTE_CTL_FD 3 /* where the daemon's end of the conversation is */

/* Serves until the daemon hangs up; all workers end with it. No single allocation of libavformat's
 * is larger than alloc_max_bytes: it takes sizes from the media's own headers. Returns the exit
 * code. */
int rmx_zygote_run(size_t alloc_max_bytes);

#endif
