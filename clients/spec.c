/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From the caller's job to the wire's spec (see spec.h). Runs in the client process, on the
 * caller's thread.
 */
#include "clients/spec.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

_Static_assert((int)RMX_REMUX == (int)RMX_JOB_REMUX && (int)RMX_PROBE == (int)RMX_JOB_PROBE &&
                   (int)RMX_NOOP == (int)RMX_JOB_NOOP,
    "the public kinds are the wire's");
_Static_assert((int)RMX_ALL_STREAMS == (int)RMX_JOB_ALL_STREAMS &&
                   (int)RMX_BITEXACT == (int)RMX_JOB_BITEXACT &&
                   (int)RMX_ALLOW_TRUNCATED == (int)RMX_JOB_ALLOW_TRUNCATED,
    "the public flags are the wire's");
_Static_assert((int)RMX_CRITICAL == (int)RMX_CLASS_CRITICAL &&
                   (int)RMX_NORMAL == (int)RMX_CLASS_NORMAL &&
                   (int)RMX_BACKGROUND == (int)RMX_CLASS_BACKGROUND,
    "the public classes are the wire's");

static int bad(int status, const char *sentence, const char **why)
{
    *why = sentence;
    return status;
}

static bool reserved_is_zero(const struct rmx_job *job)
{
    uint64_t sum = job->reserved0;

    for (size_t i = 0; i < sizeof(job->reserved) / sizeof(job->reserved[0]); i++) {
        sum |= job->reserved[i];
    }
    return sum == 0;
}

static int fill_names(struct rmx_job_spec *spec, const struct rmx_job *job, const char **why)
{
    if (job->format != NULL && rmx_job_set_name(&spec->format, job->format) < 0) {
        return bad(RMX_UNSUPPORTED, "format: there is no container of that name", why);
    }
    if (job->input_format != NULL && rmx_job_set_name(&spec->input_format, job->input_format) < 0) {
        return bad(RMX_UNSUPPORTED, "input_format: there is no container of that name", why);
    }
    if (job->traceparent != NULL) {
        size_t bytes = strlen(job->traceparent);

        if (bytes >= sizeof(spec->traceparent)) {
            return bad(RMX_BAD_JOB, "traceparent: longer than 55 characters", why);
        }
        memcpy(spec->traceparent, job->traceparent, bytes);
    }
    return 0;
}

static int fill_lists(struct rmx_job_spec *spec, const struct rmx_job *job, const char **why)
{
    for (const char *const *pair = job->options; pair != NULL && *pair != NULL; pair++) {
        int err = rmx_job_add_option(spec, *pair);

        if (err == -E2BIG) {
            return bad(RMX_BAD_OPTION, "options: together longer than a job can carry", why);
        }
        if (err < 0) {
            return bad(RMX_BAD_OPTION, "options: one is not \"key=value\"", why);
        }
    }
    for (const char *const *map = job->maps; map != NULL && *map != NULL; map++) {
        int err = rmx_job_add_map(spec, *map);

        if (err == -E2BIG) {
            return bad(RMX_BAD_JOB, "maps: more than 16, or one is too long", why);
        }
        if (err < 0) {
            return bad(RMX_BAD_JOB, "maps: one is empty", why);
        }
    }
    return 0;
}

int rmx_spec_fill(
    struct rmx_job_spec *spec, const struct rmx_job *job, uint64_t id, const char **why)
{
    if (!reserved_is_zero(job)) {
        return bad(RMX_BAD_JOB, "reserved: not zero; start from RMX_JOB_INIT", why);
    }
    if (job->job_class > UINT16_MAX) {
        return bad(RMX_BAD_JOB, "job_class: there is no such class", why);
    }
    bool moves_bytes = job->kind != RMX_NOOP;
    if (moves_bytes && (job->input < 0 || job->output < 0)) {
        return bad(RMX_BAD_JOB, "input, output: both must be open descriptors", why);
    }
    *spec = (struct rmx_job_spec){
        .job = id,
        .deadline_ns = job->deadline_ns,
        .kind = job->kind,
        .flags = job->flags,
        .class_ = (uint16_t)job->job_class,
        .inputs = moves_bytes,
        .outputs = moves_bytes,
    };
    int status = fill_names(spec, job, why);
    if (status == 0) {
        status = fill_lists(spec, job, why);
    }
    return status == 0 ? rmx_job_check(spec, why) : status;
}

size_t rmx_spec_fds(const struct rmx_job *job, int fds[2])
{
    if (job->kind == RMX_NOOP) {
        return 0;
    }
    fds[0] = job->input;
    fds[1] = job->output;
    return 2;
}
