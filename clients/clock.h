/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Time, and waiting for a descriptor until a point in it. Runs in the client process, on the
 * caller's thread; keeps no state.
 */
#ifndef RMX_CLIENTS_CLOCK_H
#define RMX_CLIENTS_CLOCK_H

#include <stdint.h>

#define RMX_CLOCK_NEVER UINT64_MAX

/* CLOCK_MONOTONIC now. */
uint64_t rmx_clock_ns(void);

/* `ns` from now; RMX_CLOCK_NEVER - 1 where that would overflow. */
uint64_t rmx_clock_in(uint64_t ns);

/* A poll(2) timeout as a point in time: -1 is RMX_CLOCK_NEVER. */
uint64_t rmx_clock_in_ms(int timeout_ms);

/* What is left until then as the timeout of epoll_wait(2), rounded up. */
int rmx_clock_left_ms(uint64_t until_ns);

/* Waits until fd is readable, hung up or in error. Returns 1, 0 when until_ns passed, or -EINTR. */
int rmx_clock_readable(int fd, uint64_t until_ns);

#endif
