/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The conversation: what may be said and heard when, where it leads, and how credits move.
 */
#include "ipc/session.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>

#include "ipc/status.h"
#include "tests/session_words.h"

/* All of them. */
static const enum rmx_session_state states[] = { RMX_SESSION_HELLO_DUE, RMX_SESSION_WELCOME_DUE,
    RMX_SESSION_OPEN, RMX_SESSION_DRAINING, RMX_SESSION_LEAVING, RMX_SESSION_CLOSED,
    RMX_SESSION_BROKEN };

/* The tables of ipc/wire.md: bits are states. */
static unsigned heard_in(enum rmx_session_side speaker, uint32_t type)
{
    static const unsigned client[RMX_MSG_TYPES] = { [RMX_MSG_HELLO] = 0x01,
        [RMX_MSG_SUBMIT] = 0x0c,
        [RMX_MSG_CANCEL] = 0x0c,
        [RMX_MSG_PING] = 0x0c,
        [RMX_MSG_STATS] = 0x0c,
        [RMX_MSG_CHANNEL] = 0x0c,
        [RMX_MSG_GROUP] = 0x0c,
        [RMX_MSG_GROUP_CLOSE] = 0x0c,
        [RMX_MSG_GROUP_CANCEL] = 0x0c,
        [RMX_MSG_JOBS] = 0x0c,
        [RMX_MSG_CANCEL_JOBS] = 0x0c,
        [RMX_MSG_HANDOVER] = 0x0c,
        [RMX_MSG_GOODBYE] = 0x0c };
    static const unsigned daemon[RMX_MSG_TYPES] = { [RMX_MSG_WELCOME] = 0x02,
        [RMX_MSG_DONE] = 0x1c,
        [RMX_MSG_CREDIT] = 0x14,
        [RMX_MSG_PONG] = 0x1c,
        [RMX_MSG_STATS_REPLY] = 0x1c,
        [RMX_MSG_CHANNEL_OPENED] = 0x1c,
        [RMX_MSG_CHANNEL_LOST] = 0x1c,
        [RMX_MSG_GROUP_DONE] = 0x1c,
        [RMX_MSG_JOBS_REPLY] = 0x1c,
        [RMX_MSG_CANCEL_REPLY] = 0x1c,
        [RMX_MSG_HANDOVER_REPLY] = 0x1c,
        [RMX_MSG_GOODBYE] = 0x1f };

    return speaker == CLIENT ? client[type] : daemon[type];
}

static unsigned said_in(enum rmx_session_side speaker, uint32_t type)
{
    if (type == RMX_MSG_GOODBYE) {
        return heard_in(speaker, type) | RMX_SESSION_BROKEN;
    }
    return type == RMX_MSG_SUBMIT || type == RMX_MSG_CREDIT || type == RMX_MSG_CHANNEL ||
                   type == RMX_MSG_GROUP || type == RMX_MSG_HANDOVER
               ? heard_in(speaker, type) & RMX_SESSION_OPEN
               : heard_in(speaker, type);
}

/* In a session of an operator, or of another client. */
static bool may_come(bool operators, uint32_t type)
{
    return operators ? !is_clients(type) : !is_operators(type);
}

/* In that state anything may come that this is a session for. */
static struct rmx_session ready_for(
    enum rmx_session_side side, enum rmx_session_state state, bool operators, uint32_t type)
{
    struct rmx_session session = in(side, state);

    session.features = operators ? RMX_FEATURE_OPERATOR : 0;
    session.answer_due = type >= RMX_MSG_JOBS_REPLY ? type : 0;
    return session;
}

static void check_hearing(enum rmx_session_side speaker, bool operators)
{
    enum rmx_session_side side = speaker == CLIENT ? DAEMON : CLIENT;

    for (uint32_t type = 0; type < RMX_MSG_TYPES; type++) {
        for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
            struct rmx_session session = ready_for(side, states[i], operators, type);
            bool legal = heard_in(speaker, type) & states[i] && may_come(operators, type);

            cr_assert_eq(hear(&session, make_any(type)), legal ? (int)type : -EPROTO, "%d in %s",
                type, rmx_session_state_name(states[i]));
            cr_assert_eq(session.state == RMX_SESSION_BROKEN, !legal);
        }
    }
}

Test(session, every_type_is_heard_in_its_states_and_from_its_side_only)
{
    check_hearing(CLIENT, false);
    check_hearing(CLIENT, true);
    check_hearing(DAEMON, false);
    check_hearing(DAEMON, true);
}

