/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job's run on its worker. See pass.h.
 */
#include "engine/pass.h"

#include <errno.h>

#include "engine/client.h"
#include "engine/clock.h"
#include "engine/course.h"
#include "engine/lane.h"
#include "engine/outcome.h"
#include "engine/ration.h"
#include "ipc/several.h"

static void post(struct rmx_flow *flow, enum rmx_note_kind kind)
{
    int error = rmx_berth_post(flow->berth, kind, flow->pair->index);

    if (error < 0) {
        rmx_crew_condemn(&flow->lane->crew, flow->berth, "its mailbox is full or corrupt");
    } else {
        rmx_stats_add(&flow->lane->stats, RMX_STATS_WAKES_SENT, (uint64_t)error);
    }
}

/* A job that runs again has shown as much before. */
static void show_more(_Atomic uint64_t *to, uint64_t *shown, uint64_t bytes)
{
    if (bytes > *shown) {
        *shown = bytes;
        /* Relaxed: a number for a person, true on its own. */
        atomic_store_explicit(to, bytes, memory_order_relaxed);
    }
}

static void show_progress(struct rmx_flow *flow)
{
    struct rmx_progress_shm *shown = rmx_client_progress(flow);

    if (shown == NULL) {
        return;
    }
    if (flow->feed.files.file == flow->ports.input) { /* and no spool, nor a ring of the client's */
        show_more(&shown->bytes_in, &flow->shown_in, flow->feed.bytes);
    }
    if (flow->drain.to.files.file == flow->ports.output) {
        show_more(&shown->bytes_out, &flow->shown_out, flow->drain.bytes);
    }
}

static void tell_worker(struct rmx_flow *flow)
{
    flow->told = true;
    flow->times.told_ns = rmx_clock_ns();
    if (flow->times.started_ns == 0) {
        flow->times.started_ns = flow->times.told_ns;
    }
    post(flow, RMX_NOTE_RUN);
}

/* The worker lied to this job: the job ends, and so does the worker's process. */
static void break_off(struct rmx_flow *flow, const char *why)
{
    flow->broken = true;
    rmx_crew_condemn(&flow->lane->crew, flow->berth, why);
    rmx_flow_stop(flow, RMX_STATUS_WORKER_LOST, 0, why);
    rmx_flow_settle(flow); /* if it was stopping already */
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
    if (flow->state == RMX_FLOW_RUNNING && flow->begun) {
        show_progress(flow);
        if (!flow->told && (flow->feed.bytes > 0 || flow->feed.ended)) {
            tell_worker(flow);
        } else if (flow->told && rmx_ring_consumer_asked(&flow->feed.ring.ring)) {
            post(flow, RMX_NOTE_INPUT);
        }
    }
    rmx_flow_settle(flow);
}

static void stop_for_write(struct rmx_flow *flow)
{
    const char *why = "";
    uint32_t status = rmx_course_status(flow, flow->drain.error, &why);
    bool of_output = flow->drain.to.files.file == flow->ports.output;

    rmx_flow_stop(flow, status, of_output ? flow->drain.error : 0, why);
}

static void after_drain(struct rmx_flow *flow)
{
    note_more(flow);
    if (flow->drain.corrupt && !flow->broken) {
        break_off(flow, "it broke an output ring");
        return;
    }
    if (flow->drain.error < 0 && flow->stop == 0) {
        stop_for_write(flow);
        return;
    }
    if (flow->stop == 0 && rmx_drain_is_deserted(&flow->drain)) {
        rmx_flow_stop(flow, rmx_outcome_of_write(flow->drain.output[0].error),
            flow->drain.output[0].error, "");
        return;
    }
    if (flow->answered && flow->stop == 0 && !flow->drain.ended && rmx_drain_rests(&flow->drain) &&
        !flow->drain.more && !rmx_course_skips(flow)) {
        if (flow->result.status == RMX_STATUS_OK) {
            break_off(flow, "it answered without ending its output");
            return;
        }
        rmx_drain_stop(&flow->drain); /* it gave up: there is no end to wait for */
    }
    if (flow->state == RMX_FLOW_RUNNING && flow->begun) {
        show_progress(flow);
        if (rmx_ring_producer_asked(&flow->drain.ring.ring)) {
            post(flow, RMX_NOTE_OUTPUT);
        }
    }
    rmx_flow_settle(flow);
}

