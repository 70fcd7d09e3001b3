/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whose turn it is.
 */
#include "engine/worker/turns.h"

#include <criterion/criterion.h>

static struct rmx_turns turns;

TestSuite(turns, .timeout = 60);

static void add(uint32_t flow, enum rmx_job_class class_, uint32_t party)
{
    const struct rmx_turns_place place = { .class_ = class_, .party = party };

    rmx_turns_add(&turns, flow, &place);
}

static void add_urgent(uint32_t flow)
{
    const struct rmx_turns_place place = { .class_ = RMX_CLASS_BACKGROUND, .urgent = true };

    rmx_turns_add(&turns, flow, &place);
}

static void expect(const uint32_t *flows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(rmx_turns_take(&turns), flows[i], "turn %zu", i);
    }
    cr_assert(rmx_turns_is_empty(&turns));
    cr_assert_eq(rmx_turns_take(&turns), RMX_TURNS_NONE);
}

/* --- inside a class -------------------------------------------------------------------------- */

Test(turns, jobs_of_different_parties_come_as_they_came)
{
    static const uint32_t flows[] = { 7, 0, RMX_WORKER_FLOWS_MAX - 1, 3 };

    rmx_turns_init(&turns);
    for (uint32_t i = 0; i < 4; i++) {
        add(flows[i], RMX_CLASS_NORMAL, RMX_WORKER_PARTIES - 1 - i);
    }
    expect(flows, 4);
}

Test(turns, party_has_one_turn_in_each_round_however_many_jobs)
{
    static const uint32_t wanted[] = { 0, 8, 9, 1, 10, 2, 11, 3, 4, 5, 6, 7 };

    rmx_turns_init(&turns);
    for (uint32_t flow = 0; flow < 8; flow++) {
        add(flow, RMX_CLASS_NORMAL, 0);
    }
    add(8, RMX_CLASS_NORMAL, 255);
    add(9, RMX_CLASS_NORMAL, 9);
    add(10, RMX_CLASS_NORMAL, 255);
    add(11, RMX_CLASS_NORMAL, 255);
    expect(wanted, 12);
}

static uint32_t draw(uint32_t below)
{
    static uint32_t random = 2463534242;

    random ^= random << 13;
    random ^= random >> 17;
    random ^= random << 5;
    return random % below;
}

/* Nobody is passed by more of its own than there are. */
Test(turns, who_is_ready_again_goes_to_the_end_of_its_own_line)
{
    enum { FLOWS = 30, PARTIES = 5, ROUNDS = 100000 };
    bool waiting[FLOWS] = { false };
    uint32_t bypassed[FLOWS] = { 0 }; /* turns of others of its party since it came */

    rmx_turns_init(&turns);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t flow = draw(FLOWS);

        if (!waiting[flow]) {
            add(flow, RMX_CLASS_NORMAL, flow % PARTIES);
            waiting[flow] = true;
            bypassed[flow] = 0;
        }
        if (draw(2) == 0) {
            continue;
        }
        flow = rmx_turns_take(&turns);
        cr_assert(flow < FLOWS && waiting[flow]);
        waiting[flow] = false;
        for (uint32_t other = flow % PARTIES; other < FLOWS; other += PARTIES) {
            bypassed[other]++;
            cr_assert(!waiting[other] || bypassed[other] < FLOWS / PARTIES);
        }
    }
}

/* --- between classes ------------------------------------------------------------------------- */

Test(turns, class_comes_before_those_below_it)
{
    static const uint32_t wanted[] = { 3, 1, 4, 0, 2 };

    rmx_turns_init(&turns);
    add(0, RMX_CLASS_BACKGROUND, 0);
    add(1, RMX_CLASS_NORMAL, 1);
    add(2, RMX_CLASS_BACKGROUND, 1);
    add(3, RMX_CLASS_CRITICAL, 0);
    add(4, RMX_CLASS_NORMAL, 0);
    expect(wanted, 5);
}

#define US INT64_C(1000)

/* The flow's turn is over, and it is ready again. */
static void end_turn(uint32_t flow, enum rmx_job_class class_, int64_t ns)
{
    const struct rmx_turns_place place = { .class_ = class_ };

    rmx_turns_add(&turns, flow, &place);
    rmx_turns_charge(&turns, &place, ns);
}

