/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A scheduler that is out to get us: a library for LD_PRELOAD that stands before the system calls
 * of the daemon, its zygote and workers, and of clients. Before and after a call it may yield or
 * sleep up to two milliseconds; and now and then it answers in the kernel's stead what the kernel
 * may answer at any time and what costs nobody anything: EINTR where a call waits, EAGAIN where a
 * socket may be full or an accept come too early, a short count where files are read or written.
 *
 *     LD_PRELOAD=librmx_shim.so RMX_SHIM_SEED=7 ringmuxd ...
 *
 * Every choice follows from the seed, the program's name, how many forks lie between it and its
 * exec, and the thread's number in its process: the same seed makes the same choices, though not at
 * the same moments. How often it interferes is drawn from the seed too. Without a seed it only
 * passes calls on.
 *
 * It works in a worker to its end: all it needs itself is ppoll and sched_yield, which the sandbox
 * allows, and addresses are looked up before. It must never answer what ends a process or a job by
 * the book, as EIO, EPIPE or ENOMEM would.
 */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SLEEP_NS_MAX 2000000u
#define FDS_MAX      1024

struct io_uring; /* whose library we stand before, and need nothing of */
struct io_uring_cqe;
struct __kernel_timespec;
int io_uring_submit(struct io_uring *ring);
int io_uring_submit_and_get_events(struct io_uring *ring);
int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
    unsigned count, struct __kernel_timespec *timeout, sigset_t *mask);

/* X(result, name, (parameters)): what we stand before. */
#define CALLS(X)                                                                                   \
    X(ssize_t, read, (int, void *, size_t))                                                        \
    X(ssize_t, write, (int, const void *, size_t))                                                 \
    X(ssize_t, pread, (int, void *, size_t, off_t))                                                \
    X(ssize_t, pwritev, (int, const struct iovec *, int, off_t))                                   \
    X(ssize_t, recvmsg, (int, struct msghdr *, int))                                               \
    X(ssize_t, sendmsg, (int, const struct msghdr *, int))                                         \
    X(int, poll, (struct pollfd *, nfds_t, int))                                                   \
    X(int, ppoll, (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))            \
    X(int, epoll_wait, (int, struct epoll_event *, int, int))                                      \
    X(int, eventfd_read, (int, eventfd_t *))                                                       \
    X(int, eventfd_write, (int, eventfd_t))                                                        \
    X(int, accept4, (int, struct sockaddr *, socklen_t *, int))                                    \
    X(int, connect, (int, const struct sockaddr *, socklen_t))                                     \
    X(int, close, (int))                                                                           \
    X(int, io_uring_submit, (struct io_uring *))                                                   \
    X(int, io_uring_submit_and_get_events, (struct io_uring *))                                    \
    X(int, io_uring_submit_and_wait_timeout,                                                       \
        (struct io_uring *, struct io_uring_cqe **, unsigned, struct __kernel_timespec *,          \
            sigset_t *))

#define DECLARE(result, name, parameters) result(*name) parameters;
static struct {
    CALLS(DECLARE)
} real;

/* One in so many calls is met with this; 0 = none. Drawn from the seed. */
static struct {
    uint64_t seed; /* 0: leave all alone */
    uint32_t yields;
    uint32_t sleeps;
    uint32_t faults;
} plan;

/* A socket that nothing was sent on cannot be full. */
static _Atomic bool spoken[FDS_MAX];

static uint64_t forks;           /* between the exec and us */
static _Atomic uint64_t threads; /* that have drawn */
static _Thread_local uint64_t state;

/* --- chance ----------------------------------------------------------------------------------- */

/* splitmix64 */
static uint64_t next(uint64_t *from)
{
    uint64_t z = *from += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t stream_of(uint64_t thread)
{
    uint64_t mix = plan.seed;

    for (const char *c = program_invocation_short_name; *c != 0; c++) {
        mix = next(&mix) ^ (uint64_t)(unsigned char)*c;
    }
    mix = next(&mix) ^ forks;
    return (next(&mix) ^ thread) | 1; /* 0 is a thread that has not begun */
}

/* True once in `odds` times. */
static bool chance(uint32_t odds)
{
    if (plan.seed == 0 || odds == 0) {
        return false;
    }
    if (state == 0) {
        state = stream_of(atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed));
    }
    return next(&state) % odds == 0;
}

/* --- beginning -------------------------------------------------------------------------------- */

/* The child of a fork goes its own way, and each child another. */
static void forked_here(void)
{
    forks += 1u << 16; /* we have one child more */
}

static void forked_off(void)
{
    forks += 1;
    atomic_store_explicit(&threads, 0, memory_order_relaxed);
    state = 0;
}

/* POSIX wants a function's address through a void pointer; C has no conversion for it. */
static void find(void *call, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    memcpy(call, &found, sizeof(found));
}

static void find_all(void)
{
#define FIND(result, name, parameters) find(&real.name, #name);
    CALLS(FIND)
}

__attribute__((constructor)) static void begin(void)
{
    const char *seed = getenv("RMX_SHIM_SEED");

    find_all();
    if (seed != NULL && (plan.seed = strtoull(seed, NULL, 0)) != 0) {
        static const uint32_t odds[] = { 0, 500, 100, 30, 8 };
        uint64_t draw = plan.seed;

        plan.yields = odds[next(&draw) % 5];
        plan.sleeps = odds[next(&draw) % 4]; /* more often, and nothing comes to an end */
        plan.faults = odds[next(&draw) % 5];
        (void)pthread_atfork(NULL, forked_here, forked_off);
    }
}

