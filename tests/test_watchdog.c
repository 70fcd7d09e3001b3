/* SPDX-License-Identifier: BSD-2-Clause
 *
 * engine/watchdog: who is taken for a job that only computes, and who is not.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/watchdog.h"

enum { LIMIT = 1000 };

Test(watchdog, flow_that_computes_in_silence_is_noticed_after_the_limit)
{
    struct rmx_watchdog watchdog = { 0 };

    cr_assert_not(rmx_watchdog_look(&watchdog, 3, 7, 5000, LIMIT), "the first look begins");
    cr_assert_not(rmx_watchdog_look(&watchdog, 3, 7, 5900, LIMIT));
    cr_assert_not(rmx_watchdog_look(&watchdog, 3, 7, 6000, LIMIT), "at the limit");
    cr_assert(rmx_watchdog_look(&watchdog, 3, 7, 6001, LIMIT), "beyond it");
}

Test(watchdog, a_note_is_a_sign_of_life)
{
    struct rmx_watchdog watchdog = { 0 };

    (void)rmx_watchdog_look(&watchdog, 3, 7, 5000, LIMIT);
    cr_assert_not(rmx_watchdog_look(&watchdog, 3, 8, 9000, LIMIT));
    cr_assert_not(rmx_watchdog_look(&watchdog, 3, 8, 9900, LIMIT));
    cr_assert(rmx_watchdog_look(&watchdog, 3, 8, 10001, LIMIT));
}

Test(watchdog, another_flow_on_the_core_is_a_sign_of_life)
{
    struct rmx_watchdog watchdog = { 0 };

    (void)rmx_watchdog_look(&watchdog, 3, 7, 5000, LIMIT);
    cr_assert_not(rmx_watchdog_look(&watchdog, 4, 7, 9000, LIMIT));
}

Test(watchdog, idle_worker_is_none)
{
    struct rmx_watchdog watchdog = { 0 };

    (void)rmx_watchdog_look(&watchdog, RMX_WATCHDOG_NO_FLOW, 7, 5000, LIMIT);
    cr_assert_not(rmx_watchdog_look(&watchdog, RMX_WATCHDOG_NO_FLOW, 7, 50000, LIMIT));
}

Test(watchdog, waiting_costs_nothing)
{
    struct rmx_watchdog watchdog = { 0 };

    (void)rmx_watchdog_look(&watchdog, 3, 7, 5000, LIMIT);
    for (int i = 0; i < 1000; i++) {
        cr_assert_not(rmx_watchdog_look(&watchdog, 3, 7, 5001, LIMIT));
    }
}

Test(watchdog, cpu_time_that_goes_back_is_another_process)
{
    struct rmx_watchdog watchdog = { 0 };

    (void)rmx_watchdog_look(&watchdog, 3, 7, 5000, LIMIT);
    cr_assert_not(rmx_watchdog_look(&watchdog, 3, 7, 10, LIMIT));
    cr_assert_eq(watchdog.cpu_ns, 10);
}

Test(watchdog, process_can_be_asked_for_its_cpu_time)
{
    cr_assert_gt(rmx_watchdog_cpu_ns(getpid()), 0);
    cr_assert_eq(rmx_watchdog_cpu_ns(4194304 - 1), 0, "there is no such process");
}

Test(watchdog, who_computes_wants_a_core_and_who_is_stopped_does_not)
{
    pid_t child = fork();
    int status;

    cr_assert_geq(child, 0);
    if (child == 0) {
        (void)raise(SIGSTOP);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, WUNTRACED), child);
    cr_expect(rmx_watchdog_wants_core(getpid()), "it asks just now");
    cr_expect_not(rmx_watchdog_wants_core(child));
    (void)kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_not(rmx_watchdog_wants_core(4194304 - 1), "there is no such process");
}
