/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The calls of the daemon that a fault campaign can fail; see fault_shim.c. A call that the daemon
 * comes to make belongs here.
 */
#ifndef RMX_TESTS_FAULT_CALLS_H
#define RMX_TESTS_FAULT_CALLS_H

struct hwloc_topology; /* whose library we stand before, and need nothing of */

/* X(result, name, (parameters), (arguments)): -1 and errno. */
#define CALLS(X)                                                                                   \
    X(int, poll, (struct pollfd * fds, nfds_t count, int ms), (fds, count, ms))                    \
    X(int, eventfd, (unsigned value, int flags), (value, flags))                                   \
    X(int, eventfd_read, (int fd, eventfd_t *value), (fd, value))                                  \
    X(int, eventfd_write, (int fd, eventfd_t value), (fd, value))                                  \
    X(int, signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))                 \
    X(int, timerfd_create, (clockid_t clock, int flags), (clock, flags))                           \
    X(int, epoll_create1, (int flags), (flags))                                                    \
    X(int, epoll_ctl, (int fd, int what, int on, struct epoll_event *event),                       \
        (fd, what, on, event))                                                                     \
    X(int, memfd_create, (const char *name, unsigned flags), (name, flags))                        \
    X(int, ftruncate, (int fd, off_t bytes), (fd, bytes))                                          \
    X(int, fallocate, (int fd, int mode, off_t at, off_t bytes), (fd, mode, at, bytes))            \
    X(int, madvise, (void *at, size_t bytes, int advice), (at, bytes, advice))                     \
    X(int, accept4, (int fd, struct sockaddr *name, socklen_t *bytes, int flags),                  \
        (fd, name, bytes, flags))                                                                  \
    X(int, socket, (int domain, int type, int protocol), (domain, type, protocol))                 \
    X(int, socketpair, (int domain, int type, int protocol, int pair[2]),                          \
        (domain, type, protocol, pair))                                                            \
    X(int, bind, (int fd, const struct sockaddr *name, socklen_t bytes), (fd, name, bytes))        \
    X(int, connect, (int fd, const struct sockaddr *name, socklen_t bytes), (fd, name, bytes))     \
    X(int, listen, (int fd, int backlog), (fd, backlog))                                           \
    X(int, shutdown, (int fd, int how), (fd, how))                                                 \
    X(int, getsockname, (int fd, struct sockaddr *name, socklen_t *bytes), (fd, name, bytes))      \
    X(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *bytes),               \
        (fd, level, name, value, bytes))                                                           \
    X(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t bytes),          \
        (fd, level, name, value, bytes))                                                           \
    X(ssize_t, sendto,                                                                             \
        (int fd, const void *bytes, size_t count, int flags, const struct sockaddr *to,            \
            socklen_t to_bytes),                                                                   \
        (fd, bytes, count, flags, to, to_bytes))                                                   \
    X(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))   \
    X(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))         \
    X(int, access, (const char *path, int mode), (path, mode))                                     \
    X(int, chmod, (const char *path, mode_t mode), (path, mode))                                   \
    X(int, fchmod, (int fd, mode_t mode), (fd, mode))                                              \
    X(int, mkdir, (const char *path, mode_t mode), (path, mode))                                   \
    X(int, mkostemp, (char *path, int flags), (path, flags))                                       \
    X(int, unlink, (const char *path), (path))                                                     \
    X(int, flock, (int fd, int how), (fd, how))                                                    \
    X(int, stat, (const char *path, struct stat *to), (path, to))                                  \
    X(int, lstat, (const char *path, struct stat *to), (path, to))                                 \
    X(int, fstat, (int fd, struct stat *to), (fd, to))                                             \
    X(int, fstatfs, (int fd, struct statfs *to), (fd, to))                                         \
    X(int, statx, (int at, const char *path, int flags, unsigned mask, struct statx *to),          \
        (at, path, flags, mask, to))                                                               \
    X(ssize_t, readlink, (const char *path, char *to, size_t bytes), (path, to, bytes))            \
    X(off_t, lseek, (int fd, off_t at, int from), (fd, at, from))                                  \
    X(int, kill, (pid_t pid, int number), (pid, number))                                           \
    X(pid_t, waitpid, (pid_t pid, int *status, int flags), (pid, status, flags))                   \
    X(int, getrlimit, (__rlimit_resource_t what, struct rlimit * to), (what, to))                  \
    X(int, setrlimit, (__rlimit_resource_t what, const struct rlimit *to), (what, to))             \
    X(int, sched_getaffinity, (pid_t pid, size_t bytes, cpu_set_t * to), (pid, bytes, to))         \
    X(int, sched_setaffinity, (pid_t pid, size_t bytes, const cpu_set_t *to), (pid, bytes, to))    \
    X(int, hwloc_topology_load, (struct hwloc_topology * topology), (topology))

/* Likewise, but returns a null pointer. */
#define POINTER_CALLS(X)                                                                           \
    X(FILE *, fopen, (const char *path, const char *mode), (path, mode))                           \
    X(FILE *, fdopen, (int fd, const char *mode), (fd, mode))

/* Likewise, but returns the errno. */
#define ERRNO_CALLS(X)                                                                             \
    X(int, posix_spawn,                                                                            \
        (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,                 \
            const posix_spawnattr_t *attributes, char *const *argv, char *const *envp),            \
        (pid, path, actions, attributes, argv, envp))                                              \
    X(int, pthread_create,                                                                         \
        (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *),               \
            void *argument),                                                                       \
        (thread, attributes, run, argument))

/* What needs more than that. */
#define OTHER_CALLS(X)                                                                             \
    X(int, close, (int))                                                                           \
    X(int, open, (const char *, int, ...))                                                         \
    X(int, fcntl, (int, int, ...))                                                                 \
    X(ssize_t, read, (int, void *, size_t))                                                        \
    X(ssize_t, write, (int, const void *, size_t))                                                 \
    X(ssize_t, pread, (int, void *, size_t, off_t))                                                \
    X(ssize_t, pwritev, (int, const struct iovec *, int, off_t))                                   \
    X(void *, mmap, (void *, size_t, int, int, int, off_t))                                        \
    X(long, syscall, (long, ...))

#endif
