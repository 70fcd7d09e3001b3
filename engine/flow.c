/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job, from its admission to its end. See flow.h.
 */
#include "engine/flow.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "engine/cell.h"
#include "engine/client.h"
#include "engine/clock.h"
#include "engine/course.h"
#include "engine/discard.h"
#include "engine/grace.h"
#include "engine/lane.h"
#include "engine/member.h"
#include "engine/outcome.h"
#include "engine/pass.h"
#include "engine/phase.h"
#include "engine/rerun.h"
#include "ipc/oblivion.h"

/* So many times stop_grace, by the clock, may a worker take that does not compute; and one that
 * would, but has no core. */
#define GRACES_MAX         50u
#define GRACES_STARVED_MAX 500u

/* --- the end ------------------------------------------------------------------------------- */

static void give_pair(struct rmx_flow *flow)
{
    if (flow->pair != NULL) {
        rmx_oblivion_take(&rmx_berth_flow(flow->berth, flow->pair)->spec);
        rmx_berth_give(flow->berth, flow->pair);
        flow->pair = NULL;
        flow->berth = NULL;
    }
}

static void end(struct rmx_flow *flow)
{
    struct rmx_lane *lane = flow->lane;
    bool member = flow->group != NULL;

    rmx_rerun_trim(flow);
    rmx_outcome_conclude(flow);
    rmx_outcome_log(flow);
    lane->descriptors -= rmx_ports_count(&flow->ports);
    lane->more_descriptors -= flow->more;
    rmx_ports_fini(&flow->ports);
    give_pair(flow);
    if (flow->share != NULL) {
        rmx_share_quit(flow->share, &flow->spec, &lane->crew);
        flow->share = NULL;
    }
    rmx_oblivion_take(&flow->spec);
    rmx_phase_enter(flow, RMX_FLOW_ENDED);
    rmx_stats_add(&lane->stats, rmx_stats_ended(flow->result.status), 1);
    rmx_stats_add(&lane->stats, RMX_STATS_PACKETS_OUT, flow->result.packets_out);
    rmx_client_ended(flow);
    if (member) {
        rmx_member_ended(flow);
    }
    rmx_lane_dispatch(lane);
}

static void closed(struct rmx_op *op, int result)
{
    (void)result; /* as close(2): the descriptor is gone in any case */
    rmx_flow_settle(op->owner);
}

/* Closes what may wait for its close without making the lane wait. Returns whether all is closed
 * that has to be before the job ends. */
static bool is_closed(struct rmx_flow *flow)
{
    struct rmx_lane *lane = flow->lane;
    bool spools = rmx_course_is_closed(flow);
    uint32_t open = rmx_ports_count(&flow->ports);
    bool ports = rmx_ports_close_slow(&flow->ports, &lane->loop, closed, flow) == 0;

    lane->descriptors -= open - rmx_ports_count(&flow->ports);
    return spools && ports;
}

/* One that waits and was told to end: does so once nothing of it is left to be closed. */
static void settle_waiting(struct rmx_flow *flow)
{
    if (flow->stop != 0 && !flow->wait_op.busy && !flow->wait_cancel_op.busy && is_closed(flow)) {
        end(flow);
    }
}

/* Its worker died, and it is none the worse for that: it waits for another. */
static void start_over(struct rmx_flow *flow)
{
    give_pair(flow);
    rmx_phase_enter(flow, RMX_FLOW_ADMITTED);
    rmx_lane_enqueue(flow->lane, flow);
}

void rmx_flow_settle(struct rmx_flow *flow)
{
    if (flow->state == RMX_FLOW_RUNNING && (flow->answered || flow->lost || flow->stop != 0)) {
        rmx_phase_enter(flow, RMX_FLOW_DRAINING);
    }
    if (flow->state == RMX_FLOW_ADMITTED) {
        settle_waiting(flow);
        return;
    }
    if (flow->state != RMX_FLOW_DRAINING || !rmx_pass_is_over(flow)) {
        return;
    }
    if (rmx_course_goes_on(flow)) {
        rmx_phase_enter(flow, RMX_FLOW_RUNNING);
        rmx_course_move_on(flow);
    } else if (rmx_rerun_is_due(flow)) {
        start_over(flow);
    } else if (rmx_course_is_quiet(flow) && is_closed(flow)) {
        end(flow);
    }
}

void rmx_flow_free(struct rmx_flow *flow)
{
    rmx_phase_enter(flow, RMX_FLOW_FREE);
}

/* --- the beginning ------------------------------------------------------------------------- */

