/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A lane: the whole engine of one NUMA node. See lane.h.
 */
#include "engine/lane.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/cell.h"
#include "engine/clock.h"
#include "engine/gauges.h"
#include "engine/log.h"
#include "engine/pass.h"

/* No sleep is longer: whoever lies about a wake-up costs its own job this much and no more. */
#define SLEEP_MAX_NS 1000000000u

/* --- the job table and the queue ------------------------------------------------------------- */

struct rmx_flow *rmx_lane_take_flow(struct rmx_lane *lane)
{
    struct rmx_flow *flow = lane->free_flows;

    if (flow != NULL) {
        lane->free_flows = flow->next;
        flow->next = NULL;
        lane->jobs++;
    }
    return flow;
}

void rmx_lane_give_flow(struct rmx_lane *lane, struct rmx_flow *flow)
{
    rmx_flow_free(flow);
    rmx_lane_watch_flow(lane, flow, RMX_ALARMS_NEVER);
    flow->next = lane->free_flows;
    lane->free_flows = flow;
    lane->jobs--;
}

void rmx_lane_again(struct rmx_lane *lane, struct rmx_flow *flow)
{
    if (!flow->again) {
        flow->again = true;
        flow->next_again = lane->again_first;
        lane->again_first = flow;
    }
}

/* Calls those that had more to do than the last turn allowed. Returns whether there were any. */
static bool go_on(struct rmx_lane *lane)
{
    struct rmx_flow *flow = lane->again_first;
    bool any = flow != NULL;

    lane->again_first = NULL;
    while (flow != NULL) {
        struct rmx_flow *next = flow->next_again;

        flow->again = false;
        rmx_pass_go_on(flow);
        flow = next;
    }
    return any;
}

void rmx_lane_watch(struct rmx_lane *lane, uint64_t when_ns)
{
    lane->wake_ns = when_ns < lane->wake_ns ? when_ns : lane->wake_ns;
}

void rmx_lane_watch_flow(struct rmx_lane *lane, const struct rmx_flow *flow, uint64_t when_ns)
{
    rmx_alarms_set(&lane->alarms, (uint32_t)(flow - lane->flows), when_ns);
}

void rmx_lane_enqueue(struct rmx_lane *lane, struct rmx_flow *flow)
{
    flow->place = RMX_FLOW_IN_QUEUE;
    rmx_queue_push(&lane->queue, flow);
    rmx_lane_dispatch(lane);
}

void rmx_lane_dispatch(struct rmx_lane *lane)
{
    struct rmx_flow *flow;
    struct rmx_berth *berth;
    struct rmx_pair *pair;

    lane->dispatch = true;
    if (lane->dispatching) { /* one that starts may end at once: that is no reason to go deeper */
        return;
    }
    lane->dispatching = true;
    while (lane->dispatch) {
        lane->dispatch = false;
        rmx_crew_refill(&lane->crew);
        while ((flow = rmx_queue_next(&lane->queue, &lane->crew, &berth, &pair)) != NULL) {
            rmx_flow_start(flow, berth, pair);
        }
    }
    lane->dispatching = false;
}

void rmx_lane_fail(struct rmx_lane *lane, int error, const char *why)
{
    lane->failed = error;
    lane->why = why;
}

static void report(struct rmx_lane *lane)
{
    (void)eventfd_write(lane->report_fd, 1);
}

void rmx_lane_report_ready(struct rmx_lane *lane)
{
    if (!atomic_load_explicit(&lane->ready, memory_order_relaxed)) {
        /* R11, pairs with A11: what the supervisor reads after `ready` was written before it. */
        atomic_store_explicit(&lane->ready, true, memory_order_release);
        report(lane);
    }
}

void rmx_lane_report_shut(struct rmx_lane *lane)
{
    /* R14, pairs with A14: the last use of listen_fd was before. */
    atomic_store_explicit(&lane->shut, true, memory_order_release);
    report(lane);
}

/* --- the loop -------------------------------------------------------------------------------- */

