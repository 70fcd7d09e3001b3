/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How rmx finds its daemon: the one that runs, or one of its own. Runs in the process rmx.
 */
#ifndef RMX_CLIENTS_RMX_CONNECT_H
#define RMX_CLIENTS_RMX_CONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include "clients/ringmux.h"
#include "clients/rmx_args.h"

struct rmx_connect {
    const char *socket;  /* --socket; NULL = not given */
    bool is_private;     /* --private */
    bool may_be_private; /* start one where none runs at the usual place */
    bool is_operator;    /* to see and end the jobs of others; never private */
    bool may_operate;    /* as an operator if we may, else as anybody */
    bool waits;          /* for a daemon that has no room now */
    uint64_t until_ns;   /* the deadline, CLOCK_MONOTONIC; 0 = none */
};

enum rmx_connect_option { RMX_CONNECT_SOCKET = RMX_ARGS_CONNECT, RMX_CONNECT_PRIVATE };

/* For the options and the help of a command that needs a daemon, and of one that needs the one that
 * others use. */
#define RMX_CONNECT_SOCKET_ROW                                                                     \
    {                                                                                              \
        "socket", required_argument, NULL, RMX_CONNECT_SOCKET                                      \
    }
#define RMX_CONNECT_SOCKET_TEXT "  --socket P           use the daemon that listens there\n"
#define RMX_CONNECT_ROWS                                                                           \
    RMX_CONNECT_SOCKET_ROW,                                                                        \
    {                                                                                              \
        "private", no_argument, NULL, RMX_CONNECT_PRIVATE                                          \
    }
#define RMX_CONNECT_TEXT                                                                           \
    RMX_CONNECT_SOCKET_TEXT "  --private            use a daemon of this command's own\n"

/* Takes one of them: see struct rmx_args. Neither can be wrong: returns 0. */
int rmx_connect_take(struct rmx_connect *connect, int option);

#define RMX_CONNECT_DENIED 77 /* what to exit with after -EPERM: EX_NOPERM of sysexits.h */

/* Returns 0, or -errno and fills *result as the end of a job that found no daemon: what failed, and
 * what to do. */
int rmx_connect_open(
    const struct rmx_connect *connect, struct rmx_client **client, struct rmx_result *result);

#define RMX_CONNECT_HELP "is it stopped? ('systemctl status ringmuxd')"

/* A client's call failed with err, -ETIME being the deadline: the end of a job that this stands
 * for. */
void rmx_connect_failed(struct rmx_result *result, int err);

#endif
