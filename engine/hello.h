/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a connection becomes a session: what HELLO asks for, whether there is room for one more, and
 * the welcome with its credits. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_HELLO_H
#define RMX_ENGINE_HELLO_H

#include "engine/client.h"

/* Answers a HELLO that was checked: the client is welcome from here on, or it is parted with. */
void rmx_hello_take(struct rmx_client *client, const struct rmx_msg_hello *hello);

#endif
