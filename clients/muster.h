/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client's lines to its daemons, and its groups on them: who joins, what is said where, who may
 * go. Runs in the client process, under the client's lock, which it lets go of to connect.
 */
#ifndef RMX_CLIENTS_MUSTER_H
#define RMX_CLIENTS_MUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "clients/handle.h"

/* Takes the line for new jobs from now on; one that was there is left to what it has in flight.
 * Returns 0 or -errno, *line then as it was. */
int rmx_muster_join(struct rmx_client *client, struct rmx_line **line);

/* Says what is to be said about groups, as far as there is room on the sockets. */
void rmx_muster_say(struct rmx_client *client);

/* Lets lines go that nobody needs any more. */
void rmx_muster_dismiss(struct rmx_client *client);

/* Opens a group where new jobs go, unless it is open there. Returns 0, -EINVAL (there is none, or
 * it was closed), -EAGAIN, or why no jobs go there. */
int rmx_muster_enroll(struct rmx_client *client, uint32_t group);

/* rmx_state() and rmx_reconnect() for who has entered; tried until then, or `once` and not waited.
 */
int rmx_muster_state(struct rmx_client *client);
int rmx_muster_move(struct rmx_client *client, uint64_t until_ns, bool once);

#endif
