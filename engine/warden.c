/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Starts, watches and restarts a lane's workers. See warden.h.
 */
#include "engine/warden.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/log.h"
#include "engine/order.h"
#include "engine/spawn.h"
#include "ipc/sock.h"
#include "ring/base.h"

#define SECOND_NS    1000000000ull
#define BIRTH_NS_MAX (10 * SECOND_NS) /* from FORK to READY */
#define PATIENCE_NS  (SECOND_NS / 2)  /* when stopping */

#define TO(state) (1u << (state))

static const unsigned int next_of[] = {
    [RMX_PROCESS_FREE] = TO(RMX_PROCESS_FORKING),
    [RMX_PROCESS_FORKING] = TO(RMX_PROCESS_BORN) | TO(RMX_PROCESS_GONE),
    [RMX_PROCESS_BORN] = TO(RMX_PROCESS_SPARE) | TO(RMX_PROCESS_GONE),
    [RMX_PROCESS_SPARE] = TO(RMX_PROCESS_WORKING) | TO(RMX_PROCESS_GONE),
    [RMX_PROCESS_WORKING] = TO(RMX_PROCESS_GONE),
    [RMX_PROCESS_GONE] = TO(RMX_PROCESS_FREE),
};

static void tend(struct rmx_warden *warden);

static void enter(struct rmx_process *process, enum rmx_process_state state)
{
    rmx_assert(next_of[process->state] & TO(state));
    process->state = state;
}

static uint32_t slots(const struct rmx_warden *warden)
{
    return warden->plan.berths_count + 1;
}

static struct rmx_process *find(struct rmx_warden *warden, enum rmx_process_state state)
{
    for (uint32_t i = 0; i < slots(warden); i++) {
        if (warden->processes[i].state == state) {
            return &warden->processes[i];
        }
    }
    return NULL;
}

static void kill_by_pidfd(int pidfd)
{
    if (pidfd >= 0) { /* a failure means that it is dead already */
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    }
}

static void count_death(struct rmx_warden *warden)
{
    uint64_t now = rmx_clock_ns();
    uint64_t wait_ns = rmx_brake_death(&warden->brake, now);

    if (wait_ns > 0) {
        warden->next_birth_ns = now + wait_ns;
        rmx_log(RMX_LOG_WARN, "workers_die_fast", RMX_LOG_U64("pause_ms", wait_ns / 1000000));
    }
}

/* --- a process's end -------------------------------------------------------------------------- */

/* A free slot again, once the kernel holds nothing of it. */
static void bury(struct rmx_process *process)
{
    if (process->state == RMX_PROCESS_GONE && !process->ctl_op.busy && !process->pidfd_op.busy) {
        enter(process, RMX_PROCESS_FREE);
    }
}

static void let_go(struct rmx_process *process)
{
    struct rmx_warden *warden = process->warden;
    bool worked = process->state == RMX_PROCESS_WORKING;

    enter(process, RMX_PROCESS_GONE);
    rmx_base_close(&process->ctl_fd);
    rmx_base_close(&process->pidfd);
    bury(process);
    if (warden->stopping) {
        return;
    }
    if (!process->ended && !(worked && warden->plan.berths[process->berth].used > 0)) {
        count_death(warden);
    }
    if (worked) {
        const struct rmx_berth *berth = &warden->plan.berths[process->berth];
        struct rmx_last_words words;

        rmx_obituary_read(&berth->shm->last_words, berth->pairs_count, &words);
        warden->plan.on_death(warden->plan.owner, process->berth, process->pid, &words);
    } else {
        rmx_log(RMX_LOG_WARN, "spare_died", RMX_LOG_I64("pid", process->pid));
    }
}

/* A process ended. Before the first was ever ready, that is a bad sign. */
static void count_failure(struct rmx_warden *warden)
{
    if (!warden->proven && !warden->stopping && ++warden->failures == RMX_WARDEN_FAILURES) {
        warden->plan.on_hopeless(warden->plan.owner);
    }
}

static void process_died(struct rmx_op *op, int events)
{
    struct rmx_process *process = op->owner;

    if (events < 0) { /* not looked at, so not known to be dead: it will be */
        kill_by_pidfd(process->pidfd);
        rmx_loop_poll(process->warden->loop, op, process->pidfd, POLLIN);
        return;
    }
    let_go(process);
    count_failure(process->warden);
    tend(process->warden);
}

