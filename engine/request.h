/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What clients ask for: one message at a time, through ipc/session.h's rules to who does it. Runs
 * on the lane's thread.
 */
#ifndef RMX_ENGINE_REQUEST_H
#define RMX_ENGINE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/client.h"
#include "ipc/sock.h"

/* Acts on one message of `bytes` bytes in the gate's buffer; the descriptors that nobody wanted
 * stay in *fds. The client may be gone afterwards. */
void rmx_request_take(struct rmx_client *client, size_t bytes, struct rmx_sock_fds *fds);

/* Tells the client what it asked for, see client->answer_due. False: not now, as rmx_client_say().
 */
bool rmx_request_answer(struct rmx_client *client);

#endif
