/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The course of a job. See course.h.
 */
#include "engine/course.h"

#include <errno.h>

#include "engine/lane.h"
#include "engine/log.h"
#include "engine/outcome.h"
#include "engine/pass.h"
#include "ipc/format.h"
#include "ipc/repeat.h"

/* --- what it will need ------------------------------------------------------------------------ */

static bool input_goes_back(const struct rmx_flow *flow)
{
    return flow->spec.input_port == RMX_JOB_RING ? flow->spec.flags & RMX_JOB_SEEKABLE_INPUT
                                                 : flow->ports.input[0].kind != RMX_FILE_STREAM;
}

static bool output_goes_back(const struct rmx_flow *flow)
{
    return flow->spec.output_port == RMX_JOB_RING ? flow->spec.flags & RMX_JOB_POSITIONAL
                                                  : flow->ports.output[0].kind != RMX_FILE_STREAM;
}

/* A file is read twice instead: that writes less. What a client's ring fetches may be dear. */
static bool is_rehearsed(const struct rmx_flow *flow)
{
    bool has_file = flow->spec.input_port != RMX_JOB_RING && input_goes_back(flow);

    return (has_file || flow->spooled) && rmx_repeat_tells(&flow->spec);
}

static bool is_delivered(const struct rmx_flow *flow)
{
    const struct rmx_format *format = rmx_format_find(flow->spec.format);

    return format != NULL && format->patch == RMX_PATCH_ALWAYS &&
           (flow->spec.flags & RMX_JOB_PARTS) == 0 &&
           (!output_goes_back(flow) || rmx_job_wants_faststart(&flow->spec)) && !is_rehearsed(flow);
}

static void spool_opened(struct rmx_spool *spool, int error);
static void spool_closed(struct rmx_spool *spool);

static bool lacks_directory(const struct rmx_flow *flow)
{
    return (flow->spec.flags & RMX_JOB_SPOOL) != 0 && flow->lane->spools.path == NULL;
}

void rmx_course_plan(struct rmx_flow *flow)
{
    bool spools = (flow->spec.flags & RMX_JOB_SPOOL) != 0 && flow->spec.inputs > 0 &&
                  !lacks_directory(flow); /* perhaps it can do without */

    flow->stage = spools && !input_goes_back(flow) ? RMX_STAGE_SPOOL : RMX_STAGE_JOB;
    flow->delivered = spools && is_delivered(flow);
    for (uint32_t i = 0; i < RMX_FLOW_SPOOLS; i++) {
        flow->spools[i] = (struct rmx_spool){
            .file = RMX_FILE_INIT,
            .owner = flow,
            .opened = spool_opened,
            .closed = spool_closed,
        };
    }
}

bool rmx_course_has_spools(const struct rmx_flow *flow)
{
    return flow->stage == RMX_STAGE_SPOOL || flow->delivered;
}

/* --- the present pass ------------------------------------------------------------------------- */

/* The spool the present pass writes; NULL: it writes the output. */
static struct rmx_spool *spool_of(struct rmx_flow *flow)
{
    if (flow->stage == RMX_STAGE_SPOOL) {
        return &flow->spools[0];
    }
    return flow->stage == RMX_STAGE_JOB && flow->delivered ? &flow->spools[1] : NULL;
}

static struct rmx_files of_job(struct rmx_file *file, uint32_t count)
{
    return (struct rmx_files){ count > 0 ? file : NULL, count };
}

static struct rmx_files of_spool(struct rmx_spool *spool)
{
    return (struct rmx_files){ &spool->file, 1 };
}

static bool reads_spool(const struct rmx_flow *flow)
{
    return flow->stage == RMX_STAGE_DELIVER || (flow->stage == RMX_STAGE_JOB && flow->spooled);
}

struct rmx_files rmx_course_inputs(struct rmx_flow *flow)
{
    if (!reads_spool(flow)) {
        return of_job(flow->ports.input, flow->ports.inputs);
    }
    return of_spool(&flow->spools[flow->stage == RMX_STAGE_DELIVER]);
}

struct rmx_files rmx_course_outputs(struct rmx_flow *flow)
{
    struct rmx_spool *spool = spool_of(flow);

    return spool != NULL ? of_spool(spool) : of_job(flow->ports.output, flow->ports.outputs);
}

/* What the drain asks before a write. */
static int may_grow(struct rmx_drain *drain, uint64_t end)
{
    struct rmx_flow *flow = drain->owner;
    struct rmx_spool *spool = spool_of(flow);
    uint64_t others = flow->spools[0].bytes + flow->spools[1].bytes - spool->bytes;

    return rmx_spool_grow(spool, end, others);
}

static void start_pass(struct rmx_flow *flow)
{
    rmx_pass_start(flow, spool_of(flow) != NULL ? may_grow : NULL);
}

static void spool_opened(struct rmx_spool *spool, int error)
{
    struct rmx_flow *flow = spool->owner;
    const char *why = "";
    uint32_t status;

    if (flow->state != RMX_FLOW_RUNNING) { /* it is to end, and waited for us */
        rmx_flow_settle(flow);
    } else if (error == 0) {
        start_pass(flow);
    } else {
        rmx_log(RMX_LOG_WARN, "spool_not_opened", RMX_LOG_STR("dir", flow->lane->spools.path),
            RMX_LOG_ERRNO("why", error));
        status = rmx_course_status(flow, error, &why);
        rmx_flow_stop(flow, status, 0, why);
    }
}