static void begin(struct rmx_flow *flow, struct rmx_client *client, uint32_t progress_slot)
{
    struct rmx_lane *lane = flow->lane;

    rmx_assert(flow->state == RMX_FLOW_FREE);
    *flow = (struct rmx_flow){
        .lane = lane,
        .client = client,
        .party = client->index,
        .peer = client->peer,
        .again = flow->again,
        .next_again = flow->next_again,
        .progress_slot = progress_slot,
        .times.submitted_ns = rmx_clock_ns(),
    };
    rmx_ports_init(&flow->ports);
}

void rmx_flow_refuse(struct rmx_flow *flow, struct rmx_client *client,
    const struct rmx_job_spec *spec, uint32_t progress_slot, uint32_t status, const char *why)
{
    const char *unused;

    begin(flow, client, progress_slot);
    flow->spec.job = spec->job;
    flow->spec.group = spec->group;
    if (status != RMX_STATUS_BUSY && status != RMX_STATUS_DRAINING) {
        (void)rmx_member_join(flow, &unused);
    }
    flow->stop = status;
    rmx_outcome_text(flow->text, why);
    end(flow);
}

static uint64_t input_bytes(const struct rmx_flow *flow)
{
    return flow->spec.input_port == RMX_JOB_RING ? flow->spec.input_bytes
                                                 : rmx_ports_input_bytes(&flow->ports);
}

/* From here on the client finds the job in its progress table. */
static void show_total(struct rmx_flow *flow)
{
    struct rmx_progress_shm *shown = rmx_client_progress(flow);
    uint64_t size = input_bytes(flow);
    uint64_t total = size != UINT64_MAX ? size : 0;

    /* relaxed: numbers for a person, each true on its own */
    atomic_store_explicit(&shown->bytes_total, total, memory_order_relaxed);
    atomic_store_explicit(&shown->job, flow->spec.job, memory_order_relaxed);
}

/* Its input has come: it waits for its group now, or in the queue. */
static void be_ready(struct rmx_flow *flow)
{
    flow->times.ready_ns = rmx_clock_ns();
    if (rmx_member_may_work(flow)) {
        rmx_lane_enqueue(flow->lane, flow);
    }
}

/* A stream has its first byte, or its end: until then it holds no ring pair that others could use.
 */
static void input_spoke(struct rmx_op *op, int events)
{
    struct rmx_flow *flow = op->owner;

    (void)events; /* an error is the first read's to find */
    if (flow->stop == 0) {
        be_ready(flow);
    } else {
        settle_waiting(flow);
    }
}

static void wait_cancelled(struct rmx_op *op, int result)
{
    (void)result;
    settle_waiting(op->owner);
}

/* A credit is a promise of two descriptors; of those that jobs have beyond them a lane has some.
 * Returns as take_files(). */
static uint32_t take_room(struct rmx_flow *flow)
{
    struct rmx_lane *lane = flow->lane;
    uint32_t wanted = rmx_job_descriptors(&flow->spec);
    uint32_t more = wanted > RMX_JOB_DESCRIPTORS ? wanted - RMX_JOB_DESCRIPTORS : 0;

    if (more > lane->config->jobs_max * RMX_JOB_MORE - lane->more_descriptors) {
        rmx_outcome_text(flow->text, "the daemon's jobs have all descriptors that they may have "
                                     "beyond two each: try again when some have ended");
        return RMX_STATUS_BUSY;
    }
    flow->more = more;
    lane->more_descriptors += more;
    return 0;
}

/* Takes the descriptors that its spec promises. Returns 0, or the status it ends with, why in its
 * text. */
static uint32_t take_files(struct rmx_flow *flow, struct rmx_ports_fds *fds)
{
    struct rmx_ports_flaw flaw;
    char number[16] = "";
    char why[RMX_JOB_TEXT_BYTES];

    if (rmx_ports_take(&flow->ports, &flow->spec, fds, &flaw) == 0) {
        return 0;
    }
    if ((flaw.is_output ? flow->spec.outputs : flow->spec.inputs) > 1) {
        (void)snprintf(number, sizeof(number), " %u", flaw.index);
    }
    (void)snprintf(why, sizeof(why), "the %s%s: %s", flaw.is_output ? "output" : "input", number,
        rmx_file_error_text(flaw.error));
    rmx_outcome_text(flow->text, why);
    if (rmx_file_is_unfit(flaw.error)) {
        return RMX_STATUS_BAD_JOB;
    }
    flow->cause = flaw.error;
    return flaw.is_output ? RMX_STATUS_OUTPUT_IO : RMX_STATUS_INPUT_IO;
}

static bool is_late(const struct rmx_flow *flow)
{
    return flow->spec.deadline_ns != 0 && rmx_clock_ns() >= flow->spec.deadline_ns;
}

