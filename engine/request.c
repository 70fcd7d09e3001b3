/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What clients ask for. See request.h.
 */
#include "engine/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/allowance.h"
#include "engine/clock.h"
#include "engine/discard.h"
#include "engine/gauges.h"
#include "engine/hello.h"
#include "engine/lane.h"
#include "engine/member.h"
#include "engine/operator.h"
#include "ipc/oblivion.h"

#define NS_OF_MS 1000000u

/* A job without a credit has no job table entry either: the answer goes out now or never. */
static bool refuse_unpaid(struct rmx_client *client, uint64_t job)
{
    struct {
        struct rmx_msg_head head; /* struct rmx_msg_done with one item */
        struct rmx_done_item item;
    } message = {
        .head = { .type = RMX_MSG_DONE, .bytes = sizeof(message), .count = 1 },
        .item.result = { .job = job, .status = RMX_STATUS_BUSY },
    };
    const char *text = rmx_status_text(RMX_STATUS_BUSY);

    memcpy(message.item.result.text, text, strlen(text));
    rmx_stats_add(&client->lane->stats, RMX_STATS_JOBS_REFUSED, 1);
    rmx_stats_add(&client->lane->stats, RMX_STATS_CREDITS_REFUSED, 1);
    return rmx_client_say(client, &message, sizeof(message), NULL, 0);
}

/* Is it the wrong time for a job of this class? Then *retry_ns is how long it will be, and the text
 * says why. */
static bool is_busy(
    struct rmx_client *client, uint32_t class_, char text[RMX_JOB_TEXT_BYTES], uint64_t *retry_ns)
{
    const char *because = "";

    *retry_ns = rmx_peer_penalty_ns(client->peer, rmx_clock_ns());
    if (*retry_ns > 0) {
        because = "jobs of this user ended too many workers, ";
        rmx_stats_add(&client->lane->stats, RMX_STATS_JOBS_REFUSED_PENALTY, 1);
    } else if (rmx_meter_refuses(client->lane, class_, retry_ns)) {
        rmx_stats_add(&client->lane->stats, RMX_STATS_JOBS_REFUSED_BUSY, 1);
    } else {
        return false;
    }
    (void)snprintf(text, RMX_JOB_TEXT_BYTES, "busy: %stry again in %" PRIu64 " ms", because,
        *retry_ns / NS_OF_MS);
    return true;
}

/* Why a job is not taken, in words too. Returns its status, OK: it is. */
static uint32_t judge(struct rmx_client *client, const struct rmx_job_spec *spec, const char **why,
    char text[RMX_JOB_TEXT_BYTES], uint64_t *retry_ns)
{
    uint32_t status = (uint32_t)rmx_job_check(spec, why);

    if (client->lane->draining) {
        *why = rmx_status_text(RMX_STATUS_DRAINING);
        return RMX_STATUS_DRAINING;
    }
    if (status != RMX_STATUS_OK || !is_busy(client, spec->class_, text, retry_ns)) {
        return status;
    }
    *why = text;
    return RMX_STATUS_BUSY;
}

static void accept_job(
    struct rmx_client *client, const struct rmx_job_spec *spec, struct rmx_ports_fds *fds)
{
    struct rmx_lane *lane = client->lane;
    struct rmx_flow *flow = rmx_lane_take_flow(lane);
    char text[RMX_JOB_TEXT_BYTES];
    const char *why = "";
    uint64_t retry_ns = 0;
    uint32_t status = judge(client, spec, &why, text, &retry_ns);
    uint32_t slot = rmx_roster_add(client->roster, flow, spec->job);

