/* SPDX-License-Identifier: BSD-2-Clause
 *
 * libringmux's calls (see ringmux.h). Runs in the client process, on the caller's thread; must
 * never log, block longer than it was told to, or touch a descriptor the caller gave it.
 *
 * Only rmx_wait(), rmx_ping() and rmx_stats() read the socket.
 */
#include "clients/ringmux.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/clock.h"
#include "clients/line.h"
#include "clients/private.h"
#include "clients/spec.h"
#include "ipc/sock.h"
#include "ipc/stats.h"
#include "ring/base.h"

_Static_assert(RMX_RESULT_TEXT_BYTES == RMX_JOB_TEXT_BYTES, "a result's text fits as it is");

struct rmx_client {
    struct rmx_private private;
    struct rmx_line line;
};

const char *rmx_version(void)
{
    return RMX_VERSION;
}

/* --- connecting --------------------------------------------------------------------------- */

static struct rmx_client *new_client(void)
{
    struct rmx_client *client = malloc(sizeof(*client));

    if (client != NULL) {
        client->private = (struct rmx_private)RMX_PRIVATE_INIT;
        rmx_line_init(&client->line);
    }
    return client;
}

/* A daemon of the user's own comes before the host's: where its socket is, if there can be one. */
static bool find_own(char (*path)[PATH_MAX])
{
    const char *folder = secure_getenv("XDG_RUNTIME_DIR");
    int bytes = folder != NULL ? snprintf(*path, sizeof(*path), "%s/ringmux.sock", folder) : 0;

    return bytes > 0 && bytes < (int)sizeof(*path);
}

static int connect_to(const char *path)
{
    const char *named = path != NULL ? path : secure_getenv("RINGMUX_SOCKET");
    char own[PATH_MAX];

    if (named != NULL) {
        return rmx_sock_connect(named);
    }
    int fd = find_own(&own) ? rmx_sock_connect(own) : -ENOENT;
    return fd == -ENOENT || fd == -ECONNREFUSED ? rmx_sock_connect(RMX_SOCKET_DEFAULT) : fd;
}

/* Greets on the line that is there, or takes apart what was half built. */
static int finish_open(struct rmx_client **client, struct rmx_client *made, int err)
{
    if (err >= 0) {
        err = rmx_line_greet(&made->line);
    }
    if (err < 0) {
        rmx_close(&made);
        return err;
    }
    *client = made;
    return 0;
}

int rmx_open(struct rmx_client **client, const char *path)
{
    struct rmx_client *made = new_client();

    if (made == NULL) {
        return -ENOMEM;
    }
    int fd = connect_to(path);
    made->line.fd = fd < 0 ? -1 : fd;
    return finish_open(client, made, fd);
}

int rmx_open_private(struct rmx_client **client, const struct rmx_private_options *options)
{
    struct rmx_client *made = new_client();

    if (made == NULL) {
        return -ENOMEM;
    }
    return finish_open(client, made, rmx_private_start(&made->private, options, &made->line.fd));
}

void rmx_close(struct rmx_client **client)
{
    if (*client == NULL) {
        return;
    }
    rmx_line_fini(&(*client)->line);
    rmx_private_stop(&(*client)->private);
    free(*client);
    *client = NULL;
}

