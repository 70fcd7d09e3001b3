/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ctrl-C and its kin as something to poll (see rmx_signal.h). Runs in the process rmx.
 */
#include "clients/rmx_signal.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "clients/clock.h"
#include "ring/base.h"

#define AGAIN_US 20000 /* between two alarms */

static int noted = -1; /* an eventfd */
static volatile sig_atomic_t seen;

/* Who asks twice does not want to wait: not for the daemon, and not for us. */
static void take_note(int number)
{
    int saved = errno;
    uint64_t one = 1;

    if (seen != 0) {
        _exit(128 + seen);
    }
    seen = number;
    ssize_t bytes = write(noted, &one, sizeof(one));
    (void)bytes; /* it is readable already when this fails */
    errno = saved;
}

int rmx_signal_watch(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = take_note };

    noted = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (noted < 0) {
        return -errno;
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction before;

        sigaction(numbers[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) { /* nohup(1), or a shell's background job */
            sigaction(numbers[i], &action, NULL);
        }
    }
    return 0;
}

static void interrupt(int number)
{
    (void)number; /* that it came is all */
}

static struct timeval time_left(uint64_t until_ns)
{
    uint64_t now_ns = rmx_clock_ns();
    uint64_t left_us = until_ns > now_ns ? (until_ns - now_ns) / 1000 : 0;

    left_us++; /* 0 would be none, and too early is no use */
    return (struct timeval){
        .tv_sec = (time_t)(left_us / 1000000),
        .tv_usec = (suseconds_t)(left_us % 1000000),
    };
}

void rmx_signal_alarm(uint64_t until_ns)
{
    const struct sigaction action = { .sa_handler = interrupt };
    struct itimerval timer = { .it_value = { 0 } };

    if (until_ns != 0) {
        sigaction(SIGALRM, &action, NULL);
        timer.it_interval.tv_usec = AGAIN_US;
        timer.it_value = time_left(until_ns);
    }
    setitimer(ITIMER_REAL, &timer, NULL);
}

void rmx_signal_ignore_pipe(void)
{
    const struct sigaction ignored = { .sa_handler = SIG_IGN };

    sigaction(SIGPIPE, &ignored, NULL);
}

int rmx_signal_fd(void)
{
    rmx_assert(noted >= 0);
    return noted;
}

int rmx_signal_seen(void)
{
    return seen;
}

int rmx_signal_sleep(uint64_t until_ns)
{
    while (seen == 0 && rmx_clock_ns() < until_ns) {
        if (rmx_clock_readable(noted, until_ns) != 0) {
            break;
        }
    }
    return seen != 0 ? -EINTR : 0;
}
