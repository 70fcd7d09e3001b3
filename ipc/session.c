/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which message may come when, and the credits (see session.h). Runs in the client and
 * in the daemon; must never do I/O, nor use a byte of a message before it was checked.
 */
#include "ipc/session.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "ipc/shape.h"
#include "ipc/status.h"
#include "ring/base.h"

#define HELLO_DUE   RMX_SESSION_HELLO_DUE
#define WELCOME_DUE RMX_SESSION_WELCOME_DUE
#define OPEN        RMX_SESSION_OPEN
#define DRAINING    RMX_SESSION_DRAINING
#define LEAVING     RMX_SESSION_LEAVING
#define CLOSED      RMX_SESSION_CLOSED
#define BROKEN      RMX_SESSION_BROKEN

/* Whose sessions: operators look after the jobs of others, and have none. */
enum audience { ALL, CLIENTS, OPERATORS };

struct rule {
    unsigned said_in;  /* states in which the sender may say it; 0 = never */
    unsigned heard_in; /* the receiver's: more, since the other side's GOODBYE may be under way */
    enum audience audience;
};

#define TALK    (OPEN | DRAINING)
#define ENDINGS (OPEN | DRAINING | LEAVING)
#define EVER    (HELLO_DUE | WELCOME_DUE | OPEN | DRAINING | LEAVING)

/* The conversation: [who says it][what]. Columns as in struct rule.
 * clang-format off */
static const struct rule rules[RMX_SESSION_SIDES][RMX_MSG_TYPES] = {
    [RMX_SESSION_CLIENT] = {
        [RMX_MSG_HELLO]          = { HELLO_DUE,      HELLO_DUE,      ALL },
        [RMX_MSG_SUBMIT]         = { OPEN,           TALK,           CLIENTS },
        [RMX_MSG_CANCEL]         = { TALK,           TALK,           CLIENTS },
        [RMX_MSG_PING]           = { TALK,           TALK,           ALL },
        [RMX_MSG_STATS]          = { TALK,           TALK,           ALL },
        [RMX_MSG_CHANNEL]        = { OPEN,           TALK,           CLIENTS },
        [RMX_MSG_GROUP]          = { OPEN,           TALK,           CLIENTS },
        [RMX_MSG_GROUP_CLOSE]    = { TALK,           TALK,           CLIENTS },
        [RMX_MSG_GROUP_CANCEL]   = { TALK,           TALK,           CLIENTS },
        [RMX_MSG_JOBS]           = { TALK,           TALK,           OPERATORS },
        [RMX_MSG_CANCEL_JOBS]    = { TALK,           TALK,           OPERATORS },
        [RMX_MSG_HANDOVER]       = { OPEN,           TALK,           OPERATORS },
        [RMX_MSG_GOODBYE]        = { TALK | BROKEN,  TALK,           ALL },
    },
    [RMX_SESSION_DAEMON] = {
        [RMX_MSG_WELCOME]        = { WELCOME_DUE,    WELCOME_DUE,    ALL },
        [RMX_MSG_DONE]           = { ENDINGS,        ENDINGS,        CLIENTS },
        [RMX_MSG_CREDIT]         = { OPEN,           OPEN | LEAVING, CLIENTS },
        [RMX_MSG_PONG]           = { ENDINGS,        ENDINGS,        ALL },
        [RMX_MSG_STATS_REPLY]    = { ENDINGS,        ENDINGS,        ALL },
        [RMX_MSG_CHANNEL_OPENED] = { ENDINGS,        ENDINGS,        CLIENTS },
        [RMX_MSG_CHANNEL_LOST]   = { ENDINGS,        ENDINGS,        CLIENTS },
        [RMX_MSG_GROUP_DONE]     = { ENDINGS,        ENDINGS,        CLIENTS },
        [RMX_MSG_JOBS_REPLY]     = { ENDINGS,        ENDINGS,        OPERATORS },
        [RMX_MSG_CANCEL_REPLY]   = { ENDINGS,        ENDINGS,        OPERATORS },
        [RMX_MSG_HANDOVER_REPLY] = { ENDINGS,        ENDINGS,        OPERATORS },
        [RMX_MSG_GOODBYE]        = { EVER | BROKEN,  EVER,           ALL },
    },
};
/* clang-format on */

