/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How many jobs a session may have in flight: its credits, those in its hands and those in its
 * jobs. Keeps the sums of the gate and of the session's user. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_WINDOW_H
#define RMX_ENGINE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct rmx_client;

/* So many more could be given to it now. */
uint32_t rmx_window_spare(const struct rmx_client *client);

/* The client was told: it has `credits` now, `given` of them new in its hands. */
void rmx_window_move(struct rmx_client *client, uint32_t credits, uint32_t given);

/* Gives it what it lacks, or what can be given of that. False: not now. */
bool rmx_window_widen(struct rmx_client *client);

#endif
