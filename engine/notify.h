/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a service manager hears of us (sd_notify(3)'s protocol: a datagram to $NOTIFY_SOCKET). Runs
 * on the supervisor's thread. Must never wait, nor fail where no manager listens.
 */
#ifndef RMX_ENGINE_NOTIFY_H
#define RMX_ENGINE_NOTIFY_H

/* Looks where the manager listens. Without it, nobody hears of what follows: a daemon that a client
 * has started for itself must not speak for its client's service. */
void rmx_notify_init(void);

void rmx_notify_ready(void);     /* we serve; also after a reload */
void rmx_notify_reloading(void); /* settings are read again; rmx_notify_ready() follows */
void rmx_notify_stopping(void);  /* we take nothing new */

#endif
