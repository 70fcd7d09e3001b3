/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A group of one session's jobs: what its ends come to, how many may be at work at once, and when
 * it has come to its own end. Knows numbers and lists, does no I/O and touches no job; who acts on
 * what it says is engine/member.c. Runs on the lane's thread.
 *
 *     FREE -> OPEN --close--> CLOSED --last end--> OVER -> FREE
 *               |                |                  ^
 *              stop             stop                |
 *               v                v                  |
 *            STOPPED --close--> ENDING --last end---+
 *
 * OPEN     jobs may join
 * STOPPED  it failed, was cancelled or is late: those it has end early, who joins ends at once
 * CLOSED   none joins any more
 * ENDING   both
 * OVER     its last job has ended: the client is to be told
 *
 * Any of them is FREE at once when the client leaves.
 */
#ifndef RMX_ENGINE_GROUP_H
#define RMX_ENGINE_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/flow_list.h"
#include "ipc/status.h"
#include "ipc/wire.h"

enum rmx_group_state {
    RMX_GROUP_FREE,
    RMX_GROUP_OPEN,
    RMX_GROUP_STOPPED,
    RMX_GROUP_CLOSED,
    RMX_GROUP_ENDING,
    RMX_GROUP_OVER,
    RMX_GROUP_STATES,
};

struct rmx_group {
    enum rmx_group_state state;
    uint32_t group; /* the client's name for it */
    uint32_t flags;
    uint32_t jobs_max; /* 0 = no limit */
    uint64_t deadline_ns;
    char name[RMX_GROUP_NAME_BYTES];
    uint32_t jobs;                /* joined and not ended */
    uint32_t working;             /* of those, the ones that count against jobs_max */
    struct rmx_flow_list waiting; /* of those, the ones that wait until they may */
    uint32_t status;              /* 0 until the first that was not OK */
    struct rmx_job_result first;  /* that one's */
    uint32_t stop_status;         /* STOPPED, ENDING: what its jobs end with */
    const char *stop_why;         /* likewise, static; "" = the status's own text */
    uint64_t ended[RMX_GROUP_ENDS];
};

/* The one with this name in a session's RMX_GROUPS_MAX, or NULL. */
struct rmx_group *rmx_group_find(struct rmx_group *groups, uint32_t group);

/* Opens a group in an entry that is free. Returns it; NULL: there is none, or the name is taken. */
struct rmx_group *rmx_group_open(struct rmx_group *groups, const struct rmx_msg_group *message);

/* One more job. Returns 0, or the status it ends with at once, *why in words. It has joined also if
 * it ends so, unless it is BAD_JOB: none joins a closed group. */
uint32_t rmx_group_join(struct rmx_group *group, uint64_t now, const char **why);

/* May one more be at work? Then it counts as such. */
bool rmx_group_let_work(struct rmx_group *group);

/* A job that had joined has ended; it worked, or it did not. Returns whether the others are to be
 * stopped now. */
bool rmx_group_ended(
    struct rmx_group *group, const struct rmx_job_result *result, bool worked, uint64_t now);

/* A job that had joined has left without an end that counts: so has the client. */
void rmx_group_leave(struct rmx_group *group, bool worked);

/* Returns whether its jobs are to be stopped now: it was not, and has some. */
bool rmx_group_cancel(struct rmx_group *group);

void rmx_group_close(struct rmx_group *group);

/* The message of one that is OVER. */
void rmx_group_report(const struct rmx_group *group, struct rmx_msg_group_done *message);

/* The client was told, or has left. Its jobs have left it. */
void rmx_group_free(struct rmx_group *group);

#endif
