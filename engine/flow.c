/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job, from its admission to its end. See flow.h.
 */
#include "engine/flow.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "engine/client.h"
#include "engine/clock.h"
#include "engine/lane.h"
#include "engine/outcome.h"

#define TO(state) (1u << (state))

static const unsigned next_of[RMX_FLOW_STATES] = {
    [RMX_FLOW_FREE] = TO(RMX_FLOW_ADMITTED) | TO(RMX_FLOW_ENDED),
    [RMX_FLOW_ADMITTED] = TO(RMX_FLOW_RUNNING) | TO(RMX_FLOW_ENDED),
    [RMX_FLOW_RUNNING] = TO(RMX_FLOW_DRAINING),
    [RMX_FLOW_DRAINING] = TO(RMX_FLOW_ENDED),
    [RMX_FLOW_ENDED] = TO(RMX_FLOW_FREE),
};

static void enter(struct rmx_flow *flow, enum rmx_flow_state state)
{
    rmx_assert((next_of[flow->state] & TO(state)) != 0);
    flow->state = state;
}

/* --- the end ------------------------------------------------------------------------------- */

static void end(struct rmx_flow *flow)
{
    struct rmx_lane *lane = flow->lane;

    rmx_outcome_conclude(flow);
    rmx_outcome_log(flow);
    rmx_file_fini(&flow->input);
    rmx_file_fini(&flow->output);
    if (flow->pair != NULL) {
        rmx_berth_give(flow->berth, flow->pair);
        flow->pair = NULL;
        flow->berth = NULL;
    }
    enter(flow, RMX_FLOW_ENDED);
    rmx_stats_add(&lane->stats, rmx_stats_ended(flow->result.status), 1);
    rmx_stats_add(&lane->stats, RMX_STATS_PACKETS_OUT, flow->result.packets_out);
    rmx_client_ended(flow);
    rmx_lane_dispatch(lane);
}

/* Is the worker through with the pair? Until then its fiber may still touch it. */
static bool worker_is_through(const struct rmx_flow *flow)
{
    return !flow->told || flow->answered || flow->lost;
}

static void settle(struct rmx_flow *flow);

static void closed(struct rmx_op *op, int result)
{
    (void)result; /* as close(2): the descriptor is gone in any case */
    settle(op->owner);
}

static void close_aside(struct rmx_flow *flow, struct rmx_op *op, struct rmx_file *file)
{
    if (file->fd >= 0) {
        *op = (struct rmx_op){ .done = closed, .owner = flow };
        rmx_loop_close(&flow->lane->loop, op, rmx_take_fd(&file->fd));
    }
}

/* Closes what may wait for its close without making the lane wait. Returns whether all is closed
 * that has to be before the job ends. */
static bool is_closed(struct rmx_flow *flow)
{
    if (flow->input.slow || flow->input.lingers) {
        close_aside(flow, &flow->close_ops[0], &flow->input);
    }
    if (flow->output.slow || flow->output.lingers) {
        close_aside(flow, &flow->close_ops[1], &flow->output);
    }
    return !flow->close_ops[0].busy && !flow->close_ops[1].busy;
}

/* Looks what is left to be done before the job can end, and starts it. */
static void settle(struct rmx_flow *flow)
{
    if (flow->state == RMX_FLOW_RUNNING && (flow->answered || flow->lost || flow->stop != 0)) {
        enter(flow, RMX_FLOW_DRAINING);
    }
    if (flow->state != RMX_FLOW_DRAINING) {
        return;
    }
    rmx_feed_stop(&flow->feed);
    if (flow->stop != 0 || flow->lost || flow->drain.ended) {
        rmx_drain_stop(&flow->drain);
    }
    if (worker_is_through(flow) && flow->drain.stopped && rmx_feed_idle(&flow->feed) &&
        rmx_drain_idle(&flow->drain) && is_closed(flow)) {
        end(flow);
    }
}

void rmx_flow_free(struct rmx_flow *flow)
{
    enter(flow, RMX_FLOW_FREE);
}

/* --- the beginning ------------------------------------------------------------------------- */

static void begin(struct rmx_flow *flow, struct rmx_client *client, uint32_t progress_slot)
{
    struct rmx_lane *lane = flow->lane;

    rmx_assert(flow->state == RMX_FLOW_FREE);
    *flow = (struct rmx_flow){
        .lane = lane,
        .client = client,
        .again = flow->again,
        .next_again = flow->next_again,
        .progress_slot = progress_slot,
        .input = RMX_FILE_INIT,
        .output = RMX_FILE_INIT,
        .submitted_ns = rmx_clock_ns(),
    };
}