static void feed_moved(struct rmx_feed *feed)
{
    after_feed(feed->owner);
}

static void drain_moved(struct rmx_drain *drain)
{
    after_drain(drain->owner);
}

/* --- its beginning ------------------------------------------------------------------------- */

static uint32_t input_port(struct rmx_flow *flow)
{
    struct rmx_files files = rmx_course_inputs(flow);
    uint32_t port = 0;

    for (uint32_t i = 0; i < files.count; i++) {
        port |= files.file[i].kind != RMX_FILE_STREAM ? RMX_PORT_SEEKABLE_INPUT(i) : 0;
    }
    if (files.count > 0) {
        return port;
    }
    if (flow->spec.input_port != RMX_JOB_RING) {
        return 0;
    }
    return RMX_PORT_CHANNEL_IN |
           (flow->spec.flags & RMX_JOB_SEEKABLE_INPUT ? RMX_PORT_SEEKABLE_IN : 0u);
}

static uint32_t output_port(struct rmx_flow *flow)
{
    struct rmx_files files = rmx_course_outputs(flow);
    uint32_t port = 0;

    for (uint32_t i = 0; i < files.count; i++) {
        port |= files.file[i].kind != RMX_FILE_STREAM ? RMX_PORT_SEEKABLE_OUTPUT(i) : 0;
    }
    if (files.count > 0) {
        return port |
               (files.file->spool && flow->stage == RMX_STAGE_JOB ? RMX_PORT_SPOOLED_OUT : 0);
    }
    if (flow->spec.output_port != RMX_JOB_RING) {
        return 0;
    }
    return RMX_PORT_CHANNEL_OUT |
           (flow->spec.flags & RMX_JOB_POSITIONAL ? RMX_PORT_SEEKABLE_OUT : 0u);
}

static void lay_out(struct rmx_flow *flow)
{
    struct rmx_files inputs = rmx_course_inputs(flow);
    struct rmx_berth_run run = {
        .input_bytes = { flow->spec.input_bytes },
        .port = input_port(flow) | output_port(flow),
        .stage = flow->stage,
        .channel = flow->share != NULL ? flow->share->place : 0,
        .memory_max_bytes = flow->lane->config->job_memory_bytes,
        .cpu_max_ns = flow->lane->config->job_cpu_ns,
    };

    for (uint32_t i = 0; i < inputs.count; i++) {
        run.input_bytes[i] = inputs.file[i].size;
    }
    rmx_berth_lay_out(flow->berth, flow->pair, &flow->spec, &run);
    flow->begun = true;
}

/* A bit for each that the job goes on without. */
static uint32_t outputs_to_drop(const struct rmx_flow *flow)
{
    uint32_t outputs = 0;

    for (uint32_t i = 0; i < flow->ports.outputs; i++) {
        outputs |= rmx_several_drops(&flow->spec, i) ? 1u << i : 0;
    }
    return outputs;
}

static void watch_drain(struct rmx_drain *drain)
{
    rmx_flow_watch(drain->owner);
}

static void start_drain(
    struct rmx_flow *flow, int (*may_grow)(struct rmx_drain *drain, uint64_t end))
{
    struct rmx_lane *lane = flow->lane;
    const struct rmx_drain_to to = {
        .files = rmx_course_outputs(flow),
        .may_drop = outputs_to_drop(flow),
        .patience_ns = lane->config->drop_after_ns,
    };
    struct rmx_chunk_ring ring;

    if (to.files.count == 0) { /* nothing to wait for here */
        flow->drain = (struct rmx_drain){ .stopped = true, .ended = true };
        return;
    }
    rmx_berth_attach(flow->berth, flow->pair->output_at, flow->pair, &ring);
    rmx_drain_init(&flow->drain, &lane->loop, &lane->stats, &lane->pace, &to, &ring);
    flow->drain.moved = drain_moved;
    flow->drain.watch = watch_drain;
    flow->drain.may_grow = may_grow;
    flow->drain.owner = flow;
    rmx_drain_pump(&flow->drain); /* asks for a wake */
}