    rmx_assert(flow != NULL); /* the credit was a promise of it */
    client->jobs++;
    if (status == RMX_STATUS_OK) {
        struct rmx_progress_shm *shown = &client->progress[slot];

        atomic_store_explicit(&shown->bytes_in, 0, memory_order_relaxed);
        atomic_store_explicit(&shown->bytes_out, 0, memory_order_relaxed);
        status = rmx_flow_admit(flow, client, spec, slot, fds);
    } else {
        rmx_flow_refuse(flow, client, spec, slot, status, why);
        flow->result.retry_after_ns = retry_ns; /* it is told with the next flush */
        flow->spec.class_ = status == RMX_STATUS_BUSY ? spec->class_ : RMX_CLASS_CRITICAL;
    }
    rmx_stats_add(&lane->stats, RMX_STATS_JOBS_REFUSED, status != RMX_STATUS_OK);
    flow->critical = status == RMX_STATUS_OK && flow->spec.class_ == RMX_CLASS_CRITICAL;
    client->peer->jobs++;
    client->peer->critical += flow->critical ? 1 : 0;
    rmx_peer_hold(client->peer);
}

/* Its user has enough critical jobs here: it waits with the normal ones. */
static void rank(struct rmx_client *client, struct rmx_job_spec *spec)
{
    if (spec->class_ == RMX_CLASS_CRITICAL && !rmx_allowance_critical(client)) {
        spec->class_ = RMX_CLASS_NORMAL;
        rmx_stats_add(&client->lane->stats, RMX_STATS_JOBS_MADE_NORMAL, 1);
    }
}

/* Those that the spec promises, from number `next` on; what a check refuses stays with fds. */
static void take_descriptors(const struct rmx_job_spec *spec, struct rmx_sock_fds *fds, int next,
    struct rmx_ports_fds *taken)
{
    for (uint32_t i = 0; i < RMX_JOB_INPUTS_MAX; i++) {
        bool comes = i < spec->inputs && spec->input_port == RMX_JOB_DESCRIPTOR;

        taken->input[i] = comes ? rmx_sock_fds_take(fds, next++) : -1;
    }
    for (uint32_t i = 0; i < RMX_JOB_OUTPUTS_MAX; i++) {
        bool comes = i < spec->outputs && spec->output_port == RMX_JOB_DESCRIPTOR;

        taken->output[i] = comes ? rmx_sock_fds_take(fds, next++) : -1;
    }
}

static void discard_descriptors(struct rmx_loop *loop, struct rmx_ports_fds *fds)
{
    for (uint32_t i = 0; i < RMX_JOB_INPUTS_MAX; i++) {
        rmx_discard_fd(loop, &fds->input[i]);
    }
    for (uint32_t i = 0; i < RMX_JOB_OUTPUTS_MAX; i++) {
        rmx_discard_fd(loop, &fds->output[i]);
    }
}

static void submit(
    struct rmx_client *client, struct rmx_msg_submit *submit, struct rmx_sock_fds *fds)
{
    struct rmx_loop *loop = &client->lane->loop;
    int next = 0;

    rmx_stats_add(&client->lane->stats, RMX_STATS_JOBS_SUBMITTED, submit->head.count);
    for (uint32_t i = 0; i < submit->head.count && client->fd >= 0; i++) {
        struct rmx_job_spec *spec = &submit->jobs[i];
        struct rmx_ports_fds taken;

        take_descriptors(spec, fds, next, &taken);
        next += (int)rmx_job_descriptors(spec);
        rank(client, spec);
        if (rmx_session_spend(&client->talk, 1) == 0) {
            accept_job(client, spec, &taken);
        } else if (!refuse_unpaid(client, spec->job)) {
            rmx_client_cut_off(client, "it submits without credits and does not read the answers");
        }
        rmx_oblivion_take(spec); /* the flow has its own */
        discard_descriptors(loop, &taken);
    }
}

static void cancel(struct rmx_client *client, uint64_t job)
{
    struct rmx_flow *flow = rmx_roster_find(client->roster, job);

    if (flow != NULL) {
        rmx_flow_stop(flow, RMX_STATUS_CANCELLED, 0, "cancelled by the client");
    }
}

