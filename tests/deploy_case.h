/* SPDX-License-Identifier: BSD-2-Clause
 *
 * For the tests of deploying: several daemons on one socket, each with its own log, and a service
 * manager's part: what a daemon inherits, and where it tells how it does. Every call fails the
 * test itself when it cannot do its work.
 */
#ifndef RMX_TESTS_DEPLOY_CASE_H
#define RMX_TESTS_DEPLOY_CASE_H

#include <stdbool.h>
#include <sys/types.h>

#include "tests/harness.h"

/* What a daemon finds when it starts. */
struct deploy_inherit {
    int socket;             /* becomes its descriptor 3; -1 = none */
    const char *listen_fds; /* with LISTEN_PID; NULL = neither is set */
    bool for_somebody_else; /* LISTEN_PID names another process */
    const char *notify;     /* NOTIFY_SOCKET; NULL = not set */
};

#define DEPLOY_INHERIT_INIT                                                                        \
    {                                                                                              \
        .socket = -1                                                                               \
    }

/* *next is like *harness, with a log and a daemon of its own: ringmuxd with these settings besides
 * (NULL-ended), which may end at once. */
void deploy_spawn(const struct harness *harness, struct harness *next, const char *const *settings,
    const struct deploy_inherit *inherit);

/* Waits until the nth line with this event (counted from 1) is in the log, with `says` in it. */
void deploy_await(const struct harness *harness, const char *event, int nth, const char *says);

/* The log as it is now; static memory. */
const char *deploy_log(const struct harness *harness);

/* The daemon ends by itself, within 20 s. Returns its exit status. */
int deploy_exit(struct harness *harness);

/* The directory and the socket of a daemon that is still to come. */
void deploy_make_place(struct harness *harness);
void deploy_remove_place(const struct harness *harness);

/* A listening SOCK_SEQPACKET socket at harness->socket, as another program makes it. */
int deploy_listen(const struct harness *harness);

#endif
