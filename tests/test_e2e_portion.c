/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What one session may have of the workers' room for channels, and that others find some beside it.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "tests/raw_client.h"

#define CHANNEL_BYTES (8u << 20) /* as configured: the largest */

static struct harness harness;
static struct rmx_region small;
static struct rmx_region large;

/* A worker has room for three of the largest. */
static void set_up(void)
{
    static const char *const settings[] = { "--workers=2", "--channel-bytes=8MiB",
        "--channels-bytes=24MiB", NULL };

    harness_start(&harness, settings);
    cr_assert_eq(rmx_region_create(&small, "test-small", RMX_CHANNEL_BYTES_MIN, 0), 0);
    cr_assert_eq(rmx_region_create(&large, "test-large", CHANNEL_BYTES, 0), 0);
    raw_sock = raw_session(&harness);
}

static void tear_down(void)
{
    close(raw_sock);
    rmx_region_fini(&small);
    rmx_region_fini(&large);
    harness_stop(&harness);
}

TestSuite(e2e_portion, .init = set_up, .fini = tear_down, .timeout = 180);

static void expect_answer(const struct rmx_region *arena, enum rmx_status status)
{
    uint32_t said = raw_answer_to(arena->size, arena->fd);

    cr_assert_eq(said, status, "%s, not %s", rmx_status_name(said), rmx_status_name(status));
}

Test(e2e_portion, session_has_two_in_each_worker_and_no_more)
{
    for (uint32_t i = 0; i < 4; i++) {
        expect_answer(&small, RMX_STATUS_OK);
    }
    expect_answer(&small, RMX_STATUS_OVER_LIMIT);
}

Test(e2e_portion, largest_is_to_be_had_and_then_nothing_beside_it)
{
    expect_answer(&large, RMX_STATUS_OK);
    expect_answer(&large, RMX_STATUS_OK);
    expect_answer(&small, RMX_STATUS_OVER_LIMIT);
}

Test(e2e_portion, greedy_session_leaves_room_for_others)
{
    int greedy = raw_sock;
    int others[3];

    while (raw_answer_to(large.size, large.fd) == RMX_STATUS_OK) {
    }
    for (int i = 0; i < 3; i++) {
        raw_sock = others[i] = raw_session(&harness);
        expect_answer(&large, i < 2 ? RMX_STATUS_OK : RMX_STATUS_BUSY);
        if (i < 2) {
            expect_answer(&large, RMX_STATUS_OK);
        }
    }
    for (int i = 0; i < 3; i++) {
        close(others[i]);
    }
    raw_sock = greedy;
}

Test(e2e_portion, session_that_asks_without_end_is_told_to_come_later)
{
    int none = open("/dev/null", O_RDWR | O_CLOEXEC);
    uint64_t start_ns = harness_now_ns();
    uint64_t looked_at = 0;

    for (int i = 0; i < 500; i++) {
        uint32_t said = raw_answer_to(RMX_CHANNEL_BYTES_MIN, none);

        cr_assert(said == RMX_STATUS_BUSY || said == RMX_STATUS_PEER_CORRUPT);
        looked_at += said == RMX_STATUS_PEER_CORRUPT;
    }
    cr_assert_leq(looked_at, 16 * (2 + (harness_now_ns() - start_ns) / 100000000u));
    close(none);
    (void)poll(NULL, 0, 100);
    expect_answer(&small, RMX_STATUS_OK);
}
