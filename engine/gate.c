/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where clients come in. See gate.h.
 */
#include "engine/gate.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/lane.h"
#include "engine/log.h"
#include "engine/member.h"
#include "engine/operator.h"
#include "engine/request.h"
#include "ipc/sock.h"

/* Messages heard from one client before the others get their turn. */
#define HEAR_MAX 16

/* Clients beyond sessions_max that may be connected: long enough to be told BUSY; and operators. */
#define ANTEROOM (8u + RMX_OPERATORS_MAX)

_Static_assert(
    RMX_SESSIONS_MAX + ANTEROOM <= RMX_WORKER_PARTIES, "two sessions would be one party");

/* Users with a row: as many as there can be, and some that went but for their last jobs. */
#define PEERS_EACH 2u

/* As whom we take one that the kernel does not tell the user of: user_namespaces(7). */
#define NOBODY 65534u

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

uint32_t rmx_gate_spare(const struct rmx_gate *gate, uint32_t others)
{
    uint32_t most = gate->clients[0].lane->config->jobs_max;
    uint32_t taken = gate->credits_granted + others; /* more than there are: of jobs left behind */

    return taken < most ? most - taken : 0;
}

void rmx_gate_widen(struct rmx_gate *gate)
{
    for (uint32_t i = 0; i < gate->clients_max; i++) {
        struct rmx_client *client = &gate->clients[i];

        if (client->welcome && client->credits < client->credits_most) {
            client->credits_due = true;
            rmx_gate_mark_due(gate, client);
        }
    }
}

/* --- how clients are heard ------------------------------------------------------------------- */

static void hear(struct rmx_op *op, int events)
{
    struct rmx_client *client = op->owner;
    struct rmx_gate *gate = &client->lane->gate;
    int bytes = 0;

    if (client->closing) {
        rmx_client_forget(client);
        return;
    }
    for (int i = 0; i < HEAR_MAX && client->fd >= 0 && events >= 0 && !rmx_client_waits(client);
         i++) {
        struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

        bytes = rmx_sock_recv(client->fd, gate->message, RMX_WIRE_BYTES_MAX, &fds, MSG_DONTWAIT);
        if (bytes <= 0) {
            break;
        }
        rmx_request_take(client, (size_t)bytes, &fds);
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
    } else if (rmx_client_waits(client)) {
        client->deaf = true; /* it reads its answers before it asks for more */
    } else {
        rmx_loop_poll(&client->lane->loop, op, client->fd, POLLIN);
    }
}

/* What it said before we end is answered; it can say no more, and knows it. Else what is still
 * unread would cost it the answers that it has not read. */
