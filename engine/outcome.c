/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a job ended. See outcome.h.
 */
#include "engine/outcome.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/client.h"
#include "engine/clock.h"
#include "engine/course.h"
#include "engine/log.h"

void rmx_outcome_text(char to[RMX_JOB_TEXT_BYTES], const char *from)
{
    size_t i = 0;

    for (; i < RMX_JOB_TEXT_BYTES - 1 && from[i] != 0; i++) {
        to[i] = (char)(from[i] >= ' ' && from[i] <= '~' ? from[i] : '?');
    }
    memset(to + i, 0, RMX_JOB_TEXT_BYTES - i);
}

enum rmx_status rmx_outcome_of_write(int error)
{
    switch (error) {
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
        return RMX_STATUS_OUTPUT_FULL;
    case -EPIPE:
    case -ECONNRESET:
        return RMX_STATUS_OUTPUT_CLOSED;
    case -ETIME: /* the drain's word */
        return RMX_STATUS_OUTPUT_STALLED;
    default:
        return RMX_STATUS_OUTPUT_IO;
    }
}

/* What the worker says of its present pass, in which it had the job until then: no more can be. */
static void take_waits(struct rmx_flow *flow, uint64_t until_ns)
{
    const struct rmx_flow_shm *shm = rmx_berth_flow(flow->berth, flow->pair);
    uint64_t had_ns = until_ns - flow->times.told_ns;
    uint64_t waited_ns[3];
    uint32_t waits_for;
    uint64_t since_ns;

    /* Relaxed: numbers for a person. Cut to what can be, and again when there is more to add. */
    for (uint32_t i = RMX_WAIT_INPUT; i <= RMX_WAIT_OUTPUT; i++) {
        waited_ns[i] = atomic_load_explicit(&shm->waited_ns[i], memory_order_relaxed);
        waited_ns[i] = waited_ns[i] < had_ns ? waited_ns[i] : had_ns;
    }
    waits_for = atomic_load_explicit(&shm->waits_for, memory_order_relaxed);
    since_ns = atomic_load_explicit(&shm->waits_since_ns, memory_order_relaxed);
    if ((waits_for == RMX_WAIT_INPUT || waits_for == RMX_WAIT_OUTPUT) &&
        since_ns > flow->times.told_ns && since_ns < until_ns) {
        waited_ns[waits_for] += until_ns - since_ns;
    }
    for (uint32_t i = RMX_WAIT_INPUT; i <= RMX_WAIT_OUTPUT; i++) {
        waited_ns[i] = waited_ns[i] < had_ns ? waited_ns[i] : had_ns;
        had_ns -= waited_ns[i];
    }
    flow->times.input_wait_ns += waited_ns[RMX_WAIT_INPUT];
    flow->times.output_wait_ns += waited_ns[RMX_WAIT_OUTPUT];
}

static uint64_t or_now(uint64_t time_ns, uint64_t now)
{
    return time_ns != 0 ? time_ns : now;
}

/* The job's time, in pieces that do not overlap. */
static void share_out_time(struct rmx_flow *flow, uint64_t now)
{
    const struct rmx_flow_times *times = &flow->times;
    struct rmx_job_result *result = &flow->result;
    uint64_t ready_ns = or_now(times->ready_ns, now);
    uint64_t taken_ns = or_now(times->taken_ns, now);
    uint64_t started_ns = or_now(times->started_ns, now);
    uint64_t answered_ns = flow->answered ? times->answered_ns : now;

    result->total_ns = now - times->submitted_ns;
    result->queued_ns = taken_ns - ready_ns;
    result->run_ns = answered_ns - started_ns;
    result->input_wait_ns =
        ready_ns - times->submitted_ns + started_ns - taken_ns + times->input_wait_ns;
    result->output_wait_ns = times->output_wait_ns + now - answered_ns;
}

/* "980 ms". Returns *to. */
static const char *duration(char (*to)[24], uint64_t ns)
{
    if (ns < 10000000u) {
        (void)snprintf(*to, sizeof(*to), "%.1f ms", (double)ns / 1e6);
    } else if (ns < 10000000000u) {
        (void)snprintf(*to, sizeof(*to), "%.0f ms", (double)ns / 1e6);
    } else {
        (void)snprintf(*to, sizeof(*to), "%.1f s", (double)ns / 1e9);
    }
    return *to;
}

/* What became of each of several outputs. */
static void judge_outputs(struct rmx_flow *flow)
{
    for (uint32_t i = 0; i < RMX_JOB_OUTPUTS_MAX && flow->spec.outputs > 1; i++) {
        int error = flow->drain.output[i].error;

        flow->result.output_status[i] =
            (uint8_t)(error < 0 ? rmx_outcome_of_write(error) : RMX_STATUS_OK);
    }
}

