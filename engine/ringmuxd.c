/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ringmuxd: takes remux jobs from the processes of this host. This file is main and the supervisor:
 * it reads the configuration, plans who runs where, starts the lanes, and turns signals into their
 * orders. Runs on the main thread. Must never touch a job, a client or a media byte.
 *
 * SIGTERM and SIGINT: finish what runs, take nothing new, exit 0. A second one, or drain_timeout:
 * cancel what runs, exit 0. SIGHUP: read the settings again. When another daemon has taken over the
 * socket (engine/handover.h): as with SIGTERM, but the socket is its. Meanwhile operators still
 * come, to a socket beside it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "engine/budget.h"
#include "engine/clock.h"
#include "engine/config.h"
#include "engine/lane.h"
#include "engine/listener.h"
#include "engine/log.h"
#include "engine/notify.h"
#include "engine/placement.h"
#include "engine/plan.h"
#include "engine/privilege.h"
#include "engine/reload.h"
#include "engine/topology.h"

enum { EXIT_FAULT = 1, EXIT_USAGE = 2 };

/* Another daemon that is about to hand over, or to end, has done so after this. */
#define SEEK_NS       10000000000u
#define SEEK_PAUSE_MS 20

/* What was cancelled ends in milliseconds, or with its worker: that has a second by the clock if
 * it does not want for a core, half of one to leave, and dies in seconds where many do. */
#define ABORT_NS 5000000000u

struct supervisor {
    int argc; /* main's, to be read again */
    char **argv;
    struct rmx_config config;
    struct rmx_topology topology;
    struct rmx_plan plan;
    struct rmx_lane *lanes[RMX_LANES_MAX];
    uint32_t lanes_count;
    struct rmx_listener listener;
    struct rmx_privilege privilege;
    int signal_fd;
    int report_fd;
    enum rmx_lane_order order;
    uint64_t patience_until_ns; /* CLOCK_MONOTONIC; with order DRAIN or ABORT */
    bool seeking;               /* all is ready but the socket, which another daemon has */
    bool announced;
    uint64_t reloads;
    int result; /* to exit with */
};

static int complain(const char *what, int error)
{
    if (error < 0) {
        (void)fprintf(stderr, "ringmuxd: %s: %s\n", what, strerrordesc_np(-error));
    } else {
        (void)fprintf(stderr, "ringmuxd: %s\n", what);
    }
    return EXIT_FAULT;
}

static int open_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) {
        return -EINVAL;
    }
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int plan(struct supervisor *sup)
{
    int error = rmx_topology_load(&sup->topology, NULL);

    if (error < 0) {
        return complain("the machine's topology cannot be read", error);
    }
    rmx_plan_make(&sup->plan, &sup->topology, &sup->config);
    if (sup->plan.why[0] != 0) {
        rmx_log(RMX_LOG_WARN, "plan", RMX_LOG_STR("why", sup->plan.why));
    }
    rmx_budget_announce(&sup->config, &sup->plan);
    return 0;
}

static int make_lane(struct supervisor *sup, uint32_t index, uint64_t spin_ns)
{
    struct rmx_lane *lane =
        aligned_alloc(RMX_LINE, (sizeof(*lane) + RMX_LINE - 1) / RMX_LINE * RMX_LINE);
    bool is_private = index == 0 && sup->config.private_fd != 0;

    if (lane == NULL) {
        return complain("no memory for a lane", -ENOMEM);
    }
    *lane = (struct rmx_lane){
        .index = index,
        .config = &sup->config,
        .topology = &sup->topology,
        .plan = &sup->plan,
        .place = &sup->plan.lane[index],
        .lanes = sup->lanes,
        .lanes_count = sup->plan.lanes,
        .listen_fd = sup->listener.fd,
        .drain_fd = -1,
        .handover = &sup->listener.handover,
        .private_fd = is_private ? (int)sup->config.private_fd : -1,
        .spin_ns = spin_ns,
        .poll_ns = rmx_plan_poll_ns(&sup->plan, spin_ns),
        .report_fd = sup->report_fd,
        .order = sup->order,
        .reload.lock = PTHREAD_MUTEX_INITIALIZER,
    };
    sup->lanes[index] = lane;
    return 0;
}

