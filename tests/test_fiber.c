/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fibers: turns, reuse, and what happens at the end of a stack.
 */
#include "engine/worker/fiber.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CROWD 64

TestSuite(fiber, .timeout = 30);

static void count_turns(void *argument)
{
    unsigned *turns = argument;

    for (unsigned i = 0; i < 1000; i++) {
        (*turns)++;
        rmx_fiber_yield();
    }
}

Test(fiber, goes_on_where_it_yielded_until_its_work_is_done)
{
    struct rmx_fiber *fiber = rmx_fiber_new();
    unsigned turns = 0;

    cr_assert_not_null(fiber);
    rmx_fiber_start(fiber, count_turns, &turns);
    cr_assert_eq(turns, 0, "it begins with the first resume");
    for (unsigned i = 1; i <= 1000; i++) {
        cr_assert(rmx_fiber_resume(fiber));
        cr_assert_eq(turns, i);
        cr_assert_null(rmx_fiber_current());
    }
    cr_assert_not(rmx_fiber_resume(fiber));
    rmx_fiber_free(&fiber);
    cr_assert_null(fiber);
}

Test(fiber, takes_work_again_and_again)
{
    struct rmx_fiber *fiber = rmx_fiber_new();
    unsigned turns = 0;

    for (int job = 0; job < 20; job++) {
        rmx_fiber_start(fiber, count_turns, &turns);
        while (rmx_fiber_resume(fiber)) {
        }
    }
    cr_assert_eq(turns, 20000);
    rmx_fiber_free(&fiber);
}

struct member {
    struct rmx_fiber *fiber;
    unsigned char mark;
    bool intact;
    bool self;
};

/* Fills a part of its stack and looks after each turn whether it still holds. */
static void guard_own_stack(void *argument)
{
    struct member *member = argument;
    unsigned char bytes[16 * 1024];

    memset(bytes, member->mark, sizeof(bytes));
    for (int turn = 0; turn < 50; turn++) {
        member->self = rmx_fiber_current() == member->fiber;
        rmx_fiber_yield();
        for (size_t i = 0; i < sizeof(bytes); i++) {
            member->intact = member->intact && bytes[i] == member->mark;
        }
    }
}

Test(fiber, many_share_a_thread_and_no_stack)
{
    struct member crowd[CROWD];
    int alive = CROWD;

    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (struct member){ .fiber = rmx_fiber_new(), .mark = (unsigned char)i };
        crowd[i].intact = true;
        rmx_fiber_start(crowd[i].fiber, guard_own_stack, &crowd[i]);
    }
    while (alive > 0) {
        alive = 0;
        for (int i = 0; i < CROWD; i++) {
            if (crowd[i].fiber != NULL && rmx_fiber_resume(crowd[i].fiber)) {
                alive++;
            } else if (crowd[i].fiber != NULL) {
                rmx_fiber_free(&crowd[i].fiber);
            }
        }
    }
    for (int i = 0; i < CROWD; i++) {
        cr_assert(crowd[i].intact && crowd[i].self);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): that is what a deep stack is made of */
static unsigned recurse(unsigned depth)
{
    volatile unsigned char frame[1024];

    frame[0] = (unsigned char)depth;
    frame[sizeof(frame) - 1] = (unsigned char)(depth == 0 ? 0 : recurse(depth - 1));
    return frame[0] + (unsigned)frame[sizeof(frame) - 1];
}

static void go_deep(void *argument)
{
    unsigned *depth = argument;

    *depth = recurse(*depth);
}

Test(fiber, stack_holds_what_it_promises)
{
    struct rmx_fiber *fiber = rmx_fiber_new();
    unsigned depth = RMX_FIBER_STACK_BYTES / 2 / 1024 / 2; /* sanitizers double a frame */

    rmx_fiber_start(fiber, go_deep, &depth);
    cr_assert_not(rmx_fiber_resume(fiber));
    rmx_fiber_free(&fiber);
}

Test(fiber, stack_overflow_dies_at_the_guard_and_touches_nobody)
{
    int status = 0;
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        struct rmx_fiber *fiber = rmx_fiber_new();
        unsigned depth = RMX_FIBER_STACK_BYTES / 512;

        (void)close(STDERR_FILENO); /* a sanitizer would report what is wanted here */
        rmx_fiber_start(fiber, go_deep, &depth);
        (void)rmx_fiber_resume(fiber);
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status) || WEXITSTATUS(status) != 0, "it went on");
}

Test(fiber, freeing_nothing_is_fine)
{
    struct rmx_fiber *none = NULL;

    rmx_fiber_free(&none);
    cr_assert_null(none);
}