void rmx_flow_refuse(struct rmx_flow *flow, struct rmx_client *client, uint64_t job,
    uint32_t progress_slot, uint32_t status, const char *why)
{
    begin(flow, client, progress_slot);
    flow->spec.job = job;
    flow->stop = status;
    rmx_outcome_text(flow->text, why);
    end(flow);
}

/* From here on the client finds the job in its progress table. */
static void show_total(struct rmx_flow *flow)
{
    struct rmx_progress_shm *shown = rmx_client_progress(flow);
    uint64_t total = flow->input.size != UINT64_MAX ? flow->input.size : 0;

    /* relaxed: numbers for a person, each true on its own */
    atomic_store_explicit(&shown->bytes_total, total, memory_order_relaxed);
    atomic_store_explicit(&shown->job, flow->spec.job, memory_order_relaxed);
}

/* A stream has its first byte, or its end: until then it holds no ring pair that others could use.
 */
static void input_spoke(struct rmx_op *op, int events)
{
    struct rmx_flow *flow = op->owner;

    (void)events; /* an error is the first read's to find */
    if (flow->stop == 0) {
        rmx_lane_enqueue(flow->lane, flow);
    } else if (!flow->wait_cancel_op.busy) {
        end(flow);
    }
}

static void wait_cancelled(struct rmx_op *op, int result)
{
    struct rmx_flow *flow = op->owner;

    (void)result;
    if (!flow->wait_op.busy) {
        end(flow);
    }
}

uint32_t rmx_flow_admit(struct rmx_flow *flow, struct rmx_client *client,
    const struct rmx_job_spec *spec, uint32_t progress_slot, int *input_fd, int *output_fd)
{
    int error = 0;

    begin(flow, client, progress_slot);
    flow->spec = *spec;
    enter(flow, RMX_FLOW_ADMITTED);
    if (spec->inputs > 0) {
        error = rmx_file_take_input(&flow->input, input_fd);
    }
    if (error == 0 && spec->outputs > 0) {
        error = rmx_file_take_output(&flow->output, output_fd);
    }
    rmx_base_close(input_fd);
    rmx_base_close(output_fd);
    if (error < 0) {
        char why[RMX_JOB_TEXT_BYTES];

        (void)snprintf(why, sizeof(why), "the %s: %s",
            spec->inputs > 0 && flow->input.fd < 0 ? "input" : "output",
            rmx_file_error_text(error));
        flow->stop = RMX_STATUS_BAD_JOB;
        rmx_outcome_text(flow->text, why);
        end(flow);
        return RMX_STATUS_BAD_JOB;
    }
    show_total(flow);
    if (spec->deadline_ns != 0) {
        rmx_lane_watch(flow->lane, spec->deadline_ns);
    }
    if (spec->inputs > 0 && flow->input.kind == RMX_FILE_STREAM) {
        flow->wait_op = (struct rmx_op){ .done = input_spoke, .owner = flow };
        rmx_loop_poll(&flow->lane->loop, &flow->wait_op, flow->input.fd, POLLIN);
    } else {
        rmx_lane_enqueue(flow->lane, flow);
    }
    return 0;
}

enum rmx_pair_size rmx_flow_wants(const struct rmx_flow *flow)
{
    uint64_t small_bytes = 2 * flow->lane->config->ring_small_bytes;

    return flow->spec.inputs == 0 ||
                   (flow->input.size != UINT64_MAX && flow->input.size <= small_bytes)
               ? RMX_PAIR_SMALL
               : RMX_PAIR_BULK;
}

/* --- while it runs ------------------------------------------------------------------------- */

static void post(struct rmx_flow *flow, enum rmx_note_kind kind)
{
    int error = rmx_berth_post(flow->berth, kind, flow->pair);

    if (error < 0) {
        rmx_crew_condemn(&flow->lane->crew, flow->berth, "its mailbox is full or corrupt");
    } else {
        rmx_stats_add(&flow->lane->stats, RMX_STATS_WAKES_SENT, (uint64_t)error);
    }
}

static void show_progress(struct rmx_flow *flow)
{
    struct rmx_progress_shm *shown = rmx_client_progress(flow);

    if (shown != NULL) { /* relaxed: numbers for a person, each true on its own */
        atomic_store_explicit(&shown->bytes_in, flow->feed.bytes, memory_order_relaxed);
        atomic_store_explicit(&shown->bytes_out, flow->drain.bytes, memory_order_relaxed);
    }
}