/* Of a job that ended with no words of its own. */
static void say_why(struct rmx_flow *flow)
{
    struct rmx_job_result *result = &flow->result;
    char text[RMX_JOB_TEXT_BYTES];
    char parts[4][24];

    if (result->status == RMX_STATUS_DEADLINE && flow->text[0] == 0) {
        uint64_t waits_ns = result->queued_ns + result->input_wait_ns + result->output_wait_ns;

        (void)snprintf(text, sizeof(text),
            "the deadline passed: queued %s, waited %s for input and %s for output, ran %s",
            duration(&parts[0], result->queued_ns), duration(&parts[1], result->input_wait_ns),
            duration(&parts[2], result->output_wait_ns),
            duration(&parts[3], result->total_ns - waits_ns));
        rmx_outcome_text(result->text, text);
    } else if (result->text[0] == 0) {
        rmx_outcome_text(result->text, rmx_status_text(result->status));
    }
}

void rmx_outcome_conclude(struct rmx_flow *flow)
{
    struct rmx_job_result *result = &flow->result;
    uint64_t now = rmx_clock_ns();

    if (flow->told && !flow->answered) {
        take_waits(flow, now);
    }
    result->job = flow->spec.job;
    if (flow->stop != 0) {
        result->status = flow->stop;
        result->cause = flow->cause;
        rmx_outcome_text(result->text, flow->text);
    }
    if (!flow->answered) {
        result->bytes_in = flow->feed.bytes;
    }
    if (flow->spec.output_port == RMX_JOB_DESCRIPTOR) { /* else the worker's word is all there is */
        result->bytes_out = flow->drain.bytes;
    }
    judge_outputs(flow);
    rmx_course_sum(flow);
    share_out_time(flow, now);
    say_why(flow);
}

/* We failed the job. That we have too much to do, or end, is one line for all of them. */
static bool is_our_failure(uint32_t status)
{
    return rmx_status_fault(status) == RMX_FAULT_ENGINE && status != RMX_STATUS_BUSY &&
           status != RMX_STATUS_DRAINING && status != RMX_STATUS_DAEMON_LOST;
}

void rmx_outcome_log(const struct rmx_flow *flow)
{
    const struct rmx_job_result *result = &flow->result;
    enum rmx_log_level level = is_our_failure(result->status) ? RMX_LOG_WARN : RMX_LOG_DEBUG;

    if (rmx_log_enabled(level)) {
        rmx_log(level, "job_ended", RMX_LOG_U64("job", result->job),
            RMX_LOG_I64("client", flow->client != NULL ? (int64_t)flow->client->index : -1),
            RMX_LOG_STR("status", rmx_status_name(result->status)),
            RMX_LOG_STR("traceparent", flow->spec.traceparent),
            RMX_LOG_U64("bytes_in", result->bytes_in), RMX_LOG_U64("bytes_out", result->bytes_out),
            RMX_LOG_U64("queued_ns", result->queued_ns), RMX_LOG_U64("run_ns", result->run_ns),
            RMX_LOG_U64("input_wait_ns", result->input_wait_ns),
            RMX_LOG_U64("output_wait_ns", result->output_wait_ns),
            RMX_LOG_U64("total_ns", result->total_ns), RMX_LOG_STR("text", result->text));
    }
}

/* Why the input broke: our own word, or the client's, which only the worker saw. */
static int input_error(const struct rmx_flow *flow)
{
    int said = flow->result.cause;

    if (flow->spec.input_port == RMX_JOB_DESCRIPTOR) {
        return flow->feed.error;
    }
    return said < 0 && said >= -RMX_ERRNO_MAX ? said : 0;
}

static bool can_be(const struct rmx_flow *flow)
{
    uint32_t status = flow->result.status;
    uint64_t deadline_ns = flow->spec.deadline_ns;
    bool late = deadline_ns != 0 && flow->times.answered_ns >= deadline_ns;

    return rmx_status_known(status) && status != RMX_STATUS_POISON &&
           (status != RMX_STATUS_DEADLINE || late);
}

void rmx_outcome_take(struct rmx_flow *flow)
{
    const struct rmx_flow_shm *shm = rmx_berth_flow(flow->berth, flow->pair);
    char text[RMX_JOB_TEXT_BYTES];

    memcpy(&flow->result, &shm->result, sizeof(flow->result));
    memcpy(text, flow->result.text, sizeof(text));
    text[sizeof(text) - 1] = 0;
    rmx_outcome_text(flow->result.text, text);
    flow->result.retry_after_ns = 0; /* not its to say */
    flow->answered = true;
    flow->times.answered_ns = rmx_clock_ns();
    take_waits(flow, flow->times.answered_ns);
    if (!can_be(flow)) {
        flow->result.status = RMX_STATUS_INTERNAL;
    }
    flow->result.cause = flow->result.status == RMX_STATUS_INPUT_IO ? input_error(flow) : 0;
}