static void check_saying(enum rmx_session_side side, bool operators)
{
    for (uint32_t type = 0; type < RMX_MSG_TYPES; type++) {
        for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
            struct rmx_session session = ready_for(side, states[i], operators, type);
            bool legal = said_in(side, type) & states[i] && may_come(operators, type);

            cr_assert_eq(rmx_session_may_send(&session, type), legal ? 0 : -EPROTO, "%d in %s",
                type, rmx_session_state_name(states[i]));
        }
    }
}

Test(session, every_type_is_said_in_its_states_and_by_its_side_only)
{
    check_saying(CLIENT, false);
    check_saying(CLIENT, true);
    check_saying(DAEMON, false);
    check_saying(DAEMON, true);
}

Test(session, whatever_is_said_at_first_may_be_heard_by_a_peer_in_the_same_state)
{
    for (int side = CLIENT; side <= DAEMON; side++) {
        for (uint32_t type = 0; type < RMX_MSG_TYPES; type++) {
            unsigned said =
                said_in((enum rmx_session_side)side, type) & ~(unsigned)RMX_SESSION_BROKEN;

            cr_assert_eq(said & ~heard_in((enum rmx_session_side)side, type), 0);
        }
    }
}

Test(session, a_conversation_from_hello_to_the_last_goodbye)
{
    struct rmx_session client;
    struct rmx_session daemon;

    rmx_session_init(&client, CLIENT);
    rmx_session_init(&daemon, DAEMON);
    say(&client, make_any(RMX_MSG_HELLO));
    cr_assert_eq(hear(&daemon, &message), RMX_MSG_HELLO);

    make_any(RMX_MSG_WELCOME)->welcome.credits = rmx_session_grant(&daemon, 3);
    say(&daemon, &message);
    cr_assert_eq(hear(&client, &message), RMX_MSG_WELCOME);
    cr_assert_eq(client.credits, 3);

    cr_assert_eq(rmx_session_spend(&client, 2), 0);
    say(&client, make(RMX_MSG_SUBMIT, 2));
    cr_assert_eq(hear(&daemon, &message), RMX_MSG_SUBMIT);
    cr_assert_eq(rmx_session_spend(&daemon, 1), 0);
    cr_assert_eq(rmx_session_spend(&daemon, 1), 0);

    say(&client, make_goodbye(RMX_STATUS_OK));
    cr_assert_eq(hear(&daemon, &message), RMX_MSG_GOODBYE);
    cr_assert_eq(daemon.state, RMX_SESSION_LEAVING);

    make(RMX_MSG_DONE, 2)->done.items[0].credits = rmx_session_grant(&daemon, 2);
    say(&daemon, &message);
    cr_assert_eq(hear(&client, &message), RMX_MSG_DONE);
    cr_assert_eq(client.credits, daemon.credits);

    say(&daemon, make_goodbye(RMX_STATUS_OK));
    cr_assert_eq(hear(&client, &message), RMX_MSG_GOODBYE);
    cr_assert_eq(client.state, RMX_SESSION_CLOSED);
    cr_assert_eq(daemon.state, RMX_SESSION_CLOSED);
}

Test(session, goodbyes_lead_where_their_status_says)
{
    assert_heard(CLIENT, RMX_SESSION_HELLO_DUE, make_goodbye(RMX_STATUS_BUSY), RMX_SESSION_CLOSED);
    assert_heard(
        CLIENT, RMX_SESSION_WELCOME_DUE, make_goodbye(RMX_STATUS_DRAINING), RMX_SESSION_CLOSED);
    assert_heard(CLIENT, RMX_SESSION_OPEN, make_goodbye(RMX_STATUS_DRAINING), RMX_SESSION_DRAINING);
    assert_heard(
        CLIENT, RMX_SESSION_DRAINING, make_goodbye(RMX_STATUS_DRAINING), RMX_SESSION_DRAINING);
    assert_heard(
        CLIENT, RMX_SESSION_LEAVING, make_goodbye(RMX_STATUS_DRAINING), RMX_SESSION_LEAVING);
    assert_heard(
        CLIENT, RMX_SESSION_OPEN, make_goodbye(RMX_STATUS_PEER_CORRUPT), RMX_SESSION_CLOSED);
    assert_heard(CLIENT, RMX_SESSION_LEAVING, make_goodbye(RMX_STATUS_OK), RMX_SESSION_CLOSED);
    assert_heard(CLIENT, RMX_SESSION_OPEN, make_goodbye(UINT32_MAX), RMX_SESSION_CLOSED);
    assert_heard(DAEMON, RMX_SESSION_OPEN, make_goodbye(RMX_STATUS_OK), RMX_SESSION_LEAVING);
    assert_heard(DAEMON, RMX_SESSION_DRAINING, make_goodbye(RMX_STATUS_OK), RMX_SESSION_LEAVING);
    assert_heard(
        DAEMON, RMX_SESSION_OPEN, make_goodbye(RMX_STATUS_PEER_CORRUPT), RMX_SESSION_CLOSED);
}

