/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which message may come when, its shape, and the credits (see session.h). Runs in the client and
 * in the daemon; must never do I/O, nor use a byte of a message before it was checked.
 */
#include "ipc/session.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "ipc/channel.h"
#include "ipc/status.h"
#include "ring/base.h"

#define HELLO_DUE   RMX_SESSION_HELLO_DUE
#define WELCOME_DUE RMX_SESSION_WELCOME_DUE
#define OPEN        RMX_SESSION_OPEN
#define DRAINING    RMX_SESSION_DRAINING
#define LEAVING     RMX_SESSION_LEAVING
#define CLOSED      RMX_SESSION_CLOSED
#define BROKEN      RMX_SESSION_BROKEN

#define CREDITS_PER_END_MAX 2u

typedef bool check_message(const unsigned char *message, uint32_t count);

struct rule {
    unsigned said_in;  /* states in which the sender may say it; 0 = never */
    unsigned heard_in; /* the receiver's: more, since the other side's GOODBYE may be under way */
    uint32_t bytes;    /* without items */
    uint32_t item_bytes;
    uint32_t items_max; /* 0 = carries none; else at least one */
    uint32_t fds;
};

static check_message check_hello, check_welcome, check_done, check_credit, check_goodbye;
static check_message check_channel, check_channel_opened, check_channel_lost;

#define OF(message) sizeof(struct rmx_msg_##message)
#define SPEC        sizeof(struct rmx_job_spec)
#define ITEM        sizeof(struct rmx_done_item)
#define VALUE       sizeof(uint64_t)
#define JOBS        RMX_SUBMIT_JOBS_MAX
#define ENDS        RMX_DONE_JOBS_MAX
#define VALUES      RMX_STATS_VALUES_MAX
#define SUM         UINT32_MAX       /* of the descriptors the specs name */
#define BELLS       (UINT32_MAX - 1) /* those of an opened channel, if it is */

#define TALK    (OPEN | DRAINING)
#define ENDINGS (OPEN | DRAINING | LEAVING)
#define EVER    (HELLO_DUE | WELCOME_DUE | OPEN | DRAINING | LEAVING)

/* The conversation: [who says it][what]. Columns as in struct rule.
 * clang-format off */
static const struct rule rules[RMX_SESSION_SIDES][RMX_MSG_TYPES] = {
    [RMX_SESSION_CLIENT] = {
        [RMX_MSG_HELLO]       = { HELLO_DUE,     HELLO_DUE,      OF(hello),   0,     0,      0 },
        [RMX_MSG_SUBMIT]      = { OPEN,          TALK,           OF(submit),  SPEC,  JOBS,   SUM },
        [RMX_MSG_CANCEL]      = { TALK,          TALK,           OF(cancel),  0,     0,      0 },
        [RMX_MSG_PING]        = { TALK,          TALK,           OF(ping),    0,     0,      0 },
        [RMX_MSG_STATS]       = { TALK,          TALK,           OF(head),    0,     0,      0 },
        [RMX_MSG_CHANNEL]     = { OPEN,          TALK,           OF(channel), 0,     0,      1 },
        [RMX_MSG_GOODBYE]     = { TALK | BROKEN, TALK,           OF(goodbye), 0,     0,      0 },
    },
    [RMX_SESSION_DAEMON] = {
        [RMX_MSG_WELCOME]     = { WELCOME_DUE,   WELCOME_DUE,    OF(welcome), 0,     0,      1 },
        [RMX_MSG_DONE]        = { ENDINGS,       ENDINGS,        OF(done),    ITEM,  ENDS,   0 },
        [RMX_MSG_CREDIT]      = { OPEN,          OPEN | LEAVING, OF(credit),  0,     0,      0 },
        [RMX_MSG_PONG]        = { ENDINGS,       ENDINGS,        OF(ping),    0,     0,      0 },
        [RMX_MSG_STATS_REPLY] = { ENDINGS,       ENDINGS,        OF(head),    VALUE, VALUES, 0 },
        [RMX_MSG_CHANNEL_OPENED] = { ENDINGS, ENDINGS, OF(channel_opened), 0, 0, BELLS },
        [RMX_MSG_CHANNEL_LOST] = { ENDINGS,      ENDINGS,   OF(channel_lost), 0,     0,      0 },
        [RMX_MSG_GOODBYE]     = { EVER | BROKEN, EVER,           OF(goodbye), 0,     0,      0 },
    },
};
/* clang-format on */

static check_message *const checks[RMX_MSG_TYPES] = {
    [RMX_MSG_HELLO] = check_hello,
    [RMX_MSG_WELCOME] = check_welcome,
    [RMX_MSG_DONE] = check_done,
    [RMX_MSG_CREDIT] = check_credit,
    [RMX_MSG_GOODBYE] = check_goodbye,
    [RMX_MSG_CHANNEL] = check_channel,
    [RMX_MSG_CHANNEL_OPENED] = check_channel_opened,
    [RMX_MSG_CHANNEL_LOST] = check_channel_lost,
};

static bool check_hello(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_hello hello;

    (void)count;
    memcpy(&hello, message, sizeof(hello));
    return hello.version_min > 0 && hello.version_min <= hello.version_max &&
           rmx_job_is_text(hello.name, sizeof(hello.name));
}

/* No feature is defined yet, so none can be on. */
static bool check_welcome(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_welcome welcome;
    uint64_t progress_end;

    (void)count;
    memcpy(&welcome, message, sizeof(welcome));
    progress_end =
        welcome.progress_at + (uint64_t)welcome.progress_slots * sizeof(struct rmx_progress_shm);
    return welcome.version == RMX_WIRE_VERSION && welcome.credits <= RMX_CREDITS_MAX &&
           welcome.features == 0 && welcome.workers > 0 &&
           welcome.channel_bytes >= RMX_CHANNEL_BYTES_MIN &&
           welcome.progress_at % _Alignof(struct rmx_progress_shm) == 0 &&
           progress_end <= welcome.arena_bytes;
}

