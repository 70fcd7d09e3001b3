/* SPDX-License-Identifier: BSD-2-Clause
 *
 * SOCK_SEQPACKET sockets and the descriptors that travel on them (see sock.h). Runs in every
 * process; must never leave a received descriptor open that its caller did not get to see.
 */
#include "ipc/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ring/base.h"

#define LOCK_TRIES    100
#define LOCK_PAUSE_NS 10000000L

#define NO_GROUP ((gid_t)-1) /* chown(2) leaves it as it is */

#define SEND_BYTES (1 << 20)

struct name {
    struct sockaddr_un address;
    socklen_t bytes;
};

/* Room for the jobs of a window of credits, if the system allows as much: with its usual 208 KiB
 * some 40 specs wait, then a send says EAGAIN. */
static void widen(int fd)
{
    int bytes = SEND_BYTES;

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static int new_socket(int flags)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);

    if (fd < 0) {
        return -errno;
    }
    widen(fd);
    return fd;
}

/* "@name" is abstract: its first byte is NUL, and it ends by length, not by a NUL. */
static int set_name(struct name *name, const char *path)
{
    size_t length = strlen(path);
    bool abstract = path[0] == '@';

    if (length == (abstract ? 1 : 0)) {
        return -EINVAL;
    }
    if (length >= sizeof(name->address.sun_path)) {
        return -ENAMETOOLONG;
    }
    *name = (struct name){ .address.sun_family = AF_UNIX };
    memcpy(name->address.sun_path, path, length);
    if (abstract) {
        name->address.sun_path[0] = 0;
    }
    name->bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
    return 0;
}

static int connect_to(int fd, const struct name *name)
{
    return connect(fd, (const struct sockaddr *)&name->address, name->bytes) < 0 ? -errno : 0;
}

/* connect(2) waits for a listener whose backlog is full as long as a send may take: unix(7). */
static int set_send_limit(int fd, time_t seconds)
{
    struct timeval limit = { .tv_sec = seconds };

    return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ? -errno : 0;
}

static int bind_to(int fd, const struct name *name)
{
    return bind(fd, (const struct sockaddr *)&name->address, name->bytes) < 0 ? -errno : 0;
}