/* All are there before the first runs: any of them may look at the counters of all. */
static int start_lanes(struct supervisor *sup)
{
    uint64_t spin_ns = rmx_plan_spin_ns(&sup->plan, &sup->topology, &sup->config);
    int result = 0;

    for (uint32_t i = 0; i < sup->plan.lanes && result == 0; i++) {
        result = make_lane(sup, i, spin_ns);
    }
    for (uint32_t i = 0; i < sup->plan.lanes && result == 0; i++) {
        int error = rmx_lane_start(sup->lanes[i]);

        if (error < 0) {
            return complain("a lane's thread cannot be started", error);
        }
        sup->lanes_count++;
    }
    return result;
}

/* A counter of the whole daemon's: no lane writes it. */
static void count(struct supervisor *sup, enum rmx_stat stat, uint64_t value)
{
    if (sup->lanes_count > 0) {
        rmx_stats_set(&sup->lanes[0]->stats, stat, value);
    }
}

static void order(struct supervisor *sup, enum rmx_lane_order what)
{
    bool first = sup->order < RMX_LANE_DRAIN; /* of those that end us */

    if (what <= sup->order) {
        return;
    }
    if (first) {
        rmx_notify_stopping();
        count(sup, RMX_STATS_DRAINING, 1);
        rmx_listener_open_drain(&sup->listener, &sup->config);
    }
    sup->order = what;
    sup->patience_until_ns =
        rmx_clock_ns() + (what == RMX_LANE_ABORT ? ABORT_NS : sup->config.drain_timeout_ns);
    rmx_listener_close(&sup->listener);
    for (uint32_t i = 0; i < sup->lanes_count; i++) {
        if (first && sup->listener.drain_fd >= 0) {
            sup->lanes[i]->drain_fd = sup->listener.drain_fd;
        }
        rmx_lane_order(sup->lanes[i], what);
    }
}

static void reload(struct supervisor *sup)
{
    if (sup->announced) {
        rmx_notify_reloading();
    }
    if (rmx_reload_read(&sup->config, sup->argc, sup->argv) == 0) {
        rmx_log_set_level(sup->config.log_level);
        sup->reloads++;
        count(sup, RMX_STATS_RELOADS, sup->reloads);
        for (uint32_t i = 0; i < sup->lanes_count; i++) {
            rmx_lane_reload(sup->lanes[i], &sup->config);
        }
    }
    if (sup->announced) {
        rmx_notify_ready();
    }
}

static void take_signals(struct supervisor *sup)
{
    struct signalfd_siginfo info;

    while (read(sup->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            rmx_log(RMX_LOG_INFO, "signal", RMX_LOG_U64("number", info.ssi_signo));
            order(sup, sup->order < RMX_LANE_DRAIN ? RMX_LANE_DRAIN : RMX_LANE_ABORT);
        } else if (info.ssi_signo == SIGHUP && sup->order < RMX_LANE_DRAIN) {
            reload(sup);
        }
    }
}

/* --- what the lanes say ---------------------------------------------------------------------- */

static void announce(struct supervisor *sup)
{
    sup->announced = true;
    count(sup, RMX_STATS_READY, 1);
    rmx_log(RMX_LOG_INFO, "ready",
        RMX_LOG_STR("socket", sup->config.private_fd != 0 ? "private" : sup->listener.name),
        RMX_LOG_U64("lanes", sup->lanes_count), RMX_LOG_U64("workers", sup->plan.workers));
    rmx_notify_ready();
}

/* All is ready but the socket, which another daemon may have. */
static void take_over(struct supervisor *sup)
{
    int error = rmx_listener_take_over(&sup->listener, &sup->config);

    if (error == -EAGAIN && rmx_clock_ns() < sup->patience_until_ns) {
        return;
    }
    if (error < 0) {
        sup->result = complain(sup->listener.why, 0);
        order(sup, RMX_LANE_ABORT);
        return;
    }
    sup->order = RMX_LANE_SERVE;
    for (uint32_t i = 0; i < sup->lanes_count; i++) {
        sup->lanes[i]->listen_fd = sup->listener.fd;
        rmx_lane_order(sup->lanes[i], RMX_LANE_SERVE);
    }
}

