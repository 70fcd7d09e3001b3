/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One connected client. See client.h.
 */
#include "engine/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "engine/cell.h"
#include "engine/clock.h"
#include "engine/discard.h"
#include "engine/door.h"
#include "engine/lane.h"
#include "engine/log.h"
#include "engine/member.h"
#include "engine/operator.h"
#include "engine/request.h"
#include "engine/window.h"
#include "ipc/sock.h"

/* --- what is told to a client --------------------------------------------------------------- */

bool rmx_client_say(
    struct rmx_client *client, const void *message, size_t bytes, const int *fds, int fds_count)
{
    struct iovec part = { .iov_base = NULL, .iov_len = bytes };
    int error;

    memcpy(&part.iov_base, &message, sizeof(message)); /* sendmsg(2) only reads it */
    error = rmx_sock_send(client->fd, &part, 1, fds, fds_count, MSG_DONTWAIT);
    if (error < 0) {
        client->blocked = client->blocked || error == -EAGAIN;
        return false;
    }
    rmx_session_sent(&client->talk, message, bytes);
    rmx_stats_add(&client->lane->stats, RMX_STATS_MESSAGES_OUT, 1);
    return true;
}

/* False: not now. */
static bool say_goodbye(struct rmx_client *client, enum rmx_status status)
{
    struct rmx_msg_goodbye goodbye = {
        .head = { .type = RMX_MSG_GOODBYE, .bytes = sizeof(goodbye) },
        .status = status,
    };

    return rmx_session_may_send(&client->talk, RMX_MSG_GOODBYE) < 0 ||
           rmx_client_say(client, &goodbye, sizeof(goodbye), NULL, 0);
}

void rmx_client_say_goodbye(struct rmx_client *client, enum rmx_status status)
{
    (void)say_goodbye(client, status); /* a courtesy */
}

void rmx_client_drain(struct rmx_client *client)
{
    client->drain_due = client->blocked || !say_goodbye(client, RMX_STATUS_DRAINING);
    if (client->drain_due) {
        rmx_gate_mark_due(&client->lane->gate, client);
    }
}

static bool say_drain(struct rmx_client *client)
{
    client->drain_due = !say_goodbye(client, RMX_STATUS_DRAINING);
    return !client->drain_due;
}

/* --- ends of jobs --------------------------------------------------------------------------- */

/* Its row goes back, and its user has one job less. */
static void give_flow(struct rmx_flow *flow)
{
    struct rmx_peer *peer = flow->peer;

    peer->jobs--;
    peer->critical -= flow->critical ? 1 : 0;
    rmx_lane_give_flow(flow->lane, flow);
    rmx_peer_drop(peer);
}

/* Tells the first of its ended jobs in one message. False: not now. */
static bool say_done(struct rmx_client *client)
{
    struct rmx_gate *gate = &client->lane->gate;
    struct rmx_msg_done *done = (struct rmx_msg_done *)gate->message;
    struct rmx_flow *flow = client->ended.first;
    uint32_t most = client->credits + rmx_window_spare(client);
    uint32_t credits = client->credits;
    uint32_t given = 0;
    uint32_t count = 0;
    uint32_t bytes;

    for (; flow != NULL && count < RMX_DONE_JOBS_MAX; flow = flow->next) {
        uint32_t back = rmx_load_credits(
            &client->lane->meter.load, flow->spec.class_, credits, client->credits_most);

        back = back == 2 && credits == most ? 1 : back;
        done->items[count] = (struct rmx_done_item){ .credits = back, .result = flow->result };
        credits = credits + back - 1;
        given += back;
        count++;
    }
    bytes = (uint32_t)(sizeof(*done) + count * sizeof(done->items[0]));
    done->head = (struct rmx_msg_head){ .type = RMX_MSG_DONE, .bytes = bytes, .count = count };
    if (!rmx_client_say(client, done, bytes, NULL, 0)) {
        return false;
    }
    rmx_window_move(client, credits, given);
    for (uint32_t i = 0; i < count; i++) {
        give_flow(rmx_flow_list_pop(&client->ended));
    }
    client->jobs -= count;
    return true;
}

