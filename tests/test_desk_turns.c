/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What turns jobs get at a worker's desk. The test is their lane, and in part a job is.
 */
#include "engine/worker/desk.h"

#include <criterion/criterion.h>

#include "engine/worker/remux.h"
#include "tests/tiny_desk.h"

#define NS_PER_US UINT64_C(1000)
#define TURN_NS   (200 * NS_PER_US)
#define FRESH_NS  (2000 * NS_PER_US) /* a job's first time */
#define BREATHS   16                 /* after so many, the clock is looked at */

TestSuite(desk_turns, .timeout = 180, .init = tiny_desk_set_up);

static void burn(uint64_t ns)
{
    uint64_t until = tiny_desk_now_ns() + ns;

    while (tiny_desk_now_ns() < until) {
    }
}

static void breathe(void)
{
    for (int breath = 0; breath < BREATHS; breath++) {
        rmx_remux_breathe();
    }
}

/* --- between parties ------------------------------------------------------------------------- */

#define TURNS_OF_A_JOB 10
#define TURNS_MAX      1024

static struct {
    uint32_t order[TURNS_MAX]; /* whose turn it was */
    uint32_t count;
} turns;

static void compute(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    (void)input;
    (void)output;
    for (int turn = 0; turn < TURNS_OF_A_JOB; turn++) {
        turns.order[turns.count++ % TURNS_MAX] = flow;
        burn((turn == 0 ? FRESH_NS : TURN_NS) + 100 * NS_PER_US);
        breathe();
    }
}

Test(desk_turns, client_with_many_jobs_gets_no_more_of_the_core_than_one_with_one)
{
    const uint32_t both = RMX_PORT_CHANNEL_IN | RMX_PORT_CHANNEL_OUT;

    tiny_desk_stage = compute;
    for (uint32_t flow = 0; flow < 8; flow++) {
        (void)tiny_desk_begin(flow, both, 0);
    }
    (void)tiny_desk_begin(8, RMX_PORT_CHANNEL_IN, 1);
    (void)tiny_desk_begin(9, 0, 0);
    (void)tiny_desk_begin(10, 0, 0);
    tiny_desk_open();
    tiny_desk_finish(11);
    tiny_desk_close();
    for (uint32_t turn = 0; turn < 4 * TURNS_OF_A_JOB; turn++) {
        uint32_t flow = turns.order[turn];

        switch (turn % 4) { /* a round */
        case 0:
            cr_assert_eq(flow, turn / 4 % 8, "turn %u is that of %u", turn, flow);
            break;
        default:
            cr_assert_eq(flow, 7 + turn % 4, "turn %u is that of %u", turn, flow);
        }
    }
}

/* --- somebody comes -------------------------------------------------------------------------- */

#define TRIES       2000
#define STEP_NS     (50 * NS_PER_US)
#define FRESH_STEPS (FRESH_NS / STEP_NS)

static struct {
    uint16_t class_; /* of who comes */
    uint32_t steps;  /* the one who is there computes so long */
    uint64_t came_ns;
    uint64_t served_ns;
    bool before; /* the other's time was over */
} visit;

/* In steps, not until a time: the machine may take the core away between two of them. */
static void compute_on(uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++) {
        burn(STEP_NS);
        breathe();
    }
}

/* Flow 0 computes, and after a moment flow 1 comes. */
static void compute_and_call(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    uint64_t began_ns = tiny_desk_now_ns();

    (void)input;
    (void)output;
    if (flow == 1) {
        visit.served_ns = began_ns;
        return;
    }
    burn(30 * NS_PER_US);
    tiny_desk.class_ = visit.class_;
    visit.came_ns = tiny_desk_now_ns();
    (void)tiny_desk_begin(1, 0, 0);
    compute_on(visit.steps);
    visit.before = visit.served_ns != 0;
}

static void call(uint16_t class_, uint32_t steps)
{
    visit.class_ = class_;
    visit.steps = steps;
    visit.served_ns = 0;
    tiny_desk.class_ = RMX_CLASS_NORMAL;
    tiny_desk.done = 0;
    (void)tiny_desk_begin(0, 0, 0);
    tiny_desk_finish(2);
}

/* Where the machine took the core away itself, a try says nothing: one of them has to be good. */
Test(desk_turns, job_of_a_higher_class_does_not_wait_for_the_turns_end)
{
    bool soon = false;

    tiny_desk_stage = compute_and_call;
    tiny_desk_open();
    for (int i = 0; i < TRIES && !soon; i++) {
        call(RMX_CLASS_CRITICAL, FRESH_STEPS / 4);
        cr_assert(visit.before, "it came to the core when the other was done");
        soon = visit.served_ns - visit.came_ns < TURN_NS - 50 * NS_PER_US;
    }
    tiny_desk_close();
    cr_assert(soon);
}

/* The note that brings it interrupts, and the turn goes on. */
Test(desk_turns, equal_waits_until_a_new_job_had_its_first_time)
{
    bool waited = false;

    tiny_desk_stage = compute_and_call;
    tiny_desk_open();
    for (int i = 0; i < TRIES && !waited; i++) {
        call(RMX_CLASS_NORMAL, FRESH_STEPS / 4);
        waited = !visit.before;
    }
    tiny_desk_close();
    cr_assert(waited);
}

Test(desk_turns, and_no_longer)
{
    tiny_desk_stage = compute_and_call;
    tiny_desk_open();
    for (int i = 0; i < 4; i++) {
        call(RMX_CLASS_NORMAL, 2 * FRESH_STEPS);
        cr_assert(visit.before);
    }
    tiny_desk_close();
}

static struct tiny_desk_job sleeper;

static void sleep_or_wake(uint32_t flow, AVIOContext *input, const struct rmx_outlet *output)
{
    (void)output;
    if (flow == 0) {
        (void)avio_r8(input);
        visit.served_ns = tiny_desk_now_ns();
        return;
    }
    tiny_desk_end_input(&sleeper);
    compute_on(FRESH_STEPS / 4);
    visit.before = visit.served_ns != 0;
}

/* Both are in their first time, unless the machine took it from the one: then the next try tells.
 */
Test(desk_turns, who_began_first_goes_on_as_soon_as_it_is_woken)
{
    tiny_desk_stage = sleep_or_wake;
    tiny_desk.class_ = RMX_CLASS_NORMAL;
    tiny_desk_open();
    for (int i = 0; i < TRIES && !visit.before; i++) {
        visit.served_ns = 0;
        tiny_desk.done = 0;
        sleeper = tiny_desk_begin(0, 0, 0);
        (void)tiny_desk_begin(1, 0, 0);
        tiny_desk_finish(2);
    }
    tiny_desk_close();
    cr_assert(visit.before);
}
