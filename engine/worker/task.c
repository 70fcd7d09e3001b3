/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job from its flow table entry to its result. See task.h.
 */
#include "engine/worker/task.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/worker/remux.h"
#include "engine/worker/sink.h"
#include "engine/worker/source.h"
#include "ipc/format.h"
#include "ring/base.h"

struct task {
    struct rmx_job_spec spec;
    struct rmx_job_result result;
    const struct rmx_task_host *host;
    struct rmx_avio avio;
    struct rmx_source source;
    struct rmx_sink sink;
    bool live; /* the input comes when it comes, and so shall the output */
};

static uint64_t now_ns(void)
{
    struct timespec now;

    rmx_assert(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void sleep_for_note(void *owner)
{
    struct task *task = owner;

    task->host->sleep(task->host->owner);
}

static void tell_lane(void *owner, enum rmx_note_kind kind)
{
    struct task *task = owner;

    task->host->tell(task->host->owner, kind);
}

static void push_output(void *owner)
{
    struct task *task = owner;

    if (task->live) {
        rmx_sink_push(&task->sink);
    }
}

/* The geometry is the lane's word, so it is checked as any peer's. */
static int attach_output(
    struct rmx_chunk_ring *output, const struct rmx_flow_shm *flow, const struct rmx_region *arena)
{
    return rmx_chunk_ring_attach(output, arena, RMX_READ_ONCE(flow->output_at),
        RMX_READ_ONCE(flow->output_slots), RMX_READ_ONCE(flow->output_chunk_bytes));
}

/* The lane waits for the end of an output that stays empty too. */
static void end_empty_output(const struct rmx_flow_shm *flow, const struct rmx_region *arena)
{
    struct rmx_chunk_ring output;

    if (attach_output(&output, flow, arena) == 0) {
        rmx_sink_end_empty(&output);
    }
}

static enum rmx_status connect_rings(
    struct task *task, const struct rmx_flow_shm *flow, const struct rmx_region *arena)
{
    const struct rmx_format *format = rmx_format_find(task->spec.format);
    uint32_t port = RMX_READ_ONCE(flow->port);
    struct rmx_chunk_ring input;
    struct rmx_chunk_ring output;

    if (rmx_chunk_ring_attach(&input, arena, RMX_READ_ONCE(flow->input_at),
            RMX_READ_ONCE(flow->input_slots), RMX_READ_ONCE(flow->input_chunk_bytes)) < 0 ||
        attach_output(&output, flow, arena) < 0) {
        return RMX_STATUS_PEER_CORRUPT;
    }
    task->avio = (struct rmx_avio){
        .stop = &flow->stop,
        .sleep = sleep_for_note,
        .tell = tell_lane,
        .starve = push_output,
        .owner = task,
    };
    task->live = (port & RMX_PORT_SEEKABLE_IN) == 0;
    if (rmx_source_init(&task->source, &task->avio, &input, RMX_READ_ONCE(flow->input_bytes),
            !task->live) < 0 ||
        rmx_sink_init(&task->sink, &task->avio, &output, (port & RMX_PORT_SEEKABLE_OUT) != 0,
            format != NULL && format->patch != RMX_PATCH_HELPS) < 0) {
        return RMX_STATUS_OVER_LIMIT;
    }
    return RMX_STATUS_OK;
}

/* What came from outside (a stop, an I/O error, a broken ring) is the reason, whatever libavformat
 * made of it. */
static void settle(struct task *task)
{
    if (!rmx_avio_stopped(&task->avio)) {
        rmx_sink_finish(&task->sink);
    }
    if (task->avio.status != RMX_STATUS_OK) {
        task->result.status = task->avio.status;
        task->result.cause = task->avio.cause;
        memset(task->result.text, 0, sizeof(task->result.text));
    }
    task->result.bytes_in = task->source.bytes;
    task->result.bytes_out = task->sink.end;
}

static void move_bytes(
    struct task *task, const struct rmx_flow_shm *flow, const struct rmx_region *arena)
{
    task->result.status = connect_rings(task, flow, arena);
    if (task->result.status == RMX_STATUS_OK) {
        const struct rmx_outlet outlet = { .io = task->sink.context };

        rmx_remux_run(&task->spec, task->source.context, &outlet, &task->result);
        settle(task);
    } else {
        end_empty_output(flow, arena);
    }
    rmx_sink_fini(&task->sink);
    rmx_source_fini(&task->source);
}

void rmx_task_run(
    struct rmx_flow_shm *flow, const struct rmx_region *arena, const struct rmx_task_host *host)
{
    uint64_t started_ns = now_ns();
    struct task task = { .host = host };
    const char *why = NULL;
    int wrong;

    memcpy(&task.spec, &flow->spec, sizeof(task.spec));
    wrong = rmx_job_check(&task.spec, &why);
    if (wrong != 0) {
        task.result.status = (uint32_t)wrong;
        (void)snprintf(task.result.text, sizeof(task.result.text), "%s", why);
        end_empty_output(flow, arena);
    } else if (task.spec.kind == RMX_JOB_NOOP) {
        task.result.status = RMX_STATUS_OK;
    } else {
        move_bytes(&task, flow, arena);
    }
    task.result.job = task.spec.job;
    task.result.run_ns = now_ns() - started_ns;
    memcpy(&flow->result, &task.result, sizeof(task.result));
}

void rmx_task_refuse(struct rmx_flow_shm *flow, const struct rmx_region *arena,
    enum rmx_status status, const char *why)
{
    struct rmx_job_result result = { .job = RMX_READ_ONCE(flow->spec.job), .status = status };

    (void)snprintf(result.text, sizeof(result.text), "%s", why);
    end_empty_output(flow, arena);
    memcpy(&flow->result, &result, sizeof(result));
}
