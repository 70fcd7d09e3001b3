/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where connections come in. See door.h.
 */
#include "engine/door.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "engine/clock.h"
#include "engine/discard.h"
#include "engine/lane.h"
#include "engine/log.h"
#include "ipc/sock.h"

/* Connections accepted before others get their turn. */
#define ACCEPTS_MAX 16

/* How long one may be connected before it says hello; and while there is no entry left, so that
 * others wait for one, if its user has more than some that do not. */
#define HELLO_NS       5000000000u
#define HURRY_NS       50000000u
#define STRANGERS_CALM 4u

/* When there is no descriptor for one more, they wait this long. */
#define ACCEPT_PAUSE_NS 50000000u
#define FOR_AN_ENTRY    UINT64_MAX /* accept_again_ns: until an entry is free */

_Static_assert(
    RMX_SESSIONS_MAX + RMX_DOOR_ENTRIES <= RMX_WORKER_PARTIES, "two sessions would be one party");
_Static_assert(STRANGERS_CALM < RMX_DOOR_ENTRIES - RMX_OPERATORS_MAX, "one user could take all");

/* --- who is not let in ------------------------------------------------------------------------ */

static void log_refusal(const struct rmx_client *client, const struct ucred *who, const char *why)
{
    if (rmx_client_may_log(client)) {
        rmx_log(RMX_LOG_WARN, "client_refused", RMX_LOG_U64("uid", who->uid),
            RMX_LOG_U64("gid", who->gid), RMX_LOG_I64("pid", who->pid), RMX_LOG_STR("why", why));
    }
}

/* Before it has said anything: it need not hear us. */
static void say_goodbye(int fd, enum rmx_status status)
{
    struct rmx_msg_goodbye goodbye = {
        .head = { .type = RMX_MSG_GOODBYE, .bytes = sizeof(goodbye) },
        .status = status,
    };

    (void)rmx_sock_say(fd, &goodbye, sizeof(goodbye), MSG_DONTWAIT);
}

/* Returns why it is not let in, OK: it is. */
static enum rmx_status judge(const struct rmx_lane *lane, const struct rmx_access *access,
    struct rmx_peer *peer, const char **why)
{
    if (!access->talks) {
        *why = "allow_uids, allow_gids: neither its user nor a group of it is there";
        return RMX_STATUS_DENIED;
    }
    if (!access->owns &&
        !rmx_peer_may_come(peer, lane->config->connections_per_uid, rmx_clock_ns())) {
        *why = "connections_per_uid: its user connects too often";
        return RMX_STATUS_BUSY;
    }
    return RMX_STATUS_OK;
}

/* --- who is ----------------------------------------------------------------------------------- */

static void hurry_by(struct rmx_gate *gate, uint64_t when_ns)
{
    gate->hurry_ns = when_ns < gate->hurry_ns ? when_ns : gate->hurry_ns;
}

static uint64_t hello_by_ns(const struct rmx_client *client)
{
    bool crowded = client->lane->gate.accept_again_ns == FOR_AN_ENTRY;

    return client->came_ns +
           (crowded && client->peer->strangers > STRANGERS_CALM ? HURRY_NS : HELLO_NS);
}

static void come_in(struct rmx_client *client, int *fd, const struct ucred *who)
{
    struct rmx_lane *lane = client->lane;

    rmx_stats_add(&lane->stats, RMX_STATS_SESSIONS_TOTAL, 1);
    client->fd = rmx_take_fd(fd);
    client->pid = who->pid;
    client->uid = who->uid;
    client->blocked = false;
    client->late = lane->draining;
    rmx_session_init(&client->talk, RMX_SESSION_DAEMON);
    client->came_ns = rmx_clock_ns();
    client->stranger = true;
    client->peer->strangers++;
    lane->gate.clients_open++;
    lane->gate.strangers++;
    hurry_by(&lane->gate, hello_by_ns(client));
    rmx_loop_poll(&lane->loop, &client->hear_op, client->fd, POLLIN);
}

void rmx_door_let_in(struct rmx_client *client, int *fd)
{
    struct rmx_lane *lane = client->lane;
    struct ucred who;
    enum rmx_status status;
    const char *why = "";

    rmx_access_judge(lane->config, *fd, &who, &client->access);
    client->peer = rmx_peer_take(&lane->gate.peers, who.uid, rmx_clock_ns());
    if (client->peer == NULL) { /* jobs of so many users go on whose sessions have gone */
        say_goodbye(*fd, RMX_STATUS_BUSY);
        return;
    }
    client->peer->owns = client->access.owns;
    status = judge(lane, &client->access, client->peer, &why);
    if (status == RMX_STATUS_OK) {
        come_in(client, fd, &who);
        return;
    }
    say_goodbye(*fd, status);
    rmx_stats_add(&lane->stats, RMX_STATS_CONNECTIONS_REFUSED, 1);
    log_refusal(client, &who, why);
    rmx_peer_drop(client->peer);
    client->peer = NULL;
}

