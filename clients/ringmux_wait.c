/* SPDX-License-Identifier: BSD-2-Clause
 *
 * libringmux's calls that wait for jobs and serve their sources and sinks (see ringmux.h). Runs in
 * the client process, on any of the caller's threads.
 */
#include "clients/ringmux.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "clients/clock.h"
#include "clients/fleet.h"
#include "clients/handle.h"
#include "clients/muster.h"
#include "clients/result.h"
#include "clients/submit.h"
#include "clients/tend.h"
#include "ipc/channel.h"

#define MOVE_NS UINT64_C(10000000000) /* so long rmx_run() looks for another daemon */

int rmx_fd(const struct rmx_client *client)
{
    return client->poll_fd;
}

/* --- results ------------------------------------------------------------------------------- */

/* The caller has this job's result now. */
static void hand_over(
    struct rmx_client *client, const struct rmx_inflight_job *collected, struct rmx_result *result)
{
    uint32_t place = rmx_inflight_place(collected->id);
    struct rmx_inflight_job *job = &client->inflight.jobs[place];

    rmx_result_fill(result, &job->result, job->user);
    job->kinds &= ~(uint32_t)RMX_HAS_ENDED;
    if (job->kinds == 0) {
        rmx_marks_clear(&client->untold, place);
    }
    rmx_tend_let_go(client, place);
}

/* Fills results[0..max) with jobs that ended. Returns how many. */
static int collect(struct rmx_client *client, void *to, size_t max)
{
    struct rmx_result *results = to;
    const struct rmx_inflight_job *job = NULL;
    size_t count = 0;

    while (count < max && (job = rmx_inflight_collect(&client->inflight)) != NULL) {
        hand_over(client, job, &results[count++]);
    }
    return (int)count;
}

/* Waits until there is something to take. Returns as rmx_wait(). */
static int wait_to(
    rmx_tend_take *take, struct rmx_client *client, void *to, size_t max, int timeout_ms)
{
    if (max == 0) {
        return -EINVAL;
    }
    max = max < RMX_INFLIGHT_MAX ? max : RMX_INFLIGHT_MAX;
    rmx_handle_enter(client);
    int count = rmx_tend_wait(client, take, to, max, timeout_ms);
    rmx_handle_leave(client);
    return count;
}

int rmx_wait(struct rmx_client *client, struct rmx_result *results, size_t max, int timeout_ms)
{
    return wait_to(collect, client, results, max, timeout_ms);
}

/* --- events -------------------------------------------------------------------------------- */

/* Fills events[0..max) with groups that have ended. Returns how many. */
static size_t tell_groups(struct rmx_client *client, struct rmx_event *events, size_t max)
{
    const struct rmx_cohort *cohort;
    size_t count = 0;

    while (count < max && (cohort = rmx_cohort_tell(&client->cohorts)) != NULL) {
        events[count++] = (struct rmx_event){
            .id = cohort->name,
            .user = cohort->user,
            .kinds = RMX_GROUP_ENDED,
        };
    }
    return count;
}

/* Fills events[0..max) with what happened. Returns how many. */
static int tell(struct rmx_client *client, void *to, size_t max)
{
    struct rmx_event *events = to;
    size_t count = tell_groups(client, events, max);
    uint32_t place;

    while (count < max && rmx_marks_take(&client->untold, &place)) {
        struct rmx_inflight_job *job = &client->inflight.jobs[place];

        events[count++] =
            (struct rmx_event){ .id = job->id, .user = job->user, .kinds = job->kinds };
        job->kinds = 0;
    }
    return (int)count;
}

int rmx_events(struct rmx_client *client, struct rmx_event *events, size_t max, int timeout_ms)
{
    return wait_to(tell, client, events, max, timeout_ms);
}

int rmx_ready(struct rmx_client *client, uint64_t id)
{
    int err = -ENOENT;

    rmx_handle_enter(client);
    struct rmx_stream *stream = rmx_handle_stream(client, id);
    if (stream != NULL && (stream->has_source || stream->has_sink)) {
        stream->ready = true;
        rmx_tend_due(client, rmx_inflight_place(id));
        err = 0;
    }
    rmx_handle_leave(client);
    return err;
}

/* --- one job from start to end -------------------------------------------------------------- */

/* Nobody could move the bytes of such a ring: the caller is in here. */
static bool needs_hands(const struct rmx_job *job)
{
    return job->kind != RMX_NOOP && ((job->input == RMX_RING && job->source == NULL) ||
                                        (job->output == RMX_RING && job->sink == NULL));
}

/* Looks for another daemon, since this one said `why` to a job. Returns 0: try again. */
static int move_on(struct rmx_client *client, int why, uint64_t until_ns)
{
    uint64_t patience_ns = rmx_clock_in(MOVE_NS);
    int err = rmx_muster_move(client, patience_ns < until_ns ? patience_ns : until_ns, false);

    return err == -EISCONN ? 0 : err == -EOPNOTSUPP ? why : err;
}

