/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The zygote: has libavformat loaded and warm, and does nothing but fork workers when the daemon
 * asks and tell how they ended. A process of its own, exec'd by the daemon. Must never read a media
 * byte, nor know of a job: what it forks is as fresh as itself.
 */
#ifndef RMX_ENGINE_WORKER_ZYGOTE_H
#define RMX_ENGINE_WORKER_ZYGOTE_H

#define RMX_ZYGOTE_CTL_FD 3 /* where the daemon's end of the conversation is */

/* No single allocation of libavformat's is larger: it takes sizes from the media's own headers. */
#define RMX_ZYGOTE_ALLOC_BYTES_MAX (256u << 20)

/* Serves until the daemon hangs up; all workers end with it. Returns the exit code. */
int rmx_zygote_run(void);

#endif