/* --- interference ----------------------------------------------------------------------------- */

/* Other programs' constructors may come before ours. */
static void settle(void)
{
    if (real.read == NULL) {
        find_all();
    }
}

static void disturb(void)
{
    int error = errno;

    if (chance(plan.yields)) {
        (void)sched_yield();
    }
    if (chance(plan.sleeps)) {
        struct timespec nap = { .tv_nsec = (long)(next(&state) % SLEEP_NS_MAX) };

        (void)real.ppoll(NULL, 0, &nap, NULL);
    }
    errno = error;
}

/* Interferes before a call; true: it is not to be made, errno says why not. */
static bool fails(bool may, int error)
{
    settle();
    disturb();
    if (may && chance(plan.faults)) {
        errno = error;
        return true;
    }
    return false;
}

/* Interferes after it. */
static ssize_t after(ssize_t result)
{
    disturb();
    return result;
}

/* Fewer of so many, but one at least. */
static size_t fewer(size_t of)
{
    return of > 1 && chance(plan.faults) ? 1 + (size_t)(next(&state) % (of - 1)) : of;
}

/* --- descriptors ------------------------------------------------------------------------------ */

static void note_spoken(int fd, bool has)
{
    if (fd >= 0 && fd < FDS_MAX) {
        atomic_store_explicit(&spoken[fd], has, memory_order_relaxed);
    }
}

/* A read or write here may be of an eventfd, which knows no short count. */
ssize_t read(int fd, void *to, size_t bytes)
{
    (void)fails(false, 0);
    return after(real.read(fd, to, bytes));
}

ssize_t write(int fd, const void *from, size_t bytes)
{
    (void)fails(false, 0);
    return after(real.write(fd, from, bytes));
}

ssize_t pread(int fd, void *to, size_t bytes, off_t at)
{
    (void)fails(false, 0);
    return after(real.pread(fd, to, fewer(bytes), at));
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    struct iovec part;

    (void)fails(false, 0);
    if (count > 0 && chance(plan.faults)) {
        part = (struct iovec){ parts[0].iov_base, fewer(parts[0].iov_len) };
        return after(real.pwritev(fd, &part, 1, at));
    }
    return after(real.pwritev(fd, parts, count, at));
}

int close(int fd)
{
    (void)fails(false, 0);
    note_spoken(fd, false);
    return (int)after(real.close(fd));
}

int eventfd_read(int fd, eventfd_t *value)
{
    (void)fails(false, 0);
    return (int)after(real.eventfd_read(fd, value));
}

int eventfd_write(int fd, eventfd_t value)
{
    (void)fails(false, 0);
    return (int)after(real.eventfd_write(fd, value));
}

/* --- sockets ---------------------------------------------------------------------------------- */

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return fails(true, EINTR) ? -1 : after(real.recvmsg(fd, message, flags));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    bool is_new =
        fd < 0 || fd >= FDS_MAX || !atomic_load_explicit(&spoken[fd], memory_order_relaxed);
    bool full = (flags & MSG_DONTWAIT) != 0 && !is_new && chance(2);

    if (fails(true, full ? EAGAIN : EINTR)) {
        return -1;
    }
    note_spoken(fd, true);
    return after(real.sendmsg(fd, message, flags));
}

int accept4(int fd, struct sockaddr *address, socklen_t *bytes, int flags)
{
    int accepted;

    if (fails(true, EAGAIN)) {
        return -1;
    }
    accepted = real.accept4(fd, address, bytes, flags);
    note_spoken(accepted, false);
    return (int)after(accepted);
}

int connect(int fd, const struct sockaddr *address, socklen_t bytes)
{
    return fails(true, EINTR) ? -1 : (int)after(real.connect(fd, address, bytes));
}

/* --- waiting: a signal comes before the first event ------------------------------------------- */

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    return fails(timeout_ms != 0, EINTR) ? -1 : (int)after(real.poll(fds, count, timeout_ms));
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    bool waits = timeout == NULL || timeout->tv_sec > 0 || timeout->tv_nsec > 0;

    return fails(waits, EINTR) ? -1 : (int)after(real.ppoll(fds, count, timeout, mask));
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
    if (fails(timeout_ms != 0, EINTR)) {
        return -1;
    }
    return (int)after(real.epoll_wait(fd, events, (int)fewer((size_t)max), timeout_ms));
}

/* --- liburing, whose system calls nobody else can stand before -------------------------------- */

int io_uring_submit(struct io_uring *ring)
{
    (void)fails(false, 0);
    return (int)after(real.io_uring_submit(ring));
}

int io_uring_submit_and_get_events(struct io_uring *ring)
{
    return fails(true, EINTR) ? -EINTR : (int)after(real.io_uring_submit_and_get_events(ring));
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
    unsigned count, struct __kernel_timespec *timeout, sigset_t *mask)
{
    if (fails(true, EINTR)) {
        return -EINTR;
    }
    return (int)after(real.io_uring_submit_and_wait_timeout(ring, cqe, count, timeout, mask));
}