/* Returns how many are over. */
static uint32_t take_reports(struct supervisor *sup)
{
    uint32_t ready = 0;
    uint32_t shut = 0;
    uint32_t over = 0;
    eventfd_t reports;

    (void)eventfd_read(sup->report_fd, &reports);
    for (uint32_t i = 0; i < sup->lanes_count; i++) {
        /* A11, pairs with R11: what the lane did before it was ready is visible. */
        ready += atomic_load_explicit(&sup->lanes[i]->ready, memory_order_acquire);
        /* A13, pairs with R13: error and why are visible. */
        bool ended = atomic_load_explicit(&sup->lanes[i]->over, memory_order_acquire);

        over += ended;
        /* A14, pairs with R14: nothing of the lane's uses the listening socket any more. */
        shut += ended || atomic_load_explicit(&sup->lanes[i]->shut, memory_order_acquire);
    }
    if (ready == sup->lanes_count && sup->order == RMX_LANE_WAIT) {
        if (!sup->seeking) {
            sup->seeking = true;
            sup->patience_until_ns = rmx_clock_ns() + SEEK_NS;
        }
        take_over(sup);
    }
    if (ready == sup->lanes_count && sup->order == RMX_LANE_SERVE && !sup->announced) {
        announce(sup);
    }
    if (rmx_handover_is_given(&sup->listener.handover) && sup->order < RMX_LANE_DRAIN) {
        rmx_log(RMX_LOG_INFO, "handed_over", RMX_LOG_STR("socket", sup->listener.name));
        order(sup, RMX_LANE_DRAIN);
    }
    /* Or who comes would wait for us when a successor is gone. Its file, if ours, went before. */
    if (shut == sup->lanes_count && sup->listener.closed) {
        rmx_base_close(&sup->listener.fd);
    }
    return over;
}

/* For poll(2): how long an order may still take; -1 = there is none. */
static int patience_ms(const struct supervisor *sup)
{
    uint64_t now = rmx_clock_ns();

    if (sup->order < RMX_LANE_DRAIN) {
        return sup->seeking && sup->order == RMX_LANE_WAIT ? SEEK_PAUSE_MS : -1;
    }
    return now >= sup->patience_until_ns ? 0 : (int)((sup->patience_until_ns - now) / 1000000u) + 1;
}

static void supervise(struct supervisor *sup)
{
    struct pollfd fds[] = {
        { .fd = sup->signal_fd, .events = POLLIN },
        { .fd = sup->report_fd, .events = POLLIN },
    };
    uint32_t over = 0;

    while (over < sup->lanes_count) {
        (void)poll(fds, 2, patience_ms(sup));
        if (patience_ms(sup) == 0 && sup->order == RMX_LANE_ABORT) {
            rmx_log(RMX_LOG_ERROR, "stuck",
                RMX_LOG_STR("why", "a read, a write or a worker does not end: leaving them"));
            rmx_listener_close_drain(&sup->listener);
            _exit(EXIT_FAULT); /* what we hold goes with us; workers see us go */
        }
        if (patience_ms(sup) == 0) {
            rmx_log(RMX_LOG_WARN, "drain_timeout");
            order(sup, RMX_LANE_ABORT);
        }
        take_signals(sup);
        over = take_reports(sup);
        if (over > 0) { /* one ends: by our order, by its private client, or for a reason */
            order(sup, RMX_LANE_DRAIN);
        }
    }
}

static int join_lanes(struct supervisor *sup)
{
    int result = 0;

    for (uint32_t i = 0; i < sup->lanes_count; i++) {
        struct rmx_lane *lane = sup->lanes[i];
        int error = atomic_load_explicit(&lane->error, memory_order_relaxed);

        if (error < 0) {
            (void)complain(lane->why != NULL ? lane->why : "a lane failed", error);
            result = EXIT_FAULT;
        }
        rmx_lane_join(lane);
        free(lane);
    }
    return result;
}