/* Each class has a job that is always ready; its turns take so long. Sums up the time each had. */
static void share_out(int64_t ns, const int64_t turn_ns[RMX_CLASSES], int64_t got_ns[RMX_CLASSES])
{
    for (int64_t at_ns = 0; at_ns < ns;) {
        uint32_t class_ = rmx_turns_take(&turns);

        cr_assert_lt(class_, RMX_CLASSES);
        got_ns[class_] += turn_ns[class_];
        at_ns += turn_ns[class_];
        end_turn(class_, (enum rmx_job_class)class_, turn_ns[class_]);
    }
}

static void assert_share(int64_t got_ns, int64_t wanted_ns, const char *what)
{
    cr_assert(got_ns > wanted_ns * 95 / 100 && got_ns < wanted_ns * 105 / 100,
        "%s: %lld us, not %lld", what, (long long)(got_ns / US), (long long)(wanted_ns / US));
}

/* Whoever's turns are short, and whoever's are long. */
Test(turns, sixteenth_of_the_time_goes_to_a_lower_class)
{
    static const int64_t lengths_ns[] = { 5 * US, 200 * US, 2000 * US };
    const int64_t whole_ns = 16000000 * US;

    for (size_t pair = 0; pair < 9; pair++) {
        int64_t got_ns[RMX_CLASSES] = { 0 };
        const int64_t turn_ns[RMX_CLASSES] = {
            [RMX_CLASS_CRITICAL] = lengths_ns[pair / 3],
            [RMX_CLASS_BACKGROUND] = lengths_ns[pair % 3],
        };

        rmx_turns_init(&turns);
        add(RMX_CLASS_CRITICAL, RMX_CLASS_CRITICAL, 0);
        add(RMX_CLASS_BACKGROUND, RMX_CLASS_BACKGROUND, 0);
        share_out(whole_ns, turn_ns, got_ns);
        assert_share(got_ns[RMX_CLASS_BACKGROUND], whole_ns / 16, "background");
    }
}

Test(turns, and_of_that_a_sixteenth_to_the_lowest)
{
    const int64_t whole_ns = 25600000 * US;
    const int64_t turn_ns[RMX_CLASSES] = { 200 * US, 200 * US, 200 * US };
    int64_t got_ns[RMX_CLASSES] = { 0 };

    rmx_turns_init(&turns);
    for (uint32_t class_ = 0; class_ < RMX_CLASSES; class_++) {
        add(class_, (enum rmx_job_class)class_, 0);
    }
    share_out(whole_ns, turn_ns, got_ns);
    assert_share(got_ns[RMX_CLASS_NORMAL], whole_ns * 15 / 256, "normal");
    assert_share(got_ns[RMX_CLASS_BACKGROUND], whole_ns / 256, "background");
}

/* The machine may take the core away in the middle of a turn, for as long as it likes. */
Test(turns, one_long_turn_does_not_make_the_others_wait_for_long)
{
    uint32_t in_a_row = 0;

    rmx_turns_init(&turns);
    add(RMX_CLASS_CRITICAL, RMX_CLASS_CRITICAL, 0);
    add(RMX_CLASS_BACKGROUND, RMX_CLASS_BACKGROUND, 0);
    cr_assert_eq(rmx_turns_take(&turns), RMX_CLASS_CRITICAL);
    end_turn(RMX_CLASS_CRITICAL, RMX_CLASS_CRITICAL, 10000000 * US);
    while (rmx_turns_take(&turns) == RMX_CLASS_BACKGROUND) {
        end_turn(RMX_CLASS_BACKGROUND, RMX_CLASS_BACKGROUND, 200 * US);
        in_a_row++;
    }
    cr_assert_leq(in_a_row, 2);
    end_turn(RMX_CLASS_CRITICAL, RMX_CLASS_CRITICAL, 10000 * US);
    cr_assert_eq(rmx_turns_take(&turns), RMX_CLASS_BACKGROUND);
    end_turn(RMX_CLASS_BACKGROUND, RMX_CLASS_BACKGROUND, 10000000 * US);
    for (int64_t ns = 0; rmx_turns_take(&turns) == RMX_CLASS_CRITICAL; ns += 200 * US) {
        cr_assert_lt(ns, 40000 * US);
        end_turn(RMX_CLASS_CRITICAL, RMX_CLASS_CRITICAL, 200 * US);
    }
}

/* Who has the core most of the time anyway does not come before those above; nor does it wait for
 * long when they want all of it. */
