/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ctrl-C and its kin as something to poll. Runs in the process rmx; the handlers only take a note,
 * and end the process at the second. They interrupt what blocks (SA_RESTART is not set): an open(2)
 * of a fifo nobody reads ends.
 */
#ifndef RMX_CLIENTS_RMX_SIGNAL_H
#define RMX_CLIENTS_RMX_SIGNAL_H

#include <stdint.h>

/* From here on those of SIGINT, SIGTERM and SIGHUP that are not ignored are taken note of; once one
 * was, the next ends the process at once, with the exit code of the first. Returns 0 or -errno. */
int rmx_signal_watch(void);

/* Interrupts what blocks, once `until_ns` (CLOCK_MONOTONIC) came, and then again and again, since
 * the first may come just before the call that blocks; 0 = no more. */
void rmx_signal_alarm(uint64_t until_ns);

/* From here on a write that nobody will read fails with EPIPE and does not kill. */
void rmx_signal_ignore_pipe(void);

/* Readable once a signal came. */
int rmx_signal_fd(void);

/* The first that came, or 0. */
int rmx_signal_seen(void);

/* Sleeps until a signal came or `until_ns` passed (CLOCK_MONOTONIC). Returns 0, or -EINTR: one
 * came, now or before. */
int rmx_signal_sleep(uint64_t until_ns);

#endif
