/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jobs of a flow whose daemon may fail them. See fault_jobs.h.
 */
#include "tests/fault_jobs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_NS UINT64_C(30000000000)

/* --- what came of it -------------------------------------------------------------------------- */

unsigned fault_ends[RMX_END_KINDS];
static int refusal; /* the first */

void fault_jobs_print(void)
{
    const char *space = "";

    for (uint32_t end = 0; end < RMX_END_KINDS; end++) {
        if (fault_ends[end] > 0) {
            printf("%s%u %s", space, fault_ends[end], rmx_end_name(end));
            space = " ";
        }
    }
    if (refusal < 0) {
        printf("%srefused %s", space, strerrorname_np(-refusal));
    }
    printf("\n");
}

/* What a daemon may say that lacks something, or is gone; -ETIMEDOUT would be a hang. */
bool fault_jobs_refused(int error)
{
    static const int polite[] = { EBUSY, EAGAIN, ECONNRESET, ENOMEM, EMFILE, ENFILE, ESHUTDOWN,
        ECONNREFUSED, EINTR, EPIPE, ENOENT, EOPNOTSUPP };

    if (error >= 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(polite) / sizeof(polite[0]); i++) {
        if (error == -polite[i]) {
            refusal = refusal != 0 ? refusal : error;
            return true;
        }
    }
    race_fail(&fault_race, "refused with %s", strerrorname_np(-error));
}

/* --- jobs ------------------------------------------------------------------------------------- */

bool fault_jobs_open(struct fault_jobs *jobs)
{
    return !fault_jobs_refused(rmx_open(&jobs->client, fault_race.socket));
}

struct race_job *fault_jobs_add(struct fault_jobs *jobs, enum race_kind kind, size_t format)
{
    struct race_job *job = &jobs->job[jobs->count++];

    race_job_make_way(job, &fault_race, 0, format, kind);
    return job;
}

/* Sends those that were added since the last time. */
void fault_jobs_submit(struct fault_jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        struct race_job *job = &jobs->job[i];
        uint64_t id = 0;
        int got = job->id == 0 ? rmx_submit(jobs->client, &job->job, 1, &id) : 0;

        if (got == 1) {
            race_job_sent(job, id);
            jobs->left++;
        } else {
            (void)fault_jobs_refused(got);
        }
    }
}

static void take_end(struct fault_jobs *jobs, const struct rmx_result *result)
{
    struct race_job *job = result->user;
    const struct race_reference *wanted;

    if (job < jobs->job || job >= jobs->job + jobs->count || job->id != result->id) {
        race_fail(&fault_race, "job %" PRIu64 " ended twice, or never was", result->id);
    }
    wanted = job->reference;
    race_job_learn(job, result, &jobs->made);
    job->id = UINT64_MAX; /* ended: nothing is to be sent again, or moved */
    if (result->status == RMX_OK && wanted != NULL && job->kind != RACE_PROBE &&
        jobs->made.hash !=
            wanted->hash) { /* what cannot be sought in is probed as the stream it is */
        race_fail(&fault_race, "a job ended OK with other bytes");
    }
    fault_ends[result->status]++;
    jobs->left--;
}

bool fault_jobs_going(const struct race_job *job)
{
    return job->id != 0 && job->id != UINT64_MAX;
}

void fault_jobs_wait(struct fault_jobs *jobs)
{
    uint64_t until_ns = race_now_ns() + PATIENCE_NS;

    while (jobs->left > 0) {
        struct rmx_result results[FAULT_JOBS_MAX];
        int got;

        for (size_t i = 0; i < jobs->count; i++) {
            if (fault_jobs_going(&jobs->job[i])) {
                race_job_release(&jobs->job[i], jobs->client);
            }
        }
        got = rmx_wait(jobs->client, results, FAULT_JOBS_MAX, 2);
        for (int i = 0; i < got; i++) {
            take_end(jobs, &results[i]);
        }
        if (fault_jobs_refused(got) && got != -EINTR && got != -EAGAIN) {
            race_fail(&fault_race, "rmx_wait: %s, and %zu jobs have no end", strerrorname_np(-got),
                jobs->left);
        }
        if (race_now_ns() > until_ns) {
            race_fail(&fault_race, "%zu jobs have no end", jobs->left);
        }
    }
}
