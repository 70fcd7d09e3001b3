/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One job from its flow table entry to its result. See task.h.
 */
#include "engine/worker/task.h"

#include <stdio.h>
#include <string.h>

#include <libavutil/avstring.h>

#include "engine/worker/channel.h"
#include "engine/worker/copy.h"
#include "engine/worker/index.h"
#include "engine/worker/moment.h"
#include "engine/worker/parts.h"
#include "engine/worker/purse.h"
#include "engine/worker/rehearsal.h"
#include "engine/worker/sink.h"
#include "engine/worker/source.h"
#include "ipc/format.h"
#include "ipc/oblivion.h"
#include "ipc/several.h"
#include "ring/base.h"

#define MP4_NAMES  "mov,mp4,m4a,3gp,3g2,mj2" /* of the demuxer */
#define MP4_MUXERS "mov,mp4,ipod,3gp,3g2,f4v,psp,ismv"

static const char must_go_back[] =
    "the index of this MP4 follows its samples: give a file or a source that seeks, "
    "or allow a spool";

static const char nameless[] = "an MP4 in fragments has a track without an id, or with one that is "
                               "larger than 2147483647";

struct task {
    struct rmx_job_spec spec;
    struct rmx_job_result result;
    const struct rmx_task_host *host;
    const struct rmx_region *arena; /* the lane's */
    struct rmx_channel *channel;    /* NULL: no ring of the job lies in one */
    uint32_t port;                  /* enum rmx_flow_port */
    struct rmx_avio avio;
    struct rmx_source source;
    struct rmx_sink sink;
    struct rmx_parts parts;
    struct rmx_idle idle;
    bool prompt; /* the input comes when it comes, and so shall the output */
};

/* --- what the two ends ask for --------------------------------------------------------------- */

/* The client at the other end of a ring lied: what else it says does not count. */
static void forsake(struct task *task, enum rmx_status status)
{
    (void)rmx_avio_end(&task->avio, status, 0);
    task->avio.forsaken = (task->port & RMX_PORT_CHANNEL_OUT) != 0;
}

static void look_at_channel(struct task *task)
{
    enum rmx_status status =
        task->channel == NULL ? RMX_STATUS_OK : rmx_channel_status(task->channel);

    if (status != RMX_STATUS_OK) {
        forsake(task, status);
    }
}

static void sleep_for_note(void *owner, enum rmx_flow_wait what, uint64_t until_ns)
{
    struct task *task = owner;

    /* What is waited for may never come now, and who waits looks again. */
    look_at_channel(task);
    if (rmx_avio_over(&task->avio)) {
        return;
    }
    task->host->sleep(what, until_ns);
    look_at_channel(task);
}

/* Whoever is at the other end of that ring. */
static void tell_peer(void *owner, enum rmx_note_kind kind)
{
    struct task *task = owner;
    uint32_t side = kind == RMX_NOTE_INPUT ? RMX_PORT_CHANNEL_IN : RMX_PORT_CHANNEL_OUT;

    if ((task->port & side) == 0) {
        task->host->tell(kind);
    } else if (rmx_channel_tell(task->channel, task->spec.channel_flow, kind) < 0) {
        forsake(task, RMX_STATUS_PEER_CORRUPT);
    }
}

static uint64_t push_output(void *owner)
{
    struct task *task = owner;
    uint64_t again_ns = task->idle.release == NULL ? 0 : task->idle.release(task->idle.stage);

    if (task->prompt) {
        rmx_sink_push(&task->sink);
    }
    return again_ns;
}

/* --- the rings ------------------------------------------------------------------------------- */

static const struct rmx_region *region_of(const struct task *task, uint32_t side)
{
    return (task->port & side) != 0 ? rmx_channel_arena(task->channel) : task->arena;
}

/* Where it lies is the lane's word, so it is checked as any peer's. */
static int attach_input(
    struct rmx_chunk_ring *input, const struct rmx_flow_shm *flow, const struct rmx_region *arena)
{
    return rmx_chunk_ring_attach(input, arena, RMX_READ_ONCE(flow->input_at),
        RMX_READ_ONCE(flow->input_slots), RMX_READ_ONCE(flow->input_chunk_bytes));
}

