/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What one session, and one class, may have of a worker's pairs.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/portion.h"

static struct rmx_berth berth;
static int job; /* somebody's */

static void fill(uint32_t small, uint32_t bulk, uint32_t bare)
{
    const struct rmx_pair_geometry geometry[RMX_PAIR_SIZES] = {
        { .count = small, .slots = 2, .chunk_bytes = 4096 },
        { .count = bulk, .slots = 2, .chunk_bytes = 4096 },
        { .count = bare },
    };

    cr_assert_eq(rmx_berth_init(&berth, 0, geometry, false), 0);
}

static void set_up(void)
{
    fill(64, 4, 1024);
}

static void tear_down(void)
{
    rmx_berth_fini(&berth);
}

TestSuite(portion, .init = set_up, .fini = tear_down, .timeout = 60);

static struct rmx_pair *take_for(const struct rmx_wish *wish)
{
    enum rmx_pair_size got = rmx_portion_pair(&berth, wish);

    return got == RMX_PAIR_NONE
               ? NULL
               : rmx_berth_take(&berth, got, wish->user, wish->party, wish->class_, &job);
}

/* For a session of the one user who is under no limit. */
static struct rmx_pair *take(enum rmx_pair_size size, uint32_t class_, uint32_t party)
{
    return take_for(
        &(struct rmx_wish){ .size = size, .class_ = class_, .party = party, .owns = true });
}

static uint32_t take_all(enum rmx_pair_size size, uint32_t class_, uint32_t party)
{
    uint32_t count = 0;

    while (take(size, class_, party) != NULL) {
        count++;
    }
    return count;
}

/* One each in turn, until nobody gets any. */
static uint32_t take_in_turns(
    enum rmx_pair_size size, uint32_t class_, uint32_t first, uint32_t parties)
{
    uint32_t count = 0;
    uint32_t before;

    do {
        before = count;
        for (uint32_t party = first; party < first + parties; party++) {
            count += take(size, class_, party) != NULL;
        }
    } while (count > before);
    return count;
}

Test(portion, session_alone_has_three_of_four_pairs)
{
    cr_assert_eq(take_all(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 5), 48 + 3);
    cr_assert_eq(berth.free_counts[RMX_PAIR_SMALL], 16);
    cr_assert_eq(berth.free_counts[RMX_PAIR_BULK], 1);
}

Test(portion, what_one_session_leaves_is_for_the_next_ones)
{
    (void)take_all(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 5);
    for (uint32_t party = 6; party < 6 + 17; party++) {
        cr_assert_not_null(take(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, party));
        cr_assert_null(take(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 5));
    }
    cr_assert_null(take(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 99), "now there is none left");
}

Test(portion, session_that_gives_one_back_may_not_have_it_again_while_others_need_it)
{
    struct rmx_pair *mine = take(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 5);

    (void)take_all(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 5);
    cr_assert_eq(take_all(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 6), 7 + 1);
    cr_assert_eq(berth.free_counts[RMX_PAIR_SMALL], 9);
    rmx_berth_give(&berth, mine);
    cr_assert_null(take(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 5));
    cr_assert_not_null(take(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 7));
}

Test(portion, last_pairs_are_for_higher_classes)
{
    uint32_t got = take_in_turns(RMX_PAIR_SMALL, RMX_CLASS_BACKGROUND, 0, 8);

    cr_assert_eq(got, 48 + 3, "a quarter is not for background");
    got += take_in_turns(RMX_PAIR_SMALL, RMX_CLASS_NORMAL, 100, 8);
    cr_assert_eq(got, 56 + 4, "an eighth is not for normal");
    got += take_in_turns(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 200, 8);
    cr_assert_eq(got, 68);
}

Test(portion, first_pair_of_a_session_leaves_one_to_each_higher_class)
{
    (void)take_in_turns(RMX_PAIR_SMALL, RMX_CLASS_BACKGROUND, 0, 68);
    cr_assert_eq(berth.free_counts[RMX_PAIR_SMALL], 2);
    (void)take_in_turns(RMX_PAIR_SMALL, RMX_CLASS_NORMAL, 100, 68);
    cr_assert_eq(berth.free_counts[RMX_PAIR_SMALL], 1);
    (void)take_in_turns(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 200, 68);
    cr_assert_eq(berth.free_counts[RMX_PAIR_SMALL], 0);
}

/* Whatever class theirs are: they never end, and its first one of any class starts. */
Test(portion, jobs_of_greedy_sessions_keep_no_newcomer_out)
{
    for (uint32_t greedy = 0; greedy < RMX_CLASSES; greedy++) {
        (void)take_in_turns(RMX_PAIR_SMALL, greedy, 10 * greedy, 2);
        cr_assert_geq(berth.free_counts[RMX_PAIR_SMALL], 6);
        for (uint32_t class_ = 0; class_ < RMX_CLASSES; class_++) {
            struct rmx_pair *pair = take(RMX_PAIR_SMALL, class_, 50);

            cr_assert_not_null(pair);
            rmx_berth_give(&berth, pair);
        }
    }
}