void rmx_door_pass(struct rmx_client *client)
{
    if (client->stranger) {
        client->stranger = false;
        client->peer->strangers--;
        client->lane->gate.strangers--;
    }
}

/* Parts with those that said nothing. */
static void hurry(struct rmx_gate *gate)
{
    uint64_t now = rmx_clock_ns();

    if (now < gate->hurry_ns) {
        return;
    }
    gate->hurry_ns = UINT64_MAX;
    for (uint32_t i = 0; i < gate->clients_max; i++) {
        struct rmx_client *client = &gate->clients[i];

        if (!client->stranger) {
            continue;
        }
        if (now >= hello_by_ns(client)) {
            rmx_client_part(client, "it never said hello");
        } else {
            hurry_by(gate, hello_by_ns(client));
        }
    }
}

/* --- the socket ------------------------------------------------------------------------------- */

static struct rmx_client *free_entry(struct rmx_gate *gate)
{
    for (uint32_t i = 0; i < gate->clients_max; i++) {
        if (gate->clients[i].fd < 0 && !gate->clients[i].closing) {
            return &gate->clients[i];
        }
    }
    return NULL;
}

/* Those that come wait till then, FOR_AN_ENTRY or for a descriptor. */
static void pause_until(struct rmx_gate *gate, uint64_t when_ns)
{
    gate->accept_again_ns = when_ns;
    gate->hurry_ns = 0; /* those that say nothing may have less time now */
}

static void accept_some(struct rmx_op *op, int events)
{
    struct rmx_lane *lane = op->owner;
    struct rmx_gate *gate = &lane->gate;

    if (gate->accept_fd < 0) {
        return;
    }
    if (events < 0) { /* there was no memory to look for them */
        pause_until(gate, rmx_clock_ns() + ACCEPT_PAUSE_NS);
        return;
    }
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        struct rmx_client *client = free_entry(gate);
        rmx_autofd int fd = -1;

        if (client == NULL) {
            pause_until(gate, FOR_AN_ENTRY);
            return;
        }
        fd = accept4(gate->accept_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED) {
            pause_until(gate, rmx_clock_ns() + ACCEPT_PAUSE_NS);
            return;
        }
        if (fd < 0) {
            break;
        }
        rmx_door_let_in(client, &fd);
        if (fd >= 0) {
            rmx_discard_socket(&lane->loop, &fd);
        }
    }
    rmx_loop_poll(&lane->loop, op, gate->accept_fd, POLLIN);
}

void rmx_door_open(struct rmx_gate *gate, struct rmx_lane *lane, int fd)
{
    gate->accept_fd = fd;
    gate->accept_again_ns = 0;
    gate->accept_op = (struct rmx_op){ .done = accept_some, .owner = lane };
    rmx_loop_poll(&lane->loop, &gate->accept_op, fd, POLLIN);
}

static void cancelled(struct rmx_op *op, int result)
{
    (void)op;
    (void)result;
}

void rmx_door_close(struct rmx_gate *gate, struct rmx_lane *lane)
{
    if (gate->accept_fd >= 0) {
        gate->accept_fd = -1;
        gate->cancel_accept_op = (struct rmx_op){ .done = cancelled };
        rmx_loop_cancel(&lane->loop, &gate->cancel_accept_op, &gate->accept_op);
    }
}

bool rmx_door_is_shut(const struct rmx_gate *gate)
{
    return !gate->accept_op.busy && !gate->cancel_accept_op.busy;
}

/* There was no descriptor or no entry for one more: perhaps there is now. */
static void accept_again(struct rmx_gate *gate)
{
    struct rmx_lane *lane = gate->clients[0].lane;
    bool again = gate->accept_again_ns == FOR_AN_ENTRY ? free_entry(gate) != NULL
                                                       : rmx_clock_ns() >= gate->accept_again_ns;

    if (again) {
        gate->accept_again_ns = 0;
        if (gate->accept_fd >= 0) {
            rmx_loop_poll(&lane->loop, &gate->accept_op, gate->accept_fd, POLLIN);
        }
    }
}

void rmx_door_tend(struct rmx_gate *gate)
{
    struct rmx_lane *lane = gate->clients[0].lane;

    if (gate->strangers > 0) {
        hurry(gate);
        rmx_lane_watch(lane, gate->hurry_ns);
    }
    if (gate->accept_again_ns != 0) {
        accept_again(gate);
        rmx_lane_watch(lane, gate->accept_again_ns != 0 ? gate->accept_again_ns : UINT64_MAX);
    }
}
