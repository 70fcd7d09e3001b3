/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A group of one session's jobs. See group.h.
 */
#include "engine/group.h"

#include <string.h>

#include "ring/base.h"

#define TO(state) (1u << (state))

static const unsigned next_of[RMX_GROUP_STATES] = {
    [RMX_GROUP_FREE] = TO(RMX_GROUP_OPEN),
    [RMX_GROUP_OPEN] = TO(RMX_GROUP_STOPPED) | TO(RMX_GROUP_CLOSED) | TO(RMX_GROUP_FREE),
    [RMX_GROUP_STOPPED] = TO(RMX_GROUP_ENDING) | TO(RMX_GROUP_FREE),
    [RMX_GROUP_CLOSED] = TO(RMX_GROUP_ENDING) | TO(RMX_GROUP_OVER) | TO(RMX_GROUP_FREE),
    [RMX_GROUP_ENDING] = TO(RMX_GROUP_OVER) | TO(RMX_GROUP_FREE),
    [RMX_GROUP_OVER] = TO(RMX_GROUP_FREE),
};

_Static_assert(RMX_GROUP_ENDS >= RMX_STATUSES, "an end could not be counted");

static void enter(struct rmx_group *group, enum rmx_group_state state)
{
    rmx_assert((next_of[group->state] & TO(state)) != 0);
    group->state = state;
}

struct rmx_group *rmx_group_find(struct rmx_group *groups, uint32_t group)
{
    for (uint32_t i = 0; i < RMX_GROUPS_MAX; i++) {
        if (groups[i].state != RMX_GROUP_FREE && groups[i].group == group) {
            return &groups[i];
        }
    }
    return NULL;
}

struct rmx_group *rmx_group_open(struct rmx_group *groups, const struct rmx_msg_group *message)
{
    uint32_t i = 0;

    if (rmx_group_find(groups, message->group) != NULL) {
        return NULL;
    }
    while (i < RMX_GROUPS_MAX && groups[i].state != RMX_GROUP_FREE) {
        i++;
    }
    if (i == RMX_GROUPS_MAX) {
        return NULL;
    }
    groups[i] = (struct rmx_group){
        .group = message->group,
        .flags = message->flags,
        .jobs_max = message->jobs_max,
        .deadline_ns = message->deadline_ns,
    };
    memcpy(groups[i].name, message->name, sizeof(groups[i].name));
    enter(&groups[i], RMX_GROUP_OPEN);
    return &groups[i];
}

static bool is_late(const struct rmx_group *group, uint64_t now)
{
    return group->deadline_ns != 0 && now >= group->deadline_ns;
}

uint32_t rmx_group_join(struct rmx_group *group, uint64_t now, const char **why)
{
    if (group->state == RMX_GROUP_STOPPED) {
        group->jobs++;
        *why = group->stop_why;
        return group->stop_status;
    }
    if (group->state != RMX_GROUP_OPEN) {
        *why = "group: it is closed";
        return RMX_STATUS_BAD_JOB;
    }
    group->jobs++;
    *why = "";
    return is_late(group, now) ? RMX_STATUS_DEADLINE : RMX_STATUS_OK;
}

bool rmx_group_let_work(struct rmx_group *group)
{
    rmx_assert(group->working < group->jobs);
    if (group->jobs_max != 0 && group->working >= group->jobs_max) {
        return false;
    }
    group->working++;
    return true;
}

/* From here on its jobs end early, with this status. */
static bool stop(struct rmx_group *group, uint32_t status, const char *why)
{
    if (group->state != RMX_GROUP_OPEN && group->state != RMX_GROUP_CLOSED) {
        return false;
    }
    group->status = group->status != 0 ? group->status : status;
    group->stop_status = status;
    group->stop_why = why;
    enter(group, group->state == RMX_GROUP_OPEN ? RMX_GROUP_STOPPED : RMX_GROUP_ENDING);
    return group->jobs > 0;
}

/* The last job of a closed one has ended, or there was none. */
static void look(struct rmx_group *group)
{
    if (group->jobs == 0 &&
        (group->state == RMX_GROUP_CLOSED || group->state == RMX_GROUP_ENDING)) {
        enter(group, RMX_GROUP_OVER);
    }
}

void rmx_group_leave(struct rmx_group *group, bool worked)
{
    uint32_t works = worked ? 1 : 0;

    rmx_assert(group->jobs > 0 && group->working >= works);
    group->jobs--;
    group->working -= works;
}

bool rmx_group_ended(
    struct rmx_group *group, const struct rmx_job_result *result, bool worked, uint64_t now)
{
    bool failed = result->status != RMX_STATUS_OK;
    bool others = false;

    rmx_assert(result->status < RMX_GROUP_ENDS);
    rmx_group_leave(group, worked);
    group->ended[result->status]++;
    if (failed && group->status == 0) {
        group->status = result->status;
        group->first = *result;
    }
    if (result->status == RMX_STATUS_DEADLINE && is_late(group, now)) {
        others = stop(group, RMX_STATUS_DEADLINE, "");
    } else if (failed && (group->flags & RMX_GROUP_COLLECT_ALL) == 0) {
        others = stop(group, RMX_STATUS_CANCELLED, "a job of its group failed");
    }
    look(group);
    return others;
}

bool rmx_group_cancel(struct rmx_group *group)
{
    return stop(group, RMX_STATUS_CANCELLED, "its group was cancelled");
}

void rmx_group_close(struct rmx_group *group)
{
    if (group->state == RMX_GROUP_OPEN) {
        enter(group, RMX_GROUP_CLOSED);
    } else if (group->state == RMX_GROUP_STOPPED) {
        enter(group, RMX_GROUP_ENDING);
    }
    look(group);
}

void rmx_group_report(const struct rmx_group *group, struct rmx_msg_group_done *message)
{
    rmx_assert(group->state == RMX_GROUP_OVER && group->jobs == 0);
    *message = (struct rmx_msg_group_done){
        .head = { .type = RMX_MSG_GROUP_DONE, .bytes = sizeof(*message) },
        .group = group->group,
        .status = group->status,
        .first = group->first,
    };
    memcpy(message->ended, group->ended, sizeof(message->ended));
}

void rmx_group_free(struct rmx_group *group)
{
    rmx_assert(group->jobs == 0 && group->waiting.first == NULL);
    enter(group, RMX_GROUP_FREE);
}