static void tell_worker(struct rmx_flow *flow)
{
    flow->told = true;
    flow->started_ns = rmx_clock_ns();
    post(flow, RMX_NOTE_RUN);
}

/* The worker lied to this job: the job ends, and so does the worker's process. */
static void break_off(struct rmx_flow *flow, const char *why)
{
    flow->broken = true;
    rmx_crew_condemn(&flow->lane->crew, flow->berth, why);
    rmx_flow_stop(flow, RMX_STATUS_WORKER_LOST, 0, why);
    settle(flow); /* if it was stopping already */
}

/* A pump that had enough for one turn is called again in the next. */
static void note_more(struct rmx_flow *flow)
{
    if (flow->feed.more || flow->drain.more) {
        rmx_lane_again(flow->lane, flow);
    }
}

static void after_feed(struct rmx_flow *flow)
{
    note_more(flow);
    if (flow->feed.corrupt && !flow->broken) {
        break_off(flow, "it broke an input ring");
        return;
    }
    if (flow->state == RMX_FLOW_RUNNING) {
        show_progress(flow);
        if (!flow->told && (flow->feed.bytes > 0 || flow->feed.ended)) {
            tell_worker(flow);
        } else if (flow->told && rmx_ring_consumer_asked(&flow->feed.ring.ring)) {
            post(flow, RMX_NOTE_INPUT);
        }
    }
    settle(flow);
}

static enum rmx_status status_of_write(int error)
{
    switch (error) {
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
        return RMX_STATUS_OUTPUT_FULL;
    case -EPIPE:
    case -ECONNRESET:
        return RMX_STATUS_OUTPUT_CLOSED;
    default:
        return RMX_STATUS_OUTPUT_IO;
    }
}

static void after_drain(struct rmx_flow *flow)
{
    note_more(flow);
    if (flow->drain.corrupt && !flow->broken) {
        break_off(flow, "it broke an output ring");
        return;
    }
    if (flow->drain.error < 0 && flow->stop == 0) {
        rmx_flow_stop(flow, status_of_write(flow->drain.error), flow->drain.error, "");
        return;
    }
    if (flow->answered && flow->stop == 0 && !flow->drain.ended && !flow->drain.op.busy &&
        !flow->drain.more) {
        if (flow->result.status == RMX_STATUS_OK) {
            break_off(flow, "it answered without ending its output");
            return;
        }
        rmx_drain_stop(&flow->drain); /* it gave up: there is no end to wait for */
    }
    if (flow->state == RMX_FLOW_RUNNING) {
        show_progress(flow);
        if (rmx_ring_producer_asked(&flow->drain.ring.ring)) {
            post(flow, RMX_NOTE_OUTPUT);
        }
    }
    settle(flow);
}

static void feed_moved(struct rmx_feed *feed)
{
    after_feed(feed->owner);
}

static void drain_moved(struct rmx_drain *drain)
{
    after_drain(drain->owner);
}

void rmx_flow_start(struct rmx_flow *flow, struct rmx_berth *berth, struct rmx_pair *pair)
{
    struct rmx_lane *lane = flow->lane;
    struct rmx_chunk_ring input;
    struct rmx_chunk_ring output;
    uint32_t port = (flow->input.kind != RMX_FILE_STREAM ? RMX_PORT_SEEKABLE_IN : 0u) |
                    (flow->output.kind != RMX_FILE_STREAM ? RMX_PORT_SEEKABLE_OUT : 0u);

    enter(flow, RMX_FLOW_RUNNING);
    flow->berth = berth;
    flow->pair = pair;
    rmx_berth_lay_out(berth, pair, &flow->spec, flow->input.size, port);
    rmx_berth_attach(berth, pair->input_at, pair, &input);
    rmx_berth_attach(berth, pair->output_at, pair, &output);
    rmx_feed_init(
        &flow->feed, &lane->loop, &lane->stats, &flow->input, &input, lane->config->read_depth);
    flow->feed.moved = feed_moved;
    flow->feed.owner = flow;
    rmx_drain_init(&flow->drain, &lane->loop, &lane->stats, &lane->pace, &flow->output, &output);
    flow->drain.moved = drain_moved;
    flow->drain.owner = flow;
    if (flow->spec.outputs == 0) {
        flow->drain.ended = true;
    } else {
        rmx_drain_pump(&flow->drain); /* asks for a wake */
    }
    if (flow->spec.inputs == 0) {
        tell_worker(flow);
        return;
    }
    rmx_feed_pump(&flow->feed);
    after_feed(flow);
}