static void start_feed(struct rmx_flow *flow)
{
    struct rmx_lane *lane = flow->lane;
    struct rmx_files files = rmx_course_inputs(flow);
    struct rmx_chunk_ring ring;

    if (files.count == 0) { /* the worker finds its bytes itself, if it needs any */
        flow->feed = (struct rmx_feed){ .stopped = true };
        tell_worker(flow);
        return;
    }
    if (flow->feed.files.file != files.file ||
        flow->feed.stopped) { /* else it goes on where it is */
        rmx_berth_attach(flow->berth, flow->pair->input_at, flow->pair, &ring);
        rmx_feed_init(
            &flow->feed, &lane->loop, &lane->stats, &files, &ring, lane->config->read_depth);
        flow->feed.moved = feed_moved;
        flow->feed.owner = flow;
        rmx_feed_pump(&flow->feed);
    }
    after_feed(flow);
}

void rmx_pass_start(struct rmx_flow *flow, int (*may_grow)(struct rmx_drain *drain, uint64_t end))
{
    lay_out(flow);
    start_drain(flow, may_grow);
    start_feed(flow);
}

/* --- what the worker says ------------------------------------------------------------------ */

static bool has_feed(const struct rmx_flow *flow)
{
    return flow->feed.files.file != NULL;
}

static bool has_drain(const struct rmx_flow *flow)
{
    return flow->drain.to.files.file != NULL;
}

static void answer(struct rmx_flow *flow)
{
    if (!flow->told || flow->answered) {
        rmx_crew_condemn(&flow->lane->crew, flow->berth, "it answered what it was not asked");
        return;
    }
    rmx_outcome_take(flow);
    if (has_drain(flow)) {
        rmx_drain_pump(&flow->drain);
        after_drain(flow);
    } else {
        rmx_flow_settle(flow);
    }
}

void rmx_pass_go_on(struct rmx_flow *flow)
{
    if (!rmx_flow_has_pair(flow)) {
        return; /* it ended meanwhile */
    }
    if (flow->feed.more) {
        rmx_feed_pump(&flow->feed);
        after_feed(flow);
    }
    if (rmx_flow_has_pair(flow) && flow->drain.more) {
        rmx_drain_pump(&flow->drain);
        after_drain(flow);
    }
}

void rmx_pass_note(struct rmx_flow *flow, uint32_t kind)
{
    rmx_assert(rmx_flow_has_pair(flow));
    switch (kind) {
    case RMX_NOTE_INPUT:
        if (has_feed(flow)) {
            rmx_feed_pump(&flow->feed);
            after_feed(flow);
        }
        break;
    case RMX_NOTE_OUTPUT:
        if (has_drain(flow)) {
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

void rmx_pass_reset(struct rmx_flow *flow)
{
    flow->cpu_ns = rmx_ration_used_ns(flow);
    flow->result = (struct rmx_job_result){ .job = flow->spec.job };
    flow->begun = false;
    flow->told = false;
    flow->answered = false;
}

/* --- its end ------------------------------------------------------------------------------- */

void rmx_pass_cancel(struct rmx_flow *flow)
{
    struct rmx_flow_shm *shm = rmx_berth_flow(flow->berth, flow->pair);

    /* Relaxed: the note carries it over; a worker that looks earlier stops earlier. */
    atomic_store_explicit(&shm->stop, flow->stop, memory_order_relaxed);
    post(flow, RMX_NOTE_CANCEL);
}

bool rmx_pass_is_through(const struct rmx_flow *flow)
{
    return !flow->told || flow->answered || flow->lost;
}

bool rmx_pass_is_over(struct rmx_flow *flow)
{
    bool skips = rmx_course_skips(flow);

    if (!skips) {
        rmx_feed_stop(&flow->feed);
    }
    if (flow->stop != 0 || flow->lost || flow->drain.ended || skips) {
        rmx_drain_stop(&flow->drain);
    }
    return rmx_pass_is_through(flow) && flow->drain.stopped &&
           (skips || rmx_feed_idle(&flow->feed)) && rmx_drain_idle(&flow->drain);
}
