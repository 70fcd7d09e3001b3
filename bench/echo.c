/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Two processes and a SOCK_SEQPACKET socket. See echo.h.
 */
#include "bench/echo.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/core.h"
#include "bench/process.h"
#include "bench/samples.h"
#include "ring/base.h"

#define REST_TURNS 2000 /* a child that polls gives the core away when nobody asked for so long */

static ssize_t receive(int fd, void *buffer, bool polls)
{
    ssize_t got = recv(fd, buffer, RMX_ECHO_BYTES, polls ? MSG_DONTWAIT : 0);

    for (int turns = 0; got < 0 && errno == EAGAIN; turns++) {
        if (turns > REST_TURNS) {
            return recv(fd, buffer, RMX_ECHO_BYTES, 0);
        }
        rmx_base_pause();
        got = recv(fd, buffer, RMX_ECHO_BYTES, MSG_DONTWAIT);
    }
    return got;
}

_Noreturn static void serve(int fd, int core, bool polls)
{
    unsigned char buffer[RMX_ECHO_BYTES];

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    rmx_core_pin(core);
    while (receive(fd, buffer, polls) == RMX_ECHO_BYTES) {
        if (send(fd, buffer, RMX_ECHO_BYTES, MSG_NOSIGNAL) != RMX_ECHO_BYTES) {
            break;
        }
    }
    _exit(0);
}

void rmx_echo_start(struct rmx_echo *echo, int core, bool polls)
{
    int pair[2];

    *echo = (struct rmx_echo){ .polls = polls };
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        rmx_process_die("socketpair", strerrordesc_np(errno));
    }
    echo->child = fork();
    if (echo->child < 0) {
        rmx_process_die("fork", strerrordesc_np(errno));
    }
    if (echo->child == 0) {
        (void)close(pair[0]);
        serve(pair[1], core, polls);
    }
    (void)close(pair[1]);
    echo->fd = pair[0];
}

uint64_t rmx_echo_ns(struct rmx_echo *echo)
{
    unsigned char buffer[RMX_ECHO_BYTES] = { 1 };
    uint64_t began = rmx_samples_now_ns();

    rmx_assert(send(echo->fd, buffer, RMX_ECHO_BYTES, MSG_NOSIGNAL) == RMX_ECHO_BYTES);
    rmx_assert(receive(echo->fd, buffer, echo->polls) == RMX_ECHO_BYTES);
    return rmx_samples_now_ns() - began;
}

void rmx_echo_stop(struct rmx_echo *echo)
{
    (void)close(echo->fd);
    (void)kill(echo->child, SIGKILL); /* a child forked later holds our end, too */
    (void)waitpid(echo->child, NULL, 0);
}
