/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the daemon listens, and a line to it (see dial.h). Runs in the client process, on the
 * caller's thread.
 */
#include "clients/dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/clock.h"
#include "ipc/sock.h"
#include "ring/base.h"

#define PAUSE_NS UINT64_C(10000000) /* between tries */

/* To a daemon that drains, if there is one beside this place. */
static int connect_beside(const char *path)
{
    char beside[RMX_DIAL_PATH_BYTES];

    if (path[0] == '@' || strlen(path) + sizeof(RMX_SOCK_DRAINING) > sizeof(beside)) {
        return -ENOENT;
    }
    (void)stpcpy(stpcpy(beside, path), RMX_SOCK_DRAINING);
    return rmx_sock_connect(beside);
}

/* Connects to this place: to who listens there, or drains. Returns as rmx_dial_find(). */
static int try(const char *path, bool drains, char (*found)[RMX_DIAL_PATH_BYTES])
{
    int fd = drains ? connect_beside(path) : rmx_sock_connect(path);

    if (fd >= 0) {
        int bytes = snprintf(*found, sizeof(*found), "%s", path);

        rmx_assert(bytes > 0 && bytes < (int)sizeof(*found)); /* or it were no address */
    }
    return fd;
}

/* A daemon of the user's own comes before the host's: where its socket is, if there can be one. */
static bool find_own(char (*path)[RMX_DIAL_PATH_BYTES])
{
    const char *folder = secure_getenv("XDG_RUNTIME_DIR");
    int bytes = folder != NULL ? snprintf(*path, sizeof(*path), "%s/ringmux.sock", folder) : 0;

    return bytes > 0 && bytes < (int)sizeof(*path);
}

static bool is_absent(int err)
{
    return err == -ENOENT || err == -ECONNREFUSED;
}

/* Tries one place after another. */
static int find(const char *path, bool drains, char (*found)[RMX_DIAL_PATH_BYTES])
{
    const char *named = path != NULL ? path : secure_getenv("RINGMUX_SOCKET");
    char own[RMX_DIAL_PATH_BYTES];

    if (named != NULL) {
        return try(named, drains, found);
    }
    int fd = find_own(&own) ? try(own, drains, found) : -ENOENT;
    return is_absent(fd) ? try(RMX_SOCKET_DEFAULT, drains, found) : fd;
}

int rmx_dial_find(const char *path, bool operates, char (*found)[RMX_DIAL_PATH_BYTES])
{
    int fd = find(path, false, found);

    if (operates && is_absent(fd)) {
        int drains = find(path, true, found);

        fd = drains >= 0 ? drains : fd; /* whom we may not ask is nobody */
    }
    return fd;
}

int rmx_dial_greet(struct rmx_line **line, int *fd, uint64_t features)
{
    struct rmx_line *made = rmx_line_new(fd);

    if (made == NULL) {
        return -ENOMEM;
    }
    int err = rmx_line_greet(made, features);
    if (err < 0) {
        rmx_line_free(&made);
        return err;
    }
    *line = made;
    return 0;
}

/* Connects and greets, unless that is done, and hears the answer if there is one by then. */
static int dial(struct rmx_line **line, const char *path, uint64_t features, uint64_t until_ns)
{
    int err = 0;

    if (*line == NULL) {
        rmx_autofd int fd = rmx_sock_connect_now(path);

        err = fd < 0 ? fd : rmx_dial_greet(line, &fd, features);
    }
    return err < 0 ? err : rmx_line_await(*line, until_ns);
}

/* Is it worth another try? Nobody listens yet, who does has no room or no time, or goes away. */
static bool may_pass(int err)
{
    return err == -ENOENT || err == -ECONNREFUSED || err == -EBUSY || err == -ESHUTDOWN ||
           err == -ECONNRESET || err == -ETIMEDOUT || err == -EAGAIN;
}

int rmx_dial_once(struct rmx_line **line, const char *path, uint64_t features)
{
    int err = dial(line, path, features, 0);

    if (err == -EAGAIN ||
        (err == -ETIMEDOUT && *line != NULL && rmx_clock_ns() < (*line)->patient_ns)) {
        return -EINPROGRESS;
    }
    if (err < 0) {
        rmx_line_free(line);
    }
    return err;
}

int rmx_dial_again(struct rmx_line **line, const char *path, uint64_t features, uint64_t until_ns)
{
    for (;;) {
        int err = dial(line, path, features, until_ns);

        if (err < 0) {
            rmx_line_free(line);
        }
        if (!may_pass(err) || rmx_clock_ns() >= until_ns) {
            return err == -EAGAIN ? -ETIMEDOUT : err;
        }
        uint64_t pause_ns = rmx_clock_in(PAUSE_NS);
        if (rmx_clock_readable(-1, pause_ns < until_ns ? pause_ns : until_ns) < 0) {
            return -EINTR;
        }
    }
}
