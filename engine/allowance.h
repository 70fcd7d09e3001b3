/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much of a lane one user may have, all its sessions together, so that there is something left
 * for others. Who owns us (engine/access.h) has no limits: there is no defence against it, and
 * where one user runs everything nothing is to be divided. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_ALLOWANCE_H
#define RMX_ENGINE_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

struct rmx_client;

/* May its user have one more session? */
bool rmx_allowance_session(const struct rmx_client *client);

/* So many more credits may its user have. */
uint32_t rmx_allowance_credits(const struct rmx_client *client);

/* May its user have a channel with so many bytes more? */
bool rmx_allowance_channel(const struct rmx_client *client, uint64_t bytes);

/* May one more critical job of its user count as such? Any may, as long as no other user has jobs
 * here. */
bool rmx_allowance_critical(const struct rmx_client *client);

#endif
