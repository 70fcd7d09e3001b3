/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The hand-over of the listening socket. See handover.h.
 */
#include "engine/handover.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/lane.h"
#include "engine/log.h"
#include "ipc/sock.h"

#define ANSWER_MS 2000
#define TELLS_MAX 3 /* so often one tells, or the other listens, where memory is short */

/* One word, and what it is about has been there since the lanes run: relaxed is enough. */
static bool change(struct rmx_handover *handover, uint32_t from, enum rmx_handover_state to)
{
    return atomic_compare_exchange_strong_explicit(
        &handover->state, &from, to, memory_order_relaxed, memory_order_relaxed);
}

/* --- the old daemon -------------------------------------------------------------------------- */

static uint32_t may_have_it(struct rmx_lane *lane)
{
    if (lane->private_fd >= 0) {
        return RMX_STATUS_UNSUPPORTED;
    }
    if (lane->draining || !lane->serving ||
        !change(lane->handover, RMX_HANDOVER_OURS, RMX_HANDOVER_OFFERED)) {
        return RMX_STATUS_BUSY;
    }
    return RMX_STATUS_OK;
}

void rmx_handover_offer(struct rmx_client *client)
{
    struct rmx_lane *lane = client->lane;
    uint32_t status = client->access.owns ? may_have_it(lane) : RMX_STATUS_DENIED;
    bool ok = status == RMX_STATUS_OK;
    struct rmx_msg_handover_reply reply = {
        .head = { .type = RMX_MSG_HANDOVER_REPLY, .bytes = sizeof(reply) },
        .status = status,
        .held = ok && lane->handover->held,
    };
    bool said = rmx_client_say(client, &reply, sizeof(reply), &lane->listen_fd, ok ? 1 : 0);

    rmx_log(RMX_LOG_INFO, "handover", RMX_LOG_I64("pid", client->pid),
        RMX_LOG_STR("answer", said ? rmx_status_name(status) : "none: it does not read"));
    client->has_socket = client->has_socket || ok; /* it may ask again, in vain */
    if (!said) {
        rmx_client_part(client, "it does not read what it asked for");
    }
}

void rmx_handover_confirm(struct rmx_client *client)
{
    struct rmx_lane *lane = client->lane;

    if (client->has_socket) {
        client->has_socket = false;
        if (change(lane->handover, RMX_HANDOVER_OFFERED, RMX_HANDOVER_GIVEN)) {
            rmx_stats_add(&lane->stats, RMX_STATS_HANDOVERS, 1);
            (void)eventfd_write(lane->report_fd, 1);
        }
    }
}

static bool has_hung_up(int sock)
{
    struct pollfd look = { .fd = sock };

    return poll(&look, 1, 0) == 1 && (look.revents & POLLHUP) != 0;
}

/* Did it confirm, and we part before we heard it? From here on it can say nothing, and knows. */
static bool confirmed_unheard(int sock)
{
    struct rmx_msg_goodbye goodbye;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    int tries = 0;
    bool found = false;

    (void)shutdown(sock, SHUT_RD);
    while (!found && tries < TELLS_MAX) {
        int bytes = rmx_sock_recv(sock, &goodbye, sizeof(goodbye), &fds, MSG_DONTWAIT);

        found = bytes == (int)sizeof(goodbye) && goodbye.head.type == RMX_MSG_GOODBYE;
        tries = bytes == 0 || bytes == -EAGAIN ? TELLS_MAX : tries + (bytes < 0);
        rmx_sock_fds_close(&fds);
    }
    return found;
}

void rmx_handover_forget(struct rmx_client *client)
{
    if (client->has_socket && confirmed_unheard(client->fd)) {
        rmx_handover_confirm(client);
    }
    if (client->has_socket) {
        client->has_socket = false;
        if (!client->lane->draining || has_hung_up(client->fd)) {
            (void)change(client->lane->handover, RMX_HANDOVER_OFFERED, RMX_HANDOVER_OURS);
        }
    }
}

bool rmx_handover_close(struct rmx_handover *handover)
{
    return change(handover, RMX_HANDOVER_OURS, RMX_HANDOVER_CLOSED);
}

bool rmx_handover_is_given(const struct rmx_handover *handover)
{
    return atomic_load_explicit(&handover->state, memory_order_relaxed) == RMX_HANDOVER_GIVEN;
}

/* --- the next daemon ------------------------------------------------------------------------- */

struct dialogue {
    int sock;
    struct rmx_session talk;
    union {
        struct rmx_msg_head head;
        struct rmx_msg_welcome welcome;
        struct rmx_msg_goodbye goodbye;
        struct rmx_msg_handover_reply reply;
        unsigned char bytes[RMX_WIRE_BYTES_MAX];
    } answer;
    struct rmx_sock_fds fds;
};

static int say(struct dialogue *dialogue, const void *message, size_t bytes)
{
    int error = rmx_sock_say(dialogue->sock, message, bytes, 0);

    if (error < 0) {
        return error == -EPIPE ? -ECONNRESET : error;
    }
    rmx_session_sent(&dialogue->talk, message, bytes);
    return 0;
}

/* What a daemon says that takes no part in this. */
static int refusal(uint32_t status)
{
    switch (status) {
    case RMX_STATUS_UNSUPPORTED:
        return -EPROTONOSUPPORT;
    case RMX_STATUS_DRAINING:
    case RMX_STATUS_BUSY:
        return -EBUSY;
    case RMX_STATUS_DENIED:
        return -EPERM;
    default:
        return -EPROTO;
    }
}