/* Only a socket that refuses is stale: one that is busy, or of another type, has an owner. */
static bool is_stale(const struct name *name)
{
    rmx_autofd int fd = -1;
    struct stat st;

    if (lstat(name->address.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        return false;
    }
    fd = new_socket(SOCK_NONBLOCK);
    return fd >= 0 && connect_to(fd, name) == -ECONNREFUSED;
}

/* Again if a signal came: a directory may be on another machine. Returns it or -1 with errno. */
static int open_there(const char *path, int flags)
{
    int fd;

    do {
        fd = open(path, flags | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

/* Between bind and listen a socket looks stale, so whoever replaces or makes one in a directory
 * holds the directory's lock. Sets *lock, to be closed. */
static int lock_directory(const char *path, int *lock)
{
    static const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
    char directory[sizeof(((struct sockaddr_un *)0)->sun_path)] = ".";
    const char *slash = strrchr(path, '/');
    rmx_autofd int fd = -1;

    if (slash) {
        size_t length = slash == path ? 1 : (size_t)(slash - path);

        memcpy(directory, path, length);
        directory[length] = 0;
    }
    fd = open_there(directory, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return -errno;
    }
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return -errno;
        }
        if (i == LOCK_TRIES) {
            return -EBUSY;
        }
        nanosleep(&pause, NULL);
    }
    *lock = rmx_take_fd(&fd);
    return 0;
}

/* By a descriptor of what is there: where the directory is another user's, the name might become a
 * link to something else between two calls. */
static int set_rights(const char *path, mode_t mode, gid_t group)
{
    rmx_autofd int fd = open_there(path, O_PATH | O_NOFOLLOW);
    char itself[32];
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0) {
        return -errno;
    }
    if (!S_ISSOCK(status.st_mode)) {
        return -EADDRINUSE;
    }
    (void)snprintf(itself, sizeof(itself), "/proc/self/fd/%d", fd);
    if ((group != NO_GROUP && fchownat(fd, "", (uid_t)-1, group, AT_EMPTY_PATH) < 0) ||
        chmod(itself, mode) < 0) {
        return -errno;
    }
    return 0;
}

/* The mode goes to the socket first, so that the file is never more open than it; then to the
 * file, for the bits the umask took away. */
static int bind_file(int fd, const struct name *name, mode_t mode, gid_t group)
{
    const char *path = name->address.sun_path;
    int error;

    if (fchmod(fd, mode) < 0) {
        return -errno;
    }
    error = bind_to(fd, name);
    if (error == -EADDRINUSE && is_stale(name)) {
        if (unlink(path) < 0) {
            return -errno;
        }
        error = bind_to(fd, name);
    }
    if (error) {
        return error;
    }
    error = set_rights(path, mode, group);
    if (error) {
        (void)unlink(path);
    }
    return error;
}

int rmx_sock_listen_as(const char *path, mode_t mode, gid_t group)
{
    rmx_autofd int fd = -1;
    rmx_autofd int lock = -1;
    struct name name;
    int error = set_name(&name, path);

    if (error) {
        return error;
    }
    fd = new_socket(SOCK_NONBLOCK);
    if (fd < 0) {
        return fd;
    }
    if (path[0] == '@') {
        error = bind_to(fd, &name);
    } else {
        error = lock_directory(path, &lock);
        error = error ? error : bind_file(fd, &name, mode, group);
    }
    if (error) {
        return error;
    }
    if (listen(fd, SOMAXCONN) < 0) {
        return -errno;
    }
    return rmx_take_fd(&fd);
}

int rmx_sock_listen(const char *path, mode_t mode)
{
    return rmx_sock_listen_as(path, mode, NO_GROUP);
}

int rmx_sock_connect(const char *path)
{
    rmx_autofd int fd = -1;
    struct name name;
    int error = set_name(&name, path);

    if (error) {
        return error;
    }
    fd = new_socket(0);
    if (fd < 0) {
        return fd;
    }
    error = set_send_limit(fd, RMX_SOCK_CONNECT_S);
    error = error ? error : connect_to(fd, &name);
    error = error ? error : set_send_limit(fd, 0);
    if (error) {
        return error == -EAGAIN ? -ETIMEDOUT : error;
    }
    return rmx_take_fd(&fd);
}

int rmx_sock_connect_now(const char *path)
{
    struct name name;
    int error = set_name(&name, path);

    if (error) {
        return error;
    }
    rmx_autofd int fd = new_socket(SOCK_NONBLOCK);
    if (fd < 0) {
        return fd;
    }
    error = connect_to(fd, &name);
    if (error == 0 && fcntl(fd, F_SETFL, 0) < 0) {
        error = -errno;
    }
    return error ? error : rmx_take_fd(&fd);
}

int rmx_sock_pair(int pair[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        return -errno;
    }
    widen(pair[0]);
    widen(pair[1]);
    return 0;
}

void rmx_sock_fds_close(struct rmx_sock_fds *fds)
{
    for (int i = 0; i < fds->count; i++) {
        rmx_base_close(&fds->fds[i]);
    }
    fds->count = 0;
}

int rmx_sock_fds_take(struct rmx_sock_fds *fds, int i)
{
    rmx_assert(i >= 0 && i < fds->count && fds->fds[i] >= 0);
    return rmx_take_fd(&fds->fds[i]);
}

static size_t bytes_of(const struct iovec *parts, int count)
{
    size_t bytes = 0;

    for (int i = 0; i < count; i++) {
        bytes += parts[i].iov_len;
    }
    return bytes;
}

int rmx_sock_send(
    int fd, const struct iovec *parts, int part_count, const int *fds, int fd_count, int flags)
{
    _Alignas(
        struct cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int) * RMX_WIRE_FDS_MAX)] = { 0 };
    size_t fds_bytes = sizeof(int) * (size_t)fd_count;
    struct msghdr message = { .msg_iovlen = (size_t)part_count };

    rmx_assert(part_count > 0 && fd_count >= 0 && fd_count <= (int)RMX_WIRE_FDS_MAX);
    rmx_assert((flags & ~MSG_DONTWAIT) == 0);
    if (bytes_of(parts, part_count) > RMX_WIRE_BYTES_MAX) {
        return -EMSGSIZE;
    }
    memcpy(&message.msg_iov, &parts, sizeof(void *)); /* drops const: sendmsg only reads them */
    if (fd_count > 0) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(fds_bytes);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fds_bytes);
        memcpy(CMSG_DATA(rights), fds, fds_bytes);
    }
    while (sendmsg(fd, &message, flags | MSG_NOSIGNAL) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

int rmx_sock_say(int fd, const void *message, size_t bytes, int flags)
{
    struct iovec part = { .iov_len = bytes };

    memcpy(&part.iov_base, &message, sizeof(message)); /* drops const: sendmsg only reads it */
    return rmx_sock_send(fd, &part, 1, NULL, 0, flags);
}

void rmx_sock_prepare(struct rmx_sock_inbox *inbox, void *buffer, size_t size)
{
    inbox->part = (struct iovec){ .iov_base = buffer, .iov_len = size };
    inbox->message = (struct msghdr){
        .msg_iov = &inbox->part,
        .msg_iovlen = 1,
        .msg_control = inbox->control,
        .msg_controllen = sizeof(inbox->control),
    };
}

/* Takes over every descriptor the kernel has already put into our table. */
static void collect(struct msghdr *message, struct rmx_sock_fds *fds)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

            rmx_assert(count <= RMX_SOCK_FDS_MAX - (size_t)fds->count);
            memcpy(fds->fds + fds->count, CMSG_DATA(c), count * sizeof(int));
            fds->count += (int)count;
        }
    }
}