Test(turns, class_that_had_the_core_waits_for_it_but_not_for_long)
{
    int64_t before_ns = 0;

    rmx_turns_init(&turns);
    add(RMX_CLASS_BACKGROUND, RMX_CLASS_BACKGROUND, 0);
    for (uint32_t turn = 0; turn < 1000; turn++) {
        cr_assert_eq(rmx_turns_take(&turns), RMX_CLASS_BACKGROUND);
        end_turn(RMX_CLASS_BACKGROUND, RMX_CLASS_BACKGROUND, 200 * US);
    }
    add(RMX_CLASS_CRITICAL, RMX_CLASS_CRITICAL, 0);
    while (rmx_turns_take(&turns) == RMX_CLASS_CRITICAL) {
        end_turn(RMX_CLASS_CRITICAL, RMX_CLASS_CRITICAL, 200 * US);
        before_ns += 200 * US;
    }
    cr_assert_eq(before_ns, RMX_TURNS_LAG_MAX_NS + RMX_TURNS_LEAD_NS);
}

/* As of those that wait for something at once. */
Test(turns, turns_of_no_time_are_not_for_nothing)
{
    uint32_t before = 0;

    rmx_turns_init(&turns);
    add(RMX_CLASS_CRITICAL, RMX_CLASS_CRITICAL, 0);
    add(RMX_CLASS_BACKGROUND, RMX_CLASS_BACKGROUND, 0);
    while (rmx_turns_take(&turns) == RMX_CLASS_CRITICAL) {
        end_turn(RMX_CLASS_CRITICAL, RMX_CLASS_CRITICAL, 0);
        before++;
    }
    cr_assert_leq(before, RMX_TURNS_LEAD_NS / RMX_TURNS_LEAST_NS);
}

/* --- a turn is cut short ---------------------------------------------------------------------- */

static void go_on(uint32_t flow, enum rmx_job_class class_, uint32_t party)
{
    const struct rmx_turns_place place = { .class_ = class_, .party = party };

    rmx_turns_add_first(&turns, flow, &place);
}

Test(turns, who_was_cut_short_goes_on_before_its_equals_and_after_those_above)
{
    static const uint32_t wanted[] = { 8, 0, 5, 1, 6 };

    rmx_turns_init(&turns);
    for (uint32_t flow = 0; flow < 2; flow++) {
        add(flow, RMX_CLASS_NORMAL, 0);
        add(5 + flow, RMX_CLASS_NORMAL, 1);
    }
    cr_assert_eq(rmx_turns_take(&turns), 0);
    add(8, RMX_CLASS_CRITICAL, 2);
    go_on(0, RMX_CLASS_NORMAL, 0);
    expect(wanted, 5);
}

Test(turns, who_was_cut_short_alone_in_its_party_too)
{
    static const uint32_t wanted[] = { 3, 4 };

    rmx_turns_init(&turns);
    add(3, RMX_CLASS_NORMAL, 0);
    add(4, RMX_CLASS_NORMAL, 1);
    cr_assert_eq(rmx_turns_take(&turns), 3);
    go_on(3, RMX_CLASS_NORMAL, 0);
    expect(wanted, 2);
}

Test(turns, urgent_one_that_was_cut_short_goes_on_before_all)
{
    static const struct rmx_turns_place place = { .urgent = true };
    static const uint32_t wanted[] = { 1, 2, 0 };

    rmx_turns_init(&turns);
    add(0, RMX_CLASS_CRITICAL, 0);
    add_urgent(1);
    add_urgent(2);
    cr_assert_eq(rmx_turns_take(&turns), 1);
    rmx_turns_add_first(&turns, 1, &place);
    expect(wanted, 3);
}

/* However often it is interrupted: those below wait for its time, and no longer. */
Test(turns, turn_in_pieces_counts_once)
{
    int64_t got_ns[2] = { 0 };

    rmx_turns_init(&turns);
    add(0, RMX_CLASS_CRITICAL, 0);
    add(1, RMX_CLASS_BACKGROUND, 0);
    for (uint32_t turn = 0; turn < 16000; turn++) {
        uint32_t flow = rmx_turns_take(&turns);
        enum rmx_job_class class_ = flow == 0 ? RMX_CLASS_CRITICAL : RMX_CLASS_BACKGROUND;
        const struct rmx_turns_place place = { .class_ = class_ };
        uint32_t pieces = flow == 0 ? 1 + turn % 40 : 1;

        for (uint32_t piece = 1; piece < pieces; piece++) {
            go_on(0, RMX_CLASS_CRITICAL, 0);
            rmx_turns_charge(&turns, &place, 200 * US / pieces);
            got_ns[0] += 200 * US / pieces;
            if (rmx_turns_take(&turns) != 0) { /* its time was over in the middle */
                end_turn(1, RMX_CLASS_BACKGROUND, 200 * US);
                got_ns[1] += 200 * US;
                cr_assert_eq(rmx_turns_take(&turns), 0);
            }
        }
        end_turn(flow, class_, 200 * US / pieces);
        got_ns[flow] += 200 * US / pieces;
    }
    assert_share(got_ns[1], (got_ns[0] + got_ns[1]) / 16, "background");
}

