/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The zygote. See zygote.h.
 */
#include "engine/worker/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine/worker/bounds.h"
#include "engine/worker/remux.h"
#include "engine/worker/seclusion.h"
#include "engine/worker/selftest.h"
#include "engine/worker/worker.h"
#include "ipc/lane_wire.h"
#include "ipc/sock.h"
#include "ring/base.h"

#define CHILDREN_MAX 320 /* more than a daemon has workers and spares */

static struct {
    struct child {
        pid_t pid;
        uint32_t ticket; /* the daemon's name for it */
    } children[CHILDREN_MAX];
    uint32_t count;
    int signal_fd;             /* SIGCHLD */
    struct rmx_bounds_use use; /* of memory, when all is loaded */
    struct rmx_seclusion seclusion;
    pid_t keeper; /* of our workers' pid namespace; 0 = they have ours */
} zygote;

/* Descriptors 0 and 1 must not be the next thing a worker opens. */
static int open_standard_descriptors(void)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0) {
        return -errno;
    }
    if (null_fd > STDERR_FILENO) {
        rmx_base_close(&null_fd);
    }
    return 0;
}

/* What the C library would read from files when first asked, and workers could no longer. */
static void warm_up(size_t alloc_max_bytes)
{
    tzset(); /* reads /etc/localtime */
    rmx_remux_init_process(alloc_max_bytes);
}

static int listen_for_deaths(void)
{
    sigset_t child;

    rmx_assert(sigemptyset(&child) == 0 && sigaddset(&child, SIGCHLD) == 0);
    rmx_assert(pthread_sigmask(SIG_SETMASK, &child, NULL) == 0);
    zygote.signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    return zygote.signal_fd < 0 ? -errno : 0;
}

/* From here on there are no files, and we are nobody. */
static int seclude(void)
{
    int error = rmx_bounds_measure(&zygote.use);

    if (error < 0) {
        return error;
    }
    rmx_seclusion_enter(&zygote.seclusion);
    zygote.keeper = rmx_seclusion_keep(&zygote.seclusion);
    if (zygote.keeper < 0) {
        return zygote.keeper;
    }
    /* After the change of identity, which clears it. A daemon that died before this is noticed by
     * its end of the socket. */
    return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;
}

static int prepare(size_t alloc_max_bytes)
{
    struct rmx_selftest test;
    int error = open_standard_descriptors();

    if (error == 0 && prctl(PR_SET_NAME, "ringmux-zygote") < 0) {
        error = -errno;
    }
    (void)setpgid(0, 0); /* Ctrl-C in the daemon's terminal is the daemon's business */
    error = error < 0 ? error : rmx_selftest_start(&test);
    if (error < 0) {
        return error;
    }
    warm_up(alloc_max_bytes);
    error = seclude();
    if (rmx_selftest_finish(&test, false) != 0) {
        error = -EPERM; /* and it has said what does not hold */
    }
    return error < 0 ? error : listen_for_deaths();
}

static int say(const struct rmx_lane_msg *message, int fd)
{
    struct rmx_lane_msg copy = *message;
    struct iovec part = { .iov_base = &copy, .iov_len = sizeof(copy) };

    return rmx_sock_send(RMX_ZYGOTE_CTL_FD, &part, 1, &fd, fd >= 0 ? 1 : 0, 0);
}

/* --- births and deaths ----------------------------------------------------------------------- */

/* Returns the child's pid with its pidfd, or -errno. */
static pid_t fork_worker(const struct rmx_lane_msg *order, int ctl_fd, int *pidfd)
{
    const struct rmx_worker_birth birth = {
        .order = order,
        .use = &zygote.use,
        .parent = zygote.keeper > 0 ? 0 : getpid(), /* in their namespace we have no number */
    };
    pid_t pid;

    if (zygote.count == CHILDREN_MAX) {
        return -EAGAIN;
    }
    pid = fork();
    if (pid == 0) {
        rmx_worker_run(ctl_fd, &birth);
    }
    if (pid < 0) {
        return -errno;
    }
    *pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (*pidfd < 0) {
        int error = -errno;

        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return error;
    }
    zygote.children[zygote.count++] = (struct child){ .pid = pid, .ticket = order->ticket };
    return pid;
}