static void close_opened(struct rmx_client *client)
{
    client->opened_due = false;
    for (int i = 0; i < RMX_SHARE_BELLS; i++) {
        rmx_base_close(&client->opened_fds[i]);
    }
}

static bool say_opened(struct rmx_client *client)
{
    int count = client->opened.status == RMX_STATUS_OK ? RMX_SHARE_BELLS : 0;

    if (!rmx_client_say(
            client, &client->opened, sizeof(client->opened), client->opened_fds, count)) {
        return false;
    }
    close_opened(client);
    return true;
}

void rmx_client_answer_channel(
    struct rmx_client *client, uint32_t name, enum rmx_status status, int fds[RMX_SHARE_BELLS])
{
    rmx_assert(!client->opened_due && (status == RMX_STATUS_OK) == (name != 0));
    client->opened = (struct rmx_msg_channel_opened){
        .head = { .type = RMX_MSG_CHANNEL_OPENED, .bytes = sizeof(client->opened) },
        .channel = name,
        .status = status,
    };
    for (int i = 0; i < RMX_SHARE_BELLS; i++) {
        client->opened_fds[i] = rmx_take_fd(&fds[i]);
    }
    client->opened_due = true;
    if (client->blocked || !say_opened(client)) {
        rmx_gate_mark_due(&client->lane->gate, client);
    }
}

void rmx_client_lose_channel(struct rmx_client *client, const struct rmx_share *share)
{
    uint32_t i = 0;

    while (client->channels[i].share != share) {
        i++;
        rmx_assert(i < RMX_CHANNELS_MAX);
    }
    client->channels[i].share = NULL;
    client->losses_due++;
    rmx_stats_add(&client->lane->stats, RMX_STATS_CHANNELS_LOST, 1);
    rmx_gate_mark_due(&client->lane->gate, client);
}

/* Tells it of one lost channel. */
static bool say_lost(struct rmx_client *client)
{
    struct rmx_msg_channel_lost lost = {
        .head = { .type = RMX_MSG_CHANNEL_LOST, .bytes = sizeof(lost) },
    };
    uint32_t i = 0;

    while (client->channels[i].name == 0 || client->channels[i].share != NULL) {
        i++;
        rmx_assert(i < RMX_CHANNELS_MAX);
    }
    lost.channel = client->channels[i].name;
    if (!rmx_client_say(client, &lost, sizeof(lost), NULL, 0)) {
        return false;
    }
    client->channels[i].name = 0;
    client->losses_due--;
    return true;
}

static bool has_news(const struct rmx_client *client)
{
    return client->drain_due || rmx_client_waits(client) || client->losses_due > 0 ||
           client->ended.first != NULL || client->groups_over > 0 || client->credits_due ||
           (client->errand != NULL && client->errand->state == RMX_ERRAND_HOME);
}

/* One message of what is due; that a channel is open comes before that it is lost, and the end of a
 * group after those of its jobs. */
static bool say_news(struct rmx_client *client)
{
    if (client->drain_due) {
        return say_drain(client);
    }
    if (client->opened_due) {
        return say_opened(client);
    }
    if (client->answer_due != 0) {
        return rmx_request_answer(client);
    }
    if (client->losses_due > 0) {
        return say_lost(client);
    }
    if (client->ended.first != NULL) {
        return say_done(client);
    }
    if (client->groups_over > 0) {
        return rmx_member_say_over(client);
    }
    return client->credits_due ? rmx_window_widen(client) : rmx_errand_say(client->errand);
}

void rmx_client_ended(struct rmx_flow *flow)
{
    struct rmx_client *client = flow->client;

    if (client == NULL) { /* its credit went on standing for the row it had */
        flow->lane->gate.credits_granted--;
        flow->peer->credits--;
        flow->lane->gate.rows_back = true;
        give_flow(flow);
        return;
    }
    /* Relaxed: DONE tells the client; this is for one that looks before. */
    atomic_store_explicit(&client->progress[flow->progress_slot].job, 0, memory_order_relaxed);
    rmx_roster_remove(client->roster, flow->progress_slot, flow->spec.job);
    rmx_flow_list_push(&client->ended, flow);
    rmx_gate_mark_due(&client->lane->gate, client);
}

