/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From jobs to SUBMITs (see submit.h). Runs in the client process, under the client's lock.
 */
#include "clients/submit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "clients/fleet.h"
#include "clients/muster.h"
#include "clients/spec.h"
#include "clients/tend.h"
#include "ring/base.h"

/* A SUBMIT in the making: what goes into one message. */
struct batch {
    uint32_t count;
    int error; /* why the job after them is not in it; 0 = there is none */
    size_t fd_count;
    uint64_t ids[RMX_SUBMIT_JOBS_MAX];
    int fds[RMX_WIRE_FDS_MAX];
};

_Static_assert(RMX_SPEC_FDS_MAX <= RMX_WIRE_FDS_MAX, "a job's descriptors fit a message");

static bool has_rings(const struct rmx_job *job)
{
    return job->kind != RMX_NOOP && (job->input == RMX_RING || job->output == RMX_RING);
}

/* How many jobs the next message may hold. */
static uint32_t room_for(const struct rmx_client *client, size_t count)
{
    uint32_t credits = client->line->session.credits;
    uint32_t room = RMX_SUBMIT_JOBS_MAX;

    room = credits < room ? credits : room;
    room = client->inflight.room < room ? client->inflight.room : room;
    return count < room ? (uint32_t)count : room;
}

/* Takes a job back that was never sent. */
static void unpack(struct rmx_client *client, uint64_t id)
{
    struct rmx_inflight_job *job = rmx_inflight_find(&client->inflight, id);

    if (job->kept) {
        rmx_fleet_unseat(client, &client->streams[rmx_inflight_place(id)]);
    }
    if (job->group != 0) {
        rmx_cohort_find(&client->cohorts, job->group)->jobs--;
    }
    rmx_inflight_undo(&client->inflight, id);
}

/* Makes a spec of a job, with a place for its rings. Returns 0 or -errno. */
static int make_spec(
    struct rmx_client *client, struct rmx_job_spec *spec, const struct rmx_job *job, uint64_t id)
{
    const char *why;

    if (rmx_spec_fill(spec, job, id, &why) != 0) {
        return -EINVAL;
    }
    return has_rings(job) ? rmx_fleet_seat(client, spec, job) : 0;
}

/* Counts a job in its group, which is open. */
static void enlist(struct rmx_client *client, uint64_t id, uint32_t group)
{
    if (group != 0) {
        rmx_inflight_find(&client->inflight, id)->group = group;
        rmx_cohort_find(&client->cohorts, group)->jobs++;
    }
}

/* Puts jobs into line->buffer, up to the first that makes no sense or has no room, be it that its
 * descriptors are more than go into one message. */
static void pack(
    struct rmx_client *client, const struct rmx_job *jobs, uint32_t count, struct batch *batch)
{
    struct rmx_line *line = client->line;
    struct rmx_job_spec spec;

    batch->error = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = rmx_inflight_add(&client->inflight, line->number, jobs[i].user);

        enlist(client, id, jobs[i].group);
        batch->error = make_spec(client, &spec, &jobs[i], id);
        if (batch->error < 0 || batch->fd_count + rmx_job_descriptors(&spec) > RMX_WIRE_FDS_MAX) {
            unpack(client, id);
            return;
        }
        memcpy(
            line->buffer + sizeof(struct rmx_msg_submit) + i * sizeof(spec), &spec, sizeof(spec));
        batch->fd_count += rmx_spec_fds(&jobs[i], batch->fds + batch->fd_count);
        batch->ids[batch->count++] = id;
    }
}

static int send_batch(struct rmx_line *line, const struct batch *batch)
{
    struct rmx_msg_submit submit = {
        .head = {
            .type = RMX_MSG_SUBMIT,
            .bytes = (uint32_t)(sizeof(submit) + batch->count * sizeof(struct rmx_job_spec)),
            .count = batch->count,
        },
    };
    int err = rmx_session_spend(&line->session, batch->count);

    rmx_assert(err == 0); /* room_for() looked */
    memcpy(line->buffer, &submit, sizeof(submit));
    err = rmx_line_submit(line, submit.head.bytes, batch->fds, batch->fd_count);
    if (err < 0) {
        rmx_session_grant(&line->session, batch->count);
    }
    return err;
}

