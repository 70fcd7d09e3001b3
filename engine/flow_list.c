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
    flow->before = list->last;
    if (list->first == NULL) {
        list->first = flow;
    } else {
        list->last->next = flow;
    }
    list->last = flow;
    list->count++;
}

void rmx_flow_list_insert(struct rmx_flow_list *list, struct rmx_flow *flow)
{
    struct rmx_flow *next = list->first;

    while (next != NULL && next->order < flow->order) { /* few: most of these came back as well */
        next = next->next;
    }
    if (next == NULL) {
        rmx_flow_list_push(list, flow);
        return;
    }
    flow->next = next;
    flow->before = next->before;
    *(next->before != NULL ? &next->before->next : &list->first) = flow;
    next->before = flow;
    list->count++;
}

struct rmx_flow *rmx_flow_list_pop(struct rmx_flow_list *list)
{
    struct rmx_flow *flow = list->first;

    if (flow != NULL) {
        rmx_flow_list_remove(list, flow);
    }
    return flow;
}

void rmx_flow_list_remove(struct rmx_flow_list *list, struct rmx_flow *flow)
{
    struct rmx_flow *before = flow->before;
    struct rmx_flow *next = flow->next;

    rmx_assert(list->count > 0);
    rmx_assert((before != NULL ? before->next : list->first) == flow);
    rmx_assert((next != NULL ? next->before : list->last) == flow);
    *(before != NULL ? &before->next : &list->first) = next;
    *(next != NULL ? &next->before : &list->last) = before;
    list->count--;
}
