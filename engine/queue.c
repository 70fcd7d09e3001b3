/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs that wait for a row of a worker's flow table. See queue.h.
 */
#include "engine/queue.h"

#include "engine/crew.h"
#include "engine/flow.h"
#include "engine/share.h"

static struct rmx_flow_list *list_of(struct rmx_queue *queue, const struct rmx_flow *flow)
{
    uint16_t class_ = flow->spec.class_;

    if (flow->share == NULL) {
        return &queue->anywhere[class_];
    }
    return rmx_flow_wants(flow) == RMX_PAIR_BARE ? &flow->share->berth->bare[class_]
                                                 : &flow->share->berth->tied[class_];
}

void rmx_queue_push(struct rmx_queue *queue, struct rmx_flow *flow)
{
    flow->order = ++queue->pushed;
    queue->count++;
    queue->tied += flow->share != NULL;
    rmx_flow_list_push(list_of(queue, flow), flow);
}

static void count_out(struct rmx_queue *queue, const struct rmx_flow *flow)
{
    rmx_assert(queue->count > 0);
    queue->count--;
    queue->tied -= flow->share != NULL;
}

void rmx_queue_remove(struct rmx_queue *queue, struct rmx_flow *flow)
{
    rmx_flow_list_remove(list_of(queue, flow), flow);
    count_out(queue, flow);
}

/* The earlier of two that could start; either may be NULL. */
static struct rmx_flow *earlier(struct rmx_flow *one, struct rmx_flow *other)
{
    if (one == NULL || other == NULL) {
        return one != NULL ? one : other;
    }
    return one->order < other->order ? one : other;
}

/* The first of a list, if the berth has a pair for it. */
static struct rmx_flow *first_for(const struct rmx_berth *berth, const struct rmx_flow_list *list)
{
    struct rmx_flow *flow = list->first;

    return flow != NULL && berth->open && rmx_berth_has(berth, rmx_flow_wants(flow)) ? flow : NULL;
}

static struct rmx_flow *next_of_class(
    struct rmx_queue *queue, struct rmx_crew *crew, int class_, struct rmx_berth **berth)
{
    struct rmx_flow *next = queue->anywhere[class_].first;

    if (next != NULL) {
        *berth = rmx_crew_berth_for(crew, rmx_flow_wants(next));
        next = *berth != NULL ? next : NULL;
    }
    for (uint32_t i = 0; i < crew->count && queue->tied > 0; i++) {
        const struct rmx_berth *at = &crew->berths[i];

        next = earlier(next, first_for(at, &at->tied[class_]));
        next = earlier(next, first_for(at, &at->bare[class_]));
    }
    if (next != NULL && next->share != NULL) {
        *berth = next->share->berth;
    }
    return next;
}

struct rmx_flow *rmx_queue_next(
    struct rmx_queue *queue, struct rmx_crew *crew, struct rmx_berth **berth)
{
    for (int class_ = 0; class_ < RMX_CLASSES && queue->count > 0; class_++) {
        struct rmx_flow *next = next_of_class(queue, crew, class_, berth);

        if (next != NULL) {
            rmx_queue_remove(queue, next);
            return next;
        }
    }
    return NULL;
}