/* How far a checked message of the daemon widens the client's window. */
static uint32_t credits_in(const unsigned char *message, const struct rmx_msg_head *head)
{
    uint32_t sum = 0;

    if (head->type == RMX_MSG_WELCOME) {
        memcpy(&sum, message + offsetof(struct rmx_msg_welcome, credits), sizeof(sum));
    } else if (head->type == RMX_MSG_CREDIT) {
        memcpy(&sum, message + offsetof(struct rmx_msg_credit, credits), sizeof(sum));
    } else if (head->type == RMX_MSG_DONE) {
        for (uint32_t i = 0; i < head->count; i++) {
            struct rmx_done_item item;

            memcpy(&item, message + sizeof(struct rmx_msg_head) + i * sizeof(item), sizeof(item));
            sum += item.credits;
        }
    }
    return sum;
}

/* Where a legal message leads. */
static enum rmx_session_state next_state(enum rmx_session_state state, enum rmx_session_side sender,
    const unsigned char *message, uint16_t type)
{
    struct rmx_msg_goodbye goodbye;

    switch (type) {
    case RMX_MSG_HELLO:
        return WELCOME_DUE;
    case RMX_MSG_WELCOME:
        return OPEN;
    case RMX_MSG_GOODBYE:
        memcpy(&goodbye, message, sizeof(goodbye));
        if (sender == RMX_SESSION_CLIENT) {
            return goodbye.status == RMX_STATUS_OK && state != BROKEN ? LEAVING : CLOSED;
        }
        if (goodbye.status == RMX_STATUS_DRAINING && (state & ENDINGS)) {
            return state == LEAVING ? LEAVING : DRAINING;
        }
        return CLOSED;
    default:
        return state;
    }
}

static void enter(struct rmx_session *session, enum rmx_session_state state)
{
    static const unsigned next_of[] = {
        [HELLO_DUE] = WELCOME_DUE | CLOSED | BROKEN,
        [WELCOME_DUE] = OPEN | CLOSED | BROKEN,
        [OPEN] = DRAINING | LEAVING | CLOSED | BROKEN,
        [DRAINING] = LEAVING | CLOSED | BROKEN,
        [LEAVING] = CLOSED | BROKEN,
        [CLOSED] = BROKEN,
        [BROKEN] = CLOSED,
    };

    rmx_assert(state == session->state || (next_of[session->state] & state));
    session->state = state;
}

static bool is_for(const struct rule *rule, uint64_t features)
{
    bool operators = features & RMX_FEATURE_OPERATOR;

    return rule->audience == ALL || operators == (rule->audience == OPERATORS);
}

/* HELLO asks for features; WELCOME turns some of these on. */
static bool settle_features(
    struct rmx_session *session, const unsigned char *message, uint16_t type)
{
    struct rmx_msg_welcome welcome;

    if (type == RMX_MSG_HELLO) {
        memcpy(&session->features, message + offsetof(struct rmx_msg_hello, features),
            sizeof(session->features));
        return true;
    }
    memcpy(&welcome, message, sizeof(welcome));
    if (welcome.features & ~session->features) {
        return false;
    }
    session->features = welcome.features;
    return true;
}

/* An operator asks one thing at a time. */
static bool ask(struct rmx_session *session, uint16_t answer)
{
    bool waits = session->answer_due != 0;

    session->answer_due = answer;
    return !waits;
}

static bool answer(struct rmx_session *session, const unsigned char *message, uint16_t type)
{
    struct rmx_msg_jobs_reply reply = { .last = 1 };

    if (session->answer_due != type) {
        return false;
    }
    if (type == RMX_MSG_JOBS_REPLY) {
        memcpy(&reply, message, sizeof(reply));
    }
    session->answer_due = reply.last ? 0 : type;
    return true;
}

