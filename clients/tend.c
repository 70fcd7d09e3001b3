/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What has to be done for jobs while their caller waits (see tend.h). Runs in the client process,
 * under the client's lock.
 */
#include "clients/tend.h"

#include <errno.h>
#include <stdio.h>

#include "clients/clock.h"
#include "clients/fleet.h"
#include "clients/pump.h"
#include "ring/base.h"

static struct rmx_inflight_job *job_at(struct rmx_client *client, uint32_t place)
{
    return &client->inflight.jobs[place];
}

/* --- ends ---------------------------------------------------------------------------------- */

/* What the daemon could not know when it said how the job went. */
static void amend(const struct rmx_stream *stream, struct rmx_job_result *result)
{
    const char *text = NULL;
    bool ends_short = stream->cut && result->status == RMX_OK;

    if (stream->broken || ends_short) {
        result->status = RMX_PEER_CORRUPT;
        result->cause = 0;
        text = stream->broken ? "the worker broke the job's ring"
                              : "the worker left the output without an end";
    } else if (stream->sink_error != 0) {
        bool full = stream->sink_error == -ENOSPC || stream->sink_error == -EDQUOT ||
                    stream->sink_error == -EFBIG;

        result->status = full ? RMX_OUTPUT_FULL : RMX_OUTPUT_IO;
        result->cause = stream->sink_error;
        text = "the caller's sink refused the output";
    }
    if (text != NULL) {
        snprintf(result->text, sizeof(result->text), "%s", text);
    }
}

static void show(struct rmx_client *client, struct rmx_inflight_job *job)
{
    uint32_t place = rmx_inflight_place(job->id);

    if (job->kept) {
        client->streams[place].awaited = false;
        amend(&client->streams[place], &job->result);
    }
    rmx_cohort_shown(&client->cohorts, job);
    if (job->orphan) {
        rmx_inflight_forget(&client->inflight, job);
        rmx_tend_let_go(client, place);
        rmx_handle_wake(client, RMX_HANDLE_ANYTHING, 0); /* its group may have ended */
        return;
    }
    rmx_inflight_show(&client->inflight, job);
    if (job->claimed) {
        rmx_handle_wake(client, RMX_HANDLE_ANYTHING, 0);
    } else {
        rmx_handle_notice(client, place, RMX_HAS_ENDED);
    }
}

/* Is its sink to get more of the output? */
static bool is_draining(const struct rmx_stream *stream)
{
    return stream->has_sink && !stream->out_closed && !stream->broken && stream->lost == 0;
}

/* Who wanted the job to end early does not wait for a sink that takes nothing now. */
static bool is_unwanted(const struct rmx_stream *stream, const struct rmx_inflight_job *job)
{
    uint32_t status = job->result.status;

    return stream->sink_rests && (status == RMX_CANCELLED || status == RMX_DEADLINE);
}

void rmx_tend_ended(struct rmx_client *client, struct rmx_inflight_job *job)
{
    uint32_t place = rmx_inflight_place(job->id);

    rmx_marks_clear(&client->cancels, place);
    rmx_cohort_heard(&client->cohorts, job);
    if (job->kept) {
        struct rmx_stream *stream = &client->streams[place];

        stream->lost = job->lost ? client->lines[job->line]->lost : 0;
        stream->over = true;
        stream->awaited = true;
        rmx_tend_news(client, place, RMX_CAN_WRITE | RMX_CAN_READ);
        if (stream->pumping || is_draining(stream)) {
            return; /* rmx_tend_pumps() shows it */
        }
    }
    show(client, job);
}

void rmx_tend_let_go(struct rmx_client *client, uint32_t place)
{
    struct rmx_inflight_job *job = job_at(client, place);

    if (job->state != RMX_INFLIGHT_KEPT) {
        return;
    }
    struct rmx_stream *stream = &client->streams[place];
    if (stream->pumping || !stream->out_closed || stream->in.reserved) {
        return;
    }
    rmx_fleet_unseat(client, stream);
    rmx_marks_clear(&client->due, place);
    rmx_marks_clear(&client->untold, place);
    rmx_inflight_let_go(&client->inflight, job);
    rmx_handle_wake(client, RMX_HANDLE_ANYTHING, 0); /* there is room again */
}

/* --- cancelling ---------------------------------------------------------------------------- */

void rmx_tend_cancel(struct rmx_client *client, uint32_t place)
{
    const struct rmx_inflight_job *job = job_at(client, place);
    struct rmx_msg_cancel cancel = {
        .head = { .type = RMX_MSG_CANCEL, .bytes = sizeof(cancel) },
        .job = job->id,
    };

    if (job->state == RMX_INFLIGHT_FLYING &&
        rmx_line_say(client->lines[job->line], &cancel, sizeof(cancel)) == -EAGAIN) {
        rmx_marks_set(&client->cancels, place);
    }
}

void rmx_tend_cancels(struct rmx_client *client)
{
    uint32_t place;

    for (uint32_t left = client->cancels.count; left > 0; left--) {
        if (rmx_marks_take(&client->cancels, &place)) {
            rmx_tend_cancel(client, place);
        }
    }
}