uint32_t rmx_daemon_pid(const struct rmx_client *client)
{
    return client->line.daemon_pid;
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

int rmx_check(const struct rmx_job *job, const char **why)
{
    struct rmx_job_spec spec;

    return rmx_spec_fill(&spec, job, 1, why);
}

/* A SUBMIT in the making: what goes into one message. */
struct batch {
    uint32_t count;
    size_t fd_count;
    uint64_t ids[RMX_SUBMIT_JOBS_MAX];
    int fds[RMX_WIRE_FDS_MAX];
};

_Static_assert(RMX_SUBMIT_JOBS_MAX * 2 <= RMX_WIRE_FDS_MAX, "a batch's descriptors fit a message");

/* How many jobs the next message may hold. */
static uint32_t room_for(const struct rmx_line *line, size_t count)
{
    uint32_t room = RMX_SUBMIT_JOBS_MAX;

    room = line->session.credits < room ? line->session.credits : room;
    room = line->inflight.room < room ? line->inflight.room : room;
    return count < room ? (uint32_t)count : room;
}

/* Puts jobs into line->buffer, up to the first that makes no sense. */
static void pack(
    struct rmx_line *line, const struct rmx_job *jobs, uint32_t count, struct batch *batch)
{
    struct rmx_job_spec spec;
    const char *why;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t id = rmx_inflight_add(&line->inflight, jobs[i].user);

        if (rmx_spec_fill(&spec, &jobs[i], id, &why) != 0) {
            rmx_inflight_undo(&line->inflight, id);
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

/* Sends one message. Returns how many jobs it took, or why not even one. */
static int submit_some(
    struct rmx_line *line, const struct rmx_job *jobs, size_t count, uint64_t *ids)
{
    struct batch batch = { 0 };

    if (line->lost != 0) {
        return line->lost;
    }
    if (rmx_session_may_send(&line->session, RMX_MSG_SUBMIT) < 0) {
        return -ESHUTDOWN;
    }
    uint32_t room = room_for(line, count);
    if (room == 0) {
        return -EAGAIN;
    }
    pack(line, jobs, room, &batch);
    if (batch.count == 0) {
        return -EINVAL;
    }
    int err = send_batch(line, &batch);
    if (err < 0) {
        for (uint32_t i = batch.count; i > 0; i--) {
            rmx_inflight_undo(&line->inflight, batch.ids[i - 1]);
        }
        return rmx_line_broke(line, err);
    }
    if (ids != NULL) {
        memcpy(ids, batch.ids, batch.count * sizeof(ids[0]));
    }
    return (int)batch.count;
}

int rmx_submit(struct rmx_client *client, const struct rmx_job *jobs, size_t count, uint64_t *ids)
{
    size_t taken = 0;

    while (taken < count && taken < RMX_INFLIGHT_MAX) {
        int some = submit_some(
            &client->line, jobs + taken, count - taken, ids != NULL ? ids + taken : NULL);

        if (some < 0) {
            return taken > 0 ? (int)taken : some;
        }
        taken += (size_t)some;
    }
    return (int)taken;
}

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

/* Fills results[0..max) with jobs that ended, hearing what lies on the socket as long as there is
 * space. Returns how many, or what the line was lost to when there is none. */
static int collect(struct rmx_line *line, struct rmx_result *results, size_t max)
{
    size_t count = 0;

    for (;;) {
        const struct rmx_inflight_job *job = NULL;

        while (count < max && (job = rmx_inflight_collect(&line->inflight)) != NULL) {
            fill_result(&results[count++], job);
        }
        if (count == max) {
            return (int)count;
        }
        int err = rmx_line_hear(line);
        if (err < 0 && line->inflight.ended_first == RMX_INFLIGHT_MAX) {
            return count > 0 || err == -EAGAIN ? (int)count : err;
        }
    }
}

int rmx_wait(struct rmx_client *client, struct rmx_result *results, size_t max, int timeout_ms)
{
    uint64_t until_ns = timeout_ms == 0 ? 0 : rmx_clock_in_ms(timeout_ms);

    if (max == 0) {
        return -EINVAL;
    }
    max = max < RMX_INFLIGHT_MAX ? max : RMX_INFLIGHT_MAX;
    for (;;) {
        int count = collect(&client->line, results, max);

        if (count != 0 || timeout_ms == 0) {
            return count;
        }
        int ready = rmx_clock_readable(client->line.fd, until_ns);
        if (ready <= 0) {
            return ready;
        }
    }
}

int rmx_fd(const struct rmx_client *client)
{
    return client->line.fd;
}

int rmx_cancel(struct rmx_client *client, uint64_t id)
{
    struct rmx_msg_cancel cancel = {
        .head = { .type = RMX_MSG_CANCEL, .bytes = sizeof(cancel) },
        .job = id,
    };

    if (client->line.lost != 0) {
        return client->line.lost;
    }
    if (!rmx_inflight_has(&client->line.inflight, id)) {
        return -ENOENT;
    }
    return rmx_line_say(&client->line, &cancel, sizeof(cancel));
}

/* Relaxed is enough: each figure was true at some moment while the slot was the job's, which is all
 * that is promised. The name is read again at the end, so that a slot that went to the next job is
 * not taken for this one's. */
int rmx_progress(const struct rmx_client *client, uint64_t id, struct rmx_progress_bytes *progress)
{
    const struct rmx_line *line = &client->line;

    if (line->lost != 0 || !rmx_inflight_has(&line->inflight, id)) {
        return line->lost != 0 ? line->lost : -ENOENT;
    }
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

/* --- the daemon --------------------------------------------------------------------------- */

static bool all_pongs_came(const struct rmx_line *line)
{
    return line->pongs == line->pings;
}

int rmx_ping(struct rmx_client *client, uint64_t *rtt_ns)
{
    struct rmx_msg_ping ping = {
        .head = { .type = RMX_MSG_PING, .bytes = sizeof(ping) },
        .nonce = client->line.pings + 1,
    };
    uint64_t sent_ns = rmx_clock_ns();
    int err = rmx_line_say(&client->line, &ping, sizeof(ping));

    if (err < 0) {
        return err;
    }
    client->line.pings++;
    err = rmx_line_await(&client->line, all_pongs_came);
    if (err < 0) {
        return err;
    }
    *rtt_ns = rmx_clock_ns() - sent_ns;
    return 0;
}

static bool all_stats_came(const struct rmx_line *line)
{
    return line->stats_due == 0;
}

/* A newer daemon may count what we have no name for, an older one less than we know. */
static int fill_counters(const struct rmx_line *line, struct rmx_counter *counters, size_t max)
{
    size_t count = 0;

    for (uint32_t i = 0; i < line->stats_count; i++) {
        if (rmx_stats_name(i) == NULL) {
            continue;
        }
        if (count < max) {
            counters[count] = (struct rmx_counter){
                .name = rmx_stats_name(i),
                .unit = rmx_stats_unit(i),
                .text = rmx_stats_help(i),
                .value = line->stats[i],
            };
        }
        count++;
    }
    return (int)count;
}

int rmx_stats(struct rmx_client *client, struct rmx_counter *counters, size_t max)
{
    struct rmx_msg_head ask = { .type = RMX_MSG_STATS, .bytes = sizeof(ask) };
    int err = rmx_line_say(&client->line, &ask, sizeof(ask));

    if (err < 0) {
        return err;
    }
    client->line.stats_due++;
    err = rmx_line_await(&client->line, all_stats_came);
    return err < 0 ? err : fill_counters(&client->line, counters, max);
}