static uint64_t next_look_ns(const struct rmx_lane *lane)
{
    uint64_t first_ns = rmx_alarms_first_ns(&lane->alarms);

    return first_ns < lane->wake_ns ? first_ns : lane->wake_ns;
}

static void check_times(struct rmx_lane *lane)
{
    uint64_t now = next_look_ns(lane) == UINT64_MAX ? 0 : rmx_clock_ns();
    uint32_t due = rmx_alarms_take_due(&lane->alarms, now);

    for (; due != RMX_ALARMS_NONE; due = rmx_alarms_take_due(&lane->alarms, now)) {
        rmx_flow_check_time(&lane->flows[due], now);
    }
    if (now >= lane->wake_ns) {
        lane->wake_ns = UINT64_MAX; /* who wanted it looks for itself, in this turn */
    }
}

static uint64_t sleep_ns(const struct rmx_lane *lane)
{
    uint64_t look_ns = next_look_ns(lane);
    uint64_t now = look_ns == UINT64_MAX ? 0 : rmx_clock_ns();

    if (now >= look_ns) {
        return 0;
    }
    return look_ns - now < SLEEP_MAX_NS ? look_ns - now : SLEEP_MAX_NS;
}

/* A worker that polls has its next word sooner than a wake-up takes: the lane, which has a cpu to
 * itself then, looks that long before it sleeps. */
static bool expects_news(struct rmx_lane *lane)
{
    uint64_t now;

    if (lane->poll_ns == 0 || lane->jobs == 0) {
        return false;
    }
    now = rmx_clock_ns();
    if (lane->stirred) {
        lane->poll_until_ns = now + lane->poll_ns;
    }
    return now < lane->poll_until_ns;
}

/* One round: what workers wrote, what clients are to be told, what the kernel has. */
static int turn(struct rmx_lane *lane)
{
    bool worked = rmx_crew_take_notes(&lane->crew);
    int result;

    worked = go_on(lane) || worked;
    check_times(lane);
    rmx_crew_watch(&lane->crew);
    rmx_meter_look(lane);
    rmx_crew_tend(&lane->crew);
    if (lane->lanes_count > 1) { /* another lane may be asked for the sum */
        rmx_gauges_refresh(lane);
    }
    rmx_gate_tend(&lane->gate);
    worked = worked && (lane->jobs > 0 || lane->draining); /* the last may have ended */
    worked = worked || lane->again_first != NULL;
    lane->stirred = lane->stirred || worked;
    if (worked || expects_news(lane)) {
        result = rmx_loop_turn(&lane->loop, 0);
    } else {
        result = rmx_loop_turn(&lane->loop, rmx_crew_may_sleep(&lane->crew) ? sleep_ns(lane) : 0);
        rmx_crew_wake(&lane->crew);
    }
    lane->stirred = result > 0;
    return result;
}

/* --- the end --------------------------------------------------------------------------------- */

static void drain(struct rmx_lane *lane)
{
    if (!lane->draining) {
        lane->draining = true;
        rmx_log(RMX_LOG_INFO, "draining", RMX_LOG_U64("jobs", lane->jobs));
        rmx_gate_drain(&lane->gate, lane);
    }
}

void rmx_lane_abort(struct rmx_lane *lane)
{
    drain(lane);
    lane->aborting = true;
    rmx_gate_abort(&lane->gate);
    for (uint32_t i = 0; i < lane->config->jobs_max; i++) {
        if (lane->flows[i].state != RMX_FLOW_FREE) {
            rmx_flow_stop(&lane->flows[i], RMX_STATUS_DAEMON_LOST, 0, "it was told to end");
        }
    }
}

static void serve(struct rmx_lane *lane)
{
    if (!lane->serving) {
        lane->serving = true;
        rmx_gate_open(&lane->gate, lane);
    }
}

