/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sessions of operators: how one becomes one, what is asked and answered there, and its fields.
 */
#include "ipc/session.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "ipc/status.h"
#include "tests/session_words.h"

static const uint32_t questions[] = { RMX_MSG_JOBS, RMX_MSG_CANCEL_JOBS, RMX_MSG_HANDOVER };
static const uint32_t answers[] = { RMX_MSG_JOBS_REPLY, RMX_MSG_CANCEL_REPLY,
    RMX_MSG_HANDOVER_REPLY };

static struct rmx_session operators(enum rmx_session_side side)
{
    return in_for(side, RMX_SESSION_OPEN, RMX_MSG_JOBS);
}

/* Goes through HELLO and WELCOME; returns what the client made of WELCOME. */
static int agree(
    struct rmx_session *client, struct rmx_session *daemon, uint64_t asked, uint64_t on)
{
    rmx_session_init(client, CLIENT);
    rmx_session_init(daemon, DAEMON);
    make_any(RMX_MSG_HELLO)->hello.features = asked;
    say(client, &message);
    cr_assert_eq(hear(daemon, &message), RMX_MSG_HELLO);
    make_any(RMX_MSG_WELCOME)->welcome.features = on;
    return hear(client, &message);
}

Test(session_operators, what_is_on_was_asked_for)
{
    struct rmx_session client;
    struct rmx_session daemon;

    cr_assert_eq(agree(&client, &daemon, 0, 0), RMX_MSG_WELCOME);
    cr_assert_eq(agree(&client, &daemon, 0, RMX_FEATURE_OPERATOR), -EPROTO);
    cr_assert_eq(client.state, RMX_SESSION_BROKEN);
    cr_assert_eq(agree(&client, &daemon, RMX_FEATURE_OPERATOR, 2), -EPROTO);
    cr_assert_eq(agree(&client, &daemon, RMX_FEATURE_OPERATOR, UINT64_MAX), -EPROTO);
    cr_assert_eq(agree(&client, &daemon, UINT64_MAX, 0), RMX_MSG_WELCOME, "not all need be");
    cr_assert_eq(client.features, 0);
    cr_assert_eq(rmx_session_may_send(&client, RMX_MSG_JOBS), -EPROTO);
    cr_assert_eq(rmx_session_may_send(&client, RMX_MSG_SUBMIT), 0);
}

Test(session_operators, an_operator_asks_and_does_not_submit)
{
    struct rmx_session client;
    struct rmx_session daemon;

    cr_assert_eq(
        agree(&client, &daemon, RMX_FEATURE_OPERATOR, RMX_FEATURE_OPERATOR), RMX_MSG_WELCOME);
    say(&daemon, &message);
    cr_assert_eq(daemon.features, RMX_FEATURE_OPERATOR);
    cr_assert_eq(rmx_session_may_send(&client, RMX_MSG_SUBMIT), -EPROTO);
    say(&client, make_any(RMX_MSG_JOBS));
    cr_assert_eq(hear(&daemon, &message), RMX_MSG_JOBS);
    say(&daemon, make_any(RMX_MSG_JOBS_REPLY));
    cr_assert_eq(hear(&client, &message), RMX_MSG_JOBS_REPLY);
    cr_assert_eq(hear(&daemon, make_any(RMX_MSG_SUBMIT)), -EPROTO);
    cr_assert_eq(daemon.state, RMX_SESSION_BROKEN);
}

Test(session_operators, an_operator_has_no_credits)
{
    struct rmx_session client = in(CLIENT, RMX_SESSION_WELCOME_DUE);

    client.features = RMX_FEATURE_OPERATOR;
    make_any(RMX_MSG_WELCOME)->welcome.features = RMX_FEATURE_OPERATOR;
    message.welcome.credits = 1;
    cr_assert_eq(hear(&client, &message), -EPROTO);
}

Test(session_operators, turning_on_what_was_not_asked_for_is_our_bug, .signal = SIGABRT)
{
    struct rmx_session daemon;

    rmx_session_init(&daemon, DAEMON);
    cr_assert_eq(hear(&daemon, make_any(RMX_MSG_HELLO)), RMX_MSG_HELLO);
    make_any(RMX_MSG_WELCOME)->welcome.features = RMX_FEATURE_OPERATOR;
    say(&daemon, &message);
}

