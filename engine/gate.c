/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where clients come in. See gate.h.
 */
#include "engine/gate.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/lane.h"
#include "engine/log.h"
#include "ipc/sock.h"

/* Messages heard from one client before the others get their turn. */
#define HEAR_MAX 16

/* Clients beyond sessions_max that may be connected: long enough to be told BUSY. */
#define ANTEROOM 8u

/* How long a client may be connected before it says hello: others may be waiting for its entry. */
#define HELLO_NS 2000000000u

/* When no more can be accepted, they wait this long, or until the lane turns next. */
#define ACCEPT_PAUSE_NS 50000000u

void rmx_gate_mark_due(struct rmx_gate *gate, struct rmx_client *client)
{
    if (!client->due) {
        client->due = true;
        client->next_due = gate->due_first;
        gate->due_first = client;
    }
}

/* --- what a client says ---------------------------------------------------------------------- */

static uint32_t grantable(const struct rmx_lane *lane)
{
    const struct rmx_gate *gate = &lane->gate;
    uint32_t others = gate->sessions_max - gate->sessions - 1; /* each may come, and gets one */
    uint32_t taken = gate->credits_granted + others; /* more than there are: of jobs left behind */
    uint32_t left = taken < lane->config->jobs_max ? lane->config->jobs_max - taken : 0;

    return left < lane->config->credits ? left : lane->config->credits;
}

static void greet(struct rmx_client *client, const struct rmx_msg_hello *hello)
{
    struct rmx_lane *lane = client->lane;
    int version = rmx_session_version(hello);
    bool full = lane->gate.sessions == lane->gate.sessions_max;
    uint32_t credits = full ? 0 : grantable(lane);
    struct rmx_msg_welcome welcome = {
        .head = { .type = RMX_MSG_WELCOME, .bytes = sizeof(welcome) },
        .credits = credits,
        .progress_slots = credits,
        .daemon_pid = (uint32_t)getpid(),
        .workers = lane->crew.count,
        .channel_bytes = lane->config->channel_bytes,
    };
    int error;

    if (version < 0) {
        rmx_client_say_goodbye(client, RMX_STATUS_UNSUPPORTED);
        rmx_client_part(client, "it speaks no version of the protocol that we speak");
        return;
    }
    if (credits == 0) {
        rmx_client_say_goodbye(client, RMX_STATUS_BUSY);
        rmx_client_part(
            client, full ? "there are sessions_max clients already" : "no credit is left for it");
        return;
    }
    error = rmx_client_make_arena(client, credits);
    if (error < 0) {
        rmx_log(RMX_LOG_ERROR, "session_arena", RMX_LOG_ERRNO("why", error));
        rmx_client_say_goodbye(client, RMX_STATUS_BUSY);
        rmx_client_part(client, "no memory for its arena");
        return;
    }
    welcome.version = (uint32_t)version;
    welcome.arena_bytes = client->arena.size;
    client->credits = credits;
    client->welcome = true;
    lane->gate.credits_granted += credits;
    lane->gate.sessions++;
    rmx_stats_set(&lane->stats, RMX_STATS_SESSIONS_OPEN, lane->gate.sessions);
    (void)rmx_session_grant(&client->talk, credits);
    rmx_stats_add(&lane->stats, RMX_STATS_CREDITS_GRANTED, credits);
    if (!rmx_client_say(client, &welcome, sizeof(welcome), &client->arena.fd, 1)) {
        rmx_client_part(client, "it did not take the welcome");
        return;
    }
    if (lane->draining) {
        rmx_client_say_goodbye(client, RMX_STATUS_DRAINING);
    }
    rmx_log(RMX_LOG_INFO, "client_came", RMX_LOG_U64("client", client->index),
        RMX_LOG_I64("pid", client->pid), RMX_LOG_U64("uid", client->uid),
        RMX_LOG_STR("name", hello->name), RMX_LOG_U64("credits", credits));
}

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

static void accept_job(
    struct rmx_client *client, const struct rmx_job_spec *spec, int *input_fd, int *output_fd)
{
    struct rmx_lane *lane = client->lane;
    struct rmx_flow *flow = rmx_lane_take_flow(lane);
    const char *why = "";
    uint32_t status = (uint32_t)rmx_job_check(spec, &why);
    uint32_t slot = client->free_slots[--client->free_slots_count];