/* What is asked for and not yet answered, after this message; false if it cannot be. */
static bool keep_books(struct rmx_session *session, const unsigned char *message, uint16_t type)
{
    switch (type) {
    case RMX_MSG_HELLO:
    case RMX_MSG_WELCOME:
        return settle_features(session, message, type);
    case RMX_MSG_CHANNEL:
        return session->channels_due++ < RMX_CHANNELS_MAX;
    case RMX_MSG_CHANNEL_OPENED:
        return session->channels_due-- > 0;
    case RMX_MSG_GROUP:
        return session->groups_open++ < RMX_GROUPS_MAX;
    case RMX_MSG_GROUP_DONE:
        return session->groups_open-- > 0;
    case RMX_MSG_JOBS:
        return ask(session, RMX_MSG_JOBS_REPLY);
    case RMX_MSG_CANCEL_JOBS:
        return ask(session, RMX_MSG_CANCEL_REPLY);
    case RMX_MSG_HANDOVER:
        return ask(session, RMX_MSG_HANDOVER_REPLY);
    case RMX_MSG_JOBS_REPLY:
    case RMX_MSG_CANCEL_REPLY:
    case RMX_MSG_HANDOVER_REPLY:
        return answer(session, message, type);
    default:
        return true;
    }
}

void rmx_session_init(struct rmx_session *session, enum rmx_session_side side)
{
    *session = (struct rmx_session){ .side = side, .state = HELLO_DUE };
}

int rmx_session_receive(
    struct rmx_session *session, const void *message, size_t bytes, uint32_t fds)
{
    enum rmx_session_side sender =
        session->side == RMX_SESSION_DAEMON ? RMX_SESSION_CLIENT : RMX_SESSION_DAEMON;
    struct rmx_session then = *session;
    const struct rule *rule;
    struct rmx_msg_head head;
    uint32_t credits;

    if (!rmx_shape_check(message, bytes, fds)) {
        enter(session, BROKEN);
        return -EPROTO;
    }
    memcpy(&head, message, sizeof(head));
    credits = credits_in(message, &head);
    rule = &rules[sender][head.type];
    if (!(rule->heard_in & session->state) || !is_for(rule, session->features) ||
        credits > RMX_CREDITS_MAX - session->credits || !keep_books(&then, message, head.type)) {
        enter(session, BROKEN);
        return -EPROTO;
    }
    then.credits += credits;
    enter(&then, next_state(session->state, sender, message, head.type));
    *session = then;
    return head.type;
}

int rmx_session_may_send(const struct rmx_session *session, uint32_t type)
{
    rmx_assert(type < RMX_MSG_TYPES);
    const struct rule *rule = &rules[session->side][type];

    return rule->said_in & session->state && is_for(rule, session->features) ? 0 : -EPROTO;
}

void rmx_session_sent(struct rmx_session *session, const void *message, size_t bytes)
{
    struct rmx_msg_head head;

    rmx_assert(bytes >= sizeof(head));
    memcpy(&head, message, sizeof(head));
    rmx_assert(head.bytes == bytes);
    rmx_assert(rmx_session_may_send(session, head.type) == 0);
    rmx_assert(keep_books(session, message, head.type));
    enter(session, next_state(session->state, session->side, message, head.type));
}

int rmx_session_spend(struct rmx_session *session, uint32_t n)
{
    if (n > session->credits) {
        session->refused += n;
        return -EAGAIN;
    }
    session->credits -= n;
    return 0;
}

uint32_t rmx_session_grant(struct rmx_session *session, uint32_t n)
{
    uint32_t room = RMX_CREDITS_MAX - session->credits;
    uint32_t granted = n < room ? n : room;

    rmx_assert(session->credits <= RMX_CREDITS_MAX);
    session->credits += granted;
    return granted;
}

int rmx_session_version(const struct rmx_msg_hello *hello)
{
    bool spoken = hello->version_min <= RMX_WIRE_VERSION && hello->version_max >= RMX_WIRE_VERSION;

    return spoken ? (int)RMX_WIRE_VERSION : -EPROTONOSUPPORT;
}

const char *rmx_session_state_name(enum rmx_session_state state)
{
    switch (state) {
    case HELLO_DUE:
        return "HELLO_DUE";
    case WELCOME_DUE:
        return "WELCOME_DUE";
    case OPEN:
        return "OPEN";
    case DRAINING:
        return "DRAINING";
    case LEAVING:
        return "LEAVING";
    case CLOSED:
        return "CLOSED";
    case BROKEN:
        return "BROKEN";
    }
    return "UNKNOWN";
}
