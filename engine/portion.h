/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A session's portion of what the workers have for channels: whether it may have another, where,
 * and how often it may ask. Runs on the lane's thread. Must never let one session take what all of
 * them need.
 */
#ifndef RMX_ENGINE_PORTION_H
#define RMX_ENGINE_PORTION_H

#include <stdbool.h>
#include <stdint.h>

struct rmx_berth;
struct rmx_client;

/* Counts one more CHANNEL of the session: is it too early for it? */
bool rmx_portion_asks_too_often(struct rmx_client *client);

/* It has all that it may, also of workers that are not there now. */
bool rmx_portion_is_full(const struct rmx_client *client, uint64_t more_bytes);

/* The worker that suits best for another channel; NULL: none has room now. */
struct rmx_berth *rmx_portion_berth_for(const struct rmx_client *client, uint64_t bytes);

#endif
