/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The groups of one client (see cohort.h). Runs in the client process, under the client's lock.
 */
#include "clients/cohort.h"

#include <errno.h>
#include <string.h>

#include "ipc/status.h"
#include "ring/base.h"

_Static_assert(RMX_COHORT_MAX == 64, "a word has a bit for each");

void rmx_cohort_init(struct rmx_cohorts *cohorts)
{
    memset(cohorts, 0, sizeof(*cohorts));
    for (uint32_t i = 0; i < RMX_COHORT_MAX; i++) {
        cohorts->groups[i].name = i;
    }
}

static uint64_t bit_of(const struct rmx_cohort *cohort)
{
    return UINT64_C(1) << (cohort->name % RMX_COHORT_MAX);
}

struct rmx_cohort *rmx_cohort_add(
    struct rmx_cohorts *cohorts, const struct rmx_msg_group *spec, void *user)
{
    struct rmx_cohort *cohort = cohorts->groups;

    while (cohort < cohorts->groups + RMX_COHORT_MAX && cohort->used) {
        cohort++;
    }
    if (cohort == cohorts->groups + RMX_COHORT_MAX) {
        return NULL;
    }
    uint32_t name = cohort->name + RMX_COHORT_MAX;
    if (name < RMX_COHORT_MAX) {
        name += RMX_COHORT_MAX; /* once round: 0 is no name */
    }
    *cohort = (struct rmx_cohort){ .name = name, .used = true, .user = user, .spec = *spec };
    cohort->spec.group = name;
    return cohort;
}

void rmx_cohort_remove(struct rmx_cohorts *cohorts, struct rmx_cohort *cohort)
{
    rmx_assert(cohort->used && cohort->lines == 0 && cohort->jobs == 0);
    cohort->used = false;
    cohorts->untold &= ~bit_of(cohort);
}

struct rmx_cohort *rmx_cohort_find(struct rmx_cohorts *cohorts, uint32_t name)
{
    struct rmx_cohort *cohort = &cohorts->groups[name % RMX_COHORT_MAX];

    return cohort->used && cohort->name == name ? cohort : NULL;
}

bool rmx_cohort_is_on(const struct rmx_cohorts *cohorts, uint32_t lines)
{
    for (uint32_t i = 0; i < RMX_COHORT_MAX; i++) {
        if ((cohorts->groups[i].lines & lines) != 0) {
            return true;
        }
    }
    return false;
}

/* Notes what follows from a change: something to say, or that it has ended. */
static void note(struct rmx_cohorts *cohorts, struct rmx_cohort *cohort)
{
    if ((cohort->to_cancel | cohort->to_close) != 0) {
        cohorts->due |= bit_of(cohort);
    } else {
        cohorts->due &= ~bit_of(cohort);
    }
    if (rmx_cohort_has_ended(cohort)) {
        cohorts->untold |= bit_of(cohort);
    }
}

void rmx_cohort_open(struct rmx_cohorts *cohorts, struct rmx_cohort *cohort, uint32_t line)
{
    uint32_t bit = 1u << line;

    rmx_assert(!cohort->closed && (cohort->lines & bit) == 0);
    cohort->lines |= bit;
    cohort->to_cancel |= cohort->cancelled ? bit : 0;
    note(cohorts, cohort);
}

void rmx_cohort_close(struct rmx_cohorts *cohorts, struct rmx_cohort *cohort)
{
    if (!cohort->closed) {
        cohort->closed = true;
        cohort->to_close = cohort->lines & ~cohort->parting;
        note(cohorts, cohort);
    }
}

static void cancel_on(struct rmx_cohorts *cohorts, struct rmx_cohort *cohort, uint32_t lines)
{
    if (!cohort->cancelled && !rmx_cohort_has_ended(cohort)) {
        cohort->cancelled = true;
        cohort->to_cancel = lines;
        note(cohorts, cohort);
    }
}

void rmx_cohort_cancel(struct rmx_cohorts *cohorts, struct rmx_cohort *cohort)
{
    cancel_on(cohorts, cohort, cohort->lines);
}

void rmx_cohort_drain(struct rmx_cohorts *cohorts, uint32_t line)
{
    uint32_t bit = 1u << line;

    for (uint32_t i = 0; i < RMX_COHORT_MAX; i++) {
        struct rmx_cohort *cohort = &cohorts->groups[i];

        if ((cohort->lines & bit) != 0) {
            cohort->parting |= bit;
            cohort->to_close &= ~bit;
            note(cohorts, cohort);
        }
    }
}

static void end_part(struct rmx_cohorts *cohorts, struct rmx_cohort *cohort, uint32_t bit)
{
    cohort->lines &= ~bit;
    cohort->to_cancel &= ~bit;
    cohort->to_close &= ~bit;
    cohort->parting &= ~bit;
    note(cohorts, cohort);
}

