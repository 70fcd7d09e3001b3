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
#include <unistd.h>

#include "clients/clock.h"
#include "ring/base.h"

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