/* --- a process's birth ------------------------------------------------------------------------ */

static bool is_ready(struct rmx_process *process)
{
    struct rmx_lane_msg ready;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int bytes = rmx_sock_recv(process->ctl_fd, &ready, sizeof(ready), &fds, MSG_DONTWAIT);

    rmx_sock_fds_close(&fds);
    return bytes == (int)sizeof(ready) && ready.type == RMX_LANE_READY &&
           ready.version == RMX_LANE_WIRE_VERSION;
}

static void process_spoke(struct rmx_op *op, int events)
{
    struct rmx_process *process = op->owner;

    if (process->state != RMX_PROCESS_BORN) {
        bury(process);
    } else if (events >= 0 && is_ready(process)) {
        enter(process, RMX_PROCESS_SPARE);
        process->warden->proven = true;
    } else {
        kill_by_pidfd(process->pidfd);
    }
    tend(process->warden);
}

static void give_birth(struct rmx_warden *warden, struct rmx_process *process)
{
    int pair[2];
    int error = rmx_sock_pair(pair);

    process->ticket = ++warden->tickets;
    if (error == 0) {
        error = rmx_order_fork(&warden->nursery, process->ticket, pair[1], &warden->plan.berths[0],
            &warden->plan.limits); /* no berth is larger than the first */
        rmx_base_close(&pair[1]);
        if (error < 0) {
            rmx_base_close(&pair[0]);
        }
    }
    if (error < 0) {
        rmx_log(RMX_LOG_WARN, "worker_not_forked", RMX_LOG_ERRNO("why", error));
        warden->next_birth_ns = rmx_clock_ns() + SECOND_NS;
        count_failure(warden);
        return;
    }
    enter(process, RMX_PROCESS_FORKING);
    process->ctl_fd = pair[0];
    process->pid = 0;
    process->ready_by_ns = rmx_clock_ns() + BIRTH_NS_MAX;
}

static void process_forked(void *owner, uint32_t ticket, pid_t pid, int error, int *pidfd)
{
    struct rmx_warden *warden = owner;
    struct rmx_process *process = find(warden, RMX_PROCESS_FORKING);

    if (process == NULL || process->ticket != ticket) {
        return;
    }
    if (error < 0) {
        rmx_log(RMX_LOG_WARN, "worker_not_forked", RMX_LOG_ERRNO("why", error));
        let_go(process);
        warden->next_birth_ns = rmx_clock_ns() + SECOND_NS;
        count_failure(warden);
        tend(warden);
        return;
    }
    enter(process, RMX_PROCESS_BORN);
    warden->plan.on_born(warden->plan.owner, pid);
    process->pid = pid;
    process->pidfd = rmx_take_fd(pidfd);
    process->pidfd_op = (struct rmx_op){ .done = process_died, .owner = process };
    process->ctl_op = (struct rmx_op){ .done = process_spoke, .owner = process };
    rmx_loop_poll(warden->loop, &process->pidfd_op, process->pidfd, POLLIN);
    rmx_loop_poll(warden->loop, &process->ctl_op, process->ctl_fd, POLLIN);
    if (warden->stopping) {
        kill_by_pidfd(process->pidfd);
    }
    tend(warden);
}

static void zygote_lost(void *owner)
{
    struct rmx_warden *warden = owner;
    struct rmx_process *unborn = find(warden, RMX_PROCESS_FORKING);

    if (unborn != NULL) {
        let_go(unborn);
    }
    count_failure(warden);
    tend(warden);
}

static void fill_vacancies(struct rmx_warden *warden)
{
    for (uint32_t i = 0; i < warden->plan.berths_count; i++) {
        struct rmx_process *spare = find(warden, RMX_PROCESS_SPARE);

        if (!warden->vacant[i] || spare == NULL) {
            continue;
        }
        warden->vacant[i] = false;
        enter(spare, RMX_PROCESS_WORKING);
        spare->berth = i;
        spare->ended = false;
        if (rmx_order_adopt(spare->ctl_fd, &warden->plan.berths[i], warden->plan.spin_ns) < 0) {
            kill_by_pidfd(spare->pidfd); /* on_death follows, as for any that worked */
        }
        warden->plan.on_ready(warden->plan.owner, i, spare->pid);
    }
}