/* As the user we will be, so that its file is ours to remove; root's way where that user may not.
 */
static int open_listener(struct supervisor *sup)
{
    int error;

    rmx_privilege_lend(&sup->privilege);
    error = rmx_listener_open(&sup->listener, &sup->config);
    rmx_privilege_take_back(&sup->privilege);
    if (sup->privilege.drops && (error == -EACCES || error == -EPERM)) {
        error = rmx_listener_open(&sup->listener, &sup->config);
    }
    return error;
}

/* The socket, or that there will be one. */
static int find_listener(struct supervisor *sup)
{
    int error = 0;

    if (sup->config.private_fd != 0) {
        return 0;
    }
    rmx_notify_init();
    rmx_privilege_give_directory(&sup->privilege, sup->config.socket);
    error = rmx_listener_inherit(&sup->listener);
    if (error > 0 && sup->config.replace) {
        return complain("--replace has nothing to do where the socket is inherited (LISTEN_FDS): "
                        "start without it, then end the daemon that ran before",
            0);
    }
    if (error == 0 && sup->config.replace) {
        sup->order = RMX_LANE_WAIT;
    } else if (error == 0) {
        error = open_listener(sup);
    }
    return error < 0 ? complain(sup->listener.why, 0) : 0;
}

/* Who we are to be is known before anything is made. */
static int find_privilege(struct supervisor *sup)
{
    char why[160] = "user: the system does not say who we are";
    int error = rmx_privilege_find(sup->config.user, &sup->privilege, why, sizeof(why));

    if (error < 0) {
        int result = complain(why, 0);
        return error == -ENOENT || error == -EPERM ? EXIT_USAGE : result;
    }
    return 0;
}

static int drop_privilege(const struct supervisor *sup)
{
    int error = rmx_privilege_drop(&sup->privilege);

    return error < 0 ? complain("cannot become the user that `user` names", error) : 0;
}

static int serve(struct supervisor *sup)
{
    int result = find_privilege(sup);

    result = result != 0 ? result : plan(sup);
    if (result != 0) {
        return result;
    }
    (void)signal(SIGXFSZ, SIG_IGN); /* the write fails, OUTPUT_FULL: that is one job's end */
    sup->signal_fd = open_signals();
    sup->report_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (sup->signal_fd < 0 || sup->report_fd < 0) {
        return complain("no descriptor left for signals: raise ulimit -n", -EMFILE);
    }
    result = find_listener(sup);
    result = result != 0 ? result : drop_privilege(sup);
    if (result != 0) {
        return result;
    }
    sup->result = start_lanes(sup);
    if (sup->result != 0) {
        order(sup, RMX_LANE_ABORT);
    }
    supervise(sup);
    return join_lanes(sup) != 0 ? EXIT_FAULT : sup->result;
}

int main(int argc, char **argv)
{
    static struct supervisor sup = {
        .order = RMX_LANE_SERVE,
        .topology = RMX_TOPOLOGY_INIT,
        .listener = RMX_LISTENER_INIT,
        .signal_fd = -1,
        .report_fd = -1,
    };
    char error[512];
    int result;

    sup.argc = argc;
    sup.argv = argv;
    switch (rmx_config_load(&sup.config, argc, argv, error, sizeof(error))) {
    case RMX_CONFIG_EXIT_OK:
        return EXIT_SUCCESS;
    case RMX_CONFIG_EXIT_USAGE:
        (void)complain(error, 0);
        return EXIT_USAGE;
    case RMX_CONFIG_PLACEMENT:
        return (int)rmx_placement_print(&sup.config, stdout);
    case RMX_CONFIG_RUN:
        break;
    }
    rmx_log_init(sup.config.log_format, sup.config.log_level);
    result = serve(&sup);
    rmx_listener_close(&sup.listener);
    rmx_listener_close_drain(&sup.listener);
    rmx_log(RMX_LOG_INFO, "stopped", RMX_LOG_I64("exit", result));
    rmx_topology_fini(&sup.topology);
    rmx_base_close(&sup.listener.fd);
    rmx_base_close(&sup.signal_fd);
    rmx_base_close(&sup.report_fd);
    return result;
}