Test(session, a_broken_session_has_one_word_left)
{
    struct rmx_session session = in(DAEMON, RMX_SESSION_BROKEN);

    say(&session, make_goodbye(RMX_STATUS_PEER_CORRUPT));
    cr_assert_eq(session.state, RMX_SESSION_CLOSED);
    cr_assert_eq(rmx_session_may_send(&session, RMX_MSG_GOODBYE), -EPROTO);

    session = in(CLIENT, RMX_SESSION_BROKEN);
    say(&session, make_goodbye(RMX_STATUS_OK));
    cr_assert_eq(session.state, RMX_SESSION_CLOSED, "a broken session cannot leave in order");
}

Test(session, a_submit_that_crossed_a_draining_goodbye_is_still_heard)
{
    struct rmx_session client = in(CLIENT, RMX_SESSION_DRAINING);

    cr_assert_eq(rmx_session_may_send(&client, RMX_MSG_SUBMIT), -EPROTO);
    assert_heard(DAEMON, RMX_SESSION_DRAINING, make(RMX_MSG_SUBMIT, 1), RMX_SESSION_DRAINING);
}

Test(session, done_moves_the_window_by_0_1_or_2_a_job)
{
    struct rmx_session client = in(CLIENT, RMX_SESSION_OPEN);

    make(RMX_MSG_DONE, 3)->done.items[1].credits = 1;
    message.done.items[2].credits = 2;
    cr_assert_eq(hear(&client, &message), RMX_MSG_DONE);
    cr_assert_eq(client.credits, 3);
    message.done.items[0].credits = 3;
    assert_lies(CLIENT, &message);
}

Test(session, no_message_lifts_the_window_above_its_limit)
{
    struct rmx_session client = in(CLIENT, RMX_SESSION_OPEN);

    client.credits = RMX_CREDITS_MAX - 1;
    make(RMX_MSG_DONE, 1)->done.items[0].credits = 1;
    cr_assert_eq(hear(&client, &message), RMX_MSG_DONE);
    cr_assert_eq(client.credits, RMX_CREDITS_MAX);
    cr_assert_eq(hear(&client, &message), -EPROTO);
    cr_assert_eq(client.state, RMX_SESSION_BROKEN);
    cr_assert_eq(client.credits, RMX_CREDITS_MAX);
    client = in(CLIENT, RMX_SESSION_OPEN);
    client.credits = 1;
    make_any(RMX_MSG_CREDIT)->credit.credits = UINT32_MAX;
    cr_assert_eq(hear(&client, &message), -EPROTO);
    cr_assert_eq(client.credits, 1);
}

Test(session, a_submit_beyond_the_credits_is_refused_and_counted_and_breaks_nothing)
{
    struct rmx_session daemon = in(DAEMON, RMX_SESSION_OPEN);

    cr_assert_eq(rmx_session_grant(&daemon, 2), 2);
    cr_assert_eq(rmx_session_spend(&daemon, 3), -EAGAIN);
    cr_assert_eq(daemon.credits, 2, "none was taken");
    cr_assert_eq(daemon.refused, 3);
    cr_assert_eq(rmx_session_spend(&daemon, 2), 0);
    cr_assert_eq(rmx_session_spend(&daemon, 1), -EAGAIN);
    cr_assert_eq(rmx_session_spend(&daemon, UINT32_MAX), -EAGAIN);
    cr_assert_eq(daemon.refused, 4 + (uint64_t)UINT32_MAX);
    cr_assert_eq(daemon.state, RMX_SESSION_OPEN);
}

Test(session, a_grant_stops_at_the_limit_and_says_what_it_gave)
{
    struct rmx_session daemon = in(DAEMON, RMX_SESSION_OPEN);

    cr_assert_eq(rmx_session_grant(&daemon, RMX_CREDITS_MAX - 1), RMX_CREDITS_MAX - 1);
    cr_assert_eq(rmx_session_grant(&daemon, 2), 1);
    cr_assert_eq(rmx_session_grant(&daemon, UINT32_MAX), 0);
    cr_assert_eq(daemon.credits, RMX_CREDITS_MAX);
}