/* --- users ------------------------------------------------------------------------------------ */

/* Sessions of this user take all they can get: one after the other, the whole crowd of them. */
static uint32_t take_crowd(enum rmx_pair_size size, uint32_t class_, uint32_t user, uint32_t first)
{
    uint32_t count = 0;

    for (uint32_t party = first; party < first + 100; party++) {
        while (take_for(&(struct rmx_wish){
                   .size = size, .class_ = class_, .party = party, .user = user }) != NULL) {
            count++;
        }
    }
    return count;
}

Test(portion, all_sessions_of_a_user_leave_the_last_pairs_to_other_users)
{
    for (uint32_t greedy = 0; greedy < RMX_CLASSES; greedy++) {
        (void)take_crowd(RMX_PAIR_SMALL, greedy, 1, 100 * greedy);
        cr_assert_geq(berth.free_counts[RMX_PAIR_SMALL], 4);
        cr_assert_geq(berth.free_counts[RMX_PAIR_BULK], 1);
        for (uint32_t class_ = 0; class_ < RMX_CLASSES; class_++) {
            struct rmx_pair *pair = take_for(&(struct rmx_wish){
                .size = RMX_PAIR_SMALL, .class_ = class_, .party = 999, .user = 2 });

            cr_assert_not_null(pair);
            rmx_berth_give(&berth, pair);
        }
    }
    cr_assert_eq(take_crowd(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 1, 300), 0);
}

Test(portion, of_the_last_pairs_each_user_has_one)
{
    (void)take_crowd(RMX_PAIR_BARE, RMX_CLASS_CRITICAL, 1, 0);
    cr_assert_eq(berth.free_counts[RMX_PAIR_BARE], 4);
    for (uint32_t user = 2; user < 6; user++) {
        cr_assert_eq(take_crowd(RMX_PAIR_BARE, RMX_CLASS_CRITICAL, user, 100 * user), 1);
    }
    cr_assert_eq(berth.free_counts[RMX_PAIR_BARE], 0);
}

Test(portion, who_runs_the_daemon_may_have_all)
{
    for (uint32_t party = 0; party < 100; party++) {
        (void)take_all(RMX_PAIR_BARE, RMX_CLASS_CRITICAL, party);
    }
    cr_assert_eq(berth.free_counts[RMX_PAIR_BARE], 0);
}

Test(portion, pair_that_a_user_gave_back_is_not_counted)
{
    struct rmx_wish wish = { .size = RMX_PAIR_BARE, .party = 7, .user = 1 };
    struct rmx_pair *pair = take_for(&wish);

    rmx_berth_give(&berth, pair);
    (void)take_crowd(RMX_PAIR_BARE, RMX_CLASS_CRITICAL, 2, 100);
    cr_assert_not_null(take_for(&wish));
    wish.party = 8;
    cr_assert_null(take_for(&wish));
}

Test(portion, thousand_streams_of_one_client_fit)
{
    cr_assert_eq(take_all(RMX_PAIR_BARE, RMX_CLASS_NORMAL, 0), 1001);
}

Test(portion, what_has_no_rings_is_only_for_who_wants_none)
{
    (void)take_all(RMX_PAIR_BULK, RMX_CLASS_CRITICAL, 0);
    cr_assert_eq(berth.free_counts[RMX_PAIR_BARE], 1024);
    (void)take_all(RMX_PAIR_BARE, RMX_CLASS_CRITICAL, 0);
    cr_assert_eq(berth.free_counts[RMX_PAIR_SMALL], 16);
}

Test(portion, every_class_and_session_runs_where_there_is_next_to_nothing)
{
    for (uint32_t class_ = 0; class_ < RMX_CLASSES; class_++) {
        tear_down();
        fill(1, 1, 1);
        cr_assert_not_null(take(RMX_PAIR_BULK, class_, 0));
        cr_assert_not_null(take(RMX_PAIR_BULK, class_, 0), "the small one will do");
        cr_assert_null(take(RMX_PAIR_BULK, class_, 0));
        cr_assert_not_null(take(RMX_PAIR_BARE, class_, 0));
    }
}

Test(portion, nobody_is_told_what_anybody_could_have)
{
    struct rmx_wish nobody = {
        .size = RMX_PAIR_SMALL,
        .party = RMX_PARTY_NOBODY,
        .user = RMX_USER_NOBODY,
    };

    (void)take_all(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 0);
    cr_assert_eq(rmx_portion_pair(&berth, &nobody), RMX_PAIR_SMALL);
}

Test(portion, worker_that_takes_no_more_jobs_is_given_none_until_it_is_replaced)
{
    berth.spent = true;
    cr_assert_null(take(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 0));
    cr_assert_null(take(RMX_PAIR_BARE, RMX_CLASS_CRITICAL, 0));
    rmx_berth_reset(&berth);
    cr_assert_not_null(take(RMX_PAIR_SMALL, RMX_CLASS_CRITICAL, 0));
}
