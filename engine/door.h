/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where connections come in: accepted, looked at, and given a moment to say hello. Who may not talk
 * to us, or comes too often, is told so and gone; who says nothing goes soon, and at once where no
 * entry is left and several of its user's connections say nothing, so that there is always one for
 * the next. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_DOOR_H
#define RMX_ENGINE_DOOR_H

#include <stdbool.h>

#include "engine/gate.h"
#include "engine/operator.h"

struct rmx_lane;

/* Connections that need an entry besides the sessions': long enough to be told BUSY; and operators.
 */
#define RMX_DOOR_ENTRIES (24u + RMX_OPERATORS_MAX)

/* Accepts from this socket from now on; a closed one before (rmx_door_close()) is forgotten. */
void rmx_door_open(struct rmx_gate *gate, struct rmx_lane *lane, int fd);

/* Accepts no more. The kernel may have the socket for a while: rmx_door_is_shut(). */
void rmx_door_close(struct rmx_gate *gate, struct rmx_lane *lane);
bool rmx_door_is_shut(const struct rmx_gate *gate);

/* A connection becomes a client, in this entry that is free, unless it may not: then *fd stays the
 * caller's. */
void rmx_door_let_in(struct rmx_client *client, int *fd);

/* It has said hello, or is to go without. */
void rmx_door_pass(struct rmx_client *client);

/* Once per turn: accepts again when it had to stop, and parts with those that say nothing. */
void rmx_door_tend(struct rmx_gate *gate);

#endif
