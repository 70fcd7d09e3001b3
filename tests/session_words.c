/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages for tests of the conversation. See session_words.h.
 */
#include "tests/session_words.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "ipc/channel.h"

struct message message;

static uint32_t fixed_bytes(uint32_t type)
{
    static const uint32_t bytes[RMX_MSG_TYPES] = { 0, 64, 16, 24, 24, 16, 64, 16, 24, 24, 16, 24,
        24, 24, 24, 72, 24, 24, 584, 16, 64, 16, 24, 24, 24 };

    return bytes[type];
}

uint32_t item_bytes(uint32_t type)
{
    return type == RMX_MSG_SUBMIT        ? 3584
           : type == RMX_MSG_DONE        ? 312
           : type == RMX_MSG_STATS_REPLY ? 8
           : type == RMX_MSG_JOBS_REPLY  ? 176
                                         : 0;
}

uint32_t items_max(uint32_t type)
{
    return type == RMX_MSG_STATS_REPLY  ? 256
           : type == RMX_MSG_JOBS_REPLY ? 64
           : type == RMX_MSG_SUBMIT     ? 8
           : item_bytes(type)           ? 16
                                        : 0;
}

/* Whose word is it? GOODBYE is both sides'. */
static bool may_say(enum rmx_session_side side, uint32_t type)
{
    bool clients = type <= RMX_MSG_STATS || type == RMX_MSG_CHANNEL ||
                   (type >= RMX_MSG_GROUP && type <= RMX_MSG_GROUP_CANCEL) ||
                   (type >= RMX_MSG_JOBS && type <= RMX_MSG_HANDOVER);

    return type == RMX_MSG_GOODBYE || clients == (side == CLIENT);
}

/* The messages about groups, and operators'. */
static void fill_younger(uint32_t type, uint32_t count)
{
    if (type == RMX_MSG_GROUP || type == RMX_MSG_GROUP_CLOSE || type == RMX_MSG_GROUP_CANCEL ||
        type == RMX_MSG_GROUP_DONE) {
        message.name.group = 1;
    } else if (type == RMX_MSG_CANCEL_JOBS) {
        message.match.session = 1;
    } else if (type == RMX_MSG_JOBS_REPLY) {
        message.jobs.last = 1;
        for (uint32_t i = 0; i < count; i++) {
            message.jobs.items[i].session = 1;
            message.jobs.items[i].state = RMX_JOB_QUEUED;
            message.jobs.items[i].job = i + 1;
        }
    } else if (type == RMX_MSG_HANDOVER_REPLY) {
        message.fds = 1;
    }
}

struct message *make(uint32_t type, uint32_t count)
{
    memset(&message, 0, sizeof(message));
    message.head = (struct rmx_msg_head){ .type = (uint16_t)type,
        .bytes = fixed_bytes(type) + count * item_bytes(type),
        .count = count };
    if (type == RMX_MSG_HELLO) {
        message.hello.version_min = RMX_WIRE_VERSION;
        message.hello.version_max = RMX_WIRE_VERSION;
    } else if (type == RMX_MSG_WELCOME) {
        message.welcome.version = RMX_WIRE_VERSION;
        message.welcome.workers = 1;
        message.welcome.channel_bytes = RMX_CHANNEL_BYTES_MIN;
        message.fds = 1;
    } else if (type == RMX_MSG_CREDIT) {
        message.credit.credits = 1;
    } else if (type == RMX_MSG_SUBMIT) {
        for (uint32_t i = 0; i < count; i++) {
            message.submit.jobs[i].inputs = 1;
            message.submit.jobs[i].outputs = 1;
        }
        message.fds = 2 * count;
    } else if (type == RMX_MSG_DONE) {
        for (uint32_t i = 0; i < count; i++) {
            message.done.items[i].result.job = i + 1;
        }
    } else if (type == RMX_MSG_CHANNEL) {
        message.channel.arena_bytes = RMX_CHANNEL_BYTES_MIN;
        message.fds = 1;
    } else if (type == RMX_MSG_CHANNEL_OPENED) {
        message.opened.channel = 1;
        message.fds = 2;
    } else if (type == RMX_MSG_CHANNEL_LOST) {
        message.lost.channel = 1;
    } else {
        fill_younger(type, count);
    }
    return &message;
}

