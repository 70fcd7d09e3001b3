/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whose the socket is when an old daemon parts with the next one: what that had said last may be
 * unheard, and decides.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/client.h"
#include "engine/handover.h"
#include "engine/lane.h"
#include "ipc/sock.h"

static struct rmx_handover handover;
static struct rmx_lane lane;
static struct rmx_client client;
static int next; /* the next daemon's end */

static void offer(void)
{
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    atomic_store(&handover.state, RMX_HANDOVER_OFFERED);
    lane.handover = &handover;
    lane.report_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    client.lane = &lane;
    client.fd = pair[0];
    client.has_socket = true;
    next = pair[1];
}

static void part(void)
{
    rmx_base_close(&client.fd);
    (void)close(next);
    (void)close(lane.report_fd);
}

TestSuite(handover, .init = offer, .fini = part);

static int say(uint16_t type)
{
    const struct rmx_msg_goodbye message = {
        .head = { .type = type, .bytes = sizeof(message) },
        .status = RMX_STATUS_OK,
    };

    return rmx_sock_say(next, &message, sizeof(message), MSG_DONTWAIT);
}

static void expect(enum rmx_handover_state state, uint64_t reports)
{
    eventfd_t count = 0;

    cr_expect_eq(atomic_load(&handover.state), (uint32_t)state);
    (void)eventfd_read(lane.report_fd, &count);
    cr_expect_eq(count, reports);
    cr_expect_not(client.has_socket);
}

Test(handover, it_took_over_unheard)
{
    cr_assert_eq(say(RMX_MSG_GOODBYE), 0);
    rmx_handover_forget(&client);
    expect(RMX_HANDOVER_GIVEN, 1);
}

Test(handover, it_took_over_unheard_and_went)
{
    cr_assert_eq(say(RMX_MSG_HANDOVER), 0);
    cr_assert_eq(say(RMX_MSG_GOODBYE), 0);
    (void)shutdown(next, SHUT_RDWR);
    rmx_handover_forget(&client);
    expect(RMX_HANDOVER_GIVEN, 1);
}

Test(handover, it_took_over_unheard_while_we_drain)
{
    lane.draining = true;
    cr_assert_eq(say(RMX_MSG_GOODBYE), 0);
    rmx_handover_forget(&client);
    expect(RMX_HANDOVER_GIVEN, 1);
}

Test(handover, it_said_nothing_and_can_say_no_more)
{
    rmx_handover_forget(&client);
    expect(RMX_HANDOVER_OURS, 0);
    cr_expect_eq(say(RMX_MSG_GOODBYE), -EPIPE);
}

Test(handover, it_took_over_unheard_behind_something_else)
{
    unsigned char long_one[256] = { 0 };

    cr_assert_eq(send(next, long_one, sizeof(long_one), MSG_DONTWAIT), sizeof(long_one));
    cr_assert_eq(say(RMX_MSG_GOODBYE), 0);
    rmx_handover_forget(&client);
    expect(RMX_HANDOVER_GIVEN, 1);
}

Test(handover, it_said_something_else)
{
    unsigned char long_one[256] = { 0 };

    for (int i = 0; i < 4; i++) {
        cr_assert_eq(send(next, long_one, sizeof(long_one), MSG_DONTWAIT), sizeof(long_one));
    }
    cr_assert_eq(say(RMX_MSG_HANDOVER), 0);
    rmx_handover_forget(&client);
    expect(RMX_HANDOVER_OURS, 0);
}

Test(handover, a_stranger_confirms_nothing)
{
    client.has_socket = false;
    cr_assert_eq(say(RMX_MSG_GOODBYE), 0);
    rmx_handover_forget(&client);
    expect(RMX_HANDOVER_OFFERED, 0);
}

/* --- the next daemon, which confirms to an old one that is not there to hear it --------------- */

/* What rmx_handover_finish() says when the old one has said this, if anything, and closed. */
static int finish(bool says, uint32_t status)
{
    struct rmx_handover_taken taken = { .listen_fd = -1, .sock = fcntl(next, F_DUPFD_CLOEXEC, 0) };
    const struct rmx_msg_goodbye goodbye = {
        .head = { .type = RMX_MSG_GOODBYE, .bytes = sizeof(goodbye) },
        .status = status,
    };
    int error;

    cr_assert_geq(taken.sock, 0);
    if (says) {
        cr_assert_eq(rmx_sock_say(client.fd, &goodbye, sizeof(goodbye), MSG_DONTWAIT), 0);
    }
    rmx_base_close(&client.fd);
    error = rmx_handover_finish(&taken);
    cr_expect_eq(taken.sock, -1);
    return error;
}

Test(handover, the_old_one_parted_and_serves_on)
{
    cr_expect_eq(finish(true, RMX_STATUS_BUSY), -EBUSY);
}

Test(handover, the_old_one_ended_without_a_word)
{
    cr_expect_eq(finish(false, 0), -ECONNRESET);
}

Test(handover, the_old_one_drains_by_now)
{
    cr_expect_eq(finish(true, RMX_STATUS_DRAINING), -ECONNRESET);
}
