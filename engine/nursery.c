/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The daemon's side of a zygote. See nursery.h.
 */
#include "engine/nursery.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "engine/log.h"
#include "engine/spawn.h"
#include "ipc/sock.h"
#include "ring/base.h"

static void take_exited(const struct rmx_lane_msg *exited)
{
    int status = exited->wait_status;

    rmx_log(RMX_LOG_INFO, "worker_exited", RMX_LOG_I64("pid", exited->pid),
        RMX_LOG_I64("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
        RMX_LOG_I64("code", WIFEXITED(status) ? WEXITSTATUS(status) : 0));
}

static int take_forked(
    struct rmx_nursery *nursery, const struct rmx_lane_msg *forked, struct rmx_sock_fds *fds)
{
    rmx_autofd int pidfd = -1;
    bool born = forked->error == 0;

    if (born ? fds->count != 1 || forked->pid <= 0 : fds->count != 0 || forked->error > 0) {
        return -EPROTO;
    }
    if (born) {
        pidfd = rmx_sock_fds_take(fds, 0);
        nursery->lacks = forked->lacks;
        nursery->lacks_error = forked->lacks_error;
    }
    nursery->on_forked(nursery->owner, forked->ticket, forked->pid, forked->error, &pidfd);
    return 1;
}

/* Returns 1 for a message, 0 for none now, or -errno. */
static int take_message(struct rmx_nursery *nursery)
{
    struct rmx_lane_msg message;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int bytes = rmx_sock_recv(nursery->fd, &message, sizeof(message), &fds, MSG_DONTWAIT);
    int taken = -EPROTO;

    if (bytes <= 0) {
        return bytes == -EAGAIN ? 0 : bytes == 0 ? -ECONNRESET : bytes;
    }
    if (bytes == (int)sizeof(message) && message.version == RMX_LANE_WIRE_VERSION) {
        if (message.type == RMX_LANE_FORKED) {
            taken = take_forked(nursery, &message, &fds);
        } else if (message.type == RMX_LANE_EXITED) {
            take_exited(&message);
            taken = 1;
        }
    }
    rmx_sock_fds_close(&fds);
    return taken;
}

static void zygote_spoke(struct rmx_op *op, int events)
{
    struct rmx_nursery *nursery = op->owner;
    int taken = events < 0 ? events : 1;

    while (taken == 1 && nursery->fd >= 0) {
        taken = take_message(nursery);
    }
    if (nursery->fd < 0) {
        nursery->on_lost(nursery->owner); /* the last trace of it */
    } else if (taken == 0) {
        rmx_loop_poll(nursery->loop, op, nursery->fd, POLLIN);
    } else if (!nursery->stopping) { /* else it hung up because we did, and ends by itself */
        rmx_nursery_kill(nursery);   /* its death is what we act on */
    }
}

static void zygote_died(struct rmx_op *op, int events)
{
    struct rmx_nursery *nursery = op->owner;
    int status = 0;

    if (events < 0) { /* not looked at, so not known to be dead: it will be */
        rmx_nursery_kill(nursery);
        rmx_loop_poll(nursery->loop, op, nursery->pidfd, POLLIN);
        return;
    }
    (void)waitpid(nursery->pid, &status, WNOHANG);
    rmx_log(RMX_LOG_INFO, "zygote_exited", RMX_LOG_I64("pid", nursery->pid),
        RMX_LOG_I64("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
        RMX_LOG_I64("code", WIFEXITED(status) ? WEXITSTATUS(status) : 0));
    rmx_base_close(&nursery->fd);
    rmx_base_close(&nursery->pidfd);
    nursery->on_lost(nursery->owner);
}

void rmx_nursery_init(struct rmx_nursery *nursery, struct rmx_loop *loop)
{
    nursery->loop = loop;
    nursery->fd = -1;
    nursery->pidfd = -1;
    nursery->pid = 0;
    nursery->messages_op = (struct rmx_op){ .done = zygote_spoke, .owner = nursery };
    nursery->death_op = (struct rmx_op){ .done = zygote_died, .owner = nursery };
}

int rmx_nursery_start(struct rmx_nursery *nursery, const char *path, uint64_t alloc_max_bytes)
{
    struct rmx_spawned spawned;
    int error = rmx_spawn_zygote(path, alloc_max_bytes, &spawned);

    rmx_assert(rmx_nursery_empty(nursery));
    if (error < 0) {
        return error;
    }
    nursery->stopping = false;
    nursery->fd = spawned.ctl_fd;
    nursery->pidfd = spawned.pidfd;
    nursery->pid = spawned.pid;
    rmx_loop_poll(nursery->loop, &nursery->messages_op, nursery->fd, POLLIN);
    rmx_loop_poll(nursery->loop, &nursery->death_op, nursery->pidfd, POLLIN);
    return 0;
}

int rmx_nursery_order(struct rmx_nursery *nursery, const struct rmx_lane_msg *order, int child_fd)
{
    struct rmx_lane_msg copy = *order;
    struct iovec part = { .iov_base = &copy, .iov_len = sizeof(copy) };

    return rmx_sock_send(nursery->fd, &part, 1, &child_fd, 1, MSG_DONTWAIT);
}

void rmx_nursery_stop(struct rmx_nursery *nursery)
{
    nursery->stopping = true;
    if (nursery->fd >= 0) { /* not close: the loop holds it open */
        (void)shutdown(nursery->fd, SHUT_RDWR);
    }
}

void rmx_nursery_kill(struct rmx_nursery *nursery)
{
    if (nursery->pidfd >= 0) { /* our own unreaped child: the number is still its */
        (void)kill(nursery->pid, SIGKILL);
    }
}