void rmx_tend_break(struct rmx_client *client, uint32_t place)
{
    struct rmx_stream *stream = &client->streams[place];

    stream->broken = true;
    rmx_tend_cancel(client, place);
    rmx_tend_news(client, place, RMX_CAN_WRITE | RMX_CAN_READ);
    if (stream->has_sink && !stream->pumping) {
        stream->out_closed = true;
        if (stream->awaited) {
            show(client, job_at(client, place));
        }
    }
}

void rmx_tend_disown(struct rmx_client *client, uint64_t id)
{
    uint32_t place = rmx_inflight_place(id);
    struct rmx_inflight_job *job = job_at(client, place);

    rmx_handle_digest(client);
    rmx_assert(job->id == id && job->state != RMX_INFLIGHT_FREE);
    if (job->kept) {
        struct rmx_stream *stream = &client->streams[place];

        while (stream->pumping) { /* on another thread, which may be in the caller's source */
            stream->again = true;
            (void)rmx_handle_wait(client, RMX_HANDLE_ANYTHING, 0, RMX_CLOCK_NEVER);
        }
        stream->out_closed = true;
        stream->has_source = false;
        stream->has_sink = false;
    }
    job->orphan = true;
    rmx_tend_cancel(client, place);
    rmx_handle_digest(client); /* a daemon that is gone has ended it with that */
    if (job->state == RMX_INFLIGHT_ENDED) {
        show(client, job);
    } else if (job->state == RMX_INFLIGHT_SHOWN) {
        (void)rmx_inflight_collect_one(&client->inflight, id);
        rmx_marks_clear(&client->untold, place);
        rmx_tend_let_go(client, place);
    }
}

/* --- sources and sinks --------------------------------------------------------------------- */

void rmx_tend_due(struct rmx_client *client, uint32_t place)
{
    if (client->streams[place].pumping) {
        client->streams[place].again = true;
    } else {
        rmx_marks_set(&client->due, place);
        rmx_handle_wake(client, RMX_HANDLE_ANYTHING, 0);
    }
}

void rmx_tend_news(struct rmx_client *client, uint32_t place, uint32_t kinds)
{
    struct rmx_stream *stream = &client->streams[place];
    uint32_t told = stream->wants & kinds;

    stream->wants &= ~kinds;
    if (told != 0) {
        rmx_handle_notice(client, place, told);
    }
    rmx_handle_wake(client, place, kinds);
    if (stream->has_source || stream->has_sink) {
        rmx_tend_due(client, place);
    }
}

static void pump(struct rmx_client *client, uint32_t place)
{
    struct rmx_stream *stream = &client->streams[place];
    bool over = stream->over;

    stream->pumping = true;
    stream->again = false;
    if (stream->ready) {
        stream->ready = false;
        stream->source_rests = false;
        stream->sink_rests = false;
    }
    pthread_mutex_unlock(&client->lock);
    int more = rmx_pump_turn(stream, place, over);
    pthread_mutex_lock(&client->lock);
    stream->pumping = false;
    if (more == -EBADMSG) {
        rmx_tend_break(client, place);
    } else if (more == -ECANCELED) {
        rmx_tend_cancel(client, place);
    }
    if (stream->broken && stream->has_sink) {
        stream->out_closed = true;
    }
    if (more > 0 || stream->again) {
        rmx_tend_due(client, place);
    }
}

void rmx_tend_pumps(struct rmx_client *client)
{
    uint32_t place;

    for (uint32_t left = client->due.count; left > 0; left--) {
        if (!rmx_marks_take(&client->due, &place)) {
            return;
        }
        struct rmx_stream *stream = &client->streams[place];
        if (stream->channel == NULL || stream->broken) {
            continue;
        }
        pump(client, place);
        if (stream->awaited && is_unwanted(stream, job_at(client, place))) {
            stream->out_closed = true;
        }
        if (stream->awaited && !is_draining(stream)) {
            show(client, job_at(client, place));
        }
        rmx_tend_let_go(client, place);
    }
}

/* --- waiting ------------------------------------------------------------------------------- */

int rmx_tend_rest(struct rmx_client *client, uint64_t until_ns)
{
    if (client->due.count == 0) {
        return rmx_handle_poll(client, until_ns)
                   ? 1
                   : rmx_handle_wait(client, RMX_HANDLE_ANYTHING, 0, until_ns);
    }
    rmx_handle_hear(client);
    return until_ns == RMX_CLOCK_NEVER || rmx_clock_ns() < until_ns;
}

int rmx_tend_wait(
    struct rmx_client *client, rmx_tend_take *take, void *to, size_t max, int timeout_ms)
{
    uint64_t until_ns = timeout_ms == 0 ? 0 : rmx_clock_in_ms(timeout_ms);
    int awake = 1;

    rmx_handle_hear(client);
    for (;;) {
        rmx_tend_pumps(client);
        int count = take(client, to, max);

        if (count != 0) {
            return count;
        }
        if (rmx_handle_is_over(client)) {
            return client->line->lost;
        }
        if (timeout_ms == 0 || awake <= 0) {
            return awake < 0 ? awake : 0;
        }
        awake = rmx_tend_rest(client, until_ns);
    }
}
