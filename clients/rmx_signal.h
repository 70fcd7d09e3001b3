/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ctrl-C and its kin as something to poll. Runs in the process rmx; the handlers only take a note.
 * They interrupt what blocks (SA_RESTART is not set): an open(2) of a fifo nobody reads ends.
 */
#ifndef RMX_CLIENTS_RMX_SIGNAL_H
#define RMX_CLIENTS_RMX_SIGNAL_H

/* From here on those of SIGINT, SIGTERM and SIGHUP that are not ignored are taken note of. Returns
 * 0 or -errno. */
int rmx_signal_watch(void);

/* From here on a write that nobody will read fails with EPIPE and does not kill. */
void rmx_signal_ignore_pipe(void);

/* Readable once a signal came. */
int rmx_signal_fd(void);

/* The first that came, or 0. */
int rmx_signal_seen(void);

#endif