Test(turns, those_above_are_the_higher_classes_and_the_urgent_ones)
{
    const struct rmx_turns_place normal = { .class_ = RMX_CLASS_NORMAL };
    const struct rmx_turns_place urgent = { .class_ = RMX_CLASS_BACKGROUND, .urgent = true };

    rmx_turns_init(&turns);
    add(0, RMX_CLASS_NORMAL, 0);
    add(1, RMX_CLASS_BACKGROUND, 0);
    cr_assert_not(rmx_turns_waits_above(&turns, &normal));
    add(2, RMX_CLASS_CRITICAL, 0);
    cr_assert(rmx_turns_waits_above(&turns, &normal));
    cr_assert_not(rmx_turns_waits_above(&turns, &urgent));
    cr_assert_eq(rmx_turns_take(&turns), 2);
    add_urgent(3);
    cr_assert(rmx_turns_waits_above(&turns, &normal));
}

/* --- in a hurry ------------------------------------------------------------------------------ */

Test(turns, urgent_jobs_come_before_all_others)
{
    static const uint32_t wanted[] = { 5, 1, 2, 0 };

    rmx_turns_init(&turns);
    add(0, RMX_CLASS_CRITICAL, 0);
    add(1, RMX_CLASS_BACKGROUND, 0);
    add_urgent(5);
    rmx_turns_hurry(&turns, 1);
    add_urgent(2);
    rmx_turns_hurry(&turns, 5); /* it does, where it is */
    expect(wanted, 4);
}

/* From the head, the middle and the end of a line, of a party alone in its round and among others.
 */
Test(turns, who_hurries_leaves_the_others_in_line_as_they_were)
{
    static const uint32_t hurried[] = { 0, 4, 8, 11 };
    static const uint32_t wanted[] = { 0, 4, 8, 11, 1, 6, 2, 7, 3, 9, 5, 10 };

    rmx_turns_init(&turns);
    for (uint32_t flow = 0; flow < 6; flow++) {
        add(flow, RMX_CLASS_NORMAL, 0);
    }
    add(8, RMX_CLASS_NORMAL, 1); /* the party's only one */
    for (uint32_t flow = 6; flow < 12; flow++) {
        if (flow != 8) {
            add(flow, RMX_CLASS_NORMAL, 2);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        rmx_turns_hurry(&turns, hurried[i]);
    }
    expect(wanted, 12);
}

/* Against a list that is searched. */
Test(turns, whatever_happens_everybody_who_came_gets_a_turn)
{
    enum { FLOWS = 64, ROUNDS = 200000 };
    bool waiting[FLOWS] = { false };
    bool urgent[FLOWS] = { false };
    uint32_t waiters = 0;
    uint32_t hurried = 0;

    rmx_turns_init(&turns);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t flow = draw(FLOWS);
        uint32_t what = draw(4);

        if (!waiting[flow] && what < 2) {
            add(flow, (enum rmx_job_class)draw(RMX_CLASSES), draw(7));
            waiting[flow] = true;
            waiters++;
        } else if (waiting[flow] && what == 2) {
            rmx_turns_hurry(&turns, flow);
            hurried += !urgent[flow];
            urgent[flow] = true;
        } else if (what == 3) {
            flow = rmx_turns_take(&turns);
            cr_assert_eq(flow == RMX_TURNS_NONE, waiters == 0);
            if (flow == RMX_TURNS_NONE) {
                continue;
            }
            cr_assert(flow < FLOWS && waiting[flow] && urgent[flow] == (hurried > 0));
            hurried -= urgent[flow];
            waiting[flow] = urgent[flow] = false;
            waiters--;
        }
        cr_assert_eq(rmx_turns_is_empty(&turns), waiters == 0);
    }
}