static void answer(struct rmx_flow *flow)
{
    if (!flow->told || flow->answered) {
        rmx_crew_condemn(&flow->lane->crew, flow->berth, "it answered what it was not asked");
        return;
    }
    rmx_outcome_take(flow);
    if (flow->spec.outputs > 0) {
        rmx_drain_pump(&flow->drain);
    }
    after_drain(flow);
}

void rmx_flow_go_on(struct rmx_flow *flow)
{
    if (flow->state != RMX_FLOW_RUNNING && flow->state != RMX_FLOW_DRAINING) {
        return; /* it ended meanwhile */
    }
    if (flow->feed.more) {
        rmx_feed_pump(&flow->feed);
        after_feed(flow);
    }
    if ((flow->state == RMX_FLOW_RUNNING || flow->state == RMX_FLOW_DRAINING) && flow->drain.more) {
        rmx_drain_pump(&flow->drain);
        after_drain(flow);
    }
}

void rmx_flow_note(struct rmx_flow *flow, uint32_t kind)
{
    rmx_assert(flow->state == RMX_FLOW_RUNNING || flow->state == RMX_FLOW_DRAINING);
    switch (kind) {
    case RMX_NOTE_INPUT:
        if (flow->spec.inputs > 0) {
            rmx_feed_pump(&flow->feed);
            after_feed(flow);
        }
        break;
    case RMX_NOTE_OUTPUT:
        if (flow->spec.outputs > 0) {
            rmx_drain_pump(&flow->drain);
            after_drain(flow);
        }
        break;
    case RMX_NOTE_DONE:
        answer(flow);
        break;
    default:
        rmx_crew_condemn(&flow->lane->crew, flow->berth, "it sent a note that does not exist");
    }
}

void rmx_flow_stop(struct rmx_flow *flow, enum rmx_status status, int cause, const char *why)
{
    rmx_assert(status != RMX_STATUS_OK);
    if (flow->stop != 0 || flow->lost || flow->state == RMX_FLOW_FREE ||
        flow->state == RMX_FLOW_ENDED) {
        return;
    }
    flow->stop = status;
    flow->cause = cause;
    rmx_outcome_text(flow->text, why);
    if (flow->state == RMX_FLOW_ADMITTED && flow->wait_op.busy) {
        flow->wait_cancel_op = (struct rmx_op){ .done = wait_cancelled, .owner = flow };
        rmx_loop_cancel(&flow->lane->loop, &flow->wait_cancel_op, &flow->wait_op);
        return;
    }
    if (flow->state == RMX_FLOW_ADMITTED) {
        rmx_lane_dequeue(flow->lane, flow);
        end(flow);
        return;
    }
    if (flow->told && !flow->answered) {
        struct rmx_flow_shm *shm = rmx_berth_flow(flow->berth, flow->pair);

        /* Relaxed: the note carries it over; a worker that looks earlier stops earlier. */
        atomic_store_explicit(&shm->stop, status, memory_order_relaxed);
        post(flow, RMX_NOTE_CANCEL);
        flow->stop_by_ns = rmx_clock_ns() + flow->lane->config->stop_grace_ns;
        rmx_lane_watch(flow->lane, flow->stop_by_ns);
    }
    settle(flow);
}

uint64_t rmx_flow_check_time(struct rmx_flow *flow, uint64_t now)
{
    bool runs = flow->state == RMX_FLOW_ADMITTED || flow->state == RMX_FLOW_RUNNING ||
                flow->state == RMX_FLOW_DRAINING;

    if (runs && flow->stop == 0 && flow->spec.deadline_ns != 0) {
        if (now < flow->spec.deadline_ns) {
            return flow->spec.deadline_ns;
        }
        rmx_flow_stop(flow, RMX_STATUS_DEADLINE, 0, "");
    }
    if (flow->state != RMX_FLOW_DRAINING || worker_is_through(flow)) {
        return UINT64_MAX;
    }
    if (flow->stop != 0 && now >= flow->stop_by_ns) {
        rmx_crew_condemn(&flow->lane->crew, flow->berth, "it did not stop a job when told to");
        return UINT64_MAX;
    }
    return flow->stop != 0 ? flow->stop_by_ns : UINT64_MAX;
}

void rmx_flow_lose(struct rmx_flow *flow, const char *last_words)
{
    rmx_assert(flow->state == RMX_FLOW_RUNNING || flow->state == RMX_FLOW_DRAINING);
    if (flow->answered && !flow->drain.corrupt) {
        return; /* it was done: all that is left to do is ours */
    }
    flow->lost = true;
    if (flow->stop == 0) {
        rmx_outcome_text(flow->text, last_words);
    }
    settle(flow);
}
