/* SPDX-License-Identifier: BSD-2-Clause
 *
 * libringmux's calls for groups of jobs (see ringmux.h). Runs in the client process, on any of the
 * caller's threads.
 */
#include "clients/ringmux.h"

#include <errno.h>
#include <string.h>

#include "clients/clock.h"
#include "clients/handle.h"
#include "clients/muster.h"
#include "clients/result.h"
#include "clients/tend.h"

_Static_assert(RMX_GROUP_NAME_MAX + 1 == RMX_GROUP_NAME_BYTES, "a name fits as it is");

/* Returns 0 or -EINVAL. */
static int fill_spec(struct rmx_msg_group *spec, const struct rmx_group_options *options)
{
    size_t bytes = options->name != NULL ? strlen(options->name) : 0;
    uint64_t reserved = 0;

    for (size_t i = 0; i < sizeof(options->reserved) / sizeof(options->reserved[0]); i++) {
        reserved |= options->reserved[i];
    }
    if (reserved != 0 || (options->flags & ~(uint32_t)RMX_GROUP_FLAGS_ALL) != 0 ||
        bytes > RMX_GROUP_NAME_MAX) {
        return -EINVAL;
    }
    *spec = (struct rmx_msg_group){
        .head = { .type = RMX_MSG_GROUP, .bytes = sizeof(*spec) },
        .flags = options->flags,
        .jobs_max = options->jobs_max,
        .deadline_ns = options->deadline_ns,
    };
    if (bytes > 0) {
        memcpy(spec->name, options->name, bytes);
    }
    return rmx_job_is_text(spec->name, sizeof(spec->name)) ? 0 : -EINVAL;
}

static int open_group(
    struct rmx_client *client, const struct rmx_msg_group *spec, void *user, uint32_t *group)
{
    int err = rmx_line_takes_jobs(client->line);

    if (err < 0) {
        return err;
    }
    struct rmx_cohort *cohort = rmx_cohort_add(&client->cohorts, spec, user);
    if (cohort == NULL) {
        return -ENOBUFS;
    }
    err = rmx_muster_enroll(client, cohort->name);
    if (err < 0) {
        rmx_cohort_remove(&client->cohorts, cohort);
        return err;
    }
    *group = cohort->name;
    return 0;
}

int rmx_group_open(
    struct rmx_client *client, const struct rmx_group_options *options, uint32_t *group)
{
    static const struct rmx_group_options defaults = RMX_GROUP_OPTIONS_INIT;
    struct rmx_msg_group spec;

    options = options != NULL ? options : &defaults;
    int err = fill_spec(&spec, options);
    if (err < 0) {
        return err;
    }
    rmx_handle_enter(client);
    err = open_group(client, &spec, options->user, group);
    rmx_handle_leave(client);
    return err;
}

/* Closes or cancels a group. */
static int change(struct rmx_client *client, uint32_t group,
    void (*how)(struct rmx_cohorts *cohorts, struct rmx_cohort *cohort))
{
    int err = -ENOENT;

    rmx_handle_enter(client);
    struct rmx_cohort *cohort = rmx_cohort_find(&client->cohorts, group);
    if (cohort != NULL) {
        how(&client->cohorts, cohort);
        rmx_handle_wake(client, RMX_HANDLE_ANYTHING, 0); /* it may have ended with that */
        err = 0;
    }
    rmx_handle_leave(client); /* says so to its daemons */
    return err;
}

int rmx_group_close(struct rmx_client *client, uint32_t group)
{
    return change(client, group, rmx_cohort_close);
}

int rmx_group_cancel(struct rmx_client *client, uint32_t group)
{
    return change(client, group, rmx_cohort_cancel);
}

/* Which end is the group's: that of the first job that failed, as the caller saw it fail; unless a
 * daemon says that the group was cancelled or late before that. */
static void fill_first(struct rmx_group_result *result, const struct rmx_cohort *cohort)
{
    if (cohort->failed.job != 0 && (cohort->status == RMX_OK || cohort->by_a_job)) {
        result->status = cohort->failed.status;
        rmx_result_fill(&result->first, &cohort->failed, cohort->failed_user);
    } else {
        result->status = cohort->status;
    }
}

/* Takes the group's end, as rmx_tend_take. */
static int take_end(struct rmx_client *client, void *to, size_t max)
{
    struct rmx_group_result *result = to;
    struct rmx_cohort *cohort = rmx_cohort_find(&client->cohorts, result->group);

    if (cohort == NULL) {
        return -ENOENT;
    }
    if (!rmx_cohort_has_ended(cohort)) {
        return 0;
    }
    result->user = cohort->user;
    memcpy(result->ended, cohort->ended, sizeof(result->ended));
    fill_first(result, cohort);
    rmx_cohort_remove(&client->cohorts, cohort);
    rmx_handle_wake(client, RMX_HANDLE_ANYTHING, 0); /* who waits for it, too: it is gone */
    return (int)max;
}

int rmx_group_wait(
    struct rmx_client *client, uint32_t group, struct rmx_group_result *result, int timeout_ms)
{
    struct rmx_group_result ended = { .group = group };
    int err = rmx_group_close(client, group);

    if (err < 0) {
        return err;
    }
    rmx_handle_enter(client);
    int taken = rmx_tend_wait(client, take_end, &ended, 1, timeout_ms);
    rmx_handle_leave(client);
    if (taken == 1) {
        *result = ended;
    }
    return taken;
}
