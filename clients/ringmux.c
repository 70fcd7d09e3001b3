/* SPDX-License-Identifier: BSD-2-Clause
 *
 * libringmux's calls for connecting and for jobs (see ringmux.h). Runs in the client process, on
 * any of the caller's threads; must never log, block longer than it was told to, or touch a
 * descriptor the caller gave it.
 */
#include "clients/ringmux.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "clients/clock.h"
#include "clients/dial.h"
#include "clients/handle.h"
#include "clients/muster.h"
#include "clients/spec.h"
#include "ring/base.h"

const char *rmx_version(void)
{
    return RMX_VERSION;
}

/* --- connecting --------------------------------------------------------------------------- */

static struct rmx_client *new_client(void)
{
    struct rmx_client *client = calloc(1, sizeof(*client));

    if (client != NULL) {
        client->self = client;
        client->private = (struct rmx_private)RMX_PRIVATE_INIT;
        client->poll_fd = -1;
        client->sleep_fd = -1;
        client->news_fd = -1;
        client->kick_fd = -1;
        pthread_mutex_init(&client->lock, NULL); /* cannot fail for a plain one */
        rmx_inflight_init(&client->inflight);
        rmx_cohort_init(&client->cohorts);
    }
    return client;
}

/* Greets on a connected socket, which it takes, or takes apart what was half built. */
static int finish_open(struct rmx_client **client, struct rmx_client *made, int *fd, int err)
{
    struct rmx_line *line = NULL;

    if (err >= 0) {
        err = rmx_dial_greet(&line, fd, made->features);
    }
    if (err >= 0) {
        err = rmx_line_await(line, RMX_CLOCK_NEVER);
    }
    if (err >= 0) {
        err = rmx_handle_init(made);
    }
    if (err >= 0) {
        err = rmx_muster_join(made, &line);
    }
    if (err < 0) {
        rmx_line_free(&line);
        rmx_close(&made);
        return err;
    }
    *client = made;
    return 0;
}

static int open_for(struct rmx_client **client, const char *path, uint64_t features)
{
    struct rmx_client *made = new_client();
    rmx_autofd int fd = -1;

    if (made == NULL) {
        return -ENOMEM;
    }
    made->features = features;
    fd = rmx_dial_find(path, features != 0, &made->path);
    return finish_open(client, made, &fd, fd);
}

int rmx_open(struct rmx_client **client, const char *path)
{
    return open_for(client, path, 0);
}

int rmx_open_operator(struct rmx_client **client, const char *path)
{
    return open_for(client, path, RMX_FEATURE_OPERATOR);
}

int rmx_open_private(struct rmx_client **client, const struct rmx_private_options *options)
{
    struct rmx_client *made = new_client();
    rmx_autofd int fd = -1;

    if (made == NULL) {
        return -ENOMEM;
    }
    int err = rmx_private_start(&made->private, options, &fd);
    return finish_open(client, made, &fd, err);
}

void rmx_close(struct rmx_client **client)
{
    if (*client == NULL) {
        return;
    }
    rmx_handle_fini(*client); /* hangs up: that ends a private daemon */
    rmx_private_stop(&(*client)->private);
    free(*client);
    *client = NULL;
}

int rmx_state(struct rmx_client *client)
{
    rmx_handle_enter(client);
    int state = rmx_muster_state(client);
    rmx_handle_leave(client);
    return state;
}

int rmx_reconnect(struct rmx_client *client, int timeout_ms)
{
    uint64_t until_ns = rmx_clock_in_ms(timeout_ms);

    rmx_handle_enter(client);
    int err = rmx_muster_move(client, until_ns, timeout_ms == 0);
    rmx_handle_leave(client);
    return err;
}

/* --- jobs --------------------------------------------------------------------------------- */

void rmx_job_init(struct rmx_job *job)
{
    *job = (struct rmx_job)RMX_JOB_INIT;
}

uint64_t rmx_deadline_in(uint64_t ns)
{
    return rmx_clock_in(ns);
}

uint64_t rmx_deadline_within(uint64_t parent, uint64_t ns)
{
    uint64_t own = rmx_clock_in(ns);

    return parent != 0 && parent < own ? parent : own;
}

int rmx_check(const struct rmx_job *job, const char **why)
{
    struct rmx_job_spec spec;

    return rmx_spec_fill(&spec, job, 1, why);
}

/* Relaxed is enough: each figure was true at some moment while the slot was the job's, which is all
 * that is promised. The name is read again at the end, so that a slot that went to the next job is
 * not taken for this one's. */
static int read_slot(const struct rmx_line *line, uint64_t id, struct rmx_progress_bytes *progress)
{
    for (uint32_t i = 0; i < line->progress_slots; i++) {
        const struct rmx_progress_shm *slot = &line->progress[i];

        if (atomic_load_explicit(&slot->job, memory_order_relaxed) != id) {
            continue;
        }
        struct rmx_progress_bytes now = {
            .bytes_in = atomic_load_explicit(&slot->bytes_in, memory_order_relaxed),
            .bytes_out = atomic_load_explicit(&slot->bytes_out, memory_order_relaxed),
            .bytes_total = atomic_load_explicit(&slot->bytes_total, memory_order_relaxed),
        };
        if (atomic_load_explicit(&slot->job, memory_order_relaxed) == id) {
            *progress = now;
            return 0;
        }
    }
    return -ENOENT;
}

/* Of the ends that are rings we know better than the daemon, which does not look. */
static int add_rings(const struct rmx_stream *stream, int err, struct rmx_progress_bytes *progress)
{
    bool in = stream->in.place.slots != 0;
    bool out = stream->out.place.slots != 0;

    if (err < 0 && (!in || !out)) {
        return err;
    }
    if (in) {
        progress->bytes_in = atomic_load_explicit(&stream->in.at, memory_order_relaxed);
        progress->bytes_total = stream->in.size == RMX_SIZE_UNKNOWN ? 0 : stream->in.size;
    }
    if (out) {
        progress->bytes_out = atomic_load_explicit(&stream->out.bytes, memory_order_relaxed);
    }
    return 0;
}

int rmx_progress(const struct rmx_client *client, uint64_t id, struct rmx_progress_bytes *progress)
{
    struct rmx_client *self = client->self;
    struct rmx_progress_bytes now = { 0 };
    int err = -ENOENT;

    rmx_handle_enter(self);
    if (rmx_inflight_has(&self->inflight, id)) {
        const struct rmx_inflight_job *job = rmx_inflight_find(&self->inflight, id);
        const struct rmx_stream *stream = rmx_handle_stream(self, id);

        err = read_slot(self->lines[job->line], id, &now);
        err = stream != NULL ? add_rings(stream, err, &now) : err;
    } else if (self->line->lost != 0) {
        err = self->line->lost;
    }
    rmx_handle_leave(self);
    if (err == 0) {
        *progress = now;
    }
    return err;
}

int rmx_cancel(struct rmx_client *client, uint64_t id)
{
    struct rmx_msg_cancel cancel = {
        .head = { .type = RMX_MSG_CANCEL, .bytes = sizeof(cancel) },
        .job = id,
    };
    int err = -ENOENT;

    rmx_handle_enter(client);
    if (rmx_inflight_has(&client->inflight, id)) {
        const struct rmx_inflight_job *job = rmx_inflight_find(&client->inflight, id);

        err = rmx_line_say(client->lines[job->line], &cancel, sizeof(cancel));
    } else if (client->line->lost != 0) {
        err = client->line->lost;
    }
    rmx_handle_leave(client);
    return err;
}
