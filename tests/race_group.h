/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A group of a race's jobs: what became of each, to be compared with what the group says in the
 * end. Of one client thread.
 */
#ifndef RMX_TESTS_RACE_GROUP_H
#define RMX_TESTS_RACE_GROUP_H

#include "tests/dice.h"
#include "tests/race.h"

struct race_group {
    uint32_t name; /* the library's; 0 = this place is free */
    struct rmx_group_options options;
    bool closed;
    bool cancelled;
    bool over;           /* its result is here; those of its jobs may still come */
    uint64_t stopped_ns; /* it was cancelled, or a job of it failed; 0 = not */
    uint64_t submitted;
    uint64_t came;
    uint64_t ended[RMX_END_KINDS]; /* by status, of those whose result came */
    struct rmx_group_result result;
};

/* Opens one that is drawn. Returns 0 or what the library says. */
int race_group_open(struct race_group *group, struct rmx_client *client, struct dice *dice);

/* Does something to an open one: cancels it, closes it, asks for its result. Returns as above. */
int race_group_act(struct race_group *group, const struct race *race, struct rmx_client *client,
    struct dice *dice);

/* Closes it, and asks for its result. Returns as above. */
int race_group_end(
    struct race_group *group, const struct race *race, struct rmx_client *client, int timeout_ms);

/* A job of it has ended. */
void race_group_note(struct race_group *group, const struct race *race, uint32_t status);

#endif
