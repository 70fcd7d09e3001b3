/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Operators: sessions that look after the jobs of others. What they see of a job, and
 * which they end; who may be one is engine/access.h's. They have no jobs of their own, and take no
 * place of those who have. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_OPERATOR_H
#define RMX_ENGINE_OPERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/client.h"
#include "engine/flow.h"
#include "ipc/wire.h"

/* A lane has so many at once: they use room that is there for clients who come when it is full. */
#define RMX_OPERATORS_MAX 4u

/* Makes the client one. False: there are as many as there may be. */
bool rmx_operator_come(struct rmx_client *client);

/* Its entry is to be free. */
void rmx_operator_go(struct rmx_client *client);

/* JOBS, and CANCEL_JOBS (match): the answer comes when all lanes have been asked. */
void rmx_operator_ask(struct rmx_client *client, const struct rmx_msg_cancel_jobs *match);

/* Fills *item with a job of somebody's that has not ended. False: it is none. */
bool rmx_operator_shows(const struct rmx_flow *flow, struct rmx_jobs_item *item);

/* Ends it if it is one, and matches. Returns whether it was told now. */
bool rmx_operator_cancel(struct rmx_flow *flow, const struct rmx_msg_cancel_jobs *match);

#endif