struct rmx_progress_shm *rmx_client_progress(const struct rmx_flow *flow)
{
    return flow->client == NULL ? NULL : &flow->client->progress[flow->progress_slot];
}

/* --- the end of a session -------------------------------------------------------------------- */

/* The entry of a client that has left is free once the kernel has none of its operations. */
void rmx_client_forget(struct rmx_client *client)
{
    struct rmx_gate *gate = &client->lane->gate;

    if (!client->closing || client->hear_op.busy || client->room_op.busy ||
        client->cancel_hear_op.busy || client->cancel_room_op.busy ||
        (client->errand != NULL && client->errand->state == RMX_ERRAND_AWAY)) {
        return;
    }
    if (client->errand != NULL) {
        rmx_operator_go(client);
    }
    client->closing = false;
    gate->clients_open--;
}

static void cancel_done(struct rmx_op *op, int result)
{
    (void)result; /* found or too late: the other operation's own completion tells */
    rmx_client_forget(op->owner);
}

/* A job that a worker has keeps its row until the worker lets go, and its credit with it. */
static void cancel_jobs(struct rmx_client *client)
{
    struct rmx_lane *lane = client->lane;
    struct rmx_flow *flow;

    while ((flow = rmx_flow_list_pop(&client->ended)) != NULL) {
        give_flow(flow);
    }
    for (uint32_t slot = 0; slot < client->roster->slots; slot++) {
        flow = client->roster->jobs[slot];
        if (flow != NULL) {
            lane->gate.credits_granted++; /* until it ends */
            client->peer->credits++;
            rmx_flow_orphan(flow);
        }
    }
    for (uint32_t slot = 0; slot < client->roster->slots; slot++) {
        flow = client->roster->jobs[slot];
        if (flow != NULL) { /* it may have ended by now, and is FREE then */
            rmx_flow_stop(flow, RMX_STATUS_CANCELLED, 0, "the client went away");
        }
    }
    client->roster->slots = 0;
    rmx_member_free_groups(client);
}

/* Its channels go once their last jobs have. */
static void leave_channels(struct rmx_client *client)
{
    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        if (client->channels[i].share != NULL) {
            rmx_share_leave(client->channels[i].share, &client->lane->crew);
        }
        client->channels[i] = (struct rmx_share_entry){ .name = 0 };
    }
    client->channel_names = 0;
    client->asks_until_ns = 0;
    client->losses_due = 0;
    close_opened(client);
}

bool rmx_client_may_log(const struct rmx_client *client)
{
    uint64_t missed = 0;

    rmx_assert(client->peer != NULL);
    bool may = rmx_peer_may_log(client->peer, rmx_clock_ns(), &missed);

    if (missed > 0) {
        rmx_log(RMX_LOG_WARN, "lines_left_out", RMX_LOG_U64("uid", client->peer->uid),
            RMX_LOG_U64("count", missed));
    }
    return may;
}

/* All it had is back at once. */
static void leave(struct rmx_client *client)
{
    struct rmx_lane *lane = client->lane;

    rmx_handover_forget(client);
    cancel_jobs(client);
    leave_channels(client);
    rmx_cell_forget(&lane->crew, client->index);
    lane->gate.credits_granted -= client->credits;
    client->peer->credits -= client->credits;
    lane->gate.rows_back = true;
    rmx_door_pass(client);
    if (client->welcome) {
        uint32_t *count = client->errand == NULL ? &lane->gate.sessions : &lane->gate.operators;

        (*count)--;
        client->peer->sessions -= client->errand == NULL ? 1 : 0;
    }
    lane->gate.resting -= client->rests ? 1 : 0;
    client->rests = false;
    client->messages = (struct rmx_bucket){ .full_ns = 0 };
    client->bytes = (struct rmx_bucket){ .full_ns = 0 };
    client->welcome = false;
    client->leaving = false;
    client->credits_most = 0;
    client->credits_due = false;
    client->deaf = false;
    client->answer_due = 0;
    client->drain_due = false;
    client->jobs = 0;
    rmx_stats_set(&lane->stats, RMX_STATS_SESSIONS_OPEN, lane->gate.sessions);
    client->credits = 0;
    client->closing = true;
    rmx_discard_socket(&lane->loop, &client->fd);
    rmx_region_fini(&client->arena);
    rmx_peer_drop(client->peer);
    client->peer = NULL;
    client->progress = NULL;
    if (client->hear_op.busy) {
        rmx_loop_cancel(&lane->loop, &client->cancel_hear_op, &client->hear_op);
    }
    if (client->room_op.busy) {
        rmx_loop_cancel(&lane->loop, &client->cancel_room_op, &client->room_op);
    }
    rmx_client_forget(client);
    if (lane->private_fd >= 0) { /* the embedded default: we live as long as our one client */
        rmx_lane_abort(lane);
    }
}