struct message *make_any(uint32_t type)
{
    return make(type, items_max(type) ? 1 : 0);
}

struct message *make_goodbye(uint32_t status)
{
    make(RMX_MSG_GOODBYE, 0)->goodbye.status = status;
    return &message;
}

int hear(struct rmx_session *session, const struct message *m)
{
    return rmx_session_receive(session, m->bytes, m->head.bytes, m->fds);
}

void say(struct rmx_session *session, const struct message *m)
{
    rmx_session_sent(session, m->bytes, m->head.bytes);
}

struct rmx_session in(enum rmx_session_side side, enum rmx_session_state state)
{
    struct rmx_session session;

    rmx_session_init(&session, side);
    session.state = state;
    session.channels_due = 1; /* so that every type may come */
    session.groups_open = 1;
    return session;
}

bool is_operators(uint32_t type)
{
    return type >= RMX_MSG_JOBS && type < RMX_MSG_TYPES;
}

bool is_clients(uint32_t type)
{
    bool everybodys = type == RMX_MSG_HELLO || type == RMX_MSG_WELCOME || type == RMX_MSG_GOODBYE ||
                      type == RMX_MSG_PING || type == RMX_MSG_PONG || type == RMX_MSG_STATS ||
                      type == RMX_MSG_STATS_REPLY;

    return !everybodys && !is_operators(type);
}

struct rmx_session in_for(enum rmx_session_side side, enum rmx_session_state state, uint32_t type)
{
    struct rmx_session session = in(side, state);

    if (is_operators(type)) {
        session.features = RMX_FEATURE_OPERATOR;
        session.channels_due = session.groups_open = 0;
        session.answer_due = type >= RMX_MSG_JOBS_REPLY ? type : 0;
    }
    return session;
}

void assert_heard(enum rmx_session_side side, enum rmx_session_state state, const struct message *m,
    enum rmx_session_state then)
{
    struct rmx_session session = in_for(side, state, m->head.type);

    cr_assert_eq(
        hear(&session, m), m->head.type, "%d in %s", m->head.type, rmx_session_state_name(state));
    cr_assert_eq(session.state, then, "%s", rmx_session_state_name(session.state));
}

void assert_lie(enum rmx_session_side side, enum rmx_session_state state, const struct message *m,
    size_t bytes, uint32_t fds)
{
    struct rmx_session session = in_for(side, state, m->head.type);
    struct rmx_session before = session;

    session.credits = 5;
    cr_assert_eq(
        rmx_session_receive(&session, m->bytes, bytes, fds), -EPROTO, "type %d", m->head.type);
    cr_assert_eq(session.state, RMX_SESSION_BROKEN);
    cr_assert_eq(session.credits, 5, "a lie moves no credits");
    cr_assert_eq(session.channels_due, before.channels_due, "a lie answers nothing");
    cr_assert_eq(session.groups_open, before.groups_open);
    cr_assert_eq(session.answer_due, before.answer_due);
    cr_assert_eq(session.features, before.features);
}

enum rmx_session_state state_for(uint32_t type)
{
    return type == RMX_MSG_HELLO     ? RMX_SESSION_HELLO_DUE
           : type == RMX_MSG_WELCOME ? RMX_SESSION_WELCOME_DUE
                                     : RMX_SESSION_OPEN;
}

void assert_lies(enum rmx_session_side side, const struct message *m)
{
    assert_lie(side, state_for(m->head.type), m, m->head.bytes, m->fds);
}

enum rmx_session_side hearer(uint32_t type)
{
    return may_say(CLIENT, type) ? DAEMON : CLIENT;
}