Test(session, a_channel_is_answered_once)
{
    struct rmx_session client = in(CLIENT, RMX_SESSION_OPEN);
    struct rmx_session daemon = in(DAEMON, RMX_SESSION_OPEN);

    client.channels_due = daemon.channels_due = 0;
    say(&client, make_any(RMX_MSG_CHANNEL));
    cr_assert_eq(hear(&daemon, &message), RMX_MSG_CHANNEL);
    say(&daemon, make_any(RMX_MSG_CHANNEL_OPENED));
    cr_assert_eq(hear(&client, &message), RMX_MSG_CHANNEL_OPENED);
    cr_assert_eq(hear(&client, &message), -EPROTO, "nobody asked for another");
    cr_assert_eq(client.state, RMX_SESSION_BROKEN);
}

Test(session, a_channel_that_crossed_a_draining_goodbye_is_still_heard_and_refused)
{
    struct rmx_session client = in(CLIENT, RMX_SESSION_DRAINING);
    struct rmx_session daemon = in(DAEMON, RMX_SESSION_DRAINING);

    cr_assert_eq(rmx_session_may_send(&client, RMX_MSG_CHANNEL), -EPROTO);
    cr_assert_eq(hear(&daemon, make_any(RMX_MSG_CHANNEL)), RMX_MSG_CHANNEL);
    make_any(RMX_MSG_CHANNEL_OPENED)->opened.status = RMX_STATUS_BUSY;
    message.opened.channel = 0;
    message.fds = 0;
    say(&daemon, &message);
    cr_assert_eq(hear(&client, &message), RMX_MSG_CHANNEL_OPENED);
}

Test(session, no_more_channels_wait_than_a_session_may_have)
{
    struct rmx_session daemon = in(DAEMON, RMX_SESSION_OPEN);

    for (uint32_t due = daemon.channels_due; due < RMX_CHANNELS_MAX; due++) {
        cr_assert_eq(hear(&daemon, make_any(RMX_MSG_CHANNEL)), RMX_MSG_CHANNEL);
    }
    cr_assert_eq(hear(&daemon, &message), -EPROTO);
    cr_assert_eq(daemon.state, RMX_SESSION_BROKEN);
}

Test(session, answering_a_channel_that_was_not_asked_for_is_our_bug, .signal = SIGABRT)
{
    struct rmx_session daemon = in(DAEMON, RMX_SESSION_OPEN);

    say(&daemon, make_any(RMX_MSG_CHANNEL_OPENED));
    say(&daemon, make_any(RMX_MSG_CHANNEL_OPENED));
}

Test(session, the_version_is_ours_or_none)
{
    struct rmx_msg_hello hello = { .version_min = 1, .version_max = RMX_WIRE_VERSION };

    cr_assert_eq(rmx_session_version(&hello), (int)RMX_WIRE_VERSION);
    hello.version_max = UINT32_MAX;
    cr_assert_eq(rmx_session_version(&hello), (int)RMX_WIRE_VERSION);
    hello.version_min = RMX_WIRE_VERSION + 1;
    cr_assert_eq(rmx_session_version(&hello), -EPROTONOSUPPORT);
    hello = (struct rmx_msg_hello){ .version_max = 0 };
    cr_assert_eq(rmx_session_version(&hello), -EPROTONOSUPPORT);
}

Test(session, a_client_of_version_1_is_heard_and_told)
{
    struct rmx_session daemon;

    rmx_session_init(&daemon, DAEMON);
    make_any(RMX_MSG_HELLO)->hello.version_min = 1;
    message.hello.version_max = 1;
    cr_assert_eq(hear(&daemon, &message), RMX_MSG_HELLO);
    cr_assert_eq(rmx_session_version(&message.hello), -EPROTONOSUPPORT);
    say(&daemon, make_goodbye(RMX_STATUS_UNSUPPORTED));
    cr_assert_eq(daemon.state, RMX_SESSION_CLOSED);
}

Test(session, saying_what_may_not_be_said_is_our_bug, .signal = SIGABRT)
{
    struct rmx_session client = in(CLIENT, RMX_SESSION_DRAINING);

    say(&client, make(RMX_MSG_SUBMIT, 1));
}

Test(session, states_have_names)
{
    cr_assert_str_eq(rmx_session_state_name(RMX_SESSION_OPEN), "OPEN");
    cr_assert_str_eq(rmx_session_state_name(RMX_SESSION_BROKEN), "BROKEN");
    cr_assert_str_eq(rmx_session_state_name((enum rmx_session_state)0), "UNKNOWN");
}
