/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A job whose worker died. See rerun.h.
 */
#include "engine/rerun.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/client.h"
#include "engine/clock.h"
#include "engine/course.h"
#include "engine/lane.h"
#include "engine/log.h"
#include "engine/outcome.h"
#include "engine/pass.h"
#include "engine/peer.h"

/* --- the facts ------------------------------------------------------------------------------- */

/* Is all of the present pass's input still to be had? */
static bool has_input(struct rmx_flow *flow)
{
    struct rmx_files inputs = rmx_course_inputs(flow);
    bool taken = flow->feed.files.file == inputs.file && flow->feed.took;
    bool has = true;

    for (uint32_t i = 0; i < inputs.count; i++) {
        has = has && (inputs.file[i].kind != RMX_FILE_STREAM || !taken);
    }
    return has;
}

/* Can what was written be written over, and cut off without waiting for anybody? */
static bool has_output(struct rmx_flow *flow)
{
    struct rmx_files outputs = rmx_course_outputs(flow);
    bool is_at = flow->drain.to.files.file == outputs.file;
    bool has = true;

    for (uint32_t i = 0; i < outputs.count; i++) {
        const struct rmx_file *file = &outputs.file[i];

        has = has && ((file->kind != RMX_FILE_STREAM && !file->slow) || file->spool ||
                         !(is_at && flow->drain.output[i].end > 0));
    }
    return has;
}

/* A channel died with its worker. */
static bool is_repeatable(struct rmx_flow *flow)
{
    return flow->share == NULL && has_input(flow) && has_output(flow);
}

/* --- the verdict ----------------------------------------------------------------------------- */

static int64_t client_of(const struct rmx_flow *flow)
{
    return flow->client != NULL ? (int64_t)flow->client->index : -1;
}

static void note(
    const struct rmx_flow *flow, enum rmx_stat counter, enum rmx_log_level level, const char *event)
{
    rmx_stats_add(&flow->lane->stats, counter, 1);
    if (rmx_log_enabled(level)) {
        rmx_log(level, event, RMX_LOG_U64("job", flow->spec.job),
            RMX_LOG_I64("client", client_of(flow)), RMX_LOG_U64("workers_lost", flow->losses),
            RMX_LOG_STR("why", flow->text));
    }
}

/* As if no worker had had it, but for what is written. */
static void begin_anew(struct rmx_flow *flow)
{
    for (uint32_t i = 0; i < flow->ports.outputs; i++) {
        uint64_t end = flow->drain.output[i].end;

        if (flow->drain.to.files.file == flow->ports.output && end > flow->reach[i]) {
            flow->reach[i] = end;
        }
    }
    rmx_pass_reset(flow);
    flow->text[0] = 0;
    flow->lost = false;
    flow->judged = false;
    flow->times = (struct rmx_flow_times){
        .submitted_ns = flow->times.submitted_ns,
        .ready_ns = flow->times.ready_ns,
    };
}

/* Its worker's words are added to the status's own. */
static void say_poison(struct rmx_flow *flow)
{
    char words[RMX_JOB_TEXT_BYTES];

    memcpy(words, flow->text, sizeof(words));
    (void)snprintf(flow->text, sizeof(flow->text), "%s: %.*s", rmx_status_text(RMX_STATUS_POISON),
        RMX_JOB_TEXT_BYTES / 2, words);
}

/* Its user pays for the worker: when it was alone, or cannot be tried. What somebody else killed is
 * nobody's fault; but of a job alone it cannot be told from one that has its worker end silently,
 * and some deaths are free. */
static void blame(struct rmx_flow *flow, enum rmx_replay_verdict verdict)
{
    bool is_tried = verdict == RMX_REPLAY_AGAIN || verdict == RMX_REPLAY_ALONE;
    bool is_suspect = flow->on_core && !is_tried && flow->death != RMX_REPLAY_VANISHED;

    if (flow->alone || is_suspect) {
        rmx_peer_hurt(flow->peer, rmx_clock_ns());
    }
}

bool rmx_rerun_is_due(struct rmx_flow *flow)
{
    struct rmx_replay_case facts = {
        .death = flow->death,
        .stops = flow->stop != 0,
        .on_core = flow->on_core,
        .alone = flow->alone,
    };
    enum rmx_replay_verdict verdict;

    if (!flow->lost || flow->judged || !rmx_course_is_quiet(flow)) {
        return false;
    }
    flow->judged = true;
    facts.repeatable = is_repeatable(flow);
    facts.losses = ++flow->losses;
    verdict = rmx_replay_judge(&facts);
    blame(flow, verdict);
    switch (verdict) {
    case RMX_REPLAY_AGAIN:
        note(flow, RMX_STATS_JOBS_REPLAYED, RMX_LOG_DEBUG, "job_replayed");
        begin_anew(flow);
        return true;
    case RMX_REPLAY_ALONE:
        note(flow, RMX_STATS_JOBS_TRIED_ALONE, RMX_LOG_INFO, "job_tried_alone");
        flow->alone = true;
        begin_anew(flow);
        return true;
    case RMX_REPLAY_POISON:
        note(flow, RMX_STATS_JOBS_POISONED, RMX_LOG_WARN, "job_poisoned");
        say_poison(flow);
        flow->stop = RMX_STATUS_POISON;
        return false;
    case RMX_REPLAY_LOST:
        flow->stop = RMX_STATUS_WORKER_LOST;
        return false;
    default:
        return false;
    }
}

/* --- the end --------------------------------------------------------------------------------- */

void rmx_rerun_trim(struct rmx_flow *flow)
{
    for (uint32_t i = 0; i < flow->ports.outputs; i++) {
        const struct rmx_file *file = &flow->ports.output[i];
        uint64_t end = flow->drain.output[i].end;
        uint64_t keep = end > file->size ? end : file->size;

        if (flow->reach[i] <= keep || flow->stop != 0 || flow->result.status != RMX_STATUS_OK) {
            continue;
        }
        rmx_assert(flow->drain.to.files.file == flow->ports.output);
        rmx_assert(file->kind != RMX_FILE_STREAM);
        if (ftruncate(file->fd, (off_t)(file->base + keep)) < 0) {
            flow->cause = -errno;
            flow->stop = rmx_outcome_of_write(flow->cause);
        }
    }
}
