/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A list of jobs. See flow_list.h.
 */
#include "engine/flow_list.h"

#include <stddef.h>

#include "engine/flow.h"

void rmx_flow_list_push(struct rmx_flow_list *list, struct rmx_flow *flow)
{
    flow->next = NULL;
    if (list->first == NULL) {
        list->first = flow;
    } else {
        list->last->next = flow;
    }
    list->last = flow;
    list->count++;
}

struct rmx_flow *rmx_flow_list_pop(struct rmx_flow_list *list)
{
    struct rmx_flow *flow = list->first;

    if (flow != NULL) {
        list->first = flow->next;
        list->count--;
    }
    return flow;
}

void rmx_flow_list_remove(struct rmx_flow_list *list, struct rmx_flow *flow)
{
    struct rmx_flow *before = NULL;
    struct rmx_flow *at = list->first;

    while (at != flow) {
        rmx_assert(at != NULL);
        before = at;
        at = at->next;
    }
    if (before == NULL) {
        list->first = flow->next;
    } else {
        before->next = flow->next;
    }
    if (list->last == flow) {
        list->last = before;
    }
    list->count--;
}
