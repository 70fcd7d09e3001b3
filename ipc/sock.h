/* SPDX-License-Identifier: BSD-2-Clause
 *
 * SOCK_SEQPACKET sockets and the descriptors that travel on them. Runs in every process; knows
 * nothing of what the messages mean. Must never leave a received descriptor open that its caller
 * did not get to see.
 *
 * Every socket made here is CLOEXEC and blocking; a call that must not wait says MSG_DONTWAIT in
 * its flags. No call here raises SIGPIPE, and EINTR is tried again.
 */
#ifndef RMX_IPC_SOCK_H
#define RMX_IPC_SOCK_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "ipc/wire.h"

/* A daemon that drains listens for operators at the name of its socket and this. */
#define RMX_SOCK_DRAINING ".draining"

/* So many the kernel carries with a message. There is room for all of them, though it is a rule
 * that there are no more than RMX_WIRE_FDS_MAX: what has no room the kernel closes, on our time. */
#define RMX_SOCK_FDS_MAX 253u

/* Descriptors that came with a message; they belong to whoever holds this. */
struct rmx_sock_fds {
    int count;
    int fds[RMX_SOCK_FDS_MAX]; /* -1 = taken */
};

#define RMX_SOCK_FDS_INIT                                                                          \
    {                                                                                              \
        .count = 0                                                                                 \
    }

/* Closes what was not taken; leaves none. */
void rmx_sock_fds_close(struct rmx_sock_fds *fds);

/* Moves descriptor i (of count) out: the caller owns what is returned. Each only once. */
int rmx_sock_fds_take(struct rmx_sock_fds *fds, int i);

/* A listening socket at `path`; "@name" is the abstract name instead. A socket file on which
 * nobody answers (its daemon died) is replaced; nothing else that is in the way is touched. The
 * file never has more permissions than `mode`, whatever the umask, and has exactly those when
 * somebody can first connect; an abstract name has no permissions. Returns the socket (accepting
 * never waits: lanes share it), or
 *   -EADDRINUSE    somebody listens there, or it is not a socket
 *   -EBUSY         somebody else has been starting in this directory for a second
 *   -ENAMETOOLONG  longer than a unix socket's name can be
 *   -EINVAL        empty
 *   or what open(2) of the directory, bind(2) or listen(2) say (ENOENT, EACCES, ...) */
int rmx_sock_listen(const char *path, mode_t mode);

/* The same, and the file is this group's; -EPERM too: we may not give it to that one. */
int rmx_sock_listen_as(const char *path, mode_t mode, gid_t group);

#define RMX_SOCK_CONNECT_S 10

/* A socket connected to the daemon at `path` or "@name". Returns it, or -ENOENT, -ECONNREFUSED
 * (no daemon), -EACCES, -EPROTOTYPE (something else listens), -ETIMEDOUT (it has not accepted for
 * RMX_SOCK_CONNECT_S, and others wait already), -EINTR, -ENAMETOOLONG, -EINVAL (empty). */
int rmx_sock_connect(const char *path);

/* The same, but does not wait to be accepted: -EAGAIN, not -ETIMEDOUT. */
int rmx_sock_connect_now(const char *path);

/* Two connected sockets. Returns 0 or -errno. */
int rmx_sock_pair(int pair[2]);

/* Sends one message, `parts` put together, with fd_count descriptors, which stay the caller's.
 * All or nothing. flags: 0 or MSG_DONTWAIT. Returns 0, or
 *   -EAGAIN               MSG_DONTWAIT, and the peer does not read: try when it polls writable
 *   -EPIPE, -ECONNRESET   the peer is gone
 *   -EMSGSIZE             longer than RMX_WIRE_BYTES_MAX
 *   -ETOOMANYREFS         too many descriptors under way between processes: try later
 *   -EBADF                one of fds is no descriptor */
int rmx_sock_send(
    int fd, const struct iovec *parts, int part_count, const int *fds, int fd_count, int flags);

/* The same for a message in one piece and without descriptors. */
int rmx_sock_say(int fd, const void *message, size_t bytes, int flags);

/* Receives one message of at most `size` bytes; fds then holds its descriptors, CLOEXEC.
 * flags: 0 or MSG_DONTWAIT. Returns its bytes, or 0 when the peer closed, or
 *   -EAGAIN      MSG_DONTWAIT, and there is none
 *   -EMSGSIZE    longer than `size`
 *   -EPROTO      empty, or more than RMX_WIRE_FDS_MAX descriptors
 *   -EMFILE      it brings more descriptors than this process may open: not the peer's fault
 *   -ECONNRESET  the peer is gone, and had not read all we sent: told once, and what it had said
 *                before comes next
 * On every return but a positive one, no descriptor stays open and fds is empty. */
int rmx_sock_recv(int fd, void *buffer, size_t size, struct rmx_sock_fds *fds, int flags);

/* The same, but descriptors of a message that is none are the caller's too: for one who must not
 * wait for their close. */
int rmx_sock_recv_all(int fd, void *buffer, size_t size, struct rmx_sock_fds *fds, int flags);

/* rmx_sock_recv() in two halves, for a caller that lets io_uring do the recvmsg in between: give
 * the kernel &inbox->message with MSG_CMSG_CLOEXEC, then what it answered to finish(), which
 * returns as rmx_sock_recv() does. An inbox must not move while the kernel has it. */
struct rmx_sock_inbox {
    struct msghdr message;
    struct iovec part;
    _Alignas(struct cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int) * RMX_SOCK_FDS_MAX)];
};
void rmx_sock_prepare(struct rmx_sock_inbox *inbox, void *buffer, size_t size);
int rmx_sock_finish(struct rmx_sock_inbox *inbox, int fd, int result, struct rmx_sock_fds *fds);

/* Who connected: as it was at connect(2), from the kernel. Returns 0 or -errno. */
int rmx_sock_peer(int fd, struct ucred *peer);

/* Its supplementary groups, likewise. Returns how many; -ERANGE: more than max. */
int rmx_sock_peer_groups(int fd, gid_t *groups, int max);

#endif
