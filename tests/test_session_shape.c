/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The shape of messages: size, count, descriptors, and fields that must be in their range.
 */
#include "ipc/session.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "ipc/channel.h"
#include "ipc/status.h"
#include "tests/session_words.h"

Test(session_shape, items_may_be_as_many_as_the_limits_say)
{
    for (uint32_t type = 1; type < RMX_MSG_TYPES; type++) {
        uint32_t most = items_max(type);

        if (most) {
            assert_heard(hearer(type), RMX_SESSION_OPEN, make(type, most), RMX_SESSION_OPEN);
            make(type, most)->head.count = most + 1;
            message.head.bytes += item_bytes(type);
            assert_lies(hearer(type), &message);
            if (type != RMX_MSG_JOBS_REPLY) { /* whose last may be empty */
                assert_lies(hearer(type), make(type, 0));
            }
        } else {
            make(type, 0)->head.count = 1;
            assert_lies(hearer(type), &message);
        }
        make_any(type)->head.count = UINT32_MAX;
        assert_lies(hearer(type), &message);
    }
}

Test(session_shape, size_is_what_arrived_what_is_said_and_what_the_type_needs)
{
    for (uint32_t type = 1; type < RMX_MSG_TYPES; type++) {
        enum rmx_session_side side = hearer(type);
        uint32_t bytes = make_any(type)->head.bytes;

        assert_lie(side, state_for(type), &message, bytes - 1, message.fds);
        assert_lie(side, state_for(type), &message, bytes + 1, message.fds);
        message.head.bytes = bytes - 1;
        assert_lie(side, state_for(type), &message, bytes, message.fds);
        assert_lie(side, state_for(type), &message, bytes - 1, message.fds);
        message.head.bytes = bytes + 8;
        assert_lie(side, state_for(type), &message, bytes + 8, message.fds);
        for (size_t n = 0; n <= sizeof(struct rmx_msg_head); n++) {
            message.head.bytes = (uint32_t)n;
            if (n < bytes) {
                assert_lie(side, state_for(type), &message, n, message.fds);
            }
        }
    }
    make_any(RMX_MSG_PING)->head.bytes = sizeof(message.bytes);
    assert_lies(DAEMON, &message);
}

Test(session_shape, unknown_types_are_lies)
{
    make_any(RMX_MSG_PING)->head.type = 0;
    assert_lies(DAEMON, &message);
    message.head.type = RMX_MSG_TYPES;
    assert_lies(DAEMON, &message);
    message.head.type = UINT16_MAX;
    assert_lies(CLIENT, &message);
}

Test(session_shape, head_words_that_must_be_0_are)
{
    for (uint32_t type = 1; type < RMX_MSG_TYPES; type++) {
        make_any(type)->head.zero0 = 1;
        assert_lies(hearer(type), &message);
        make_any(type)->head.zero1 = 1u << 31;
        assert_lies(hearer(type), &message);
    }
}

