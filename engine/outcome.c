/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a job ended. See outcome.h.
 */
#include "engine/outcome.h"

#include <errno.h>
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
    default:
        return RMX_STATUS_OUTPUT_IO;
    }
}

void rmx_outcome_conclude(struct rmx_flow *flow)
{
    struct rmx_job_result *result = &flow->result;
    uint64_t now = rmx_clock_ns();
    bool started = flow->started_ns != 0;

    result->job = flow->spec.job;
    if (flow->stop != 0) {
        result->status = flow->stop;
        result->cause = flow->cause;
        rmx_outcome_text(
            result->text, flow->text[0] != 0 ? flow->text : rmx_status_text(flow->stop));
    } else if (flow->lost) {
        result->status = RMX_STATUS_WORKER_LOST;
        rmx_outcome_text(result->text, flow->text);
    }
    if (result->text[0] == 0) {
        rmx_outcome_text(result->text, rmx_status_text(result->status));
    }
    if (!flow->answered) {
        result->bytes_in = flow->feed.bytes;
    }
    if (flow->spec.output_port == RMX_JOB_DESCRIPTOR) { /* else the worker's word is all there is */
        result->bytes_out = flow->drain.bytes;
    }
    rmx_course_sum(flow);
    result->total_ns = now - flow->submitted_ns;
    result->queued_ns = (started ? flow->started_ns : now) - flow->submitted_ns;
    result->run_ns = started ? (flow->answered ? flow->answered_ns : now) - flow->started_ns : 0;
}

void rmx_outcome_log(const struct rmx_flow *flow)
{
    const struct rmx_job_result *result = &flow->result;
    bool ours = rmx_status_fault(result->status) == RMX_FAULT_ENGINE;
    enum rmx_log_level level = ours ? RMX_LOG_WARN : RMX_LOG_DEBUG;

    if (rmx_log_enabled(level)) {
        rmx_log(level, "job_ended", RMX_LOG_U64("job", result->job),
            RMX_LOG_I64("client", flow->client != NULL ? (int64_t)flow->client->index : -1),
            RMX_LOG_STR("status", rmx_status_name(result->status)),
            RMX_LOG_STR("traceparent", flow->spec.traceparent),
            RMX_LOG_U64("bytes_in", result->bytes_in), RMX_LOG_U64("bytes_out", result->bytes_out),
            RMX_LOG_U64("queued_ns", result->queued_ns), RMX_LOG_U64("run_ns", result->run_ns),
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

void rmx_outcome_take(struct rmx_flow *flow)
{
    const struct rmx_flow_shm *shm = rmx_berth_flow(flow->berth, flow->pair);
    char text[RMX_JOB_TEXT_BYTES];

    memcpy(&flow->result, &shm->result, sizeof(flow->result));
    memcpy(text, flow->result.text, sizeof(text));
    text[sizeof(text) - 1] = 0;
    rmx_outcome_text(flow->result.text, text);
    flow->answered = true;
    flow->answered_ns = rmx_clock_ns();
    if (!rmx_status_known(flow->result.status)) {
        flow->result.status = RMX_STATUS_INTERNAL;
    }
    flow->result.cause = flow->result.status == RMX_STATUS_INPUT_IO ? input_error(flow) : 0;
}