static int attach_output(
    struct rmx_chunk_ring *output, const struct rmx_flow_shm *flow, const struct rmx_region *arena)
{
    return rmx_chunk_ring_attach(output, arena, RMX_READ_ONCE(flow->output_at),
        RMX_READ_ONCE(flow->output_slots), RMX_READ_ONCE(flow->output_chunk_bytes));
}

/* The lane waits for the end of an output that stays empty too; to a client the result says all. */
static void end_empty_output(
    const struct rmx_flow_shm *flow, const struct rmx_region *arena, uint32_t port)
{
    struct rmx_chunk_ring output;

    if ((port & RMX_PORT_CHANNEL_OUT) == 0 && attach_output(&output, flow, arena) == 0) {
        rmx_sink_end_empty(&output);
    }
}

static enum rmx_status enter_channel(struct task *task, const struct rmx_flow_shm *flow)
{
    if ((task->port & (RMX_PORT_CHANNEL_IN | RMX_PORT_CHANNEL_OUT)) == 0) {
        return RMX_STATUS_OK;
    }
    task->channel =
        rmx_channel_enter(RMX_READ_ONCE(flow->channel), task->spec.channel_flow, task->host->flow);
    return task->channel == NULL ? RMX_STATUS_PEER_CORRUPT : rmx_channel_status(task->channel);
}

/* The first input is a ring of the client's, or one of the lane's; the others are the lane's. */
static int add_inputs(struct task *task, const struct rmx_flow_shm *flow)
{
    uint32_t inputs = task->spec.inputs > 0 ? task->spec.inputs : 1; /* a spool's copy has one */
    int err = 0;

    for (uint32_t i = 0; i < inputs && err == 0; i++) {
        bool seekable = (task->port & RMX_PORT_SEEKABLE_INPUT(i)) != 0;
        uint64_t bytes = RMX_READ_ONCE(*(i == 0 ? &flow->input_bytes : &flow->more_bytes[i - 1]));

        err = rmx_source_add(&task->source, bytes, seekable);
        if (err == 0 && (task->port & RMX_PORT_CHANNEL_IN) == 0 &&
            bytes != RMX_SOURCE_SIZE_UNKNOWN) {
            rmx_source_expect(&task->source, bytes); /* the lane asked the kernel, no client */
        }
    }
    return err;
}

/* What its muxer does where the output cannot be gone back in. */
static unsigned manner_of(const struct task *task, uint32_t output)
{
    struct rmx_job_spec own;
    const struct rmx_format *format;
    const char *why;
    unsigned manner;

    (void)rmx_several_take_output(&task->spec, output, &own, &why);
    format = rmx_format_find(own.format);
    if (format == NULL) {
        return RMX_SINK_TRIES;
    }
    manner = format->patch == RMX_PATCH_HELPS ? RMX_SINK_TRIES : RMX_SINK_FORWARD;
    return av_match_name(format->muxer, MP4_MUXERS) ? manner | RMX_SINK_BOXES : manner;
}

static int add_outputs(struct task *task)
{
    uint32_t outputs = task->spec.outputs > 0 ? task->spec.outputs : 1;
    int err = 0;

    for (uint32_t i = 0; i < outputs && err == 0; i++) {
        err = rmx_sink_add(
            &task->sink, (task->port & RMX_PORT_SEEKABLE_OUTPUT(i)) != 0, manner_of(task, i));
    }
    return err;
}

static enum rmx_status connect_rings(struct task *task, const struct rmx_flow_shm *flow)
{
    bool stream = (task->port & RMX_PORT_SEEKABLE_IN) == 0;
    struct rmx_chunk_ring input;
    struct rmx_chunk_ring output;

