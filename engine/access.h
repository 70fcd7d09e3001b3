/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who may talk to us, and as what: judged when it connects, by what the kernel says of it then. A
 * new setting counts for those that come later. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_ACCESS_H
#define RMX_ENGINE_ACCESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "engine/config.h"

/* As whom we take one that the kernel does not tell the user of, or that is of another user
 * namespace: user_namespaces(7). */
#define RMX_ACCESS_NOBODY 65534u

struct rmx_access {
    bool talks;    /* it may be a client */
    bool operates; /* it may see and cancel the jobs of others */
    bool owns;     /* it is root, or runs us: it has no limits, and may take over from us */
};

/* Judges who connected with `sock`; *peer is who that is. */
void rmx_access_judge(
    const struct rmx_config *config, int sock, struct ucred *peer, struct rmx_access *access);

#endif
