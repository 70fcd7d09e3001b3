/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs as members of their session's groups. See member.h.
 */
#include "engine/member.h"

#include "engine/clock.h"
#include "engine/lane.h"

/* --- one job --------------------------------------------------------------------------------- */

uint32_t rmx_member_join(struct rmx_flow *flow, const char **why)
{
    struct rmx_job_spec *spec = &flow->spec;
    struct rmx_group *group;
    uint32_t status;

    if (spec->group == 0) {
        return 0;
    }
    group = rmx_group_find(flow->client->groups, spec->group);
    if (group == NULL) {
        *why = "group: there is none of that name";
        return RMX_STATUS_BAD_JOB;
    }
    status = rmx_group_join(group, rmx_clock_ns(), why);
    if (status == RMX_STATUS_BAD_JOB) {
        return status;
    }
    flow->group = group;
    if (group->deadline_ns != 0 &&
        (spec->deadline_ns == 0 || group->deadline_ns < spec->deadline_ns)) {
        spec->deadline_ns = group->deadline_ns;
    }
    return status;
}

bool rmx_member_may_work(struct rmx_flow *flow)
{
    if (flow->group == NULL) {
        return true;
    }
    flow->works = rmx_group_let_work(flow->group);
    if (!flow->works) {
        flow->place = RMX_FLOW_IN_GROUP;
        rmx_flow_list_push(&flow->group->waiting, flow);
    }
    return flow->works;
}

void rmx_member_give_up(struct rmx_flow *flow)
{
    rmx_assert(flow->place == RMX_FLOW_IN_GROUP);
    rmx_flow_list_remove(&flow->group->waiting, flow);
    flow->place = RMX_FLOW_NOWHERE;
}

/* --- all of a group -------------------------------------------------------------------------- */

static void stop_all(struct rmx_client *client, struct rmx_group *group)
{
    for (uint32_t slot = 0; slot < client->roster->slots; slot++) {
        struct rmx_flow *flow = client->roster->jobs[slot]; /* read anew: ends bring ends */

        if (flow != NULL && flow->group == group) {
            rmx_flow_stop(flow, group->stop_status, 0, group->stop_why);
        }
    }
}

/* Those that may work now go to the queue; others of a group that is stopped end by themselves. */
static void let_others_work(struct rmx_group *group)
{
    while (group->waiting.first != NULL &&
           (group->state == RMX_GROUP_OPEN || group->state == RMX_GROUP_CLOSED) &&
           rmx_group_let_work(group)) {
        struct rmx_flow *flow = rmx_flow_list_pop(&group->waiting);

        flow->works = true;
        flow->place = RMX_FLOW_NOWHERE;
        rmx_lane_enqueue(flow->lane, flow);
    }
}

static void look(struct rmx_client *client, const struct rmx_group *group)
{
    if (group->state == RMX_GROUP_OVER) {
        client->groups_over++;
        rmx_gate_mark_due(&client->lane->gate, client);
    }
}

void rmx_member_ended(struct rmx_flow *flow)
{
    struct rmx_client *client = flow->client;
    struct rmx_group *group = flow->group;
    bool others = rmx_group_ended(group, &flow->result, flow->works, rmx_clock_ns());

    rmx_assert(flow->state == RMX_FLOW_ENDED && flow->place == RMX_FLOW_NOWHERE);
    flow->group = NULL;
    look(client, group);
    if (others) {
        stop_all(client, group);
    } else {
        let_others_work(group);
    }
}

void rmx_member_leave(struct rmx_flow *flow)
{
    if (flow->group == NULL) {
        return;
    }
    if (flow->place == RMX_FLOW_IN_GROUP) {
        rmx_member_give_up(flow);
    }
    rmx_group_leave(flow->group, flow->works);
    flow->group = NULL;
}

/* --- what clients say ------------------------------------------------------------------------ */

void rmx_member_open_group(struct rmx_client *client, const struct rmx_msg_group *message)
{
    if (rmx_group_open(client->groups, message) == NULL) {
        rmx_client_cut_off(client, "it opened a group that it has");
        return;
    }
    client->lane->gate.groups_open++;
    if (client->lane->draining) {
        rmx_member_close_group(client, message->group);
    }
}

void rmx_member_close_group(struct rmx_client *client, uint32_t group)
{
    struct rmx_group *found = rmx_group_find(client->groups, group);

    if (found != NULL && found->state != RMX_GROUP_OVER) {
        rmx_group_close(found);
        look(client, found);
    }
}

void rmx_member_close_all(struct rmx_client *client)
{
    for (uint32_t i = 0; i < RMX_GROUPS_MAX; i++) {
        if (client->groups[i].state != RMX_GROUP_FREE) {
            rmx_member_close_group(client, client->groups[i].group);
        }
    }
}

void rmx_member_cancel_group(struct rmx_client *client, uint32_t group)
{
    struct rmx_group *found = rmx_group_find(client->groups, group);

    if (found != NULL && rmx_group_cancel(found)) {
        stop_all(client, found);
    }
}

static void free_group(struct rmx_client *client, struct rmx_group *group)
{
    rmx_group_free(group);
    client->lane->gate.groups_open--;
}

bool rmx_member_say_over(struct rmx_client *client)
{
    struct rmx_msg_group_done message;
    uint32_t i = 0;

    while (client->groups[i].state != RMX_GROUP_OVER) {
        i++;
        rmx_assert(i < RMX_GROUPS_MAX);
    }
    rmx_group_report(&client->groups[i], &message);
    if (!rmx_client_say(client, &message, sizeof(message), NULL, 0)) {
        return false;
    }
    client->groups_over--;
    free_group(client, &client->groups[i]);
    return true;
}

void rmx_member_free_groups(struct rmx_client *client)
{
    for (uint32_t i = 0; i < RMX_GROUPS_MAX; i++) {
        if (client->groups[i].state != RMX_GROUP_FREE) {
            free_group(client, &client->groups[i]);
        }
    }
    client->groups_over = 0;
}
