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
#include "engine/discard.h"
#include "engine/door.h"
#include "engine/lane.h"
#include "engine/log.h"
#include "engine/member.h"
#include "engine/operator.h"
#include "engine/request.h"
#include "ipc/sock.h"

/* Messages heard from one client before the others get their turn. */
#define HEAR_MAX 16

#define SECOND_NS 1000000000u
#define REST_NS   10000000u /* how long one is not heard that says too much */

/* Users with a row: as many as there can be, and some that went but for their last jobs. */
#define PEERS_EACH 2u

_Static_assert(PEERS_EACH *(RMX_SESSIONS_MAX + RMX_DOOR_ENTRIES) <= RMX_BERTH_USERS,
    "users would have no count in a berth");

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

/* It has said this much: its buckets are the emptier for it. */
static void charge(struct rmx_client *client, size_t bytes, uint64_t now_ns)
{
    uint64_t messages_most = client->lane->config->messages_per_session;
    uint64_t bytes_most = client->lane->config->message_bytes_per_session;

    if (messages_most > 0) {
        rmx_bucket_take(&client->messages, now_ns, SECOND_NS / messages_most);
    }
    if (bytes_most > 0) {
        rmx_bucket_take(&client->bytes, now_ns, bytes * SECOND_NS / bytes_most);
    }
}

/* Has it said all it may for now? */
static bool is_spent(const struct rmx_client *client, uint64_t now_ns)
{
    return rmx_bucket_wait_ns(&client->messages, now_ns, SECOND_NS) > 0 ||
           rmx_bucket_wait_ns(&client->bytes, now_ns, SECOND_NS) > 0;
}

/* What it says further waits in its socket: in the end its sends do. */
static void rest(struct rmx_client *client, uint64_t now_ns)
{
    client->rests = true;
    client->rests_until_ns = now_ns + REST_NS;
    client->lane->gate.resting++;
    rmx_stats_add(&client->lane->stats, RMX_STATS_SESSIONS_RESTED, 1);
}

static void hear_again(struct rmx_gate *gate)
{
    struct rmx_lane *lane = gate->clients[0].lane;
    uint64_t now = rmx_clock_ns();

    for (uint32_t i = 0; i < gate->clients_max; i++) {
        struct rmx_client *client = &gate->clients[i];

        if (client->rests && now >= client->rests_until_ns) {
            client->rests = false;
            gate->resting--;
            rmx_loop_poll(&lane->loop, &client->hear_op, client->fd, POLLIN);
        } else if (client->rests) {
            rmx_lane_watch(lane, client->rests_until_ns);
        }
    }
}

/* Takes the next message. That it closed with answers unread is told once, and before what it had
 * said. */
static int receive(struct rmx_client *client, struct rmx_sock_fds *fds)
{
    unsigned char *message = client->lane->gate.message;
    int bytes = rmx_sock_recv_all(client->fd, message, RMX_WIRE_BYTES_MAX, fds, MSG_DONTWAIT);

    return bytes == -ECONNRESET
               ? rmx_sock_recv_all(client->fd, message, RMX_WIRE_BYTES_MAX, fds, MSG_DONTWAIT)
               : bytes;
}

static void hear(struct rmx_op *op, int events)
{
    struct rmx_client *client = op->owner;
    uint64_t now = rmx_clock_ns();
    int bytes = -EAGAIN;

    if (client->closing) {
        rmx_client_forget(client);
        return;
    }
    for (int i = 0; i < HEAR_MAX && client->fd >= 0 && events >= 0 && !rmx_client_waits(client) &&
                    !is_spent(client, now);
         i++) {
        struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

        bytes = receive(client, &fds);
        if (bytes > 0) {
            charge(client, (size_t)bytes, now);
            rmx_request_take(client, (size_t)bytes, &fds);
        }
        rmx_discard_fds(&client->lane->loop, &fds);
        if (bytes <= 0) {
            break;
        }
    }
    if (client->fd < 0) {
        return;
    }
    if (bytes == 0 || bytes == -ECONNRESET) {
        rmx_client_part(client, "it closed the connection");
    } else if (bytes == -EMFILE) {
        if (rmx_client_may_log(client)) {
            rmx_log(RMX_LOG_ERROR, "few_descriptors",
                RMX_LOG_STR("why", "a message brought more than there is room for"),
                RMX_LOG_STR("remedy", "raise LimitNOFILE= or 'ulimit -n', or lower jobs_max"));
        }
        rmx_client_say_goodbye(client, RMX_STATUS_BUSY);
        rmx_client_part(client, "no descriptor is left for what it sent");
    } else if (events < 0 || bytes == -ENOMEM || bytes == -ENOBUFS) {
        rmx_client_say_goodbye(client, RMX_STATUS_BUSY); /* else it would think that we are gone */
        rmx_client_part(client, "no memory is left to hear it");
    } else if (bytes < 0 && bytes != -EAGAIN) {
        rmx_client_cut_off(client, "it sent a message that is none");
    } else if (rmx_client_waits(client)) {
        client->deaf = true; /* it reads its answers before it asks for more */
    } else if (is_spent(client, now)) {
        rest(client, now);
    } else {
        rmx_loop_poll(&client->lane->loop, op, client->fd, POLLIN);
    }
}

/* What it said before we end is answered; it can say no more, and knows it. Else what is still
 * unread would cost it the answers that it has not read. */
static void hear_out(struct rmx_client *client)
{
    int bytes = 1;

    (void)shutdown(client->fd, SHUT_RD);
    while (bytes > 0 && client->fd >= 0 && !rmx_client_waits(client)) {
        struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;

        bytes = receive(client, &fds);
        if (bytes > 0) {
            rmx_request_take(client, (size_t)bytes, &fds);
        }
        rmx_discard_fds(&client->lane->loop, &fds);
    }
    if (client->fd >= 0) {
        rmx_client_flush(client);
    }
}

/* --- its turns -------------------------------------------------------------------------------- */

/* It accepts no more, and the kernel has nothing of it: the supervisor may close the socket, and
 * operators may come to the other one. */
static void report_shut(struct rmx_gate *gate)
{
    struct rmx_lane *lane = gate->clients[0].lane;

    if (gate->closing && rmx_door_is_shut(gate)) {
        gate->closing = false;
        rmx_lane_report_shut(lane);
        if (lane->drain_fd >= 0) {
            rmx_door_open(gate, lane, lane->drain_fd);
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
    rmx_door_tend(gate);
    if (gate->resting > 0) {
        hear_again(gate);
    }
    report_shut(gate);
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
    uint32_t max = sessions_max + RMX_DOOR_ENTRIES;

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
    memset(gate->message, 0, RMX_WIRE_BYTES_MAX); /* its pages come now */
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

        rmx_door_let_in(&gate->clients[0], &fd);
    } else {
        rmx_door_open(gate, lane, lane->listen_fd);
    }
}

void rmx_gate_drain(struct rmx_gate *gate, struct rmx_lane *lane)
{
    gate->closing = true;
    rmx_door_close(gate, lane);
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
    rmx_door_close(gate, gate->clients[0].lane);
    for (uint32_t i = 0; i < gate->clients_max; i++) {
        if (gate->clients[i].fd >= 0) {
            hear_out(&gate->clients[i]);
        }
        rmx_client_part(&gate->clients[i], "the daemon ends");
    }
}

bool rmx_gate_idle(const struct rmx_gate *gate)
{
    return gate->clients_open == 0 && rmx_door_is_shut(gate);
}
