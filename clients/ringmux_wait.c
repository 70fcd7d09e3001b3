/* SPDX-License-Identifier: BSD-2-Clause
 *
 * libringmux's calls that wait for jobs and serve their sources and sinks (see ringmux.h). Runs in
 * the client process, on any of the caller's threads.
 */
#include "clients/ringmux.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "clients/clock.h"
#include "clients/fleet.h"
#include "clients/handle.h"
#include "clients/submit.h"
#include "clients/tend.h"
#include "ipc/channel.h"

_Static_assert(RMX_RESULT_TEXT_BYTES == RMX_JOB_TEXT_BYTES, "a result's text fits as it is");

int rmx_fd(const struct rmx_client *client)
{
    return client->poll_fd;
}

/* --- results ------------------------------------------------------------------------------- */

static void fill_result(struct rmx_result *result, const struct rmx_inflight_job *job)
{
    const struct rmx_job_result *from = &job->result;

    *result = (struct rmx_result){
        .id = job->id,
        .user = job->user,
        .status = from->status,
        .cause = from->cause,
        .bytes_in = from->bytes_in,
        .bytes_out = from->bytes_out,
        .packets_in = from->packets_in,
        .packets_out = from->packets_out,
        .bytes_expected = from->bytes_expected,
        .queued_ns = from->queued_ns,
        .run_ns = from->run_ns,
        .total_ns = from->total_ns,
    };
    memcpy(result->text, from->text, sizeof(result->text));
    result->text[sizeof(result->text) - 1] = '\0';
}

/* The caller has this job's result now. */
static void hand_over(
    struct rmx_client *client, const struct rmx_inflight_job *collected, struct rmx_result *result)
{
    uint32_t place = rmx_inflight_place(collected->id);
    struct rmx_inflight_job *job = &client->line.inflight.jobs[place];

    fill_result(result, job);
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

    while (count < max && (job = rmx_inflight_collect(&client->line.inflight)) != NULL) {
        hand_over(client, job, &results[count++]);
    }
    return (int)count;
}

/* Serves who is due, then sleeps if there is nothing to do. Returns as rmx_handle_wait(). */
static int rest(struct rmx_client *client, uint64_t until_ns)
{
    if (client->due.count == 0) {
        return rmx_handle_poll(client, until_ns)
                   ? 1
                   : rmx_handle_wait(client, RMX_HANDLE_ANYTHING, 0, until_ns);
    }
    rmx_handle_hear(client);
    return until_ns == RMX_CLOCK_NEVER || rmx_clock_ns() < until_ns;
}

/* Waits until there is something to take. Returns as rmx_wait(). */
static int wait_held(int (*take)(struct rmx_client *client, void *to, size_t max),
    struct rmx_client *client, void *to, size_t max, int timeout_ms)
{
    uint64_t until_ns = timeout_ms == 0 ? 0 : rmx_clock_in_ms(timeout_ms);
    int awake = 1;

    rmx_handle_hear(client);
    for (;;) {
        rmx_tend_pumps(client);
        int count = take(client, to, max);

        if (count > 0) {
            return count;
        }
        if (client->line.lost != 0) {
            return client->line.lost;
        }
        if (timeout_ms == 0 || awake <= 0) {
            return awake < 0 ? awake : 0;
        }
        awake = rest(client, until_ns);
    }
}

/* The same under the lock, for collect() or tell(). */
static int wait_to(int (*take)(struct rmx_client *client, void *to, size_t max),
    struct rmx_client *client, void *to, size_t max, int timeout_ms)
{
    if (max == 0) {
        return -EINVAL;
    }
    max = max < RMX_INFLIGHT_MAX ? max : RMX_INFLIGHT_MAX;
    rmx_handle_enter(client);
    int count = wait_held(take, client, to, max, timeout_ms);
    rmx_handle_leave(client);
    return count;
}

int rmx_wait(struct rmx_client *client, struct rmx_result *results, size_t max, int timeout_ms)
{
    return wait_to(collect, client, results, max, timeout_ms);
}

/* --- events -------------------------------------------------------------------------------- */

/* Fills events[0..max) with what happened. Returns how many. */
static int tell(struct rmx_client *client, void *to, size_t max)
{
    struct rmx_event *events = to;
    uint32_t place;
    size_t count = 0;

    while (count < max && rmx_marks_take(&client->untold, &place)) {
        struct rmx_inflight_job *job = &client->line.inflight.jobs[place];

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

static int submit_in_time(
    struct rmx_client *client, const struct rmx_job *job, uint64_t *id, uint64_t until_ns)
{
    for (;;) {
        int taken = rmx_submit_held(client, job, 1, id);

        if (taken != -EAGAIN) {
            return taken < 0 ? taken : 0;
        }
        rmx_tend_pumps(client);
        int awake = rest(client, until_ns);
        if (awake <= 0) {
            return awake < 0 ? awake : -EAGAIN;
        }
    }
}

static int run(struct rmx_client *client, const struct rmx_job *job, struct rmx_result *result,
    uint64_t until_ns)
{
    uint64_t id = 0;
    int err = submit_in_time(client, job, &id, until_ns);

    if (err < 0) {
        return err;
    }
    for (int awake = 1; awake > 0;) {
        rmx_tend_pumps(client);
        rmx_handle_digest(client);
        const struct rmx_inflight_job *ended = rmx_inflight_collect_one(&client->line.inflight, id);

        if (ended != NULL) {
            hand_over(client, ended, result);
            return 0;
        }
        awake = rest(client, until_ns);
        err = awake < 0 ? awake : -EAGAIN;
    }
    rmx_tend_disown(client, id);
    return err;
}

int rmx_run(
    struct rmx_client *client, const struct rmx_job *job, struct rmx_result *result, int timeout_ms)
{
    if (needs_hands(job)) {
        return -EINVAL;
    }
    uint64_t until_ns = rmx_clock_in_ms(timeout_ms);
    rmx_handle_enter(client);
    int err = run(client, job, result, until_ns);
    rmx_handle_leave(client);
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
