/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker process, from the zygote's fork to its end. See worker.h.
 */
#include "engine/worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "engine/worker/desk.h"
#include "engine/worker/fiber.h"
#include "engine/worker/lastwords.h"
#include "engine/worker/sandbox.h"
#include "engine/worker/sanitizer.h"
#include "engine/worker/seclusion.h"
#include "engine/worker/trap.h"
#include "engine/worker/warm.h"
#include "ipc/sock.h"
#include "ring/base.h"

#define CTL_FD    3 /* after stdin, stdout (both /dev/null) and stderr */
#define ADOPT_FDS 3 /* arena, our bell, the lane's bell */

static _Noreturn void leave(enum rmx_worker_exit how, const char *what, int error)
{
    if (how != RMX_WORKER_DONE) {
        rmx_lastwords_say(what);
        (void)fprintf(stderr, "ringmux-worker: %s: %s\n", what, strerrordesc_np(-error));
    }
    _exit((int)how);
}

/* The zygote's signal handling and descriptors are not ours. */
static int become_own_process(int *ctl_fd, pid_t parent)
{
    sigset_t none;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) {
        return -errno;
    }
    if (getppid() != parent) { /* it died before it could take us along */
        return -ESRCH;
    }
    rmx_assert(sigemptyset(&none) == 0 && pthread_sigmask(SIG_SETMASK, &none, NULL) == 0);
    if (*ctl_fd != CTL_FD) {
        if (dup3(*ctl_fd, CTL_FD, O_CLOEXEC) < 0) {
            return -errno;
        }
        rmx_base_close(ctl_fd);
        *ctl_fd = CTL_FD;
    }
    return prctl(PR_SET_NAME, "ringmux-worker") < 0 ? -errno : 0;
}

/* What it may have beyond what the zygote had: its fibers, what jobs need, and arenas. */
static struct rmx_bounds_room room_for(const struct rmx_lane_msg *order)
{
    uint64_t fiber_bytes = RMX_FIBER_STACK_BYTES + RMX_FIBER_GUARD_BYTES;

    if (order->memory_max_bytes == 0) {
        return (struct rmx_bounds_room){ .own_bytes = 0 };
    }
    return (struct rmx_bounds_room){
        .own_bytes = order->memory_max_bytes + order->flows * fiber_bytes,
        .shared_bytes = order->arena_bytes,
    };
}

/* The last descriptor it makes by itself: in the sandbox all come from the daemon. What it would
 * print goes nowhere from here on: a bad one could forge lines of the daemon's log. */
static int lock_down(const struct rmx_worker_birth *birth, int *epoll_fd)
{
    const struct rmx_bounds_room room = room_for(birth->order);
    int error = rmx_bounds_set(CTL_FD, birth->use, &room);

    error = error < 0 ? error : rmx_seclusion_landlock();
    if (error < 0) {
        return error;
    }
    *epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (*epoll_fd < 0 || (!RMX_WITH_SANITIZER && dup2(STDOUT_FILENO, STDERR_FILENO) < 0)) {
        return -errno;
    }
    return rmx_sandbox_enter();
}

static int say_ready(int ctl_fd)
{
    struct rmx_lane_msg ready = {
        .type = RMX_LANE_READY,
        .version = RMX_LANE_WIRE_VERSION,
    };

    return rmx_sock_say(ctl_fd, &ready, sizeof(ready), 0);
}

/* Waits as a spare. Returns 1 with the plan and the arena, 0 when the daemon hung up, or -errno. */
static int wait_for_arena(int ctl_fd, struct rmx_region *arena, struct rmx_desk_plan *plan)
{
    struct rmx_lane_msg adopt;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int bytes = rmx_sock_recv(ctl_fd, &adopt, sizeof(adopt), &fds, 0);
    int arena_fd;
    int error;

    if (bytes <= 0) {
        return bytes == -ECONNRESET ? 0 : bytes;
    }
    if (bytes != (int)sizeof(adopt) || adopt.type != RMX_LANE_ADOPT ||
        adopt.version != RMX_LANE_WIRE_VERSION || fds.count != ADOPT_FDS || adopt.flows == 0 ||
        adopt.flows > RMX_WORKER_FLOWS_MAX ||
        adopt.arena_bytes <
            sizeof(struct rmx_worker_shm) + adopt.flows * sizeof(struct rmx_flow_shm)) {
        rmx_sock_fds_close(&fds);
        return -EPROTO;
    }
    arena_fd = rmx_sock_fds_take(&fds, 0);
    error = rmx_region_adopt(arena, &arena_fd, adopt.arena_bytes, adopt.arena_bytes);
    if (error == 0 && adopt.prefault > 0) {
        (void)rmx_region_prefault(arena); /* else pages come when they are used */
    }
    if (error < 0) {
        rmx_base_close(&arena_fd);
        rmx_sock_fds_close(&fds);
        return error;
    }
    *plan = (struct rmx_desk_plan){
        .arena = arena,
        .flows = adopt.flows,
        .worker_bell_fd = rmx_sock_fds_take(&fds, 1),
        .lane_bell_fd = rmx_sock_fds_take(&fds, 2),
        .ctl_fd = ctl_fd,
        .spin_ns = adopt.spin_ns,
        .stacks = adopt.prefault,
    };
    return 1;
}

void rmx_worker_run(int ctl_fd, const struct rmx_worker_birth *birth)
{
    struct rmx_region arena = RMX_REGION_INIT;
    struct rmx_desk_plan plan;
    int epoll_fd = -1;
    int error = become_own_process(&ctl_fd, birth->parent);

    rmx_lastwords_init();
    rmx_trap_init();
    error = error < 0 ? error : lock_down(birth, &epoll_fd);
    if (error == -ESRCH) {
        leave(RMX_WORKER_DONE, "", 0);
    }
    if (error < 0) {
        leave(RMX_WORKER_OPEN, "cannot lock itself down", error);
    }
    error = say_ready(ctl_fd);
    if (error == 0 && birth->order->prefault > 0) { /* a spare: who takes one has nobody waiting */
        rmx_warm_code();
        rmx_warm_heap();
    }
    error = error < 0 ? error : wait_for_arena(ctl_fd, &arena, &plan);
    if (error == 0 || error == -EPIPE) {
        leave(RMX_WORKER_DONE, "", 0);
    }
    if (error < 0) {
        leave(RMX_WORKER_PROTOCOL, "no arena", error);
    }
    rmx_lastwords_adopt(&((struct rmx_worker_shm *)arena.base)->last_words);
    plan.epoll_fd = epoll_fd;
    error = rmx_desk_run(&plan);
    leave(error < 0 ? RMX_WORKER_PROTOCOL : RMX_WORKER_DONE, "the daemon broke a rule", error);
}
