/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A group of a race's jobs. See race_group.h.
 */
#include "tests/race_group.h"

#include <errno.h>
#include <stdio.h>

int race_group_open(struct race_group *group, struct rmx_client *client, struct dice *dice)
{
    static const uint32_t jobs_max[] = { 0, 1, 3 };
    struct rmx_group_options options = RMX_GROUP_OPTIONS_INIT;
    uint32_t name = 0;
    int error;

    options.flags = dice_one_in(dice, 2) ? RMX_COLLECT_ALL : 0;
    options.jobs_max = jobs_max[dice_below(dice, 3)];
    options.name = "race";
    options.user = group;
    if (dice_one_in(dice, 4)) {
        options.deadline_ns = rmx_deadline_in(dice_below(dice, 100000000));
    }
    error = rmx_group_open(client, &options, &name);
    if (error == 0) {
        *group = (struct race_group){ .name = name, .options = options };
    }
    return error;
}

/* One that was refused may be sent again: it has not failed. */
static bool has_failed(uint32_t status)
{
    return status != RMX_OK && status != RMX_BUSY && status != RMX_DRAINING;
}

/* All its jobs' ends are known, and its own: they must be of one mind, whoever has left. */
static void compare(struct race_group *group, const struct race *race)
{
    bool all_ok = true;
    uint32_t status = group->result.status;

    for (uint32_t end = 0; end < RMX_END_KINDS; end++) {
        all_ok = all_ok && (group->ended[end] == 0 || !has_failed(end));
        if (group->ended[end] != group->result.ended[end]) {
            race_fail(race, "group %u: %llu jobs ended %s, it says %llu", group->name,
                (unsigned long long)group->ended[end], rmx_end_name(end),
                (unsigned long long)group->result.ended[end]);
        }
    }
    if ((status == RMX_OK && !all_ok) ||
        (status != RMX_OK && all_ok && !group->cancelled && group->options.deadline_ns == 0)) {
        race_fail(race, "group %u ended %s, %llu of %llu jobs OK", group->name,
            rmx_end_name(status), (unsigned long long)group->ended[RMX_OK],
            (unsigned long long)group->submitted);
    }
    group->name = 0;
}

int race_group_end(
    struct race_group *group, const struct race *race, struct rmx_client *client, int timeout_ms)
{
    int got = group->over ? 1 : rmx_group_wait(client, group->name, &group->result, timeout_ms);

    group->closed = true;
    if (got < 1) {
        return got;
    }
    if (group->result.user != group || group->result.group != group->name) {
        race_fail(race, "group %u: the result is another's", group->name);
    }
    group->over = true;
    if (group->came == group->submitted) {
        compare(group, race);
    }
    return 0;
}

int race_group_act(
    struct race_group *group, const struct race *race, struct rmx_client *client, struct dice *dice)
{
    uint64_t what = dice_below(dice, 3);
    int error;

    if (group->over) {
        return 0;
    }
    if (what == 0) {
        error = rmx_group_cancel(client, group->name);
        group->cancelled = group->cancelled || error == 0;
        group->stopped_ns = group->stopped_ns == 0 ? race_now_ns() : group->stopped_ns;
        return error;
    }
    if (what == 1) {
        group->closed = true;
        return rmx_group_close(client, group->name);
    }
    return race_group_end(group, race, client, 0);
}

void race_group_note(struct race_group *group, const struct race *race, uint32_t status)
{
    group->came++;
    group->ended[status]++;
    if (has_failed(status) && (group->options.flags & RMX_COLLECT_ALL) == 0 &&
        group->stopped_ns == 0) {
        group->stopped_ns = race_now_ns();
    }
    if (group->over && group->came == group->submitted) {
        compare(group, race);
    }
}