Test(session_operators, each_question_has_its_own_answer)
{
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            struct rmx_session client = operators(CLIENT);

            say(&client, make_any(questions[i]));
            cr_assert_eq(hear(&client, make_any(answers[j])), i == j ? (int)answers[j] : -EPROTO);
            if (i == j) {
                cr_assert_eq(hear(&client, &message), -EPROTO, "it was answered");
            }
        }
    }
}

Test(session_operators, one_thing_is_asked_at_a_time)
{
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            struct rmx_session daemon = operators(DAEMON);

            cr_assert_eq(hear(&daemon, make_any(questions[i])), (int)questions[i]);
            cr_assert_eq(hear(&daemon, make_any(questions[j])), -EPROTO);
            cr_assert_eq(daemon.answer_due, answers[i]);
        }
    }
}

Test(session_operators, asking_two_things_at_once_is_our_bug, .signal = SIGABRT)
{
    struct rmx_session client = operators(CLIENT);

    say(&client, make_any(RMX_MSG_JOBS));
    say(&client, make_any(RMX_MSG_CANCEL_JOBS));
}

Test(session_operators, answering_what_was_not_asked_is_our_bug, .signal = SIGABRT)
{
    struct rmx_session daemon = operators(DAEMON);

    say(&daemon, make_any(RMX_MSG_CANCEL_REPLY));
}

Test(session_operators, jobs_come_in_parts_until_the_last)
{
    struct rmx_session client = operators(CLIENT);
    struct rmx_session daemon = operators(DAEMON);

    say(&client, make_any(RMX_MSG_JOBS));
    cr_assert_eq(hear(&daemon, &message), RMX_MSG_JOBS);
    for (int i = 0; i < 3; i++) {
        make(RMX_MSG_JOBS_REPLY, RMX_JOBS_ITEMS_MAX)->jobs.last = 0;
        say(&daemon, &message);
        cr_assert_eq(hear(&client, &message), RMX_MSG_JOBS_REPLY);
        cr_assert_eq(client.answer_due, RMX_MSG_JOBS_REPLY);
    }
    say(&daemon, make(RMX_MSG_JOBS_REPLY, 0));
    cr_assert_eq(hear(&client, &message), RMX_MSG_JOBS_REPLY);
    cr_assert_eq(client.answer_due, 0);
    say(&client, make_any(RMX_MSG_HANDOVER));
    cr_assert_eq(hear(&daemon, &message), RMX_MSG_HANDOVER);
}

Test(session_operators, only_the_last_part_may_be_empty)
{
    make(RMX_MSG_JOBS_REPLY, 0)->jobs.last = 0;
    assert_lies(CLIENT, &message);
    make_any(RMX_MSG_JOBS_REPLY)->jobs.last = 2;
    assert_lies(CLIENT, &message);
    make_any(RMX_MSG_JOBS_REPLY)->jobs.zero = 1;
    assert_lies(CLIENT, &message);
}

/* The second of three shown jobs, so that no check stops at the first. */
static struct rmx_jobs_item *second(void)
{
    return &make(RMX_MSG_JOBS_REPLY, 3)->jobs.items[1];
}