    if (attach_input(&input, flow, region_of(task, RMX_PORT_CHANNEL_IN)) < 0 ||
        attach_output(&output, flow, region_of(task, RMX_PORT_CHANNEL_OUT)) < 0) {
        return RMX_STATUS_PEER_CORRUPT;
    }
    task->avio = (struct rmx_avio){
        .stop = &flow->stop,
        .late = task->host->late,
        .sleep = sleep_for_note,
        .tell = tell_peer,
        .starve = push_output,
        .owner = task,
    };
    task->prompt = stream || (task->spec.flags & RMX_JOB_LIVE) != 0;
    rmx_source_init(&task->source, &task->avio, &input, task->spec.inputs > 1);
    rmx_sink_init(&task->sink, &task->avio, &output);
    if ((task->port & RMX_PORT_CHANNEL_OUT) != 0) {
        rmx_sink_hurry(&task->sink);
    }
    if (add_inputs(task, flow) < 0 || add_outputs(task) < 0) {
        return RMX_STATUS_OVER_LIMIT;
    }
    rmx_parts_init(&task->parts, &task->sink);
    return RMX_STATUS_OK;
}

/* --- the stage ------------------------------------------------------------------------------- */

/* Judged when the stage wants the first byte, thus after the output, for which no input need have
 * come; and before any of it is consumed, so that who sends it need not send it all in vain. */
static bool is_readable(void *owner)
{
    struct task *task = owner;
    const char *named = task->spec.input_format;

    if (named[0] != '\0' && !av_match_name(named, MP4_NAMES)) {
        return true;
    }
    if (rmx_index_follows(&task->source) == 1) {
        (void)rmx_avio_end(&task->avio, RMX_STATUS_NEEDS_SEEKABLE_INPUT, 0);
        return false;
    }
    if (rmx_index_is_nameless(&task->source) == 1) {
        (void)rmx_avio_end(&task->avio, RMX_STATUS_BAD_MEDIA, 0);
        return false;
    }
    return true;
}

static void push_packet(void *owner)
{
    struct rmx_parts *parts = owner;

    rmx_sink_push(parts->sink);
}

static void run_stage(struct task *task, uint32_t stage)
{
    bool takes_parts = (task->spec.flags & RMX_JOB_PARTS) != 0;
    struct rmx_inlet inlet = { .io = { NULL } };
    struct rmx_outlet outlet = {
        .spooled = (task->port & RMX_PORT_SPOOLED_OUT) != 0,
        .open_part = takes_parts ? rmx_parts_open : NULL,
        .close_part = takes_parts ? rmx_parts_close : NULL,
        .drop_part = takes_parts ? rmx_parts_drop : NULL,
        .encrypt_part = takes_parts ? rmx_parts_encrypt : NULL,
        .push = (task->spec.flags & RMX_JOB_LIVE) != 0 ? push_packet : NULL,
        .owner = &task->parts,
        .idle = &task->idle,
    };

    for (uint32_t i = 0; i < task->source.inputs; i++) {
        inlet.io[i] = task->source.input[i].context;
    }
    for (uint32_t i = 0; i < task->sink.outputs; i++) {
        outlet.io[i] = task->sink.output[i].context;
    }
    switch (stage) {
    case RMX_STAGE_JOB:
        task->source.admit = is_readable;
        rmx_rehearsal_run(&task->spec, &inlet, &outlet, &task->result);
        break;
    case RMX_STAGE_SPOOL:
        rmx_copy_spool(&task->source, &task->sink, &task->result);
        break;
    case RMX_STAGE_DELIVER:
        rmx_copy_deliver(&task->spec, &task->source, &task->sink, &task->result);
        break;
    default:
        task->result.status = RMX_STATUS_INTERNAL;
    }
}

/* The note that a job is done goes to the lane, so a client is told of its last chunks. */
static void finish_output(struct task *task)
{
    rmx_sink_finish(&task->sink);
    if ((task->port & RMX_PORT_CHANNEL_OUT) != 0 &&
        rmx_ring_consumer_asked(&task->sink.ring.ring)) {
        tell_peer(task, RMX_NOTE_OUTPUT);
    }
}