/* Can jobs be sent now? Their groups are open then. Returns how many, from the first, fit one
 * message, or -errno. */
static int may_submit(struct rmx_client *client, const struct rmx_job *jobs, size_t count)
{
    int err = rmx_line_takes_jobs(client->line);
    uint32_t room = err == 0 ? room_for(client, count) : 0;

    for (uint32_t i = 0; i < room; i++) {
        err = jobs[i].group != 0 ? rmx_muster_enroll(client, jobs[i].group) : 0;
        if (err < 0) {
            return i > 0 ? (int)i : err;
        }
    }
    return err < 0 ? err : room == 0 ? -EAGAIN : (int)room;
}

/* The jobs are the daemon's: sources may begin. */
static void launch(struct rmx_client *client, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct rmx_stream *stream = rmx_handle_stream(client, batch->ids[i]);

        if (stream != NULL && (stream->has_source || stream->has_sink)) {
            rmx_tend_due(client, rmx_inflight_place(batch->ids[i]));
        }
    }
}

/* Fills a batch with what there is room for; it has at least one job then. */
static int gather(
    struct rmx_client *client, const struct rmx_job *jobs, size_t count, struct batch *batch)
{
    const char *why;
    int room = may_submit(client, jobs, count);

    if (room > 0 && has_rings(&jobs[0])) {
        if (client->streams == NULL && rmx_check(&jobs[0], &why) != 0) {
            return -EINVAL; /* no channel for a job that is none */
        }
        int err = rmx_fleet_ready(client, jobs[0].deadline_ns);
        if (err < 0) {
            return err;
        }
        room = may_submit(client, jobs, count); /* others may have been here meanwhile */
    }
    if (room < 0) {
        return room;
    }
    pack(client, jobs, (uint32_t)room, batch);
    if (batch->count == 0 && batch->error == -EAGAIN && rmx_fleet_grow(client) == 0) {
        room = may_submit(client, jobs, count);
        if (room > 0) {
            pack(client, jobs, (uint32_t)room, batch);
        }
    }
    return batch->count == 0 ? batch->error : 0;
}

/* Sends one message. Returns how many jobs it took, or why not even one. */
static int submit_some(
    struct rmx_client *client, const struct rmx_job *jobs, size_t count, uint64_t *ids)
{
    struct batch batch = { 0 };
    int err = gather(client, jobs, count, &batch);

    if (err < 0) {
        return err;
    }
    err = send_batch(client->line, &batch);
    if (err < 0) {
        for (uint32_t i = batch.count; i > 0; i--) {
            unpack(client, batch.ids[i - 1]);
        }
        return rmx_line_broke(client->line, err);
    }
    launch(client, &batch);
    if (ids != NULL) {
        memcpy(ids, batch.ids, batch.count * sizeof(ids[0]));
    }
    return (int)batch.count;
}

int rmx_submit_held(
    struct rmx_client *client, const struct rmx_job *jobs, size_t count, uint64_t *ids)
{
    size_t taken = 0;

    while (taken < count && taken < RMX_INFLIGHT_MAX) {
        int some =
            submit_some(client, jobs + taken, count - taken, ids != NULL ? ids + taken : NULL);

        if (some < 0) {
            return taken > 0 ? (int)taken : some;
        }
        taken += (size_t)some;
    }
    return (int)taken;
}

int rmx_submit(struct rmx_client *client, const struct rmx_job *jobs, size_t count, uint64_t *ids)
{
    rmx_handle_enter(client);
    int taken = rmx_submit_held(client, jobs, count, ids);
    rmx_handle_leave(client);
    return taken;
}
