/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The messages about groups: their fields, how many groups are open, and when one may end.
 */
#include "ipc/session.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "ipc/status.h"
#include "tests/session_words.h"

/* A GROUP_DONE whose first bad job ended so; with OK, all of whose jobs did. */
static struct rmx_msg_group_done *make_done(uint32_t status)
{
    struct rmx_msg_group_done *done = &make_any(RMX_MSG_GROUP_DONE)->ended;

    done->status = status;
    done->ended[RMX_STATUS_OK] = 3;
    if (status != RMX_STATUS_OK) {
        done->first.job = 7;
        done->first.status = status;
        done->ended[status < RMX_GROUP_ENDS ? status : RMX_STATUS_INTERNAL]++;
    }
    return done;
}

static void assert_done_heard(void)
{
    assert_heard(CLIENT, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
}

Test(session_groups, a_group_has_a_number_known_flags_and_a_printable_name)
{
    make_any(RMX_MSG_GROUP)->group.group = UINT32_MAX;
    message.group.flags = RMX_GROUP_COLLECT_ALL;
    message.group.jobs_max = UINT32_MAX;
    message.group.deadline_ns = UINT64_MAX;
    memset(message.group.name, 'n', sizeof(message.group.name) - 1);
    assert_heard(DAEMON, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
    message.group.name[31] = 'n';
    assert_lies(DAEMON, &message);
    make_any(RMX_MSG_GROUP)->group.name[0] = '\t';
    assert_lies(DAEMON, &message);
    make_any(RMX_MSG_GROUP)->group.name[5] = 'x';
    assert_lies(DAEMON, &message);
    make_any(RMX_MSG_GROUP)->group.group = 0;
    assert_lies(DAEMON, &message);
    make_any(RMX_MSG_GROUP)->group.flags = RMX_GROUP_FLAGS_ALL + 1;
    assert_lies(DAEMON, &message);
    make_any(RMX_MSG_GROUP)->group.flags = 1u << 31;
    assert_lies(DAEMON, &message);
    make_any(RMX_MSG_GROUP)->group.zero = 1;
    assert_lies(DAEMON, &message);
}

Test(session_groups, to_close_and_to_cancel_name_a_group)
{
    static const uint32_t types[] = { RMX_MSG_GROUP_CLOSE, RMX_MSG_GROUP_CANCEL };

    for (size_t i = 0; i < 2; i++) {
        make_any(types[i])->name.group = 12345; /* one that is not open is not an error */
        assert_heard(DAEMON, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
        message.name.zero = 1;
        assert_lies(DAEMON, &message);
        make_any(types[i])->name.group = 0;
        assert_lies(DAEMON, &message);
    }
}

Test(session_groups, a_group_ends_ok_only_if_all_its_jobs_did)
{
    make_done(RMX_STATUS_OK);
    assert_done_heard();
    message.ended.ended[RMX_STATUS_OK] = 0; /* it had none */
    assert_done_heard();
    for (uint32_t status = 1; status < RMX_GROUP_ENDS; status++) {
        make_done(RMX_STATUS_OK)->ended[status] = 1;
        assert_lies(CLIENT, &message);
    }
}

Test(session_groups, the_first_bad_end_is_the_groups)
{
    make_done(RMX_STATUS_BAD_MEDIA);
    assert_done_heard();
    message.ended.first.status = RMX_STATUS_TRUNCATED;
    assert_lies(CLIENT, &message);
    make_done(12345); /* a younger daemon's */
    assert_done_heard();
    make_done(RMX_STATUS_BAD_MEDIA)->group = 0;
    assert_lies(CLIENT, &message);
}

Test(session_groups, the_first_bad_end_is_a_result_or_zeros)
{
    make_done(RMX_STATUS_BAD_MEDIA)->first.cause = 1;
    assert_lies(CLIENT, &message);
    make_done(RMX_STATUS_BAD_MEDIA)->first.text[9] = 'x';
    assert_lies(CLIENT, &message);
    make_done(RMX_STATUS_BAD_MEDIA)->first.job = 0;
    assert_lies(CLIENT, &message);
    make_done(RMX_STATUS_CANCELLED)->first = (struct rmx_job_result){ 0 };
    assert_done_heard();
    message.ended.first.text[191] = 1;
    assert_lies(CLIENT, &message);
    make_done(RMX_STATUS_OK)->first.job = 1;
    assert_lies(CLIENT, &message);
    make_done(RMX_STATUS_OK)->first.packets_in = 1;
    assert_lies(CLIENT, &message);
}

Test(session_groups, a_group_ends_once)
{
    struct rmx_session client = in(CLIENT, RMX_SESSION_OPEN);
    struct rmx_session daemon = in(DAEMON, RMX_SESSION_OPEN);

    client.groups_open = daemon.groups_open = 0;
    say(&client, make_any(RMX_MSG_GROUP));
    cr_assert_eq(hear(&daemon, &message), RMX_MSG_GROUP);
    say(&client, make_any(RMX_MSG_GROUP_CANCEL));
    cr_assert_eq(hear(&daemon, &message), RMX_MSG_GROUP_CANCEL);
    say(&client, make_any(RMX_MSG_GROUP_CLOSE));
    cr_assert_eq(hear(&daemon, &message), RMX_MSG_GROUP_CLOSE);
    cr_assert_eq(daemon.groups_open, 1, "until it is done");
    say(&daemon, make_any(RMX_MSG_GROUP_DONE));
    cr_assert_eq(daemon.groups_open, 0);
    cr_assert_eq(hear(&client, &message), RMX_MSG_GROUP_DONE);
    cr_assert_eq(client.groups_open, 0);
    cr_assert_eq(hear(&client, &message), -EPROTO, "there is no other");
    cr_assert_eq(client.groups_open, 0);
}

Test(session_groups, no_more_are_open_than_a_session_may_have)
{
    struct rmx_session daemon = in(DAEMON, RMX_SESSION_OPEN);

    for (uint32_t open = daemon.groups_open; open < RMX_GROUPS_MAX; open++) {
        cr_assert_eq(hear(&daemon, make_any(RMX_MSG_GROUP)), RMX_MSG_GROUP);
    }
    cr_assert_eq(hear(&daemon, &message), -EPROTO);
    cr_assert_eq(daemon.state, RMX_SESSION_BROKEN);
    cr_assert_eq(daemon.groups_open, RMX_GROUPS_MAX);
}

Test(session_groups, one_that_crossed_a_draining_goodbye_is_still_heard_and_ends)
{
    struct rmx_session client = in(CLIENT, RMX_SESSION_DRAINING);
    struct rmx_session daemon = in(DAEMON, RMX_SESSION_DRAINING);

    cr_assert_eq(rmx_session_may_send(&client, RMX_MSG_GROUP), -EPROTO);
    cr_assert_eq(hear(&daemon, make_any(RMX_MSG_GROUP)), RMX_MSG_GROUP);
    say(&client, make_any(RMX_MSG_GROUP_CLOSE));
    cr_assert_eq(hear(&daemon, &message), RMX_MSG_GROUP_CLOSE);
    say(&daemon, make_any(RMX_MSG_GROUP_DONE));
    cr_assert_eq(hear(&client, &message), RMX_MSG_GROUP_DONE);
}

Test(session_groups, opening_one_too_many_is_our_bug, .signal = SIGABRT)
{
    struct rmx_session client = in(CLIENT, RMX_SESSION_OPEN);

    client.groups_open = RMX_GROUPS_MAX;
    say(&client, make_any(RMX_MSG_GROUP));
}

Test(session_groups, ending_one_that_is_not_open_is_our_bug, .signal = SIGABRT)
{
    struct rmx_session daemon = in(DAEMON, RMX_SESSION_OPEN);

    daemon.groups_open = 0;
    say(&daemon, make_any(RMX_MSG_GROUP_DONE));
}