/* Of an end that came from outside; "" = the status says it all. */
static const char *why_of(const struct task *task)
{
    if (task->avio.status == task->sink.ended) {
        return task->sink.why;
    }
    switch (task->avio.status) {
    case RMX_STATUS_NEEDS_SEEKABLE_INPUT:
        return must_go_back;
    case RMX_STATUS_BAD_MEDIA:
        return nameless;
    default:
        return "";
    }
}

/* What came from outside (a stop, an I/O error, a broken ring) is the reason, whatever libavformat
 * made of it. */
static void settle(struct task *task)
{
    if (task->channel != NULL && task->avio.status == RMX_STATUS_PEER_CORRUPT) {
        forsake(task, RMX_STATUS_PEER_CORRUPT); /* nor is it waited for, to take what was made */
    }
    if (!rmx_avio_stopped(&task->avio)) {
        finish_output(task);
    }
    if (task->avio.status != RMX_STATUS_OK) {
        task->result.status = task->avio.status;
        task->result.cause = task->avio.cause;
        memset(task->result.text, 0, sizeof(task->result.text));
        (void)snprintf(task->result.text, sizeof(task->result.text), "%s", why_of(task));
    }
    task->result.bytes_in = task->source.bytes;
    task->result.bytes_out = task->sink.total;
}

/* What libavformat makes of an allocation that failed may look like a fault of the media, or even
 * like none. */
static void judge_memory(struct task *task)
{
    char text[RMX_JOB_TEXT_BYTES] = "";
    enum rmx_status status = rmx_purse_judge(text, sizeof(text));

    if (status != RMX_STATUS_OK && task->avio.status == RMX_STATUS_OK) {
        task->result.status = status;
        task->result.cause = 0;
        memcpy(task->result.text, text, sizeof(text));
    }
}

static void move_bytes(struct task *task, const struct rmx_flow_shm *flow)
{
    task->result.status = enter_channel(task, flow);
    if (task->result.status == RMX_STATUS_OK) {
        task->result.status = connect_rings(task, flow);
    }
    if (task->result.status == RMX_STATUS_OK) {
        run_stage(task, RMX_READ_ONCE(flow->stage));
        settle(task);
    } else {
        end_empty_output(flow, task->arena, task->port);
    }
    rmx_parts_fini(&task->parts);
    rmx_sink_fini(&task->sink);
    rmx_source_fini(&task->source);
    judge_memory(task);
    if (task->channel != NULL) {
        rmx_channel_leave(task->channel, task->spec.channel_flow);
    }
}

void rmx_task_run(
    struct rmx_flow_shm *flow, const struct rmx_region *arena, const struct rmx_task_host *host)
{
    uint64_t started_ns = rmx_moment_ns();
    struct task task = { .host = host, .arena = arena, .port = RMX_READ_ONCE(flow->port) };
    const char *why = NULL;
    int wrong;

    memcpy(&task.spec, &flow->spec, sizeof(task.spec));
    wrong = rmx_job_check(&task.spec, &why);
    if (wrong != 0) {
        task.result.status = (uint32_t)wrong;
        (void)snprintf(task.result.text, sizeof(task.result.text), "%s", why);
        end_empty_output(flow, arena, task.port);
    } else if (task.spec.kind == RMX_JOB_NOOP) {
        task.result.status = RMX_STATUS_OK;
    } else {
        move_bytes(&task, flow);
    }
    task.result.job = task.spec.job;
    task.result.run_ns = rmx_moment_ns() - started_ns;
    rmx_oblivion_take(&task.spec);
    memcpy(&flow->result, &task.result, sizeof(task.result));
}

void rmx_task_refuse(struct rmx_flow_shm *flow, const struct rmx_region *arena,
    enum rmx_status status, const char *why)
{
    struct rmx_job_result result = { .job = RMX_READ_ONCE(flow->spec.job), .status = status };

    (void)snprintf(result.text, sizeof(result.text), "%s", why);
    end_empty_output(flow, arena, RMX_READ_ONCE(flow->port));
    memcpy(&flow->result, &result, sizeof(result));
}