static bool check_done(const unsigned char *message, uint32_t count)
{
    struct rmx_done_item item;

    for (uint32_t i = 0; i < count; i++) {
        memcpy(&item, message + sizeof(struct rmx_msg_head) + i * sizeof(item), sizeof(item));
        if (item.credits > CREDITS_PER_END_MAX || item.zero ||
            rmx_job_check_result(&item.result) < 0) {
            return false;
        }
    }
    return true;
}

static bool check_credit(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_credit credit;

    (void)count;
    memcpy(&credit, message, sizeof(credit));
    return credit.credits > 0 && credit.zero == 0;
}

static bool check_goodbye(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_goodbye goodbye;

    (void)count;
    memcpy(&goodbye, message, sizeof(goodbye));
    return goodbye.zero == 0;
}

static bool check_channel(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_channel channel;

    (void)count;
    memcpy(&channel, message, sizeof(channel));
    return channel.arena_bytes >= RMX_CHANNEL_BYTES_MIN &&
           channel.arena_bytes <= RMX_CHANNEL_BYTES_MAX;
}

static bool check_channel_opened(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_channel_opened opened;

    (void)count;
    memcpy(&opened, message, sizeof(opened));
    return (opened.status == RMX_STATUS_OK) == (opened.channel != 0);
}

static bool check_channel_lost(const unsigned char *message, uint32_t count)
{
    struct rmx_msg_channel_lost lost;

    (void)count;
    memcpy(&lost, message, sizeof(lost));
    return lost.channel != 0 && lost.zero == 0;
}

/* Each spec of a SUBMIT names its descriptors; all of them together come along. */
static uint32_t fds_in_specs(const unsigned char *message, uint32_t count)
{
    uint32_t fds = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct rmx_job_spec spec;

        memcpy(&spec, message + sizeof(struct rmx_msg_head) + i * sizeof(spec), sizeof(spec));
        fds += rmx_job_descriptors(&spec);
    }
    return fds;
}

/* How many descriptors come with a message of this rule. */
static uint32_t fds_due(const struct rule *rule, const unsigned char *message, uint32_t count)
{
    struct rmx_msg_channel_opened opened;

    switch (rule->fds) {
    case SUM:
        return fds_in_specs(message, count);
    case BELLS:
        memcpy(&opened, message, sizeof(opened));
        return opened.channel != 0 ? 2 : 0;
    default:
        return rule->fds;
    }
}

/* The rule of a message that has the shape and the content its type asks for, or NULL. */
static const struct rule *rule_of(
    enum rmx_session_side sender, const unsigned char *message, size_t bytes, uint32_t fds)
{
    struct rmx_msg_head head;
    const struct rule *rule;

    if (bytes < sizeof(head) || bytes > RMX_WIRE_BYTES_MAX) {
        return NULL;
    }
    memcpy(&head, message, sizeof(head));
    if (head.type >= RMX_MSG_TYPES || head.zero0 || head.zero1 || head.bytes != bytes) {
        return NULL;
    }
    rule = &rules[sender][head.type];
    if (head.count > rule->items_max || (head.count == 0 && rule->items_max > 0) ||
        bytes != rule->bytes + (size_t)head.count * rule->item_bytes) {
        return NULL;
    }
    if (fds != fds_due(rule, message, head.count)) {
        return NULL;
    }
    if (checks[head.type] && !checks[head.type](message, head.count)) {
        return NULL;
    }
    return rule;
}

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

/* How many CHANNELs wait for an answer after this message; UINT32_MAX if there cannot be so many or
 * so few. */
static uint32_t channels_due(const struct rmx_session *session, uint16_t type)
{
    uint32_t due = session->channels_due;

    if (type == RMX_MSG_CHANNEL) {
        return due < RMX_CHANNELS_MAX ? due + 1 : UINT32_MAX;
    }
    return type == RMX_MSG_CHANNEL_OPENED ? due - 1 : due; /* 0 - 1 is UINT32_MAX */
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
    const struct rule *rule = rule_of(sender, message, bytes, fds);
    struct rmx_msg_head head;
    uint32_t credits;
    uint32_t due;

    if (!rule || !(rule->heard_in & session->state)) {
        enter(session, BROKEN);
        return -EPROTO;
    }
    memcpy(&head, message, sizeof(head));
    credits = credits_in(message, &head);
    due = channels_due(session, head.type);
    if (credits > RMX_CREDITS_MAX - session->credits || due == UINT32_MAX) {
        enter(session, BROKEN);
        return -EPROTO;
    }
    session->credits += credits;
    session->channels_due = due;
    enter(session, next_state(session->state, sender, message, head.type));
    return head.type;
}

int rmx_session_may_send(const struct rmx_session *session, uint32_t type)
{
    rmx_assert(type < RMX_MSG_TYPES);
    return rules[session->side][type].said_in & session->state ? 0 : -EPROTO;
}

void rmx_session_sent(struct rmx_session *session, const void *message, size_t bytes)
{
    struct rmx_msg_head head;

    rmx_assert(bytes >= sizeof(head));
    memcpy(&head, message, sizeof(head));
    rmx_assert(head.bytes == bytes);
    rmx_assert(rmx_session_may_send(session, head.type) == 0);
    session->channels_due = channels_due(session, head.type);
    rmx_assert(session->channels_due <= RMX_CHANNELS_MAX);
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
