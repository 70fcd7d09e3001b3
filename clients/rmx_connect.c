/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How rmx finds its daemon (see rmx_connect.h). Runs in the process rmx.
 */
#include "clients/rmx_connect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clients/clock.h"
#include "clients/rmx_run.h"
#include "clients/rmx_say.h"
#include "clients/rmx_signal.h"

#define PAUSE_NS     UINT64_C(50000000)    /* between two looks if the daemon has room */
#define SUCCESSOR_NS UINT64_C(10000000000) /* so long one is waited for */

#define NO_DESCRIPTOR                                                                              \
    "this process may open no more files: raise the limit of descriptors ('ulimit -n')"

int rmx_connect_take(struct rmx_connect *connect, int option)
{
    if (option == RMX_CONNECT_PRIVATE) {
        connect->is_private = true;
    } else {
        connect->socket = optarg;
    }
    return 0;
}

static bool is_absent(int err)
{
    return err == -ENOENT || err == -ECONNREFUSED;
}

void rmx_connect_failed(struct rmx_result *result, int err)
{
    switch (err) {
    case -EPERM:
        rmx_run_failed(result, RMX_UNSUPPORTED, 0,
            "this is for root, ringmuxd's own user and its operator_gids: use sudo");
        break;
    case -EACCES:
        rmx_run_failed(result, RMX_DENIED, 0,
            "the daemon is not for this user: see socket_group in ringmuxd(8)");
        break;
    case -EBUSY:
        rmx_run_failed(result, RMX_BUSY, 0, "the daemon has no room for another client: try again");
        break;
    case -ESHUTDOWN:
        rmx_run_failed(result, RMX_DRAINING, 0, "the daemon is shutting down: try again");
        break;
    case -EPROTO:
        rmx_run_failed(result, RMX_PEER_CORRUPT, 0, "what answers is not ringmuxd");
        break;
    case -EPROTONOSUPPORT:
        rmx_run_failed(result, RMX_PEER_CORRUPT, 0,
            "the daemon speaks another version of the protocol: use the rmx that came with it");
        break;
    case -EMFILE:
        rmx_run_failed(result, RMX_DAEMON_LOST, 0, NO_DESCRIPTOR);
        break;
    case -EINTR:
        rmx_run_failed(result, RMX_CANCELLED, 0, "interrupted");
        break;
    case -ETIMEDOUT:
        rmx_run_failed(result, RMX_DAEMON_LOST, 0, "the daemon does not answer: " RMX_CONNECT_HELP);
        break;
    case -ETIME:
        rmx_run_failed(result, RMX_DEADLINE, 0,
            "the deadline passed, and the daemon does not answer: " RMX_CONNECT_HELP);
        break;
    case -ECONNRESET:
        rmx_run_failed(result, RMX_DAEMON_LOST, 0, "the daemon hung up");
        break;
    default:
        rmx_run_failed(result, RMX_DAEMON_LOST, 0, "cannot use the daemon: %s", rmx_say_error(err));
        break;
    }
}

static int open_private(struct rmx_client **client, struct rmx_result *result)
{
    int err = rmx_open_private(client, NULL);

    if (err == -ENOENT) {
        rmx_run_failed(result, RMX_DAEMON_LOST, 0,
            "cannot find ringmuxd: install it beside rmx or in $PATH, or set RINGMUX_DAEMON");
    } else if (err == -ECONNRESET) {
        rmx_run_failed(result, RMX_DAEMON_LOST, 0,
            "ringmuxd started and ended at once: see its message above, or run ringmuxd by hand");
    } else if (err == -EBUSY) {
        rmx_run_failed(result, RMX_DAEMON_LOST, 0,
            "ringmuxd has no room for one client: see its message above, and 'ulimit -a'");
    } else if (err < 0 && err != -EINTR && err != -EPROTO && err != -EMFILE) {
        rmx_run_failed(result, RMX_DAEMON_LOST, 0, "cannot start ringmuxd: %s", rmx_say_error(err));
    } else if (err < 0) {
        rmx_connect_failed(result, err);
    }
    return err;
}

static int open_once(const struct rmx_connect *connect, struct rmx_client **client)
{
    int err = -EPERM;

    if (connect->is_operator || connect->may_operate) {
        err = rmx_open_operator(client, connect->socket);
    }
    if (!connect->is_operator && (err == -EPERM || err == -EBUSY)) {
        err = rmx_open(client, connect->socket);
    }
    return err;
}

/* As open_once(), or -ETIME: the deadline came. */
static int open_by_deadline(const struct rmx_connect *connect, struct rmx_client **client)
{
    int err;

    rmx_signal_alarm(connect->until_ns);
    do {
        err = open_once(connect, client);
    } while (err == -EINTR && rmx_signal_seen() == 0 &&
             (connect->until_ns == 0 || rmx_clock_ns() < connect->until_ns));
    rmx_signal_alarm(0);
    return err == -EINTR && rmx_signal_seen() == 0 ? -ETIME : err;
}

/* Again while the daemon has no room, or its successor is not there yet. Ctrl-C ends
 * the wait. */
static int open_in_time(const struct rmx_connect *connect, struct rmx_client **client)
{
    uint64_t successor_ns = rmx_clock_in(SUCCESSOR_NS);

    for (;;) {
        uint64_t again_ns = rmx_clock_in(PAUSE_NS);
        int err = open_by_deadline(connect, client);
        bool is_late = connect->until_ns != 0 && again_ns >= connect->until_ns;
        bool may_pass = err == -EBUSY || (err == -ESHUTDOWN && rmx_clock_ns() < successor_ns);

        if (!may_pass || !connect->waits || is_late) {
            return err;
        }
        if (rmx_signal_sleep(again_ns) < 0) {
            return -EINTR;
        }
    }
}

int rmx_connect_open(
    const struct rmx_connect *connect, struct rmx_client **client, struct rmx_result *result)
{
    const char *named = connect->socket != NULL ? connect->socket : secure_getenv("RINGMUX_SOCKET");

    if (connect->is_private) {
        return open_private(client, result);
    }
    if (named != NULL && *named == '\0') {
        rmx_run_failed(result, RMX_DAEMON_LOST, 0, "%s is empty: it takes the path of a socket",
            connect->socket != NULL ? "--socket" : "RINGMUX_SOCKET");
        return -EINVAL;
    }
    int err = open_in_time(connect, client);
    if (!is_absent(err)) {
        if (err < 0) {
            rmx_connect_failed(result, err);
        }
        return err;
    }
    if (named == NULL && connect->may_be_private) {
        return open_private(client, result);
    }
    if (named != NULL) {
        rmx_run_failed(result, RMX_DAEMON_LOST, 0,
            "no daemon listens on %.107s: start ringmuxd with that --socket", named);
    } else {
        rmx_run_failed(result, RMX_DAEMON_LOST, 0,
            "no daemon listens on " RMX_SOCKET_DEFAULT ": start ringmuxd, or give --socket");
    }
    return err;
}
