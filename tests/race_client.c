/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One client of a race: a thread that does what comes to its mind. See race.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tests/race_job.h"

#define JOBS         24
#define GROUPS       3
#define RECONNECT_MS 10000
#define PATIENCE     UINT64_C(20000000000) /* ns, for all its jobs to end when the load has */

struct race_client {
    struct race *race;
    struct dice dice;
    struct rmx_client *client;
    struct race_job job[JOBS];
    struct race_group group[GROUPS];
};

static bool is_draining(const struct race_client *me)
{
    return atomic_load_explicit(&me->race->drain_ns, memory_order_relaxed) != 0;
}

/* Another daemon has taken the place of the one that drains. */
static bool move_on(struct race_client *me)
{
    int error = rmx_reconnect(me->client, RECONNECT_MS);

    if (error < 0 && error != -EISCONN && error != -EAGAIN && error != -EINTR) {
        race_fail(me->race, "rmx_reconnect: %s", strerrordesc_np(-error));
    }
    return true;
}

/* What a call may say, besides what is listed: nothing happened; or the daemon is leaving. Returns
 * false when it is gone. */
static bool bear(struct race_client *me, const char *call, int error, int expected)
{
    bool leaves = error == -ESHUTDOWN || error == -ECONNRESET;

    if (error >= 0 || error == -EINTR || error == -EAGAIN || error == expected) {
        return true;
    }
    if (leaves && atomic_load_explicit(&me->race->replaced, memory_order_relaxed)) {
        return move_on(me);
    }
    if (leaves && is_draining(me)) {
        return error == -ESHUTDOWN;
    }
    race_fail(me->race, "%s: %s", call, strerrordesc_np(-error));
}

/* --- what it does ----------------------------------------------------------------------------- */

/* One job in three is of a group, if one is open. */
static void join_group(struct race_client *me, struct race_job *job)
{
    struct race_group *group = &me->group[dice_below(&me->dice, GROUPS)];

    if (group->name != 0 && !group->closed && dice_one_in(&me->dice, 3)) {
        job->group = group;
        job->job.group = group->name;
    }
}

static bool submit(struct race_client *me)
{
    uint64_t id = 0;
    struct race_job *job = NULL;
    int got;

    for (size_t i = 0; i < JOBS && job == NULL; i++) {
        job = me->job[i].id == 0 ? &me->job[i] : NULL;
    }
    if (job == NULL) {
        return true;
    }
    race_job_make(job, me->race, &me->dice);
    join_group(me, job);
    got = rmx_submit(me->client, &job->job, 1, &id);
    if (got != 1) {
        bool nonsense = job->kind == RACE_NONSENSE;

        race_job_free(job);
        return bear(me, "rmx_submit", got, nonsense ? -EINVAL : -EBUSY);
    }
    race_job_sent(job, id);
    if (job->group != NULL) {
        job->group->submitted++;
    }
    if (dice_one_in(&me->dice, me->race->calm ? 48 : 6)) { /* before it can be anywhere */
        job->stopped_ns = race_now_ns();
        return bear(me, "rmx_cancel", rmx_cancel(me->client, id), -ENOENT);
    }
    return true;
}

static bool cancel(struct race_client *me)
{
    struct race_job *job = &me->job[dice_below(&me->dice, JOBS)];
    int got;

    if (job->id == 0) {
        return true;
    }
    got = rmx_cancel(me->client, job->id);
    if (got == 0 && job->stopped_ns == 0) {
        job->stopped_ns = race_now_ns();
    }
    return bear(me, "rmx_cancel", got, -ENOENT);
}

static bool act_on_group(struct race_client *me)
{
    struct race_group *group = &me->group[dice_below(&me->dice, GROUPS)];

    if (group->name == 0) {
        return bear(me, "rmx_group_open", race_group_open(group, me->client, &me->dice), 0);
    }
    return bear(me, "a group", race_group_act(group, me->race, me->client, &me->dice), 0);
}

static void move_all(struct race_client *me, bool release)
{
    for (size_t i = 0; i < JOBS; i++) {
        if (me->job[i].id != 0 && release) {
            race_job_release(&me->job[i], me->client);
        } else if (me->job[i].id != 0) {
            race_job_move(&me->job[i], me->client);
        }
    }
}