/* Takes its rings' place in their channel, if it has any. Returns as take_files(). */
static uint32_t take_rings(struct rmx_flow *flow)
{
    const char *why = "";
    uint32_t status = 0;

    if (flow->spec.channel != 0) {
        status = rmx_share_join(flow->client, &flow->spec, &flow->share, &why);
        rmx_outcome_text(flow->text, why);
    }
    return status;
}

/* Sees whom it may share its worker with. Returns as take_files(). */
static uint32_t take_isolation(struct rmx_flow *flow)
{
    uint32_t least = flow->lane->config->isolation;

    flow->isolation = flow->spec.isolation > least ? flow->spec.isolation : least;
    if (flow->isolation == RMX_ISOLATION_SHARED) {
        return 0;
    }
    if (flow->spec.channel != 0) {
        rmx_outcome_text(flow->text, "isolation: this daemon isolates all jobs (its setting "
                                     "isolation), and a channel leads to a shared worker");
        return RMX_STATUS_BAD_JOB;
    }
    if (flow->lane->crew.isolated == 0) {
        rmx_outcome_text(flow->text, "isolation: this daemon has no isolated workers (its setting "
                                     "isolated_workers)");
        return RMX_STATUS_BAD_JOB;
    }
    return 0;
}

/* All that can be wrong with a job from the start. Returns as take_files(). */
static uint32_t take_all(struct rmx_flow *flow, struct rmx_ports_fds *fds)
{
    const char *why = "";
    uint32_t status = rmx_member_join(flow, &why);

    rmx_outcome_text(flow->text, why);
    status = status != 0 ? status : take_isolation(flow);
    status = status != 0 ? status : take_room(flow);
    status = status != 0 ? status : take_files(flow, fds);
    flow->lane->descriptors += rmx_ports_count(&flow->ports);
    status = status != 0 ? status : take_rings(flow);
    return status != 0 || !is_late(flow) ? status : RMX_STATUS_DEADLINE;
}

uint32_t rmx_flow_admit(struct rmx_flow *flow, struct rmx_client *client,
    const struct rmx_job_spec *spec, uint32_t progress_slot, struct rmx_ports_fds *fds)
{
    uint32_t status;

    begin(flow, client, progress_slot);
    flow->spec = *spec;
    rmx_phase_enter(flow, RMX_FLOW_ADMITTED);
    status = take_all(flow, fds);
    if (status != 0) {
        flow->stop = status;
        settle_waiting(flow);
        return status;
    }
    rmx_course_plan(flow);
    show_total(flow);
    if (flow->spec.deadline_ns != 0) {
        rmx_lane_watch_flow(flow->lane, flow, flow->spec.deadline_ns);
    }
    if (flow->ports.inputs > 0 && flow->ports.input[0].kind == RMX_FILE_STREAM) {
        flow->wait_op = (struct rmx_op){ .done = input_spoke, .owner = flow };
        rmx_loop_poll(&flow->lane->loop, &flow->wait_op, flow->ports.input[0].fd, POLLIN);
    } else {
        be_ready(flow);
    }
    return 0;
}

enum rmx_pair_size rmx_flow_wants(const struct rmx_flow *flow)
{
    uint64_t small_bytes = 2 * flow->lane->config->ring_small_bytes;

    if (flow->spec.input_port == RMX_JOB_RING && flow->spec.output_port == RMX_JOB_RING &&
        !rmx_course_has_spools(flow)) {
        return RMX_PAIR_BARE;
    }
    return flow->spec.inputs == 0 || input_bytes(flow) <= small_bytes ? RMX_PAIR_SMALL
                                                                      : RMX_PAIR_BULK;
}

/* --- while it runs ------------------------------------------------------------------------- */

void rmx_flow_start(struct rmx_flow *flow, struct rmx_berth *berth, struct rmx_pair *pair)
{
    flow->place = RMX_FLOW_NOWHERE;
    if (is_late(flow)) {
        rmx_berth_give(berth, pair);
        rmx_flow_stop(flow, RMX_STATUS_DEADLINE, 0, "");
        return;
    }
    rmx_phase_enter(flow, RMX_FLOW_RUNNING);
    rmx_cell_assign(berth, flow);
    flow->times.taken_ns = rmx_clock_ns();
    flow->berth = berth;
    flow->pair = pair;
    rmx_course_begin(flow);
}

bool rmx_flow_has_pair(const struct rmx_flow *flow)
{
    return flow->state == RMX_FLOW_RUNNING || flow->state == RMX_FLOW_DRAINING;
}

/* An ADMITTED job ends at once, unless the kernel has to give its input back first, or take its
 * spools. */