/* What the settings are kept as elsewhere. */
static void settle(struct rmx_lane *lane)
{
    const struct rmx_config *config = lane->config;
    struct rmx_spool_dir *spools = &lane->spools;

    lane->pace.coalesce_bytes = (uint32_t)config->write_coalesce_bytes;
    spools->bytes_max = config->spool_total_bytes / lane->lanes_count;
    spools->job_bytes_max = config->spool_bytes < spools->bytes_max
                                ? config->spool_bytes
                                : spools->bytes_max; /* else it would wait for nobody */
}

static void order_came(struct rmx_op *op, int events)
{
    struct rmx_lane *lane = op->owner;
    eventfd_t count;

    (void)events; /* if it could not be waited for: there may be one */
    (void)eventfd_read(lane->control_fd, &count);
    /* A12, pairs with R12: the order was written before the descriptor was. */
    switch (atomic_load_explicit(&lane->order, memory_order_acquire)) {
    case RMX_LANE_SERVE:
        serve(lane);
        break;
    case RMX_LANE_DRAIN:
        drain(lane);
        break;
    case RMX_LANE_ABORT:
        rmx_lane_abort(lane);
        break;
    default:
        break;
    }
    if (rmx_reload_take(&lane->reload, &lane->settings)) {
        settle(lane);
    }
    rmx_errand_serve(lane);
    if (!op->busy) {
        rmx_loop_poll_always(&lane->loop, op, lane->control_fd, POLLIN);
    }
}

/* Nothing runs any more: sessions and workers end, and the kernel gives back what it has. */
static void close_down(struct rmx_lane *lane)
{
    rmx_gate_tend(&lane->gate);
    rmx_gate_close(&lane->gate);
    rmx_warden_stop(&lane->crew.warden);
    while (!rmx_gate_idle(&lane->gate) || !rmx_warden_stopped(&lane->crew.warden)) {
        if (rmx_loop_turn(&lane->loop, SLEEP_MAX_NS / 100) < 0) {
            return;
        }
    }
}

/* --- the beginning --------------------------------------------------------------------------- */

static int fail(struct rmx_lane *lane, int error, const char *why)
{
    lane->why = why;
    return error;
}

static int make_tables(struct rmx_lane *lane)
{
    lane->flows = calloc(lane->config->jobs_max, sizeof(*lane->flows));
    lane->alarm_of = calloc(lane->config->jobs_max, sizeof(*lane->alarm_of));
    if (lane->flows == NULL || lane->alarm_of == NULL) {
        return fail(lane, -ENOMEM, "no memory for the job table: lower jobs_max");
    }
    if (lane->config->prefault) {
        rmx_region_prefault_table(lane->flows, lane->config->jobs_max * sizeof(*lane->flows));
    }
    rmx_alarms_init(&lane->alarms, lane->alarm_of, lane->config->jobs_max);
    for (uint32_t i = 0; i < lane->config->jobs_max; i++) {
        lane->flows[i].lane = lane;
        lane->flows[i].next = lane->free_flows;
        lane->free_flows = &lane->flows[i];
    }
    return 0;
}

/* A daemon without a place for spools serves all jobs that need none. */
static void open_spools(struct rmx_lane *lane)
{
    const struct rmx_config *config = lane->config;
    int error = rmx_spool_dir_init(&lane->spools, &lane->loop, config->spool_dir);

    if (error < 0 && lane->index == 0) {
        rmx_log(RMX_LOG_WARN, "no_spool_dir", RMX_LOG_STR("dir", config->spool_dir),
            RMX_LOG_ERRNO("why", error),
            RMX_LOG_STR("remedy",
                "name a directory we may write to with spool_dir; until then jobs "
                "that cannot do without a spool end NEEDS_SEEKABLE_INPUT or "
                "NEEDS_SEEKABLE_OUTPUT"));
    }
}

