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

/* Each class has a job that is always ready. Returns how many turns each had. */
static void share_out(uint32_t turns_count, uint32_t got[RMX_CLASSES])
{
    for (uint32_t turn = 0; turn < turns_count; turn++) {
        uint32_t class_ = rmx_turns_take(&turns);

        cr_assert_lt(class_, RMX_CLASSES);
        got[class_]++;
        add(class_, (enum rmx_job_class)class_, 0);
    }
}

Test(turns, every_sixteenth_goes_to_a_lower_class)
{
    uint32_t got[RMX_CLASSES] = { 0 };

    rmx_turns_init(&turns);
    add(RMX_CLASS_CRITICAL, RMX_CLASS_CRITICAL, 0);
    add(RMX_CLASS_BACKGROUND, RMX_CLASS_BACKGROUND, 0);
    share_out(1600, got);
    cr_assert_eq(got[RMX_CLASS_CRITICAL], 1500);
    cr_assert_eq(got[RMX_CLASS_BACKGROUND], 100);
}

Test(turns, and_of_those_every_sixteenth_to_the_lowest)
{
    uint32_t got[RMX_CLASSES] = { 0 };

    rmx_turns_init(&turns);
    for (uint32_t class_ = 0; class_ < RMX_CLASSES; class_++) {
        add(class_, (enum rmx_job_class)class_, 0);
    }
    share_out(25600, got);
    cr_assert_eq(got[RMX_CLASS_CRITICAL], 24000);
    cr_assert_eq(got[RMX_CLASS_NORMAL], 1500);
    cr_assert_eq(got[RMX_CLASS_BACKGROUND], 100);
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

/* However often it is interrupted: those below wait for fifteen turns, and no longer. */
Test(turns, turn_in_pieces_counts_once)
{
    uint32_t got = 0;

    rmx_turns_init(&turns);
    add(0, RMX_CLASS_CRITICAL, 0);
    add(1, RMX_CLASS_BACKGROUND, 0);
    for (uint32_t turn = 0; turn < 1600; turn++) {
        uint32_t flow = rmx_turns_take(&turns);

        for (uint32_t piece = 0; flow == 0 && piece < turn % 40; piece++) {
            go_on(0, RMX_CLASS_CRITICAL, 0);
            cr_assert_eq(rmx_turns_take(&turns), 0);
        }
        got += flow;
        add(flow, flow == 0 ? RMX_CLASS_CRITICAL : RMX_CLASS_BACKGROUND, 0);
    }
    cr_assert_eq(got, 100);
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
