/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which pages of a channel are free, and sets of jobs: nothing is given out twice, nothing is lost,
 * and nobody waits for ever.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "clients/marks.h"
#include "clients/pages.h"

#define FIRST 35u
#define COUNT 4096u

static struct rmx_pages pages;

Test(pages, what_was_given_back_last_is_taken_first)
{
    uint32_t a;
    uint32_t b;
    uint32_t again;

    rmx_pages_init(&pages, FIRST, COUNT);
    cr_assert_eq(rmx_pages_take(&pages, 10, &a), 0);
    cr_assert_eq(a, FIRST);
    cr_assert_eq(rmx_pages_take(&pages, 10, &b), 0);
    rmx_pages_give(&pages, a, 10);
    rmx_pages_give(&pages, b, 10);
    cr_assert_eq(rmx_pages_take(&pages, 10, &again), 0);
    cr_assert_eq(again, b);
}

Test(pages, neighbours_are_put_together_when_nothing_else_fits)
{
    uint32_t at[COUNT / 16];
    uint32_t all = 7;

    rmx_pages_init(&pages, FIRST, COUNT);
    for (size_t i = 0; i < COUNT / 16; i++) {
        cr_assert_eq(rmx_pages_take(&pages, 16, &at[i]), 0);
    }
    cr_assert_eq(rmx_pages_take(&pages, 1, &all), -EAGAIN);
    cr_assert_eq(all, 7);
    for (size_t i = COUNT / 16; i > 0; i--) {
        rmx_pages_give(&pages, at[(i * 37) % (COUNT / 16)], 16);
    }
    cr_assert_eq(rmx_pages_take(&pages, COUNT, &all), 0);
    cr_assert_eq(all, FIRST);
}

static uint32_t next_random(void)
{
    static uint32_t state = 1;

    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

Test(pages, at_random_none_is_taken_twice_and_none_is_lost)
{
    static bool taken[FIRST + COUNT];
    static struct rmx_page_run held[RMX_PAGES_TAKEN_MAX];
    uint32_t count = 0;
    uint32_t at;

    rmx_pages_init(&pages, FIRST, COUNT);
    for (int round = 0; round < 200000; round++) {
        uint32_t size = 1 + next_random() % 8;

        if (next_random() % 2 != 0 && count < RMX_PAGES_TAKEN_MAX &&
            rmx_pages_take(&pages, size, &at) == 0) {
            held[count++] = (struct rmx_page_run){ .at = at, .count = size };
            for (uint32_t i = at; i < at + size; i++) {
                cr_assert(i >= FIRST && i < FIRST + COUNT && !taken[i]);
                taken[i] = true;
            }
        } else if (count > 0) {
            uint32_t which = next_random() % count;
            struct rmx_page_run gone = held[which];

            held[which] = held[--count];
            memset(taken + gone.at, 0, gone.count);
            rmx_pages_give(&pages, gone.at, gone.count);
        }
    }
    while (count > 0) {
        count--;
        rmx_pages_give(&pages, held[count].at, held[count].count);
    }
    cr_assert_eq(rmx_pages_take(&pages, COUNT, &at), 0);
}

Test(marks, each_is_taken_once_and_in_turn)
{
    static struct rmx_marks marks;
    uint32_t place = 7;

    cr_assert_not(rmx_marks_take(&marks, &place));
    cr_assert_eq(place, 7);
    for (uint32_t i = 0; i < RMX_INFLIGHT_MAX; i += 63) {
        rmx_marks_set(&marks, i);
        rmx_marks_set(&marks, i);
    }
    rmx_marks_clear(&marks, 63);
    rmx_marks_clear(&marks, 63);
    for (uint32_t i = 126; i < RMX_INFLIGHT_MAX; i += 63) {
        cr_assert(rmx_marks_take(&marks, &place));
        cr_assert_eq(place, i);
        rmx_marks_set(&marks, 1); /* somebody who is always there */
    }
    cr_assert(rmx_marks_take(&marks, &place));
    cr_assert_eq(place, 0);
    cr_assert(rmx_marks_take(&marks, &place));
    cr_assert_eq(place, 1);
    cr_assert_not(rmx_marks_take(&marks, &place));
    cr_assert_eq(marks.count, 0);
}
