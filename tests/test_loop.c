/* SPDX-License-Identifier: BSD-2-Clause
 *
 * engine/loop: each operation gets exactly one end, and is busy until then.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/loop.h"

enum { ENTRIES = 4, MANY = 64, TURNS_MAX = 1000 };

static struct rmx_loop loop;
static unsigned ends;
static int last_result;

static void count(struct rmx_op *op, int result)
{
    (void)op;
    ends++;
    last_result = result;
}

static void set_up(void)
{
    const char *remedy = "";

    cr_assert_eq(rmx_loop_init(&loop, ENTRIES, &remedy), 0, "%s", remedy);
}

static void tear_down(void)
{
    rmx_loop_fini(&loop);
}

TestSuite(loop, .init = set_up, .fini = tear_down);

static void turn_until(unsigned wanted)
{
    for (int i = 0; i < TURNS_MAX && ends < wanted; i++) {
        cr_assert_geq(rmx_loop_turn(&loop, 1000000), 0);
    }
    cr_assert_eq(ends, wanted);
}

Test(loop, more_operations_than_slots_all_end)
{
    struct rmx_op ops[MANY];
    char bytes[MANY];
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    for (int i = 0; i < MANY; i++) {
        ops[i] = (struct rmx_op){ .done = count };
        rmx_loop_read(&loop, &ops[i], zero, &bytes[i], 1, 0);
    }
    cr_assert_eq(ends, 0, "nothing ends inside the call that starts it");
    turn_until(MANY);
    cr_assert_eq(loop.in_flight, 0);
    close(zero);
}

static struct rmx_op pair[2];
static bool other_was_busy;

static void look_at_the_other(struct rmx_op *op, int result)
{
    const struct rmx_op *other = op == &pair[0] ? &pair[1] : &pair[0];

    if (ends == 0) {
        other_was_busy = other->busy;
    }
    cr_assert_not(op->busy, "an operation is over when its end is called");
    count(op, result);
}

Test(loop, operation_is_busy_until_its_own_end_is_called)
{
    char bytes[2];
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

    for (int i = 0; i < 2; i++) { /* both complete in one batch */
        pair[i] = (struct rmx_op){ .done = look_at_the_other };
        rmx_loop_read(&loop, &pair[i], zero, &bytes[i], 1, 0);
    }
    turn_until(2);
    cr_assert(other_was_busy, "memory of the other could have been taken away");
    close(zero);
}

Test(loop, cancelled_operation_ends_once_with_ECANCELED)
{
    struct rmx_op poll_op = { .done = count };
    struct rmx_op cancel_op = { .done = count };
    int event = eventfd(0, EFD_CLOEXEC);

    rmx_loop_poll(&loop, &poll_op, event, POLLIN);
    cr_assert_geq(rmx_loop_turn(&loop, 0), 0);
    rmx_loop_cancel(&loop, &cancel_op, &poll_op);
    turn_until(2);
    cr_assert_not(poll_op.busy);
    cr_assert_not(cancel_op.busy);
    close(event);
}

Test(loop, standing_poll_reports_each_event_and_stays)
{
    struct rmx_op op = { .done = count };
    int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    eventfd_t value;

    rmx_loop_poll_always(&loop, &op, event, POLLIN);
    for (unsigned i = 1; i <= 5; i++) {
        cr_assert_eq(eventfd_write(event, 1), 0);
        turn_until(i);
        cr_assert_eq(eventfd_read(event, &value), 0);
        cr_assert(op.busy);
    }
    close(event);
}

Test(loop, descriptor_is_closed_aside)
{
    struct rmx_op op = { .done = count };
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    rmx_loop_close(&loop, &op, fd);
    turn_until(1);
    cr_assert_eq(last_result, 0);
    cr_assert_eq(fcntl(fd, F_GETFD), -1);
}

Test(loop, error_is_the_operations_result)
{
    struct rmx_op op = { .done = count };
    char byte;

    rmx_loop_read(&loop, &op, -1, &byte, 1, 0);
    turn_until(1);
    cr_assert_eq(last_result, -EBADF);
}

Test(loop, turn_without_events_ends_in_time)
{
    cr_assert_eq(rmx_loop_turn(&loop, 1000000), 0);
    cr_assert_eq(rmx_loop_turn(&loop, 0), 0);
}

Test(loop, one_that_was_never_made_can_be_taken_down, .init = NULL, .fini = NULL)
{
    struct rmx_loop none = { .made = false };

    rmx_loop_fini(&none);
}