static void stop_waiting(struct rmx_flow *flow)
{
    if (flow->wait_op.busy) {
        flow->wait_cancel_op = (struct rmx_op){ .done = wait_cancelled, .owner = flow };
        rmx_loop_cancel(&flow->lane->loop, &flow->wait_cancel_op, &flow->wait_op);
        return;
    }
    if (flow->place == RMX_FLOW_IN_GROUP) {
        rmx_member_give_up(flow);
    } else if (flow->place == RMX_FLOW_IN_QUEUE) {
        rmx_queue_remove(&flow->lane->queue, flow);
        flow->place = RMX_FLOW_NOWHERE;
    }
    settle_waiting(flow);
}

void rmx_flow_watch(struct rmx_flow *flow)
{
    uint64_t drain_ns = rmx_drain_due_ns(&flow->drain);
    uint64_t deadline_ns = flow->spec.deadline_ns;
    uint64_t when_ns = deadline_ns != 0 && deadline_ns < drain_ns ? deadline_ns : drain_ns;

    if (flow->stop == 0 && when_ns != UINT64_MAX) {
        rmx_lane_watch_flow(flow->lane, flow, when_ns);
    }
}

/* Of one that is to stop. */
static uint64_t next_look(const struct rmx_flow *flow, uint64_t now)
{
    return now + flow->lane->config->stop_grace_ns / RMX_GRACE_LOOKS;
}

void rmx_flow_stop(struct rmx_flow *flow, enum rmx_status status, int cause, const char *why)
{
    rmx_assert(status != RMX_STATUS_OK);
    if (flow->stop != 0 || flow->state == RMX_FLOW_FREE || flow->state == RMX_FLOW_ENDED) {
        return;
    }
    flow->stop = status;
    flow->cause = cause;
    rmx_outcome_text(flow->text, why);
    if (flow->state == RMX_FLOW_ADMITTED) {
        stop_waiting(flow);
        return;
    }
    if (!rmx_pass_is_through(flow)) {
        rmx_pass_cancel(flow);
        flow->stopped_ns = rmx_clock_ns();
        rmx_grace_begin(flow->berth, flow->pair->index, flow->stopped_ns);
        rmx_lane_watch_flow(flow->lane, flow, next_look(flow, flow->stopped_ns));
    }
    rmx_flow_settle(flow);
}

void rmx_flow_orphan(struct rmx_flow *flow)
{
    rmx_member_leave(flow);
    flow->client = NULL;
}

/* To stop, since its worker was told. On a machine with too much to do a worker that is asked may
 * not have had a core since then. */
static bool had_its_time(const struct rmx_flow *flow, uint64_t now)
{
    uint64_t grace_ns = flow->lane->config->stop_grace_ns;
    uint64_t since_ns = now > flow->stopped_ns ? now - flow->stopped_ns : 0; /* perhaps after now */

    if (since_ns >= GRACES_MAX * grace_ns &&
        (since_ns >= GRACES_STARVED_MAX * grace_ns || !rmx_watchdog_wants_core(flow->berth->pid))) {
        return true;
    }
    return rmx_grace_is_over(flow->berth, flow->pair->index, now, grace_ns);
}

void rmx_flow_check_time(struct rmx_flow *flow, uint64_t now)
{
    uint64_t deadline_ns = flow->spec.deadline_ns;

    if (flow->stop == 0 && deadline_ns != 0 && now >= deadline_ns) {
        rmx_flow_stop(flow, RMX_STATUS_DEADLINE, 0, ""); /* unless it has ended */
    }
    if (flow->stop == 0 && rmx_flow_has_pair(flow)) {
        rmx_drain_check_time(&flow->drain, now);
        rmx_flow_watch(flow);
    }
    if (flow->state != RMX_FLOW_DRAINING || rmx_pass_is_through(flow) || flow->stop == 0) {
        return;
    }

    if (had_its_time(flow, now)) {
        rmx_crew_condemn(&flow->lane->crew, flow->berth, "it did not stop a job when told to");
    } else {
        rmx_lane_watch_flow(flow->lane, flow, next_look(flow, now));
    }
}

void rmx_flow_lose(
    struct rmx_flow *flow, enum rmx_replay_death death, bool on_core, const char *last_words)
{
    rmx_assert(rmx_flow_has_pair(flow));
    if (flow->answered && !flow->drain.corrupt && !rmx_course_goes_on(flow)) {
        return; /* it was done: all that is left to do is ours */
    }
    flow->lost = true;
    flow->death = death;
    flow->on_core = on_core;
    if (flow->stop == 0) {
        rmx_outcome_text(flow->text, last_words);
    }
    rmx_flow_settle(flow);
}
