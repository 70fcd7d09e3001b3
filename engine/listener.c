/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The socket that clients come to. See listener.h.
 */
#include "engine/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "engine/log.h"
#include "ipc/quantity.h"
#include "ipc/sock.h"
#include "ring/base.h"

#define DEFAULT_SOCKET_DIR "/run/ringmux"
#define DEFAULT_SOCKET     DEFAULT_SOCKET_DIR "/ringmux.sock"
#define INHERITED_FD       3 /* the first of those that a service manager hands on */

__attribute__((format(printf, 3, 4))) static int fail(
    struct rmx_listener *listener, int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(listener->why, sizeof(listener->why), format, args);
    va_end(args);
    return error;
}

/* --- made by us ------------------------------------------------------------------------------ */

/* From now on the file is ours to remove. */
static void remember(struct rmx_listener *listener, const char *path)
{
    (void)snprintf(listener->name, sizeof(listener->name), "%s", path);
    if (path[0] == '@' || stat(path, &listener->file) < 0) {
        listener->file.st_ino = 0;
    }
}

/* Only the file that we made: a number may be another file's by now, but not as old. */
static void remove_file(const char *path, const struct stat *ours)
{
    struct stat now;

    if (ours->st_ino != 0 && stat(path, &now) == 0 && now.st_ino == ours->st_ino &&
        now.st_dev == ours->st_dev && now.st_ctim.tv_sec == ours->st_ctim.tv_sec &&
        now.st_ctim.tv_nsec == ours->st_ctim.tv_nsec) {
        (void)unlink(path);
    }
}

static int listen_at(const char *path, const struct rmx_config *config)
{
    const struct rmx_identities *group = &config->socket_group;

    return group->count > 0 ? rmx_sock_listen_as(path, config->socket_mode, group->ids[0])
                            : rmx_sock_listen(path, config->socket_mode);
}

int rmx_listener_open(struct rmx_listener *listener, const struct rmx_config *config)
{
    const char *path = config->socket;
    int fd = listen_at(path, config);

    if (fd == -ENOENT && strcmp(path, DEFAULT_SOCKET) == 0 &&
        mkdir(DEFAULT_SOCKET_DIR, 0755) == 0) { /* as systemd's RuntimeDirectory= does */
        fd = listen_at(path, config);
    }
    if (fd < 0) {
        return fail(listener, fd, "cannot listen on %s: %s%s", path, strerrordesc_np(-fd),
            fd == -EADDRINUSE ? " (is another ringmuxd running there? --replace takes over from it)"
            : fd == -ENOENT   ? " (make its directory first, or name another with --socket=PATH)"
            : fd == -EPERM    ? " (socket_group: only root, or a member of it, may do this)"
                              : "");
    }
    listener->fd = fd;
    remember(listener, path);
    return 0;
}

/* --- inherited ------------------------------------------------------------------------------- */

static int option(int fd, int name)
{
    int value = -1;
    socklen_t bytes = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &bytes) < 0 ? -1 : value;
}

/* A socket that another process made: is it one that we can accept from? Accepting must not wait,
 * since lanes share it. */
static bool adopt(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return option(fd, SO_DOMAIN) == AF_UNIX && option(fd, SO_TYPE) == SOCK_SEQPACKET &&
           option(fd, SO_ACCEPTCONN) == 1 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
           fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

/* The name that clients connect to. */
static void read_name(struct rmx_listener *listener)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t bytes = sizeof(address);
    size_t at = offsetof(struct sockaddr_un, sun_path);

    if (getsockname(listener->fd, (struct sockaddr *)&address, &bytes) < 0 || bytes <= at) {
        return;
    }
    if (address.sun_path[0] == 0) {
        address.sun_path[0] = '@';
    }
    (void)snprintf(listener->name, sizeof(listener->name), "%.*s",
        (int)strnlen(address.sun_path, bytes - at), address.sun_path);
}

int rmx_listener_inherit(struct rmx_listener *listener)
{
    const char *pid_text = secure_getenv("LISTEN_PID");
    const char *count_text = secure_getenv("LISTEN_FDS");
    uint64_t pid = 0;
    uint64_t count = 0;
    bool ours = pid_text != NULL && count_text != NULL && rmx_quantity_number(pid_text, 10, &pid) &&
                pid == (uint64_t)getpid();

    if (!ours) {
        return 0;
    }
    if (!rmx_quantity_number(count_text, 10, &count) || count != 1) {
        return fail(listener, -EINVAL, "LISTEN_FDS=%.20s: there must be one socket", count_text);
    }
    if (!adopt(INHERITED_FD)) {
        return fail(listener, -EINVAL,
            "the inherited socket (LISTEN_FDS) is not a listening SOCK_SEQPACKET unix socket: a "
            "socket unit needs ListenSequentialPacket=");
    }
    listener->fd = INHERITED_FD;
    listener->handover.held = true;
    read_name(listener);
    return 1;
}