/* --- what is due ------------------------------------------------------------------------------ */

static bool has_processes(const struct rmx_warden *warden)
{
    for (uint32_t i = 0; i < slots(warden); i++) {
        if (warden->processes[i].state != RMX_PROCESS_FREE) {
            return true;
        }
    }
    return false;
}

static bool is_over(const struct rmx_warden *warden)
{
    return !has_processes(warden) && rmx_nursery_empty(&warden->nursery);
}

static void kill_all(struct rmx_warden *warden)
{
    for (uint32_t i = 0; i < slots(warden); i++) {
        kill_by_pidfd(warden->processes[i].pidfd);
    }
    rmx_nursery_kill(&warden->nursery);
}

static void wake_at(struct rmx_warden *warden, uint64_t when_ns)
{
    struct itimerspec when = {
        .it_value = { .tv_sec = (time_t)(when_ns / SECOND_NS),
            .tv_nsec = (long)(when_ns % SECOND_NS) },
    };

    rmx_assert(timerfd_settime(warden->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0);
}

static void tend_stop(struct rmx_warden *warden)
{
    uint64_t now = rmx_clock_ns();

    if (now >= warden->kill_at_ns) {
        kill_all(warden);
        warden->kill_at_ns = now + PATIENCE_NS;
    }
    if (!has_processes(warden)) {
        rmx_nursery_stop(&warden->nursery);
    }
    wake_at(warden, is_over(warden) ? now : warden->kill_at_ns);
}

/* Ends what takes too long to be born; returns when to look again. */
static uint64_t watch_births(struct rmx_warden *warden, uint64_t now)
{
    uint64_t next = now + BIRTH_NS_MAX;

    for (uint32_t i = 0; i < slots(warden); i++) {
        struct rmx_process *process = &warden->processes[i];

        if (process->state != RMX_PROCESS_FORKING && process->state != RMX_PROCESS_BORN) {
            continue;
        }
        if (now >= process->ready_by_ns) {
            kill_by_pidfd(process->pidfd);
            if (process->state == RMX_PROCESS_FORKING) { /* it is the zygote that hangs */
                rmx_nursery_kill(&warden->nursery);
            }
        } else if (process->ready_by_ns < next) {
            next = process->ready_by_ns;
        }
    }
    return next;
}

/* The next step towards a worker in each berth and a spare; one birth at a time. */
static void give_next_birth(struct rmx_warden *warden)
{
    struct rmx_process *free_slot = find(warden, RMX_PROCESS_FREE);
    int error = 0;

    if (rmx_nursery_empty(&warden->nursery)) {
        error = rmx_nursery_start(&warden->nursery, warden->program, warden->plan.alloc_max_bytes);
    }
    if (error < 0) {
        rmx_log(RMX_LOG_ERROR, "zygote_not_started", RMX_LOG_ERRNO("why", error));
        warden->next_birth_ns = rmx_clock_ns() + SECOND_NS;
        count_failure(warden);
        return;
    }
    if (rmx_nursery_open(&warden->nursery) && free_slot != NULL &&
        find(warden, RMX_PROCESS_FORKING) == NULL) {
        give_birth(warden, free_slot);
    }
}

/* Does what can be done now, and sets the timer for what cannot. */
static void tend(struct rmx_warden *warden)
{
    uint64_t now = rmx_clock_ns();
    uint64_t next;

    if (warden->stopping) {
        tend_stop(warden);
        return;
    }
    fill_vacancies(warden);
    if (now >= warden->next_birth_ns) {
        give_next_birth(warden);
    }
    next = watch_births(warden, now);
    if (now < warden->next_birth_ns && warden->next_birth_ns < next) {
        next = warden->next_birth_ns;
    }
    wake_at(warden, next);
}

static void timer_rang(struct rmx_op *op, int events)
{
    struct rmx_warden *warden = op->owner;
    uint64_t rings = 0;

    (void)events;
    (void)!read(warden->timer_fd, &rings, sizeof(rings));
    if (warden->stopping && is_over(warden)) {
        return; /* the last operation has ended */
    }
    rmx_loop_poll(warden->loop, op, warden->timer_fd, POLLIN);
    tend(warden);
}

/* --- the caller's side ------------------------------------------------------------------------ */

static int make_tables(struct rmx_warden *warden)
{
    warden->vacant = calloc(slots(warden), sizeof(*warden->vacant));
    warden->processes = calloc(slots(warden), sizeof(*warden->processes));
    warden->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (warden->vacant == NULL || warden->processes == NULL) {
        return -ENOMEM;
    }
    if (warden->timer_fd < 0) {
        return -errno;
    }
    for (uint32_t i = 0; i < slots(warden); i++) {
        warden->processes[i] = (struct rmx_process){ .warden = warden, .ctl_fd = -1, .pidfd = -1 };
        warden->vacant[i] = i < warden->plan.berths_count;
    }
    return 0;
}

int rmx_warden_start(
    struct rmx_warden *warden, struct rmx_loop *loop, const struct rmx_warden_plan *plan)
{
    int error;

    rmx_assert(plan->on_ready != NULL && plan->on_death != NULL && plan->berths_count > 0);
    *warden = (struct rmx_warden){
        .plan = *plan,
        .loop = loop,
        .timer_fd = -1,
        .nursery = { .owner = warden, .on_forked = process_forked, .on_lost = zygote_lost },
        .timer_op = { .done = timer_rang, .owner = warden },
    };
    rmx_nursery_init(&warden->nursery, loop);
    error = rmx_spawn_find(plan->program, warden->program, sizeof(warden->program));
    error = error < 0 ? error : make_tables(warden);
    error = error < 0 ? error
                      : rmx_nursery_start(
                            &warden->nursery, warden->program, warden->plan.alloc_max_bytes);
    if (error < 0) {
        rmx_warden_fini(warden);
        return error;
    }
    rmx_loop_poll(loop, &warden->timer_op, warden->timer_fd, POLLIN);
    tend(warden);
    return 0;
}

void rmx_warden_refill(struct rmx_warden *warden, uint32_t berth)
{
    rmx_assert(berth < warden->plan.berths_count && !warden->vacant[berth]);
    warden->vacant[berth] = true;
    if (!warden->stopping) {
        tend(warden);
    }
}

bool rmx_warden_has_spare(struct rmx_warden *warden)
{
    return find(warden, RMX_PROCESS_SPARE) != NULL;
}

/* Who works in this berth, or NULL. */
static struct rmx_process *worker_of(struct rmx_warden *warden, uint32_t berth)
{
    for (uint32_t i = 0; i < slots(warden); i++) {
        struct rmx_process *process = &warden->processes[i];

        if (process->state == RMX_PROCESS_WORKING && process->berth == berth) {
            return process;
        }
    }
    return NULL;
}

int rmx_warden_tell(struct rmx_warden *warden, uint32_t berth, const struct rmx_lane_msg *message,
    const int *fds, int fds_count)
{
    const struct rmx_process *process = worker_of(warden, berth);

    return process == NULL ? -ESRCH : rmx_order_channel(process->ctl_fd, message, fds, fds_count);
}

void rmx_warden_kill(struct rmx_warden *warden, uint32_t berth)
{
    struct rmx_process *process = worker_of(warden, berth);

    if (process != NULL) {
        process->ended = true;
        kill_by_pidfd(process->pidfd);
    }
}

void rmx_warden_stop(struct rmx_warden *warden)
{
    warden->stopping = true;
    warden->kill_at_ns = rmx_clock_ns() + PATIENCE_NS;
    for (uint32_t i = 0; i < slots(warden); i++) {
        if (warden->processes[i].ctl_fd >= 0) { /* not close: the loop may hold it open */
            (void)shutdown(warden->processes[i].ctl_fd, SHUT_RDWR);
        }
    }
    tend(warden);
}

bool rmx_warden_stopped(const struct rmx_warden *warden)
{
    return warden->loop == NULL || (is_over(warden) && !warden->timer_op.busy);
}

void rmx_warden_fini(struct rmx_warden *warden)
{
    if (warden->loop == NULL) {
        return;
    }
    rmx_base_close(&warden->timer_fd);
    free(warden->vacant);
    free(warden->processes);
    *warden = (struct rmx_warden){ .timer_fd = -1 };
}