    rmx_assert(flow != NULL); /* the credit was a promise of it */
    client->jobs++;
    if (lane->draining) {
        status = RMX_STATUS_DRAINING;
        why = rmx_status_text(status);
    }
    if (status == RMX_STATUS_OK) {
        struct rmx_progress_shm *shown = &client->progress[slot];

        atomic_store_explicit(&shown->bytes_in, 0, memory_order_relaxed);
        atomic_store_explicit(&shown->bytes_out, 0, memory_order_relaxed);
        status = rmx_flow_admit(flow, client, spec, slot, input_fd, output_fd);
    } else {
        rmx_flow_refuse(flow, client, spec->job, slot, status, why);
    }
    rmx_stats_add(&lane->stats, RMX_STATS_JOBS_REFUSED, status != RMX_STATUS_OK);
}

static void submit(
    struct rmx_client *client, const struct rmx_msg_submit *submit, struct rmx_sock_fds *fds)
{
    int next = 0;

    rmx_stats_add(&client->lane->stats, RMX_STATS_JOBS_SUBMITTED, submit->head.count);
    for (uint32_t i = 0; i < submit->head.count && client->fd >= 0; i++) {
        const struct rmx_job_spec *spec = &submit->jobs[i];
        rmx_autofd int input_fd = -1;
        rmx_autofd int output_fd = -1;

        if (spec->inputs > 0 && spec->input_port == RMX_JOB_DESCRIPTOR) {
            input_fd = rmx_sock_fds_take(fds, next);
        }
        if (spec->outputs > 0 && spec->output_port == RMX_JOB_DESCRIPTOR) {
            output_fd = rmx_sock_fds_take(fds, next + (int)rmx_job_descriptors(spec) - 1);
        }
        next += (int)rmx_job_descriptors(spec); /* what a check refuses is closed with fds */
        if (rmx_session_spend(&client->talk, 1) == 0) {
            accept_job(client, spec, &input_fd, &output_fd);
        } else if (!refuse_unpaid(client, spec->job)) {
            rmx_client_cut_off(client, "it submits without credits and does not read the answers");
        }
    }
}

static void cancel(struct rmx_client *client, uint64_t job)
{
    struct rmx_lane *lane = client->lane;

    for (uint32_t i = 0; i < lane->config->jobs_max; i++) {
        struct rmx_flow *flow = &lane->flows[i];

        if (flow->state != RMX_FLOW_FREE && flow->client == client && flow->spec.job == job) {
            rmx_flow_stop(flow, RMX_STATUS_CANCELLED, 0, "cancelled by the client");
            return;
        }
    }
}

static void say_stats(struct rmx_client *client)
{
    struct rmx_lane *lane = client->lane;
    struct rmx_msg_stats_reply *reply = (struct rmx_msg_stats_reply *)lane->gate.message;
    uint32_t bytes = sizeof(*reply) + RMX_STATS_COUNT * sizeof(reply->values[0]);

    memset(reply, 0, bytes);
    reply->head.type = RMX_MSG_STATS_REPLY;
    reply->head.bytes = bytes;
    reply->head.count = RMX_STATS_COUNT;
    rmx_lane_refresh_stats(lane);
    for (uint32_t i = 0; i < lane->lanes_count; i++) {
        rmx_stats_collect(&lane->lanes[i]->stats, reply->values);
    }
    (void)rmx_client_say(client, reply, bytes, NULL, 0);
}

static void say_pong(struct rmx_client *client, uint64_t nonce)
{
    struct rmx_msg_ping pong = {
        .head = { .type = RMX_MSG_PONG, .bytes = sizeof(pong) },
        .nonce = nonce,
    };

    (void)rmx_client_say(client, &pong, sizeof(pong), NULL, 0);
}

static void open_channel(
    struct rmx_client *client, const struct rmx_msg_channel *channel, struct rmx_sock_fds *fds)
{
    rmx_autofd int arena_fd = rmx_sock_fds_take(fds, 0);

    rmx_share_request(client, channel->arena_bytes, &arena_fd);
}