int rmx_cohort_done(
    struct rmx_cohorts *cohorts, uint32_t line, const struct rmx_msg_group_done *done)
{
    struct rmx_cohort *cohort = rmx_cohort_find(cohorts, done->group);
    uint32_t bit = 1u << line;

    if (cohort == NULL || (cohort->parting & bit) == 0) {
        return -EBADMSG;
    }
    bool follows = cohort->failed.job != 0 && cohort->failed_line != line;
    if (done->status != RMX_STATUS_OK && cohort->status == RMX_STATUS_OK && !follows) {
        cohort->status = done->status;
        cohort->by_a_job = done->first.job != 0;
    }
    end_part(cohorts, cohort, bit);
    return 0;
}

void rmx_cohort_lose(struct rmx_cohorts *cohorts, uint32_t line)
{
    uint32_t bit = 1u << line;

    for (uint32_t i = 0; i < RMX_COHORT_MAX; i++) {
        if ((cohorts->groups[i].lines & bit) != 0) {
            end_part(cohorts, &cohorts->groups[i], bit);
        }
    }
}

const struct rmx_cohort *rmx_cohort_tell(struct rmx_cohorts *cohorts)
{
    if (cohorts->untold == 0) {
        return NULL;
    }
    struct rmx_cohort *cohort = &cohorts->groups[__builtin_ctzll(cohorts->untold)];
    cohorts->untold &= ~bit_of(cohort);
    return cohort;
}

uint32_t rmx_cohort_next(
    struct rmx_cohorts *cohorts, uint32_t lines, struct rmx_msg_group_name *message)
{
    for (uint64_t due = cohorts->due; due != 0; due &= due - 1) {
        const struct rmx_cohort *cohort = &cohorts->groups[__builtin_ctzll(due)];
        uint32_t to_cancel = cohort->to_cancel & lines;
        uint32_t some = to_cancel != 0 ? to_cancel : cohort->to_close & lines;

        if (some != 0) {
            *message = (struct rmx_msg_group_name){
                .head = { .type = to_cancel != 0 ? RMX_MSG_GROUP_CANCEL : RMX_MSG_GROUP_CLOSE,
                    .bytes = sizeof(*message) },
                .group = cohort->name,
            };
            return some & -some;
        }
    }
    return 0;
}

void rmx_cohort_said(
    struct rmx_cohorts *cohorts, uint32_t line, const struct rmx_msg_group_name *message)
{
    struct rmx_cohort *cohort = rmx_cohort_find(cohorts, message->group);
    uint32_t bit = 1u << line;

    rmx_assert(cohort != NULL);
    if (message->head.type == RMX_MSG_GROUP_CANCEL) {
        cohort->to_cancel &= ~bit;
    } else {
        cohort->to_close &= ~bit;
        cohort->parting |= bit;
    }
    note(cohorts, cohort);
}

/* A job that was refused is no failure of its group, for the daemon neither: it may be sent again.
 */
static bool has_failed(const struct rmx_job_result *result)
{
    return result->status != RMX_STATUS_OK && result->status != RMX_STATUS_BUSY &&
           result->status != RMX_STATUS_DRAINING;
}

/* The first failure is the group's; unless all are to be collected, it ends the other jobs. */
static void fail(struct rmx_cohorts *cohorts, struct rmx_cohort *cohort,
    const struct rmx_inflight_job *job, uint32_t lines)
{
    if (!has_failed(&job->result) || cohort->failed.job != 0) {
        return;
    }
    cohort->failed = job->result;
    cohort->failed_user = job->user;
    cohort->failed_line = job->line;
    if ((cohort->spec.flags & RMX_GROUP_COLLECT_ALL) == 0) {
        cancel_on(cohorts, cohort, lines);
    }
}

void rmx_cohort_heard(struct rmx_cohorts *cohorts, const struct rmx_inflight_job *job)
{
    struct rmx_cohort *cohort = rmx_cohort_find(cohorts, job->group);

    if (cohort != NULL) { /* the job's own daemon has cancelled the others already */
        fail(cohorts, cohort, job, cohort->lines & ~(1u << job->line));
    }
}

/* The caller's sink, or we, may have seen a failure where the daemon saw none, or another. */
void rmx_cohort_shown(struct rmx_cohorts *cohorts, const struct rmx_inflight_job *job)
{
    struct rmx_cohort *cohort = rmx_cohort_find(cohorts, job->group);

    if (cohort == NULL) {
        return;
    }
    fail(cohorts, cohort, job, cohort->lines);
    if (cohort->failed.job == job->id) {
        cohort->failed = job->result;
    }
    if (job->result.status < RMX_GROUP_ENDS) {
        cohort->ended[job->result.status]++;
    }
    rmx_assert(cohort->jobs > 0);
    cohort->jobs--;
    note(cohorts, cohort);
}