/* The session is over: its jobs are cancelled, its arena and credits are back at once. */
void rmx_client_part(struct rmx_client *client, const char *why)
{
    if (client->fd < 0) {
        return;
    }
    if (rmx_client_may_log(client)) {
        rmx_log(RMX_LOG_INFO, "client_gone", RMX_LOG_U64("client", client->index),
            RMX_LOG_STR("why", why));
    }
    leave(client);
}

/* The client broke a rule: it is told, and cut off. */
void rmx_client_cut_off(struct rmx_client *client, const char *why)
{
    rmx_stats_add(&client->lane->stats, RMX_STATS_SESSIONS_BROKEN, 1);
    rmx_client_say_goodbye(client, RMX_STATUS_PEER_CORRUPT);
    if (rmx_client_may_log(client)) {
        rmx_log(RMX_LOG_WARN, "client_cut_off", RMX_LOG_U64("client", client->index),
            RMX_LOG_I64("pid", client->pid), RMX_LOG_U64("uid", client->uid),
            RMX_LOG_STR("why", why));
    }
    leave(client);
}

int rmx_client_make_arena(struct rmx_client *client, uint32_t credits_most)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t some = credits_most > 0 ? credits_most : 1;
    size_t bytes = (some * sizeof(struct rmx_progress_shm) + page - 1) / page * page;
    int error = rmx_region_create(&client->arena, "ringmux-session", bytes, 0);

    if (error < 0) {
        return error;
    }
    client->progress = client->arena.base;
    client->credits_most = credits_most;
    rmx_roster_init(client->roster, credits_most);
    return 0;
}

static void room(struct rmx_op *op, int events)
{
    struct rmx_client *client = op->owner;

    (void)events; /* if it is gone, the next send says so */
    client->blocked = false;
    if (client->closing) {
        rmx_client_forget(client);
    } else {
        rmx_gate_mark_due(&client->lane->gate, client);
    }
}

void rmx_client_flush(struct rmx_client *client)
{
    while (client->fd >= 0 && !client->blocked && has_news(client)) {
        if (!say_news(client) && !client->blocked) {
            rmx_client_part(client, "it takes no answers");
        }
    }
    if (client->fd >= 0 && client->blocked && client->lane->aborting) {
        rmx_client_part(client, "it does not read its answers");
    }
    if (client->fd >= 0 && client->leaving && client->jobs == 0 && !has_news(client)) {
        rmx_client_part(client, "it said goodbye");
    }
    if (client->fd >= 0 && client->deaf && !rmx_client_waits(client)) {
        client->deaf = false;
        rmx_loop_poll(&client->lane->loop, &client->hear_op, client->fd, POLLIN);
    }
    if (client->fd >= 0 && client->blocked && !client->room_op.busy) {
        rmx_loop_poll(&client->lane->loop, &client->room_op, client->fd, POLLOUT);
    }
}

void rmx_client_init(struct rmx_client *client, struct rmx_lane *lane, uint32_t index)
{
    *client = (struct rmx_client){
        .lane = lane,
        .index = index,
        .fd = -1,
        .arena = RMX_REGION_INIT,
        .opened_fds = { -1, -1 },
        .room_op = { .done = room, .owner = client },
        .cancel_hear_op = { .done = cancel_done, .owner = client },
        .cancel_room_op = { .done = cancel_done, .owner = client },
    };
}
