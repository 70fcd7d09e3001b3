/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tests of ring/mail.h: both ends on one thread.
 */
#include <criterion/criterion.h>

#include "ring/mail.h"
#include "tests/ring_lie.h"

#define SLOTS 4u
#define AT    RMX_LINE /* not at the region's beginning */

#define EACH(index, table)                                                                         \
    size_t index = 0;                                                                              \
    (index) < sizeof(table) / sizeof((table)[0]);                                                  \
    (index)++

static struct rmx_region region = RMX_REGION_INIT;
static struct rmx_mail sender;
static struct rmx_mail receiver;

static void start(void)
{
    cr_assert_eq(rmx_region_create(&region, "test", 4096, 0), 0);
    cr_assert_eq(rmx_mail_init(&region, AT, SLOTS, UINT64_MAX - 2), 0);
    cr_assert_eq(rmx_mail_attach(&sender, &region, AT, SLOTS), 0);
    cr_assert_eq(rmx_mail_attach(&receiver, &region, AT, SLOTS), 0);
}

static void stop(void)
{
    rmx_region_fini(&region);
}

TestSuite(mail, .init = start, .fini = stop);

static int post(uint64_t value)
{
    return rmx_mail_post(&sender, &(struct rmx_note){ .kind = 1, .flow = 2, .value = value });
}

Test(mail, notes_arrive_in_order_and_whole_while_counts_wrap)
{
    struct rmx_note note = { 0 };

    for (uint64_t value = 0; value < 20; value += 2) {
        cr_assert_eq(post(value), 0);
        cr_assert_eq(post(value + 1), 0);
        for (uint64_t i = 0; i < 2; i++) {
            cr_assert_eq(rmx_mail_take(&receiver, &note), 1);
            cr_assert(note.kind == 1 && note.flow == 2 && note.value == value + i);
        }
    }
}

Test(mail, empty_box_yields_nothing)
{
    struct rmx_note note = { .kind = 77 };

    cr_assert_eq(rmx_mail_take(&receiver, &note), 0);
    cr_assert_eq(note.kind, 77, "untouched");
}

Test(mail, full_box_takes_nothing_and_loses_nothing)
{
    struct rmx_note note = { 0 };

    for (uint64_t value = 0; value < SLOTS; value++) {
        cr_assert_eq(post(value), 0);
    }
    cr_assert_eq(post(99), -EAGAIN);
    for (uint64_t value = 0; value < SLOTS; value++) {
        cr_assert_eq(rmx_mail_take(&receiver, &note), 1);
        cr_assert_eq(note.value, value);
    }
    cr_assert_eq(rmx_mail_take(&receiver, &note), 0);
    cr_assert_eq(post(100), 0);
}

Test(mail, sender_with_an_impossible_count_is_refused)
{
    struct rmx_note note = { .kind = 77 };

    ring_lie(&receiver.ring, 1000);
    cr_assert_eq(rmx_mail_take(&receiver, &note), -EBADMSG);
    cr_assert_eq(note.kind, 77, "untouched on failure");
}

Test(mail, receiver_with_an_impossible_count_is_refused)
{
    for (uint64_t value = 0; value < SLOTS; value++) {
        cr_assert_eq(post(value), 0);
    }
    atomic_store(&sender.ring.shm->released, 1000);
    cr_assert_eq(post(99), -EBADMSG);
}

Test(mail, takes_the_documented_sizes_only)
{
    static const uint32_t wrong[] = { 0, 3, 65535, 131072, UINT32_MAX };

    cr_assert_eq(rmx_mail_bytes(1), 512);
    cr_assert_eq(rmx_mail_bytes(65536), 384 + 21846 * 64);
    for (EACH(i, wrong)) {
        struct rmx_mail mail = { .ring = { .slots = 77 } };

        cr_assert_eq(rmx_mail_bytes(wrong[i]), 0);
        cr_assert_eq(rmx_mail_init(&region, 0, wrong[i], 0), -EINVAL);
        cr_assert_eq(rmx_mail_attach(&mail, &region, 0, wrong[i]), -EINVAL);
        cr_assert_eq(mail.ring.slots, 77, "untouched on failure");
    }
}

Test(mail, box_must_lie_inside_the_region_on_whole_lines)
{
    static const uint64_t places[] = { 64, 4096 - 128, UINT64_MAX - 127, UINT64_MAX };

    for (EACH(i, places)) {
        struct rmx_mail mail = { .ring = { .slots = 77 } };

        cr_assert_eq(rmx_mail_init(&region, places[i], SLOTS, 0), -EINVAL);
        cr_assert_eq(rmx_mail_attach(&mail, &region, places[i], SLOTS), -EINVAL);
        cr_assert_eq(mail.ring.slots, 77, "untouched on failure");
    }
}