static int open_up(struct rmx_lane *lane)
{
    const char *remedy = "";
    int error = rmx_loop_init(&lane->loop, RMX_URING_ENTRIES, &remedy);

    if (error < 0) {
        return fail(lane, error, remedy);
    }
    open_spools(lane);
    settle(lane);
    lane->wake_ns = UINT64_MAX;
    lane->control_op = (struct rmx_op){ .done = order_came, .owner = lane };
    rmx_loop_poll_always(&lane->loop, &lane->control_op, lane->control_fd, POLLIN);
    error = make_tables(lane);
    if (error < 0) {
        return error;
    }
    error = rmx_crew_start(&lane->crew, lane, &remedy);
    if (error < 0) {
        return fail(lane, error, remedy);
    }
    error = rmx_gate_init(&lane->gate, lane);
    if (error < 0) {
        return fail(lane, error, "no memory for the sessions: lower sessions_max");
    }
    error = rmx_queue_init(&lane->queue, lane->gate.clients_max, lane->crew.count);
    if (error < 0) {
        return fail(lane, error, "no memory for the queue: lower sessions_max or workers");
    }
    rmx_errand_open(lane);
    /* A12, pairs with R12: with the order to serve there is a socket to accept from. */
    if (atomic_load_explicit(&lane->order, memory_order_acquire) == RMX_LANE_SERVE) {
        serve(lane);
    }
    return 0;
}

/* Who was let in before the drain is told of it as a session: so it knows that nothing was lost. */
static bool is_over(const struct rmx_lane *lane)
{
    return lane->draining && lane->jobs == 0 && (lane->aborting || !rmx_gate_expects(&lane->gate));
}

/* Before other programs, as far as the system permits: who waits for a lane are all its jobs. */
static void go_first(const struct rmx_lane *lane)
{
    if (setpriority(PRIO_PROCESS, 0, lane->nice_value - (int)lane->config->lane_nice) < 0) {
        rmx_log(RMX_LOG_DEBUG, "lane_not_first", RMX_LOG_ERRNO("why", errno));
    }
}

static void *run(void *argument)
{
    struct rmx_lane *lane = argument;
    int error = 0;

    lane->nice_value = getpriority(PRIO_PROCESS, 0); /* this thread's */
    (void)pthread_setname_np(pthread_self(), "ringmux-lane");
    if (lane->place->bind) {
        error = rmx_topology_bind_thread(lane->topology, &lane->place->cpus);
    }
    if (error < 0) {
        rmx_log(RMX_LOG_WARN, "lane_not_bound", RMX_LOG_ERRNO("why", error));
    }
    error = open_up(lane);
    go_first(lane); /* and not what was started so far */
    while (error >= 0 && !is_over(lane)) {
        error = turn(lane);
        error = lane->failed < 0 ? lane->failed : error;
    }
    if (error >= 0) {
        close_down(lane);
    }
    rmx_errand_close(lane);
    atomic_store_explicit(&lane->error, error < 0 ? error : 0, memory_order_relaxed);
    /* R13, pairs with A13: the reason is written before `over` says that there is one. */
    atomic_store_explicit(&lane->over, true, memory_order_release);
    report(lane);
    return NULL;
}

int rmx_lane_start(struct rmx_lane *lane)
{
    int error;

    lane->settings = *lane->config;
    lane->config = &lane->settings;
    lane->control_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (lane->control_fd < 0) {
        return -errno;
    }
    error = pthread_create(&lane->thread, NULL, run, lane);
    return -error;
}

void rmx_lane_order(struct rmx_lane *lane, enum rmx_lane_order order)
{
    /* R12, pairs with A12: the lane that hears of it sees it. */
    atomic_store_explicit(&lane->order, order, memory_order_release);
    (void)eventfd_write(lane->control_fd, 1);
}

void rmx_lane_reload(struct rmx_lane *lane, const struct rmx_config *config)
{
    rmx_reload_post(&lane->reload, config);
    (void)eventfd_write(lane->control_fd, 1);
}

void rmx_lane_join(struct rmx_lane *lane)
{
    (void)pthread_join(lane->thread, NULL);
    rmx_loop_fini(&lane->loop);
    rmx_crew_fini(&lane->crew);
    rmx_gate_fini(&lane->gate);
    rmx_queue_fini(&lane->queue);
    free(lane->flows);
    free(lane->alarm_of);
    rmx_base_close(&lane->control_fd);
}