/* Takes one message. That the daemon closed with words of ours unread is told once, and before what
 * it said. */
static int receive(struct dialogue *dialogue)
{
    int bytes = rmx_sock_recv(
        dialogue->sock, &dialogue->answer, sizeof(dialogue->answer), &dialogue->fds, MSG_DONTWAIT);

    return bytes == -ECONNRESET ? rmx_sock_recv(dialogue->sock, &dialogue->answer,
                                      sizeof(dialogue->answer), &dialogue->fds, MSG_DONTWAIT)
                                : bytes;
}

/* The next message, which is to be of this type. */
static int hear(struct dialogue *dialogue, uint16_t type)
{
    struct pollfd wait = { .fd = dialogue->sock, .events = POLLIN };
    int ready;
    int bytes;
    int heard;

    do {
        ready = poll(&wait, 1, ANSWER_MS);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) {
        return -ETIMEDOUT;
    }
    rmx_sock_fds_close(&dialogue->fds);
    bytes = receive(dialogue);
    if (bytes <= 0) {
        return bytes == 0 ? -ECONNRESET : bytes;
    }
    heard = rmx_session_receive(
        &dialogue->talk, &dialogue->answer, (size_t)bytes, (uint32_t)dialogue->fds.count);
    if (heard == RMX_MSG_GOODBYE) {
        return refusal(dialogue->answer.goodbye.status);
    }
    return heard == type ? 0 : -EPROTO;
}

/* A service manager's socket is root's, whoever answers there. */
static bool is_of_our_user(int sock)
{
    struct ucred peer;

    return rmx_sock_peer(sock, &peer) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

static int greet(struct dialogue *dialogue)
{
    static const struct rmx_msg_hello hello = {
        .head = { .type = RMX_MSG_HELLO, .bytes = sizeof(hello) },
        .version_min = RMX_WIRE_VERSION,
        .version_max = RMX_WIRE_VERSION,
        .features = RMX_FEATURE_OPERATOR,
        .name = "ringmuxd --replace",
    };
    int error = say(dialogue, &hello, sizeof(hello));

    if (error == 0 || error == -ECONNRESET) { /* it may have said why it is gone */
        error = hear(dialogue, RMX_MSG_WELCOME);
    }
    if (error == 0 && !(dialogue->answer.welcome.features & RMX_FEATURE_OPERATOR)) {
        error = -EPERM;
    }
    return error;
}

static int ask(struct dialogue *dialogue, struct rmx_handover_taken *taken)
{
    static const struct rmx_msg_head handover = {
        .type = RMX_MSG_HANDOVER,
        .bytes = sizeof(handover),
    };
    uint32_t pid;
    int error = is_of_our_user(dialogue->sock) ? greet(dialogue) : -EPERM;

    if (error < 0) {
        return error;
    }
    pid = dialogue->answer.welcome.daemon_pid;
    error = say(dialogue, &handover, sizeof(handover));
    if (error == 0) {
        error = hear(dialogue, RMX_MSG_HANDOVER_REPLY);
    }
    if (error < 0) {
        return error;
    }
    if (dialogue->answer.reply.status != RMX_STATUS_OK) {
        return refusal(dialogue->answer.reply.status);
    }
    *taken = (struct rmx_handover_taken){
        .listen_fd = rmx_sock_fds_take(&dialogue->fds, 0),
        .held = dialogue->answer.reply.held,
        .pid = pid,
        .sock = rmx_take_fd(&dialogue->sock),
    };
    return 0;
}

int rmx_handover_ask(const char *path, struct rmx_handover_taken *taken)
{
    struct dialogue dialogue = { .fds = RMX_SOCK_FDS_INIT };
    int error;

    do {
        dialogue.sock = rmx_sock_connect(path);
    } while (dialogue.sock == -EINTR); /* one who was stopped, and goes on */
    if (dialogue.sock < 0) {
        return dialogue.sock;
    }
    rmx_session_init(&dialogue.talk, RMX_SESSION_CLIENT);
    error = ask(&dialogue, taken);
    rmx_sock_fds_close(&dialogue.fds);
    rmx_base_close(&dialogue.sock);
    return error;
}

/* It has closed the session. The last that it said, if anything, was why. */
static bool has_parted(int sock)
{
    struct rmx_msg_goodbye goodbye;
    struct rmx_sock_fds fds = RMX_SOCK_FDS_INIT;
    uint32_t status = RMX_STATUS_DRAINING;

    while (rmx_sock_recv(sock, &goodbye, sizeof(goodbye), &fds, MSG_DONTWAIT) ==
           (int)sizeof(goodbye)) {
        status = goodbye.head.type == RMX_MSG_GOODBYE ? goodbye.status : status;
        rmx_sock_fds_close(&fds);
    }
    return status != RMX_STATUS_DRAINING;
}

static bool is_gone(int error)
{
    return error == -ECONNRESET || error == -EPIPE;
}

int rmx_handover_finish(struct rmx_handover_taken *taken)
{
    static const struct rmx_msg_goodbye goodbye = {
        .head = { .type = RMX_MSG_GOODBYE, .bytes = sizeof(goodbye) },
        .status = RMX_STATUS_OK,
    };
    int error = -EAGAIN;

    for (int i = 0; i < TELLS_MAX && error < 0 && !is_gone(error); i++) {
        error = rmx_sock_say(taken->sock, &goodbye, sizeof(goodbye), 0);
    }
    if (is_gone(error)) {
        error = has_parted(taken->sock) ? -EBUSY : -ECONNRESET;
    }
    rmx_base_close(&taken->sock);
    return error;
}
