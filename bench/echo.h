/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What two processes cost that say something to each other over a SOCK_SEQPACKET socket and nothing
 * else: a child that sends back what it is sent. The physical side of a daemon's control messages.
 */
#ifndef RMX_BENCH_ECHO_H
#define RMX_BENCH_ECHO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RMX_ECHO_BYTES 64u /* of a message */

struct rmx_echo {
    int fd;
    pid_t child;
    bool polls;
};

/* Forks the child and binds it to a core. polls: neither end ever sleeps. */
void rmx_echo_start(struct rmx_echo *echo, int core, bool polls);

/* There and back. */
uint64_t rmx_echo_ns(struct rmx_echo *echo);

void rmx_echo_stop(struct rmx_echo *echo);

#endif