static int serve_fork(const struct rmx_lane_msg *order, int ctl_fd)
{
    rmx_autofd int pidfd = -1;
    pid_t pid = fork_worker(order, ctl_fd, &pidfd);
    struct rmx_lane_msg forked = {
        .type = RMX_LANE_FORKED,
        .version = RMX_LANE_WIRE_VERSION,
        .ticket = order->ticket,
        .error = pid < 0 ? pid : 0,
        .pid = pid < 0 ? 0 : pid,
        .lacks = zygote.seclusion.lacks,
        .lacks_error = zygote.seclusion.error,
    };

    return say(&forked, pidfd);
}

static uint32_t forget(pid_t pid)
{
    uint32_t ticket;
    uint32_t i = 0;

    while (zygote.children[i].pid != pid) {
        i++;
        rmx_assert(i < zygote.count);
    }
    ticket = zygote.children[i].ticket;
    zygote.children[i] = zygote.children[--zygote.count];
    return ticket;
}

static int tell_of_death(pid_t pid, int wait_status)
{
    struct rmx_lane_msg exited = {
        .type = RMX_LANE_EXITED,
        .version = RMX_LANE_WIRE_VERSION,
        .ticket = forget(pid),
        .pid = pid,
        .wait_status = wait_status,
    };

    return say(&exited, -1);
}

/* Buries all that died; no zombie stays. Returns 0 or -errno: of the socket, or -ECHILD when the
 * pid namespace is gone, and with it whoever was in it. */
static int serve_deaths(void)
{
    struct signalfd_siginfo info;
    int wait_status;
    pid_t pid;
    bool kept = true;

    while (read(zygote.signal_fd, &info, sizeof(info)) > 0) {
    }
    while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
        int error = pid == zygote.keeper ? 0 : tell_of_death(pid, wait_status);

        kept = kept && pid != zygote.keeper;
        if (error < 0) {
            return error;
        }
    }
    return kept ? 0 : -ECHILD;
}

/* --- the conversation ------------------------------------------------------------------------ */

/* Returns 1, 0 when the daemon hung up, or -errno. */
static int serve_message(void)
{
    struct rmx_lane_msg order;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int bytes = rmx_sock_recv(RMX_ZYGOTE_CTL_FD, &order, sizeof(order), &fds, MSG_DONTWAIT);
    int error = -EPROTO;

    if (bytes <= 0) {
        return bytes == -EAGAIN ? 1 : bytes == -ECONNRESET ? 0 : bytes;
    }
    if (bytes == (int)sizeof(order) && order.type == RMX_LANE_FORK &&
        order.version == RMX_LANE_WIRE_VERSION && fds.count == 1) {
        error = serve_fork(&order, fds.fds[0]);
    }
    rmx_sock_fds_close(&fds);
    return error < 0 ? error : 1;
}

static int serve(void)
{
    struct pollfd fds[] = {
        { .fd = RMX_ZYGOTE_CTL_FD, .events = POLLIN },
        { .fd = zygote.signal_fd, .events = POLLIN },
    };
    int served = 1;

    while (served == 1) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return -errno;
        }
        if (fds[1].revents != 0) {
            int error = serve_deaths();

            served = error < 0 ? error : 1;
        }
        if (served == 1 && fds[0].revents != 0) {
            served = serve_message();
        }
    }
    return served;
}

static void end_children(void)
{
    for (uint32_t i = 0; i < zygote.count; i++) {
        (void)kill(zygote.children[i].pid, SIGKILL);
    }
    if (zygote.keeper > 0) {
        (void)kill(zygote.keeper, SIGKILL);
    }
    while (waitpid(-1, NULL, 0) > 0) {
    }
}

int rmx_zygote_run(size_t alloc_max_bytes)
{
    int error = prepare(alloc_max_bytes);

    error = error < 0 ? error : serve();
    end_children();
    if (error < 0 && error != -EPIPE) {
        (void)fprintf(stderr, "ringmux-worker: the zygote ends: %s\n", strerrordesc_np(-error));
        return 1;
    }
    return 0;
}