/* recvmsg says 0 for an empty message as it does for the end; only the end shuts the socket. */
static int end_or_empty(int fd)
{
    struct pollfd end = { .fd = fd, .events = POLLRDHUP };

    if (poll(&end, 1, 0) == 1 && (end.revents & (POLLRDHUP | POLLHUP))) {
        return 0;
    }
    return -EPROTO;
}

/* What to make of what the kernel answered; fds are those that came, whatever that is. */
static int judge(struct rmx_sock_inbox *inbox, int fd, int result, struct rmx_sock_fds *fds)
{
    fds->count = 0;
    if (result < 0) {
        return result;
    }
    collect(&inbox->message, fds);
    if (fds->count > (int)RMX_WIRE_FDS_MAX) {
        return -EPROTO;
    }
    if (inbox->message.msg_flags & MSG_CTRUNC) { /* our own table had no room for more */
        return -EMFILE;
    }
    if (inbox->message.msg_flags & MSG_TRUNC) {
        return -EMSGSIZE;
    }
    return result == 0 ? end_or_empty(fd) : result;
}

int rmx_sock_finish(struct rmx_sock_inbox *inbox, int fd, int result, struct rmx_sock_fds *fds)
{
    int answer = judge(inbox, fd, result, fds);

    if (answer <= 0) {
        rmx_sock_fds_close(fds);
    }
    return answer;
}

int rmx_sock_recv(int fd, void *buffer, size_t size, struct rmx_sock_fds *fds, int flags)
{
    int answer = rmx_sock_recv_all(fd, buffer, size, fds, flags);

    if (answer <= 0) {
        rmx_sock_fds_close(fds);
    }
    return answer;
}

int rmx_sock_recv_all(int fd, void *buffer, size_t size, struct rmx_sock_fds *fds, int flags)
{
    struct rmx_sock_inbox inbox;
    ssize_t got;

    rmx_assert((flags & ~MSG_DONTWAIT) == 0);
    do {
        rmx_sock_prepare(&inbox, buffer, size);
        got = recvmsg(fd, &inbox.message, flags | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    return judge(&inbox, fd, got < 0 ? -errno : (int)got, fds);
}

int rmx_sock_peer(int fd, struct ucred *peer)
{
    struct ucred answer;
    socklen_t bytes = sizeof(answer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &answer, &bytes) < 0) {
        return -errno;
    }
    *peer = answer;
    return 0;
}

int rmx_sock_peer_groups(int fd, gid_t *groups, int max)
{
    socklen_t bytes = (socklen_t)((size_t)max * sizeof(*groups));

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) < 0) {
        return -errno;
    }
    return (int)(bytes / sizeof(*groups));
}
