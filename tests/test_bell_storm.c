/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bells that ring for nothing: for how long a worker does not listen. The test is the scheduler,
 * and the client that rings.
 */
#include "engine/worker/channel.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "tests/tiny_channel.h"

#define LONGEST_MS 1000
#define PLACE      3u

static struct tiny_channel client;
static int epoll_fd;

static bool wake(uint32_t flow)
{
    return flow == 7;
}

static void share(void)
{
    struct rmx_sock_fds fds = { .count = 3 };

    tiny_channel_make(&client, RMX_CHANNEL_BYTES_MIN);
    fds.fds[0] = client.arena.fd;
    fds.fds[1] = client.worker_bell.fd;
    fds.fds[2] = client.client_bell.fd;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    rmx_channel_init(epoll_fd, wake);
    cr_assert_eq(rmx_channel_share(PLACE, RMX_CHANNEL_BYTES_MIN, &fds), 0);
    cr_assert_not_null(rmx_channel_enter(PLACE, 0, 7));
}

/* Rings without mail until nobody listens. Returns for how long nobody will, in milliseconds. */
static int ring_until_muted(void)
{
    int muted_ms = LONGEST_MS;

    for (int ring = 0; ring < 100 && muted_ms == LONGEST_MS; ring++) {
        rmx_channel_rang(PLACE);
        muted_ms = rmx_channel_sleep_ms(LONGEST_MS);
    }
    return muted_ms;
}

static void sit_out(int muted_ms)
{
    while (muted_ms < LONGEST_MS) {
        (void)poll(NULL, 0, muted_ms);
        muted_ms = rmx_channel_sleep_ms(LONGEST_MS);
    }
}

/* Rings with mail that wakes a job. */
static void ring_with_mail(int times)
{
    struct rmx_note note = { .kind = RMX_NOTE_INPUT, .flow = 0 };

    for (int ring = 0; ring < times; ring++) {
        cr_assert_eq(rmx_mail_post(&client.to_worker, &note), 0);
        rmx_channel_take_mail();
        rmx_channel_rang(PLACE);
    }
}

/* Less where the machine was slow to ask. */
static void expect_muted(int wanted_ms)
{
    int muted_ms = ring_until_muted();

    cr_assert_leq(muted_ms, wanted_ms);
    cr_assert_gt(muted_ms, wanted_ms > 10 ? wanted_ms / 2 : 0, "%d of %d", muted_ms, wanted_ms);
    sit_out(muted_ms);
}

TestSuite(bell_storm, .timeout = 30, .init = share);

Test(bell_storm, is_not_listened_to_for_longer_each_time_up_to_a_limit)
{
    expect_muted(10);
    expect_muted(20);
    expect_muted(40);
    expect_muted(80);
    expect_muted(160);
    expect_muted(160);
}

Test(bell_storm, who_rings_with_a_reason_is_forgiven_step_by_step)
{
    expect_muted(10);
    expect_muted(20);
    expect_muted(40);
    ring_with_mail(16);
    expect_muted(40);
    ring_with_mail(32);
    expect_muted(20);
    ring_with_mail(160);
    expect_muted(10);
}

Test(bell_storm, few_good_rings_between_storms_are_no_excuse)
{
    expect_muted(10);
    ring_with_mail(4);
    expect_muted(20);
    ring_with_mail(4);
    expect_muted(40);
}