static bool say_stats(struct rmx_client *client)
{
    struct rmx_lane *lane = client->lane;
    struct rmx_msg_stats_reply *reply = (struct rmx_msg_stats_reply *)lane->gate.message;
    uint32_t bytes = sizeof(*reply) + RMX_STATS_COUNT * sizeof(reply->values[0]);

    memset(reply, 0, bytes);
    reply->head.type = RMX_MSG_STATS_REPLY;
    reply->head.bytes = bytes;
    reply->head.count = RMX_STATS_COUNT;
    rmx_gauges_refresh(lane);
    for (uint32_t i = 0; i < lane->lanes_count; i++) {
        rmx_stats_collect(&lane->lanes[i]->stats, reply->values);
    }
    return rmx_client_say(client, reply, bytes, NULL, 0);
}

static bool say_pong(struct rmx_client *client)
{
    struct rmx_msg_ping pong = {
        .head = { .type = RMX_MSG_PONG, .bytes = sizeof(pong) },
        .nonce = client->pong_nonce,
    };

    return rmx_client_say(client, &pong, sizeof(pong), NULL, 0);
}

bool rmx_request_answer(struct rmx_client *client)
{
    bool said = client->answer_due == RMX_MSG_PONG ? say_pong(client) : say_stats(client);

    client->answer_due = said ? 0 : client->answer_due;
    return said;
}

static void answer(struct rmx_client *client, uint16_t with)
{
    client->answer_due = with;
    if (client->blocked || !rmx_request_answer(client)) {
        rmx_gate_mark_due(&client->lane->gate, client);
    }
}

static void open_channel(
    struct rmx_client *client, const struct rmx_msg_channel *channel, struct rmx_sock_fds *fds)
{
    int arena_fd = rmx_sock_fds_take(fds, 0);

    rmx_share_request(client, channel->arena_bytes, &arena_fd);
}

/* One message of `bytes` bytes is in gate->message. */
void rmx_request_take(struct rmx_client *client, size_t bytes, struct rmx_sock_fds *fds)
{
    void *message = client->lane->gate.message;

    rmx_stats_add(&client->lane->stats, RMX_STATS_MESSAGES_IN, 1);
    switch (rmx_session_receive(&client->talk, message, bytes, (uint32_t)fds->count)) {
    case RMX_MSG_HELLO:
        rmx_hello_take(client, message);
        break;
    case RMX_MSG_SUBMIT:
        submit(client, message, fds);
        break;
    case RMX_MSG_CANCEL:
        cancel(client, ((const struct rmx_msg_cancel *)message)->job);
        break;
    case RMX_MSG_PING:
        client->pong_nonce = ((const struct rmx_msg_ping *)message)->nonce;
        answer(client, RMX_MSG_PONG);
        break;
    case RMX_MSG_STATS:
        answer(client, RMX_MSG_STATS_REPLY);
        break;
    case RMX_MSG_CHANNEL:
        open_channel(client, message, fds);
        break;
    case RMX_MSG_GROUP:
        rmx_member_open_group(client, message);
        break;
    case RMX_MSG_GROUP_CLOSE:
        rmx_member_close_group(client, ((const struct rmx_msg_group_name *)message)->group);
        break;
    case RMX_MSG_GROUP_CANCEL:
        rmx_member_cancel_group(client, ((const struct rmx_msg_group_name *)message)->group);
        break;
    case RMX_MSG_JOBS:
        rmx_operator_ask(client, NULL);
        break;
    case RMX_MSG_CANCEL_JOBS:
        rmx_operator_ask(client, message);
        break;
    case RMX_MSG_HANDOVER:
        rmx_handover_offer(client);
        break;
    case RMX_MSG_GOODBYE:
        if (client->talk.state == RMX_SESSION_LEAVING) {
            rmx_handover_confirm(client);
            client->leaving = true;
            rmx_gate_mark_due(&client->lane->gate, client);
        } else {
            rmx_client_part(client, "it hung up");
        }
        break;
    default:
        rmx_client_cut_off(client, "it broke the protocol");
    }
}