void rmx_course_begin(struct rmx_flow *flow)
{
    struct rmx_spool *spool = spool_of(flow);

    if (spool != NULL && rmx_spool_is_gone(spool)) {
        rmx_spool_open(spool, &flow->lane->spools);
    } else { /* it needs none, or has it from a worker that died: it is written from its start */
        start_pass(flow);
    }
}

/* What a job cannot do without this spool. */
static uint32_t without(const struct rmx_flow *flow, const struct rmx_spool *spool)
{
    return spool == &flow->spools[0] ? RMX_STATUS_NEEDS_SEEKABLE_INPUT
                                     : RMX_STATUS_NEEDS_SEEKABLE_OUTPUT;
}

uint32_t rmx_course_status(struct rmx_flow *flow, int error, const char **why)
{
    if (spool_of(flow) == NULL) {
        return rmx_outcome_of_write(error);
    }
    switch (error) {
    case -E2BIG:
        *why = "its spools would be larger than the daemon's settings spool_bytes and "
               "spool_total_bytes allow a job";
        return RMX_STATUS_OVER_LIMIT;
    case -EFBIG:
        *why = "the file system of the daemon's spool_dir takes no file as large as its spool";
        return RMX_STATUS_OVER_LIMIT;
    case -EOVERFLOW:
        *why = "other jobs' spools take what the daemon's setting spool_total_bytes allows";
        return RMX_STATUS_BUSY;
    case -ENOSPC:
    case -EDQUOT:
        *why = "the file system of the daemon's spool_dir is full";
        return RMX_STATUS_BUSY;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
        *why = "the daemon has no descriptor or memory left for a spool";
        return RMX_STATUS_BUSY;
    default:
        *why = "no spool can be made or written in the daemon's spool_dir";
        return without(flow, spool_of(flow));
    }
}

/* --- from pass to pass ------------------------------------------------------------------------ */

bool rmx_course_skips(const struct rmx_flow *flow)
{
    return flow->stage == RMX_STAGE_SPOOL && flow->answered && flow->stop == 0 && !flow->lost &&
           flow->result.status == RMX_STATUS_OK && flow->result.bytes_in == 0;
}

bool rmx_course_goes_on(const struct rmx_flow *flow)
{
    bool more = flow->stage == RMX_STAGE_SPOOL || (flow->stage == RMX_STAGE_JOB && flow->delivered);

    return more && flow->answered && flow->stop == 0 && !flow->lost &&
           flow->result.status == RMX_STATUS_OK;
}

void rmx_course_move_on(struct rmx_flow *flow)
{
    rmx_assert(rmx_course_goes_on(flow));
    if (flow->stage == RMX_STAGE_SPOOL) {
        flow->spooled = !rmx_course_skips(flow);
        flow->delivered = is_delivered(flow);
        flow->sum.bytes_in = flow->result.bytes_in;
        rmx_spool_rewind(&flow->spools[0], flow->drain.output[0].end);
    } else {
        flow->result.bytes_in = flow->spooled ? flow->sum.bytes_in : flow->result.bytes_in;
        flow->sum = flow->result;
        rmx_spool_rewind(&flow->spools[1], flow->drain.output[0].end);
    }
    rmx_pass_reset(flow);
    if (flow->stage == RMX_STAGE_JOB ? flow->spooled : !flow->spooled) {
        rmx_spool_close(&flow->spools[0]); /* nobody reads it any more */
    }
    flow->stage = flow->stage == RMX_STAGE_SPOOL ? RMX_STAGE_JOB : RMX_STAGE_DELIVER;
    rmx_course_begin(flow);
}

void rmx_course_sum(struct rmx_flow *flow)
{
    struct rmx_job_result *result = &flow->result;

    if (flow->stage == RMX_STAGE_DELIVER) {
        result->packets_in = flow->sum.packets_in;
        result->packets_out = flow->sum.packets_out;
        result->bytes_expected = flow->sum.bytes_expected;
    }
    if (result->status == RMX_STATUS_INPUT_IO && reads_spool(flow)) {
        result->status = without(flow, &flow->spools[flow->stage == RMX_STAGE_DELIVER]);
        result->cause = 0; /* not of the job's input */
        rmx_outcome_text(result->text, "a spool in the daemon's spool_dir cannot be read");
    }
    if (lacks_directory(flow) && (result->status == RMX_STATUS_NEEDS_SEEKABLE_INPUT ||
                                     result->status == RMX_STATUS_NEEDS_SEEKABLE_OUTPUT)) {
        rmx_outcome_text(
            result->text, "this daemon has no spool directory: see its setting spool_dir");
    }
    if (flow->stage == RMX_STAGE_DELIVER || flow->spooled) {
        result->bytes_in = flow->sum.bytes_in;
    }
    if (spool_of(flow) != NULL) {
        result->bytes_out = 0; /* nothing came as far as the output */
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static void spool_closed(struct rmx_spool *spool)
{
    rmx_flow_settle(spool->owner);
}

bool rmx_course_is_quiet(const struct rmx_flow *flow)
{
    bool quiet = true;

    for (uint32_t i = 0; i < RMX_FLOW_SPOOLS; i++) {
        quiet = quiet && !flow->spools[i].op.busy;
    }
    return quiet;
}

bool rmx_course_is_closed(struct rmx_flow *flow)
{
    bool gone = true;

    for (uint32_t i = 0; i < RMX_FLOW_SPOOLS; i++) {
        struct rmx_spool *spool = &flow->spools[i];

        if (spool->file.fd >= 0 && !rmx_spool_is_gone(spool)) {
            rmx_spool_close(spool);
        }
        gone = gone && rmx_spool_is_gone(spool);
    }
    return gone;
}