static int submit_in_time(
    struct rmx_client *client, const struct rmx_job *job, uint64_t *id, uint64_t until_ns)
{
    for (;;) {
        int taken = rmx_submit_held(client, job, 1, id);

        if (taken == -ESHUTDOWN || taken == -ECONNRESET) {
            taken = move_on(client, taken, until_ns);
            if (taken == 0) {
                continue;
            }
        }
        if (taken != -EAGAIN) {
            return taken < 0 ? taken : 0;
        }
        rmx_tend_pumps(client);
        int awake = rmx_tend_rest(client, until_ns);
        if (awake <= 0) {
            return awake < 0 ? awake : -EAGAIN;
        }
    }
}

/* Can this job be sent again as if it had not been? Its daemon refused it, and none of its bytes
 * are gone, if rewind_source() brings them back. */
static bool can_repeat(
    struct rmx_client *client, const struct rmx_job *job, const struct rmx_inflight_job *ended)
{
    const struct rmx_job_result *result = &ended->result;
    const struct rmx_stream *stream = rmx_handle_stream(client, ended->id);
    bool last = client->lines[ended->line] == client->line;

    if (result->status != RMX_DRAINING || result->bytes_in > 0 || result->bytes_out > 0 ||
        client->private.pid != 0 || (last && rmx_muster_state(client) == RMX_STATE_READY)) {
        return false;
    }
    return stream == NULL || job->source == NULL || job->source->seek != NULL ||
           atomic_load_explicit(&stream->in.at, memory_order_relaxed) == 0; /* our own */
}

/* The caller's, so without the lock: nothing of the job that ended may be needed any more. */
static bool rewind_source(struct rmx_client *client, const struct rmx_job *job)
{
    if (job->source == NULL || job->source->seek == NULL) {
        return true;
    }
    pthread_mutex_unlock(&client->lock);
    int err = job->source->seek(job->source->user, 0);
    pthread_mutex_lock(&client->lock);
    return err == 0;
}

/* Waits for this job's end. Returns 0, with *repeat if it is to be sent again, or as rmx_run(). */
static int see_through(struct rmx_client *client, const struct rmx_job *job, uint64_t id,
    struct rmx_result *result, bool *repeat, uint64_t until_ns)
{
    int err = 0;

    for (int awake = 1; awake > 0;) {
        rmx_tend_pumps(client);
        rmx_handle_digest(client);
        const struct rmx_inflight_job *ended = rmx_inflight_collect_one(&client->inflight, id);

        if (ended != NULL) {
            bool repeats = can_repeat(client, job, ended);

            hand_over(client, ended, result);
            *repeat = repeats && rewind_source(client, job);
            return 0;
        }
        awake = rmx_tend_rest(client, until_ns);
        err = awake < 0 ? awake : -EAGAIN;
    }
    rmx_tend_disown(client, id);
    return err;
}

static int run(struct rmx_client *client, const struct rmx_job *job, struct rmx_result *result,
    uint64_t until_ns)
{
    /* Once: were there too few descriptors again, there were no end to it. */
    int err = client->line->lost == -EMFILE ? move_on(client, -EMFILE, until_ns) : 0;

    while (err == 0) {
        uint64_t id = 0;
        bool repeat = false;

        err = submit_in_time(client, job, &id, until_ns);
        if (err == 0) {
            rmx_inflight_claim(&client->inflight, id);
            err = see_through(client, job, id, result, &repeat, until_ns);
        }
        if (err == 0 && (!repeat || move_on(client, 0, until_ns) < 0)) {
            return 0;
        }
    }
    return err;
}

int rmx_run(
    struct rmx_client *client, const struct rmx_job *job, struct rmx_result *result, int timeout_ms)
{
    struct rmx_result ended;

    if (needs_hands(job)) {
        return -EINVAL;
    }
    uint64_t until_ns = rmx_clock_in_ms(timeout_ms);
    rmx_handle_enter(client);
    int err = run(client, job, &ended, until_ns);
    rmx_handle_leave(client);
    if (err == 0) {
        *result = ended;
    }
    return err;
}

/* --- settings ------------------------------------------------------------------------------- */

int rmx_memory(struct rmx_client *client, size_t channel_bytes)
{
    const size_t page = RMX_CHUNK_ALIGN;
    int err = 0;

    if (channel_bytes < RMX_CHANNEL_BYTES_MIN || channel_bytes > RMX_CHANNEL_BYTES_MAX) {
        return -EINVAL;
    }
    rmx_handle_enter(client);
    if (rmx_fleet_is_there(client)) {
        err = -EALREADY;
    } else {
        client->channel_bytes = (channel_bytes + page - 1) / page * page;
    }
    rmx_handle_leave(client);
    return err;
}

void rmx_spin(struct rmx_client *client, uint64_t ns)
{
    rmx_handle_enter(client);
    client->spin_ns = ns;
    rmx_handle_leave(client);
}