static bool wait_some(struct race_client *me, int timeout_ms)
{
    struct rmx_result results[4];
    uint64_t begun_ns = race_now_ns();
    int got = rmx_wait(me->client, results, 4, timeout_ms);

    for (size_t i = 0; i < JOBS && got == 0; i++) {
        me->job[i].waited_ns = begun_ns;
    }
    for (int i = 0; i < got; i++) {
        struct race_job *job = results[i].user;

        if (job < me->job || job >= me->job + JOBS || job->id != results[i].id) {
            race_fail(me->race, "job %llu ended twice, or never was: %s",
                (unsigned long long)results[i].id, rmx_end_name(results[i].status));
        }
        race_job_end(job, me->race, &results[i]);
    }
    return bear(me, "rmx_wait", got, 0);
}

/* A session ends with all that is under way in it. */
static void part(struct race_client *me)
{
    rmx_close(&me->client);
    for (size_t i = 0; i < JOBS; i++) {
        if (me->job[i].id != 0) {
            race_job_free(&me->job[i]);
        }
    }
    memset(me->group, 0, sizeof(me->group));
}

static bool reopen(struct race_client *me)
{
    part(me);
    me->client = race_daemon_connect(me->race);
    return me->client != NULL;
}

static bool ask(struct race_client *me)
{
    struct rmx_counter counters[8];
    uint64_t rtt_ns;

    return bear(me, "rmx_ping", rmx_ping(me->client, &rtt_ns), 0) &&
           bear(me, "rmx_stats", rmx_stats(me->client, counters, 8), 0);
}

/* Returns false when the daemon is gone. */
static bool act(struct race_client *me)
{
    uint64_t what = dice_below(&me->dice, 100);

    move_all(me, false);
    if (what < 45) {
        return submit(me);
    }
    if (what < (me->race->calm ? 46 : 51)) {
        return cancel(me);
    }
    if (what < (me->race->calm ? 47 : 56)) {
        return act_on_group(me);
    }
    if (what < 98) {
        return wait_some(me, (int)dice_below(&me->dice, 4));
    }
    return what < 99 ? ask(me) : reopen(me);
}

/* --- its life --------------------------------------------------------------------------------- */

static size_t count_jobs(const struct race_client *me)
{
    size_t count = 0;

    for (size_t i = 0; i < JOBS; i++) {
        count += me->job[i].id != 0;
    }
    return count;
}

/* Those whose result is not here; asks for it. */
static size_t end_groups(struct race_client *me, bool *there)
{
    size_t count = 0;

    for (size_t i = 0; i < GROUPS; i++) {
        struct race_group *group = &me->group[i];

        if (group->name != 0 && *there) {
            *there = bear(me, "a group", race_group_end(group, me->race, me->client, 0), 0);
        }
        count += group->name != 0;
    }
    return count;
}

/* All that is under way comes to an end. */
static void finish(struct race_client *me)
{
    uint64_t until_ns = race_now_ns() + PATIENCE;
    bool there = true;
    size_t groups = end_groups(me, &there);

    while (count_jobs(me) > 0 || (groups > 0 && there)) {
        if (!there || race_now_ns() > until_ns) {
            race_fail(me->race, "%zu jobs and %zu groups have no end%s", count_jobs(me), groups,
                there ? "" : " at all");
        }
        move_all(me, true);
        there = wait_some(me, 5);
        groups = end_groups(me, &there);
    }
}

void *race_client_run(void *argument)
{
    const struct race_thread *thread = argument;
    struct race_client *me = calloc(1, sizeof(*me));
    bool there;

    if (me == NULL) {
        race_fail(thread->race, "no memory");
    }
    me->race = thread->race;
    me->dice.state = thread->seed;
    me->client = race_daemon_connect(me->race);
    there = me->client != NULL;
    while (
        there && race_now_ns() < atomic_load_explicit(&me->race->until_ns, memory_order_relaxed)) {
        there = act(me);
    }
    if (me->client != NULL) {
        finish(me);
    }
    part(me);
    free(me);
    return NULL;
}
