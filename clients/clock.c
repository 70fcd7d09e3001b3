/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Time, and waiting for a descriptor until a point in it (see clock.h). Runs in the client process,
 * on the caller's thread.
 */
#include "clients/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <time.h>

#include "ring/base.h"

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

uint64_t rmx_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t rmx_clock_in(uint64_t ns)
{
    uint64_t now_ns = rmx_clock_ns();

    return ns < RMX_CLOCK_NEVER - now_ns ? now_ns + ns : RMX_CLOCK_NEVER - 1;
}

uint64_t rmx_clock_in_ms(int timeout_ms)
{
    return timeout_ms < 0 ? RMX_CLOCK_NEVER : rmx_clock_in((uint64_t)timeout_ms * NS_PER_MS);
}

/* What is left until then; NULL for ppoll(2) when that is for ever. */
static const struct timespec *time_left(uint64_t until_ns, struct timespec *left)
{
    uint64_t now_ns = rmx_clock_ns();
    uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;

    *left = (struct timespec){
        .tv_sec = (time_t)(left_ns / NS_PER_S),
        .tv_nsec = (long)(left_ns % NS_PER_S),
    };
    return until_ns == RMX_CLOCK_NEVER ? NULL : left;
}

int rmx_clock_left_ms(uint64_t until_ns)
{
    uint64_t now_ns = rmx_clock_ns();

    if (until_ns == RMX_CLOCK_NEVER) {
        return -1;
    }
    if (until_ns <= now_ns) {
        return 0;
    }
    uint64_t left_ms = (until_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

int rmx_clock_readable(int fd, uint64_t until_ns)
{
    struct pollfd watched = { .fd = fd, .events = POLLIN };
    struct timespec left;
    int count = ppoll(&watched, 1, time_left(until_ns, &left), NULL);

    if (count < 0) {
        rmx_assert(errno == EINTR || errno == ENOMEM);
        return -EINTR; /* ENOMEM too: the caller's answer is the same, call again */
    }
    return count;
}
