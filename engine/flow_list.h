/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A list of jobs, linked through the jobs themselves. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_FLOW_LIST_H
#define RMX_ENGINE_FLOW_LIST_H

#include <stdint.h>

struct rmx_flow;

/* First in, first out; a flow is in one list at most. */
struct rmx_flow_list {
    struct rmx_flow *first;
    struct rmx_flow *last;
    uint32_t count;
};

void rmx_flow_list_push(struct rmx_flow_list *list, struct rmx_flow *flow);

/* Puts one back that was in it before: in front of the first that has a higher `order`. */
void rmx_flow_list_insert(struct rmx_flow_list *list, struct rmx_flow *flow);

struct rmx_flow *rmx_flow_list_pop(struct rmx_flow_list *list); /* NULL when empty */
void rmx_flow_list_remove(struct rmx_flow_list *list, struct rmx_flow *flow);

#endif