/* One message of `bytes` bytes is in gate->message. */
static void take(struct rmx_client *client, size_t bytes, struct rmx_sock_fds *fds)
{
    const void *message = client->lane->gate.message;

    rmx_stats_add(&client->lane->stats, RMX_STATS_MESSAGES_IN, 1);
    switch (rmx_session_receive(&client->talk, message, bytes, (uint32_t)fds->count)) {
    case RMX_MSG_HELLO:
        greet(client, message);
        break;
    case RMX_MSG_SUBMIT:
        submit(client, message, fds);
        break;
    case RMX_MSG_CANCEL:
        cancel(client, ((const struct rmx_msg_cancel *)message)->job);
        break;
    case RMX_MSG_PING:
        say_pong(client, ((const struct rmx_msg_ping *)message)->nonce);
        break;
    case RMX_MSG_STATS:
        say_stats(client);
        break;
    case RMX_MSG_CHANNEL:
        open_channel(client, message, fds);
        break;
    case RMX_MSG_GOODBYE:
        if (client->talk.state == RMX_SESSION_LEAVING) {
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

static void hear(struct rmx_op *op, int events)
{
    struct rmx_client *client = op->owner;
    struct rmx_gate *gate = &client->lane->gate;
    int bytes = 0;

    if (client->closing) {
        rmx_client_forget(client);
        return;
    }
    for (int i = 0; i < HEAR_MAX && client->fd >= 0 && events >= 0 && !client->opened_due; i++) {
        struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

        bytes = rmx_sock_recv(client->fd, gate->message, RMX_WIRE_BYTES_MAX, &fds, MSG_DONTWAIT);
        if (bytes <= 0) {
            break;
        }
        take(client, (size_t)bytes, &fds);
        rmx_sock_fds_close(&fds);
    }
    if (client->fd < 0) {
        return;
    }
    if (events < 0 || bytes == 0 || bytes == -ECONNRESET) {
        rmx_client_part(client, "it closed the connection");
    } else if (bytes == -EMFILE) {
        rmx_log(RMX_LOG_ERROR, "few_descriptors",
            RMX_LOG_STR("why", "a message brought more than there is room for"),
            RMX_LOG_STR("remedy", "raise LimitNOFILE= or 'ulimit -n', or lower jobs_max"));
        rmx_client_say_goodbye(client, RMX_STATUS_BUSY);
        rmx_client_part(client, "no descriptor is left for what it sent");
    } else if (bytes < 0 && bytes != -EAGAIN) {
        rmx_client_cut_off(client, "it sent a message that is none");
    } else if (client->opened_due) {
        client->deaf = true; /* it reads its answers before it asks for more */
    } else {
        rmx_loop_poll(&client->lane->loop, op, client->fd, POLLIN);
    }
}

/* --- how clients come ------------------------------------------------------------------------ */

static struct rmx_client *free_client(struct rmx_gate *gate)
{
    for (uint32_t i = 0; i < gate->clients_max; i++) {
        if (gate->clients[i].fd < 0 && !gate->clients[i].closing) {
            return &gate->clients[i];
        }
    }
    return NULL;
}

/* A connection becomes a client. It is a session once it has said hello. */
static void come(struct rmx_client *client, int *fd)
{
    struct rmx_lane *lane = client->lane;
    struct ucred peer = { 0 };

    rmx_stats_add(&lane->stats, RMX_STATS_SESSIONS_TOTAL, 1);
    (void)rmx_sock_peer(*fd, &peer); /* only for the log */
    client->fd = rmx_take_fd(fd);
    client->pid = peer.pid;
    client->uid = peer.uid;
    client->blocked = false;
    rmx_session_init(&client->talk, RMX_SESSION_DAEMON);
    client->hello_by_ns = rmx_clock_ns() + HELLO_NS;
    lane->gate.clients_open++;
    rmx_loop_poll(&lane->loop, &client->hear_op, client->fd, POLLIN);
}

static void accept_clients(struct rmx_op *op, int events)
{
    struct rmx_lane *lane = op->owner;
    struct rmx_gate *gate = &lane->gate;

    if (!gate->listening || events < 0) {
        return;
    }
    for (int i = 0; i < HEAR_MAX; i++) {
        struct rmx_client *client = free_client(gate);
        rmx_autofd int fd = -1;

        if (client != NULL) {
            fd = accept4(lane->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        }
        if (client == NULL || (fd < 0 && errno != EAGAIN && errno != ECONNABORTED)) {
            gate->accept_again_ns = rmx_clock_ns() + ACCEPT_PAUSE_NS; /* till then they wait */
            return;
        }
        if (fd < 0) {
            break;
        }
        come(client, &fd);
    }
    rmx_loop_poll(&lane->loop, op, lane->listen_fd, POLLIN);
}

/* There was no descriptor or no entry for one more client: perhaps there is now. */
static void accept_again(struct rmx_gate *gate)
{
    struct rmx_lane *lane = gate->accept_op.owner;

    if (gate->accept_again_ns != 0 && rmx_clock_ns() >= gate->accept_again_ns) {
        gate->accept_again_ns = 0;
        if (gate->listening) {
            rmx_loop_poll(&lane->loop, &gate->accept_op, lane->listen_fd, POLLIN);
        }
    }
}

/* Parts with those that connected and said nothing. */
static void hurry(struct rmx_gate *gate)
{
    uint64_t now = rmx_clock_ns();

    for (uint32_t i = 0; i < gate->clients_max; i++) {
        struct rmx_client *client = &gate->clients[i];

        if (client->fd >= 0 && !client->welcome && now >= client->hello_by_ns) {
            rmx_client_part(client, "it never said hello");
        }
    }
}

void rmx_gate_tend(struct rmx_gate *gate)
{
    accept_again(gate);
    if (gate->clients_open > gate->sessions) {
        hurry(gate);
    }
    while (gate->due_first != NULL) {
        struct rmx_client *client = gate->due_first;

        gate->due_first = client->next_due;
        client->due = false;
        rmx_client_flush(client);
    }
}

int rmx_gate_init(struct rmx_gate *gate, struct rmx_lane *lane)
{
    uint32_t sessions_max = lane->private_fd >= 0 ? 1 : lane->config->sessions_max;
    uint32_t max = sessions_max + ANTEROOM;

    *gate = (struct rmx_gate){ .clients_max = max, .sessions_max = sessions_max };
    gate->clients = calloc(max, sizeof(*gate->clients));
    gate->message = aligned_alloc(64, RMX_WIRE_BYTES_MAX);
    if (gate->clients == NULL || gate->message == NULL) {
        rmx_gate_fini(gate);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < max; i++) {
        rmx_client_init(&gate->clients[i], lane, i);
        gate->clients[i].hear_op = (struct rmx_op){ .done = hear, .owner = &gate->clients[i] };
    }
    return 0;
}

void rmx_gate_fini(struct rmx_gate *gate)
{
    free(gate->clients);
    free(gate->message);
    *gate = (struct rmx_gate){ 0 };
}

void rmx_gate_open(struct rmx_gate *gate, struct rmx_lane *lane)
{
    if (lane->private_fd >= 0) {
        int fd = lane->private_fd; /* the number stays known: it says that we are private */

        come(&gate->clients[0], &fd);
    } else {
        gate->listening = true;
        gate->accept_op = (struct rmx_op){ .done = accept_clients, .owner = lane };
        rmx_loop_poll(&lane->loop, &gate->accept_op, lane->listen_fd, POLLIN);
    }
}

static void accept_cancelled(struct rmx_op *op, int result)
{
    (void)op;
    (void)result;
}

void rmx_gate_drain(struct rmx_gate *gate, struct rmx_lane *lane)
{
    if (gate->listening) {
        gate->listening = false;
        gate->cancel_accept_op = (struct rmx_op){ .done = accept_cancelled };
        rmx_loop_cancel(&lane->loop, &gate->cancel_accept_op, &gate->accept_op);
    }
    for (uint32_t i = 0; i < gate->clients_max; i++) {
        if (gate->clients[i].fd >= 0) {
            rmx_client_say_goodbye(&gate->clients[i], RMX_STATUS_DRAINING);
        }
    }
}

void rmx_gate_abort(struct rmx_gate *gate)
{
    for (uint32_t i = 0; i < gate->clients_max; i++) {
        if (gate->clients[i].fd >= 0) {
            rmx_gate_mark_due(gate, &gate->clients[i]);
        }
    }
}

void rmx_gate_close(struct rmx_gate *gate)
{
    for (uint32_t i = 0; i < gate->clients_max; i++) {
        rmx_client_part(&gate->clients[i], "the daemon ends");
    }
}

bool rmx_gate_idle(const struct rmx_gate *gate)
{
    return gate->clients_open == 0 && !gate->accept_op.busy && !gate->cancel_accept_op.busy;
}