Test(session_operators, a_shown_job_has_numbers_in_their_range)
{
    *second() = (struct rmx_jobs_item){ .session = UINT32_MAX,
        .pid = INT32_MAX,
        .uid = UINT32_MAX,
        .state = RMX_JOB_DRAINING,
        .class_ = RMX_CLASSES - 1,
        .job = UINT64_MAX,
        .age_ns = UINT64_MAX,
        .left_ns = UINT64_MAX,
        .bytes_in = UINT64_MAX,
        .bytes_out = UINT64_MAX };
    assert_heard(CLIENT, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
    second()->session = 0;
    assert_lies(CLIENT, &message);
    second()->pid = -1;
    assert_lies(CLIENT, &message);
    second()->state = 0;
    assert_lies(CLIENT, &message);
    second()->state = RMX_JOB_DRAINING + 1;
    assert_lies(CLIENT, &message);
    second()->class_ = RMX_CLASSES;
    assert_lies(CLIENT, &message);
    second()->job = 0;
    assert_lies(CLIENT, &message);
}

Test(session_operators, a_shown_job_has_strings_that_end)
{
    memset(second()->format, 'f', sizeof(message.jobs.items[1].format) - 1);
    memset(message.jobs.items[1].group, 'g', sizeof(message.jobs.items[1].group) - 1);
    memset(message.jobs.items[1].traceparent, 't', sizeof(message.jobs.items[1].traceparent) - 1);
    assert_heard(CLIENT, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
    message.jobs.items[1].format[RMX_JOB_NAME_BYTES - 1] = 'f';
    assert_lies(CLIENT, &message);
    memset(second()->group, 'g', RMX_GROUP_NAME_BYTES);
    assert_lies(CLIENT, &message);
    second()->group[3] = 'g';
    assert_lies(CLIENT, &message);
    second()->traceparent[0] = '\x1b';
    assert_lies(CLIENT, &message);
}

/* May these jobs be told to end? */
static void assert_match(struct rmx_msg_cancel_jobs match, bool legal)
{
    match.head = make_any(RMX_MSG_CANCEL_JOBS)->head;
    message.match = match;
    if (legal) {
        assert_heard(DAEMON, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
    } else {
        assert_lies(DAEMON, &message);
    }
}

Test(session_operators, to_cancel_says_which)
{
    assert_match((struct rmx_msg_cancel_jobs){ .session = 1 }, true);
    assert_match((struct rmx_msg_cancel_jobs){ .session = 1, .job = UINT64_MAX }, true);
    assert_match((struct rmx_msg_cancel_jobs){ .group = "batch" }, true);
    assert_match((struct rmx_msg_cancel_jobs){ .session = 1, .job = 2, .group = "batch" }, true);
    assert_match((struct rmx_msg_cancel_jobs){ .all = 1 }, true);
    assert_match((struct rmx_msg_cancel_jobs){ .all = 0 }, false);
    assert_match((struct rmx_msg_cancel_jobs){ .all = 2 }, false);
    assert_match((struct rmx_msg_cancel_jobs){ .job = 1 }, false);
    assert_match((struct rmx_msg_cancel_jobs){ .job = 1, .group = "batch" }, false);
    assert_match((struct rmx_msg_cancel_jobs){ .all = 1, .session = 1 }, false);
    assert_match((struct rmx_msg_cancel_jobs){ .all = 1, .job = 1 }, false);
    assert_match((struct rmx_msg_cancel_jobs){ .all = 1, .group = "batch" }, false);
    assert_match((struct rmx_msg_cancel_jobs){ .session = 1, .group = { 0, 'x' } }, false);
    assert_match((struct rmx_msg_cancel_jobs){ .group = "new\nline" }, false);
}

Test(session_operators, a_socket_comes_along_if_it_is_handed_over)
{
    make_any(RMX_MSG_HANDOVER_REPLY)->handover.held = 1;
    assert_heard(CLIENT, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
    message.handover.held = 2;
    assert_lies(CLIENT, &message);
    make_any(RMX_MSG_HANDOVER_REPLY)->handover.status = RMX_STATUS_BUSY;
    assert_lies(CLIENT, &message);
    message.fds = 0;
    assert_heard(CLIENT, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
    message.handover.status = UINT32_MAX; /* a younger daemon's */
    assert_heard(CLIENT, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
    message.handover.held = 1;
    assert_lies(CLIENT, &message);
    make_any(RMX_MSG_HANDOVER_REPLY)->fds = 0;
    assert_lies(CLIENT, &message);
}

Test(session_operators, a_handover_that_crossed_a_draining_goodbye_is_still_heard_and_refused)
{
    struct rmx_session client = operators(CLIENT);
    struct rmx_session daemon = operators(DAEMON);

    say(&daemon, make_goodbye(RMX_STATUS_DRAINING));
    say(&client, make_any(RMX_MSG_HANDOVER));
    cr_assert_eq(hear(&daemon, &message), RMX_MSG_HANDOVER);
    cr_assert_eq(hear(&client, make_goodbye(RMX_STATUS_DRAINING)), RMX_MSG_GOODBYE);
    make_any(RMX_MSG_HANDOVER_REPLY)->handover.status = RMX_STATUS_BUSY;
    message.fds = 0;
    say(&daemon, &message);
    cr_assert_eq(hear(&client, &message), RMX_MSG_HANDOVER_REPLY);
    cr_assert_eq(rmx_session_may_send(&client, RMX_MSG_HANDOVER), -EPROTO);
    cr_assert_eq(rmx_session_may_send(&client, RMX_MSG_JOBS), 0);
}
