/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which lines are kept back from the log.
 */
#include "engine/hush.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define NOW UINT64_C(1000000000000)

static struct rmx_hush hush;
static uint64_t kept_back;

static bool say(const char *event, uint64_t now_ns)
{
    return rmx_hush_may_say(&hush, event, now_ns, &kept_back);
}

static uint32_t say_all(const char *event, uint32_t times, uint64_t now_ns)
{
    uint32_t said = 0;

    for (uint32_t i = 0; i < times; i++) {
        said += say(event, now_ns) ? 1 : 0;
    }
    return said;
}

TestSuite(hush, .timeout = 60);

Test(hush, so_many_at_once_and_the_next_says_how_many_were_not)
{
    cr_assert_eq(say_all("came", RMX_HUSH_LINES, NOW), RMX_HUSH_LINES);
    cr_assert_eq(kept_back, 0);
    cr_assert_eq(say_all("came", 7, NOW), 0);
    cr_assert_not(say("came", NOW + RMX_HUSH_LINE_NS - 1));
    cr_assert(say("came", NOW + RMX_HUSH_LINE_NS));
    cr_assert_eq(kept_back, 8);
    cr_assert_not(say("came", NOW + RMX_HUSH_LINE_NS));
    cr_assert(say("came", NOW + 2 * RMX_HUSH_LINE_NS));
    cr_assert_eq(kept_back, 1);
}

Test(hush, a_rest_makes_up_for_all)
{
    uint64_t later = NOW + (uint64_t)RMX_HUSH_LINES * RMX_HUSH_LINE_NS;

    cr_assert_eq(say_all("came", 10 * RMX_HUSH_LINES, NOW), RMX_HUSH_LINES);
    cr_assert_eq(say_all("came", 10 * RMX_HUSH_LINES, later), RMX_HUSH_LINES);
}

Test(hush, what_comes_rarely_is_never_kept_back)
{
    for (uint32_t i = 0; i < 10 * RMX_HUSH_LINES; i++) {
        cr_assert(say("left", NOW + (uint64_t)i * RMX_HUSH_LINE_NS));
        cr_assert_eq(kept_back, 0);
    }
}

Test(hush, one_event_hides_no_other)
{
    char same[] = "came"; /* by its text, wherever that is */

    cr_assert_eq(say_all("came", 10 * RMX_HUSH_LINES, NOW), RMX_HUSH_LINES);
    cr_assert(say("left", NOW));
    cr_assert_eq(kept_back, 0);
    cr_assert_not(say(same, NOW));
}

Test(hush, more_events_than_rows_are_all_said)
{
    static char names[RMX_HUSH_EVENTS + 1][8];

    for (uint32_t i = 0; i <= RMX_HUSH_EVENTS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "e%u", i);
        cr_assert(say(names[i], NOW));
    }
    cr_assert_eq(say_all(names[RMX_HUSH_EVENTS], 2 * RMX_HUSH_LINES, NOW), 2 * RMX_HUSH_LINES);
    cr_assert_eq(say_all(names[0], 2 * RMX_HUSH_LINES, NOW), RMX_HUSH_LINES - 1);
}