static void hear_out(struct rmx_client *client)
{
    struct rmx_gate *gate = &client->lane->gate;
    int bytes = 1;

    (void)shutdown(client->fd, SHUT_RD);
    while (bytes > 0 && client->fd >= 0 && !rmx_client_waits(client)) {
        struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

        bytes = rmx_sock_recv(client->fd, gate->message, RMX_WIRE_BYTES_MAX, &fds, MSG_DONTWAIT);
        if (bytes > 0) {
            rmx_request_take(client, (size_t)bytes, &fds);
            rmx_sock_fds_close(&fds);
        }
    }
    if (client->fd >= 0) {
        rmx_client_flush(client);
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

static void hurry_by(struct rmx_gate *gate, uint64_t hello_by_ns)
{
    gate->hurry_ns = hello_by_ns < gate->hurry_ns ? hello_by_ns : gate->hurry_ns;
}

/* A connection becomes a client, unless its user cannot be one of those there. It is a session once
 * it has said hello. */
static void come(struct rmx_client *client, int *fd)
{
    struct rmx_lane *lane = client->lane;
    struct ucred peer = { .uid = NOBODY };
    uint64_t now = rmx_clock_ns();

    client->known = rmx_sock_peer(*fd, &peer) == 0;
    client->peer = rmx_peer_take(&lane->gate.peers, peer.uid, now);
    if (client->peer == NULL) {
        return;
    }
    rmx_stats_add(&lane->stats, RMX_STATS_SESSIONS_TOTAL, 1);
    client->fd = rmx_take_fd(fd);
    client->pid = peer.pid;
    client->uid = peer.uid;
    client->blocked = false;
    client->late = lane->draining;
    rmx_session_init(&client->talk, RMX_SESSION_DAEMON);
    client->hello_by_ns = now + HELLO_NS;
    hurry_by(&lane->gate, client->hello_by_ns);
    lane->gate.clients_open++;
    rmx_loop_poll(&lane->loop, &client->hear_op, client->fd, POLLIN);
}

static void accept_clients(struct rmx_op *op, int events)
{
    struct rmx_lane *lane = op->owner;
    struct rmx_gate *gate = &lane->gate;

    if (gate->accept_fd < 0 || events < 0) {
        return;
    }
    for (int i = 0; i < HEAR_MAX; i++) {
        struct rmx_client *client = free_client(gate);
        rmx_autofd int fd = -1;

        if (client != NULL) {
            fd = accept4(gate->accept_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
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
    rmx_loop_poll(&lane->loop, op, gate->accept_fd, POLLIN);
}

static void start_accepting(struct rmx_gate *gate, struct rmx_lane *lane, int fd)
{
    gate->accept_fd = fd;
    gate->accept_again_ns = 0;
    gate->accept_op = (struct rmx_op){ .done = accept_clients, .owner = lane };
    rmx_loop_poll(&lane->loop, &gate->accept_op, fd, POLLIN);
}

static void accept_cancelled(struct rmx_op *op, int result)
{
    (void)op;
    (void)result;
}

static void stop_accepting(struct rmx_gate *gate, struct rmx_lane *lane)
{
    if (gate->accept_fd >= 0) {
        gate->accept_fd = -1;
        gate->cancel_accept_op = (struct rmx_op){ .done = accept_cancelled };
        rmx_loop_cancel(&lane->loop, &gate->cancel_accept_op, &gate->accept_op);
    }
}

/* There was no descriptor or no entry for one more client: perhaps there is now. */
static void accept_again(struct rmx_gate *gate)
{
    struct rmx_lane *lane = gate->accept_op.owner;

    if (gate->accept_again_ns != 0 && rmx_clock_ns() >= gate->accept_again_ns) {
        gate->accept_again_ns = 0;
        if (gate->accept_fd >= 0) {
            rmx_loop_poll(&lane->loop, &gate->accept_op, gate->accept_fd, POLLIN);
        }
    }
}

/* Parts with those that connected and said nothing. */
static void hurry(struct rmx_gate *gate)
{
    uint64_t now = rmx_clock_ns();

    if (now < gate->hurry_ns) {
        return;
    }
    gate->hurry_ns = UINT64_MAX;
    for (uint32_t i = 0; i < gate->clients_max; i++) {
        struct rmx_client *client = &gate->clients[i];

        if (client->fd < 0 || client->welcome) {
            continue;
        }
        if (now >= client->hello_by_ns) {
            rmx_client_part(client, "it never said hello");
        } else {
            hurry_by(gate, client->hello_by_ns);
        }
    }
}

/* It accepts no more, and the kernel has nothing of it: the supervisor may close the socket, and
 * operators may come to the other one. */
static void report_shut(struct rmx_gate *gate)
{
    struct rmx_lane *lane = gate->clients[0].lane;

    if (gate->closing && !gate->accept_op.busy && !gate->cancel_accept_op.busy) {
        gate->closing = false;
        rmx_lane_report_shut(lane);
        if (lane->drain_fd >= 0) {
            start_accepting(gate, lane, lane->drain_fd);
        }
    }
}

bool rmx_gate_expects(const struct rmx_gate *gate)
{
    for (uint32_t i = 0; i < gate->clients_max; i++) {
        const struct rmx_client *client = &gate->clients[i];

        if (client->fd >= 0 && !client->welcome && !client->late) {
            return true;
        }
    }
    for (uint32_t i = 0; i < RMX_OPERATORS_MAX; i++) {
        const struct rmx_errand *errand = &gate->errands[i];

        if (errand->client != NULL && !errand->client->closing && errand->owed &&
            errand->state == RMX_ERRAND_AWAY) {
            return true;
        }
    }
    return false;
}

static void flush_due(struct rmx_gate *gate)
{
    while (gate->due_first != NULL) {
        struct rmx_client *client = gate->due_first;

        gate->due_first = client->next_due;
        client->due = false;
        rmx_client_flush(client);
    }
}

void rmx_gate_tend(struct rmx_gate *gate)
{
    accept_again(gate);
    report_shut(gate);
    if (gate->clients_open > gate->sessions + gate->operators) {
        hurry(gate);
    }
    flush_due(gate);
    while (gate->rows_back) { /* who is parted with in a flush leaves some, too */
        gate->rows_back = false;
        rmx_gate_widen(gate);
        flush_due(gate);
    }
}

int rmx_gate_init(struct rmx_gate *gate, struct rmx_lane *lane)
{
    uint32_t sessions_max = lane->private_fd >= 0 ? 1 : lane->config->sessions_max;
    uint32_t max = sessions_max + ANTEROOM;

    *gate = (struct rmx_gate){
        .clients_max = max,
        .sessions_max = sessions_max,
        .accept_fd = -1,
    };
    gate->clients = calloc(max, sizeof(*gate->clients));
    gate->rosters = calloc(max, sizeof(*gate->rosters));
    gate->groups = calloc((size_t)max * RMX_GROUPS_MAX, sizeof(*gate->groups));
    gate->errands = calloc(RMX_OPERATORS_MAX, sizeof(*gate->errands));
    gate->message = aligned_alloc(64, RMX_WIRE_BYTES_MAX);
    if (gate->clients == NULL || gate->rosters == NULL || gate->groups == NULL ||
        gate->errands == NULL || gate->message == NULL ||
        rmx_peer_init(&gate->peers, max * PEERS_EACH) < 0) {
        rmx_gate_fini(gate);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < max; i++) {
        rmx_client_init(&gate->clients[i], lane, i);
        gate->clients[i].roster = &gate->rosters[i];
        gate->clients[i].groups = &gate->groups[(size_t)i * RMX_GROUPS_MAX];
        gate->clients[i].hear_op = (struct rmx_op){ .done = hear, .owner = &gate->clients[i] };
    }
    return 0;
}

void rmx_gate_fini(struct rmx_gate *gate)
{
    free(gate->clients);
    free(gate->rosters);
    free(gate->groups);
    free(gate->errands);
    free(gate->message);
    rmx_peer_fini(&gate->peers);
    *gate = (struct rmx_gate){ 0 };
}

void rmx_gate_open(struct rmx_gate *gate, struct rmx_lane *lane)
{
    if (lane->private_fd >= 0) {
        int fd = lane->private_fd; /* the number stays known: it says that we are private */

        come(&gate->clients[0], &fd);
    } else {
        start_accepting(gate, lane, lane->listen_fd);
    }
}

void rmx_gate_drain(struct rmx_gate *gate, struct rmx_lane *lane)
{
    gate->closing = true;
    stop_accepting(gate, lane);
    for (uint32_t i = 0; i < gate->clients_max; i++) {
        if (gate->clients[i].fd >= 0 && gate->clients[i].welcome) { /* others with their WELCOME */
            rmx_client_drain(&gate->clients[i]);
            rmx_member_close_all(&gate->clients[i]);
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
    stop_accepting(gate, gate->clients[0].lane);
    for (uint32_t i = 0; i < gate->clients_max; i++) {
        if (gate->clients[i].fd >= 0) {
            hear_out(&gate->clients[i]);
        }
        rmx_client_part(&gate->clients[i], "the daemon ends");
    }
}

bool rmx_gate_idle(const struct rmx_gate *gate)
{
    return gate->clients_open == 0 && !gate->accept_op.busy && !gate->cancel_accept_op.busy;
}
