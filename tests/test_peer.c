/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A row for each user: who holds it, what it may still do, and for how long it is remembered.
 */
#include "engine/peer.h"

#include <criterion/criterion.h>

#define SECOND UINT64_C(1000000000)
#define START  (100 * SECOND)

static struct rmx_peers peers;

static void make(void)
{
    cr_assert_eq(rmx_peer_init(&peers, 3), 0);
}

static void end(void)
{
    rmx_peer_fini(&peers);
}

TestSuite(peer, .init = make, .fini = end);

Test(peer, is_one_row_for_each_user)
{
    struct rmx_peer *one = rmx_peer_take(&peers, 1000, START);
    struct rmx_peer *two = rmx_peer_take(&peers, 0, START);

    cr_assert_not_null(one);
    cr_assert_not_null(two);
    cr_assert_neq(one, two);
    cr_assert_eq(rmx_peer_take(&peers, 1000, START), one);
    cr_assert_eq(one->holders, 2);
    cr_assert_eq(two->holders, 1);
}

Test(peer, there_is_no_row_when_others_hold_all)
{
    struct rmx_peer *first = rmx_peer_take(&peers, 1, START);

    (void)rmx_peer_take(&peers, 2, START);
    (void)rmx_peer_take(&peers, 3, START);
    cr_assert_null(rmx_peer_take(&peers, 4, START));
    rmx_peer_hold(first); /* by a job that outlives its session */
    rmx_peer_drop(first);
    cr_assert_null(rmx_peer_take(&peers, 4, START));
    rmx_peer_drop(first);
    cr_assert_eq(rmx_peer_take(&peers, 4, START), first);
    cr_assert_eq(first->uid, 4);
}

Test(peer, who_comes_back_finds_the_bill)
{
    struct rmx_peer *peer = rmx_peer_take(&peers, 7, START);

    for (uint32_t i = 0; i < RMX_PEER_DEATHS + 1; i++) {
        rmx_peer_hurt(peer, START);
    }
    rmx_peer_drop(peer);
    for (uid_t uid = 10; uid < 20; uid++) { /* others need rows meanwhile, one after another */
        rmx_peer_drop(rmx_peer_take(&peers, uid, START + 1));
    }
    peer = rmx_peer_take(&peers, 7, START + 2);
    cr_assert_eq(rmx_peer_penalty_ns(peer, START + 2), RMX_PEER_DEATH_NS - 2);
}

Test(peer, some_deaths_are_free_then_one_a_second)
{
    struct rmx_peer *peer = rmx_peer_take(&peers, 7, START);

    for (uint32_t i = 0; i < RMX_PEER_DEATHS; i++) {
        rmx_peer_hurt(peer, START);
        cr_assert_eq(rmx_peer_penalty_ns(peer, START), 0);
    }
    rmx_peer_hurt(peer, START);
    cr_assert_eq(rmx_peer_penalty_ns(peer, START), RMX_PEER_DEATH_NS);
    cr_assert_eq(rmx_peer_penalty_ns(peer, START + SECOND), 0);
    rmx_peer_hurt(peer, START + SECOND);
    cr_assert_gt(rmx_peer_penalty_ns(peer, START + SECOND), 0);
    cr_assert_eq(rmx_peer_penalty_ns(peer, START + 2 * SECOND), 0);
    for (uint32_t i = 0; i < RMX_PEER_DEATHS; i++) { /* all is forgotten by then */
        rmx_peer_hurt(peer, START + 100 * SECOND);
    }
    cr_assert_eq(rmx_peer_penalty_ns(peer, START + 100 * SECOND), 0);
}

Test(peer, the_penalty_is_of_one_user_and_has_an_end)
{
    struct rmx_peer *peer = rmx_peer_take(&peers, 7, START);
    struct rmx_peer *other = rmx_peer_take(&peers, 8, START);

    for (int i = 0; i < 100000; i++) {
        rmx_peer_hurt(peer, START);
    }
    cr_assert_eq(rmx_peer_penalty_ns(peer, START), RMX_PEER_PENALTY_NS_MAX);
    cr_assert_eq(rmx_peer_penalty_ns(other, START), 0);
    cr_assert_eq(rmx_peer_penalty_ns(peer, START + RMX_PEER_PENALTY_NS_MAX), 0);
}

Test(peer, so_many_may_come_in_a_second)
{
    struct rmx_peer *peer = rmx_peer_take(&peers, 7, START);
    uint32_t came = 0;

    for (int i = 0; i < 1000; i++) {
        came += rmx_peer_may_come(peer, 40, START);
    }
    cr_assert_eq(came, 40);
    for (int i = 0; i < 1000; i++) {
        came += rmx_peer_may_come(peer, 40, START + SECOND / 2);
    }
    cr_assert_eq(came, 60);
    cr_assert(rmx_peer_may_come(peer, 0, START + SECOND / 2));
}

Test(peer, lines_that_were_not_written_are_counted)
{
    struct rmx_peer *peer = rmx_peer_take(&peers, 7, START);
    uint64_t missed = UINT64_MAX;

    for (uint32_t i = 0; i < RMX_PEER_LINES; i++) {
        cr_assert(rmx_peer_may_log(peer, START, &missed));
        cr_assert_eq(missed, 0);
    }
    for (int i = 0; i < 30; i++) {
        cr_assert(!rmx_peer_may_log(peer, START, &missed));
    }
    cr_assert(rmx_peer_may_log(peer, START + RMX_PEER_LINE_NS, &missed));
    cr_assert_eq(missed, 30);
    cr_assert(!rmx_peer_may_log(peer, START + RMX_PEER_LINE_NS, &missed));
}
