/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From the wire's structs to the caller's (see result.h). Runs in the client process.
 */
#include "clients/result.h"

#include <string.h>

_Static_assert(RMX_RESULT_TEXT_BYTES == RMX_JOB_TEXT_BYTES, "a result's text fits as it is");
_Static_assert((int)RMX_STAGE_WAITING == (int)RMX_JOB_WAITING &&
                   (int)RMX_STAGE_QUEUED == (int)RMX_JOB_QUEUED &&
                   (int)RMX_STAGE_RUNNING == (int)RMX_JOB_RUNNING &&
                   (int)RMX_STAGE_DRAINING == (int)RMX_JOB_DRAINING,
    "the public stages are the wire's");

void rmx_result_fill(struct rmx_result *result, const struct rmx_job_result *from, void *user)
{
    *result = (struct rmx_result){
        .id = from->job,
        .user = user,
        .status = from->status,
        .cause = from->cause,
        .bytes_in = from->bytes_in,
        .bytes_out = from->bytes_out,
        .packets_in = from->packets_in,
        .packets_out = from->packets_out,
        .bytes_expected = from->bytes_expected,
        .queued_ns = from->queued_ns,
        .run_ns = from->run_ns,
        .total_ns = from->total_ns,
        .input_wait_ns = from->input_wait_ns,
        .output_wait_ns = from->output_wait_ns,
        .retry_after_ns = from->retry_after_ns,
    };
    memcpy(result->output_status, from->output_status, sizeof(result->output_status));
    memcpy(result->text, from->text, sizeof(result->text));
    result->text[sizeof(result->text) - 1] = '\0';
}

void rmx_result_describe(struct rmx_job_info *info, const struct rmx_jobs_item *from)
{
    _Static_assert(sizeof(info->format) == sizeof(from->format) &&
                       sizeof(info->group) == sizeof(from->group) &&
                       sizeof(info->traceparent) == sizeof(from->traceparent),
        "names fit as they are");

    *info = (struct rmx_job_info){
        .job = from->job,
        .session = from->session,
        .pid = from->pid,
        .uid = from->uid,
        .stage = from->state,
        .job_class = from->class_,
        .age_ns = from->age_ns,
        .left_ns = from->left_ns,
        .bytes_in = from->bytes_in,
        .bytes_out = from->bytes_out,
    };
    memcpy(info->format, from->format, sizeof(info->format)); /* with its NUL: it was checked */
    memcpy(info->group, from->group, sizeof(info->group));
    memcpy(info->traceparent, from->traceparent, sizeof(info->traceparent));
}