Test(session_shape, descriptors_are_exactly_those_the_type_carries)
{
    for (uint32_t type = 1; type < RMX_MSG_TYPES; type++) {
        uint32_t fds = make_any(type)->fds;

        assert_lie(hearer(type), state_for(type), &message, message.head.bytes, fds + 1);
        if (fds > 0) {
            assert_lie(hearer(type), state_for(type), &message, message.head.bytes, fds - 1);
        }
    }
    make(RMX_MSG_SUBMIT, 8)->submit.jobs[7].outputs = 255;
    assert_lies(DAEMON, &message);
    make(RMX_MSG_SUBMIT, 2)->submit.jobs[0].inputs = 0;
    message.submit.jobs[0].outputs = 0;
    message.fds = 2;
    assert_heard(DAEMON, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
}

Test(session_shape, rings_bring_no_descriptors)
{
    make(RMX_MSG_SUBMIT, 3)->submit.jobs[0].input_port = RMX_JOB_RING;
    message.submit.jobs[1].output_port = RMX_JOB_RING;
    message.submit.jobs[2].input_port = RMX_JOB_RING;
    message.submit.jobs[2].output_port = 255; /* no kind of output: the job is refused later */
    assert_lies(DAEMON, &message);
    message.fds = 2;
    assert_heard(DAEMON, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
}

Test(session_shape, a_channel_asks_for_as_much_as_one_can_have)
{
    make_any(RMX_MSG_CHANNEL)->channel.arena_bytes = RMX_CHANNEL_BYTES_MAX;
    assert_heard(DAEMON, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
    message.channel.arena_bytes = RMX_CHANNEL_BYTES_MAX + 1;
    assert_lies(DAEMON, &message);
    message.channel.arena_bytes = RMX_CHANNEL_BYTES_MIN - 1;
    assert_lies(DAEMON, &message);
    message.channel.arena_bytes = UINT64_MAX;
    assert_lies(DAEMON, &message);
}

Test(session_shape, an_opened_channel_has_a_name_and_bells_and_no_other_has)
{
    assert_heard(
        CLIENT, RMX_SESSION_LEAVING, make_any(RMX_MSG_CHANNEL_OPENED), RMX_SESSION_LEAVING);
    make_any(RMX_MSG_CHANNEL_OPENED)->opened.channel = 0;
    assert_lies(CLIENT, &message);
    message.fds = 0;
    assert_lies(CLIENT, &message);
    message.opened.status = RMX_STATUS_BUSY;
    assert_heard(CLIENT, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
    message.opened.status = UINT32_MAX; /* a younger daemon's */
    assert_heard(CLIENT, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
    message.fds = 2;
    assert_lies(CLIENT, &message);
    message.opened.channel = 1;
    assert_lies(CLIENT, &message);
}

Test(session_shape, a_lost_channel_has_a_name_and_a_word_that_must_be_0)
{
    make_any(RMX_MSG_CHANNEL_LOST)->lost.zero = 1;
    assert_lies(CLIENT, &message);
    make_any(RMX_MSG_CHANNEL_LOST)->lost.channel = 0;
    assert_lies(CLIENT, &message);
}

Test(session_shape, a_bad_job_is_no_broken_session)
{
    make(RMX_MSG_SUBMIT, 1)->submit.jobs[0].kind = 12345;
    memset(message.submit.jobs[0].options, 'x', sizeof(message.submit.jobs[0].options));
    assert_heard(DAEMON, RMX_SESSION_OPEN, &message, RMX_SESSION_OPEN);
}

Test(session_shape, hello_offers_versions_and_a_printable_name)
{
    make_any(RMX_MSG_HELLO)->hello.features = UINT64_MAX;
    memset(message.hello.name, 'n', sizeof(message.hello.name) - 1);
    assert_heard(DAEMON, RMX_SESSION_HELLO_DUE, &message, RMX_SESSION_WELCOME_DUE);
    message.hello.name[31] = 'n';
    assert_lies(DAEMON, &message);
    make_any(RMX_MSG_HELLO)->hello.name[0] = '\n';
    assert_lies(DAEMON, &message);
    make_any(RMX_MSG_HELLO)->hello.name[9] = 'x';
    assert_lies(DAEMON, &message);
    make_any(RMX_MSG_HELLO)->hello.version_min = RMX_WIRE_VERSION + 1;
    assert_lies(DAEMON, &message);
    make_any(RMX_MSG_HELLO)->hello.version_min = 0;
    assert_lies(DAEMON, &message);
}

Test(session_shape, welcome_offers_what_fits_its_arena)
{
    make_any(RMX_MSG_WELCOME)->welcome.arena_bytes = 4096 + 32 * 64;
    message.welcome.progress_at = 4096;
    message.welcome.progress_slots = 64;
    message.welcome.credits = RMX_CREDITS_MAX;
    assert_heard(CLIENT, RMX_SESSION_WELCOME_DUE, &message, RMX_SESSION_OPEN);
    message.welcome.progress_slots = 65;
    assert_lies(CLIENT, &message);
    message.welcome.progress_slots = UINT32_MAX;
    assert_lies(CLIENT, &message);
    message.welcome.progress_slots = 1;
    message.welcome.progress_at = 4;
    assert_lies(CLIENT, &message);
    message.welcome.progress_at = UINT32_MAX - 7;
    assert_lies(CLIENT, &message);
    make_any(RMX_MSG_WELCOME)->welcome.version = RMX_WIRE_VERSION + 1;
    assert_lies(CLIENT, &message);
    make_any(RMX_MSG_WELCOME)->welcome.version = RMX_WIRE_VERSION - 1;
    assert_lies(CLIENT, &message);
    make_any(RMX_MSG_WELCOME)->welcome.version = 0;
    assert_lies(CLIENT, &message);
    make_any(RMX_MSG_WELCOME)->welcome.features = 1;
    assert_lies(CLIENT, &message);
    make_any(RMX_MSG_WELCOME)->welcome.workers = 0;
    assert_lies(CLIENT, &message);
    make_any(RMX_MSG_WELCOME)->welcome.credits = RMX_CREDITS_MAX + 1;
    assert_lies(CLIENT, &message);
}

Test(session_shape, done_items_have_a_result_and_a_word_that_must_be_0)
{
    make(RMX_MSG_DONE, 1)->done.items[0].zero = 1;
    assert_lies(CLIENT, &message);
    make(RMX_MSG_DONE, 1)->done.items[0].result.cause = 1;
    assert_lies(CLIENT, &message);
    make(RMX_MSG_DONE, 2)->done.items[1].result.text[7] = '\x1b';
    assert_lies(CLIENT, &message);
}

Test(session_shape, credit_and_goodbye_have_a_word_that_must_be_0)
{
    make_any(RMX_MSG_CREDIT)->credit.zero = 1;
    assert_lies(CLIENT, &message);
    make_any(RMX_MSG_CREDIT)->credit.credits = 0;
    assert_lies(CLIENT, &message);
    make_goodbye(RMX_STATUS_OK)->goodbye.zero = 1;
    assert_lies(CLIENT, &message);
    assert_lies(DAEMON, &message);
}

Test(session_shape, a_message_at_an_odd_address_is_no_problem)
{
    static unsigned char odd[sizeof(message.bytes) + 1];
    struct rmx_session client = in(CLIENT, RMX_SESSION_OPEN);

    make(RMX_MSG_DONE, 16)->done.items[15].credits = 2;
    memcpy(odd + 1, message.bytes, message.head.bytes);
    cr_assert_eq(rmx_session_receive(&client, odd + 1, message.head.bytes, 0), RMX_MSG_DONE);
    cr_assert_eq(client.credits, 2);
}