/* --- taken over ------------------------------------------------------------------------------ */

static const char *reason(int error)
{
    switch (error) {
    case -EBUSY:
        return "it is shutting down, or hands its socket to another daemon";
    case -ECONNRESET:
        return "it went away meanwhile";
    case -ETIMEDOUT:
        return "it does not answer";
    case -EPERM:
        return "it is another user's, or does not take us for its operator: run as its user";
    case -EPROTONOSUPPORT:
        return "it speaks another version of the protocol: end it first (SIGTERM)";
    case -EPROTO:
        return "it answers with nonsense: is it a ringmuxd?";
    default:
        return strerrordesc_np(-error);
    }
}

/* Nobody is there to take over from; in the meantime somebody else may listen. */
static int open_instead(struct rmx_listener *listener, const struct rmx_config *config)
{
    int error = rmx_listener_open(listener, config);

    return error == -EADDRINUSE || error == -EBUSY ? -EAGAIN : error;
}

static int refuse(struct rmx_listener *listener, const char *path, int error, const char *why)
{
    return fail(listener, error, "cannot take over from the daemon at %s: %s", path, why);
}

/* Tells the old one that its socket is ours, and makes it so. */
static int settle(struct rmx_listener *listener, const char *path, struct rmx_handover_taken *taken)
{
    int error = rmx_handover_finish(taken);

    if (error == -EBUSY) {
        return refuse(listener, path, -EAGAIN, "it parted with us");
    }
    if (error < 0 && error != -ECONNRESET) {
        return refuse(listener, path, error, strerrordesc_np(-error));
    }
    listener->fd = rmx_take_fd(&taken->listen_fd);
    listener->handover.held = taken->held;
    remember(listener, path);
    rmx_log(RMX_LOG_INFO, "took_over", RMX_LOG_U64("from_pid", taken->pid),
        RMX_LOG_STR("which", error == 0 ? "drains" : "has ended"));
    return 0;
}

int rmx_listener_take_over(struct rmx_listener *listener, const struct rmx_config *config)
{
    struct rmx_handover_taken taken = { .listen_fd = -1, .sock = -1 };
    const char *path = config->socket;
    int error = rmx_handover_ask(path, &taken);

    if (error == -ENOENT || error == -ECONNREFUSED) {
        return open_instead(listener, config);
    }
    if (error < 0) {
        return refuse(listener, path, error == -EBUSY || error == -ECONNRESET ? -EAGAIN : error,
            reason(error));
    }
    error = adopt(taken.listen_fd)
                ? settle(listener, path, &taken)
                : refuse(listener, path, -EPROTO, "what it handed over is no listening socket");
    rmx_base_close(&taken.listen_fd);
    rmx_base_close(&taken.sock);
    return error;
}

/* --- the end --------------------------------------------------------------------------------- */

void rmx_listener_close(struct rmx_listener *listener)
{
    if (listener->fd < 0 && !listener->closed) {
        return;
    }
    listener->closed = true;
    if (!rmx_handover_close(&listener->handover) || listener->handover.held) {
        return;
    }
    remove_file(listener->name, &listener->file);
    if (listener->fd >= 0) {
        (void)shutdown(listener->fd, SHUT_RDWR);
    }
}

/* --- while we drain -------------------------------------------------------------------------- */

void rmx_listener_open_drain(struct rmx_listener *listener, const struct rmx_config *config)
{
    bool shared = config->operator_gids.count > 0;
    int bytes;
    int fd;

    if (listener->name[0] == 0 || listener->name[0] == '@') { /* nobody, or no file, to be beside */
        return;
    }
    bytes = snprintf(
        listener->drain_name, sizeof(listener->drain_name), "%s" RMX_SOCK_DRAINING, listener->name);
    if (bytes >= (int)sizeof(listener->drain_name)) {
        fd = -ENAMETOOLONG;
    } else {
        fd = shared ? listen_at(listener->drain_name, config)
                    : rmx_sock_listen(listener->drain_name, 0600);
    }
    if (fd < 0) {
        rmx_log(RMX_LOG_DEBUG, "no_drain_socket", RMX_LOG_STR("socket", listener->drain_name),
            RMX_LOG_ERRNO("why", fd));
        return;
    }
    if (stat(listener->drain_name, &listener->drain_file) < 0) {
        listener->drain_file.st_ino = 0;
    }
    listener->drain_fd = fd;
}

void rmx_listener_close_drain(struct rmx_listener *listener)
{
    if (listener->drain_fd >= 0) {
        remove_file(listener->drain_name, &listener->drain_file);
        rmx_base_close(&listener->drain_fd);
    }
}
