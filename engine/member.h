/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs as members of their session's groups: they join, wait until their group lets them work, and
 * end each other. What that comes to is engine/group.c's. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_MEMBER_H
#define RMX_ENGINE_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/client.h"
#include "engine/flow.h"

/* The job joins the group its spec names, if any, whose deadline caps its own. Returns 0, or the
 * status it ends with, *why in words. */
uint32_t rmx_member_join(struct rmx_flow *flow, const char **why);

/* An ADMITTED job could be queued now. False: it stays with its group, which queues it later. */
bool rmx_member_may_work(struct rmx_flow *flow);

/* It waits no more, though its group has not let it work. */
void rmx_member_give_up(struct rmx_flow *flow);

/* The job of a group is ENDED, and its client to be told: others may work in its stead, or end. */
void rmx_member_ended(struct rmx_flow *flow);

/* Its client has left, and so has it its group, if it has any. */
void rmx_member_leave(struct rmx_flow *flow);

/* What clients say of groups. */
void rmx_member_open_group(struct rmx_client *client, const struct rmx_msg_group *message);
void rmx_member_close_group(struct rmx_client *client, uint32_t group);
void rmx_member_cancel_group(struct rmx_client *client, uint32_t group);

/* The daemon drains, so no more jobs join. */
void rmx_member_close_all(struct rmx_client *client);

/* Tells the client of one group that is OVER, of which there is one. False: not now. */
bool rmx_member_say_over(struct rmx_client *client);

/* The client has left, and its jobs have left its groups. */
void rmx_member_free_groups(struct rmx_client *client);

#endif
