/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A daemon for one client's own life: found, started, ended. Runs in the client process, on the
 * caller's thread; the only file of the library that starts a process. It must leave the process as
 * it found it: no signal handler, no descriptor handed on but the one socket.
 */
#ifndef RMX_CLIENTS_PRIVATE_H
#define RMX_CLIENTS_PRIVATE_H

#include <sys/types.h>

#include "clients/ringmux.h"

struct rmx_private {
    pid_t pid; /* 0 = none */
    int pidfd; /* owned; -1 = none */
};

#define RMX_PRIVATE_INIT                                                                           \
    {                                                                                              \
        .pidfd = -1                                                                                \
    }

/* Starts ringmuxd and sets *fd to our end of its only session, which the caller then owns. Returns
 * 0 or the errors of rmx_open_private(). */
int rmx_private_start(
    struct rmx_private *private, const struct rmx_private_options *options, int *fd);

/* Waits until it has ended, which it does when our end of its session closed; one that takes longer
 * than 2 s is killed. Accepts an empty one and leaves one. */
void rmx_private_stop(struct rmx_private *private);

#endif
