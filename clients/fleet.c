/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client's channels (see fleet.h). Runs in the client process, under the client's lock.
 */
#include "clients/fleet.h"

#include <errno.h>
#include <stdlib.h>

#include "clients/clock.h"
#include "clients/tend.h"
#include "ipc/channel.h"
#include "ipc/status.h"
#include "ring/base.h"

#define BYTES_DEFAULT (UINT64_C(8) << 20)
#define JOBS_ENOUGH   8u                    /* in every channel: another one may help */
#define BUSY_NS       UINT64_C(10000000000) /* so long a daemon without room is asked again */
#define PAUSE_NS      UINT64_C(20000000)    /* in between */
#define GROW_AGAIN_NS UINT64_C(1000000000)  /* after a daemon had no room for one more */

_Static_assert(RMX_INFLIGHT_MAX <= RMX_CHANNEL_FLOWS_MAX, "a job's place is its channel_flow");
_Static_assert(RMX_CHANNELS_MAX <= 64, "a word has a bit for each");

/* --- opening ------------------------------------------------------------------------------- */

/* Is there a channel at this index, and may new jobs go there? */
static bool takes_jobs(const struct rmx_client *client, uint32_t index)
{
    const struct rmx_conduit *channel = client->channels[index];

    return channel != NULL && !channel->dead && channel->line == client->line->number;
}

/* The first place for one more; RMX_CHANNELS_MAX if there is none. */
static uint32_t free_index(const struct rmx_client *client)
{
    uint32_t index = 0;

    while (index < RMX_CHANNELS_MAX && client->channels[index] != NULL) {
        index++;
    }
    return index;
}

static uint32_t count_alive(const struct rmx_client *client)
{
    uint32_t alive = 0;

    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        alive += takes_jobs(client, i);
    }
    return alive;
}

bool rmx_fleet_is_there(const struct rmx_client *client)
{
    return client->opening || client->line->answer.due || count_alive(client) > 0;
}

/* How large a channel is to be: as asked for, else ours, or what the daemon allows if that is
 * less. */
static size_t size_of_one(const struct rmx_client *client)
{
    uint64_t most = client->line->channel_bytes;

    if (client->channel_bytes != 0) {
        return client->channel_bytes;
    }
    return most < BYTES_DEFAULT ? (size_t)most : BYTES_DEFAULT;
}

/* Makes the memory without the lock, since that takes a while. */
static int make(struct rmx_client *client, struct rmx_line *line)
{
    size_t bytes = size_of_one(client);
    struct rmx_conduit *channel = NULL;

    pthread_mutex_unlock(&client->lock);
    int err = rmx_conduit_new(&channel, bytes);
    pthread_mutex_lock(&client->lock);
    line->offered = channel;
    return err;
}

/* Waits for what is due. Returns the status of the daemon's answer, or -errno: it is no use, or may
 * still come and makes a channel then. */
static int await_answer(struct rmx_client *client, struct rmx_line *line)
{
    const struct rmx_line_answer *answer = &line->answer;
    int err = 0;

    while (err == 0 && answer->due && line->lost == 0) {
        int woken = rmx_handle_wait(client, RMX_HANDLE_ANYTHING, 0, answer->until_ns);

        err = woken == 0 ? -ETIMEDOUT : woken < 0 ? woken : 0;
    }
    if (line->lost != 0) {
        return line->lost;
    }
    return answer->due ? err : answer->outcome;
}

/* Asks the daemon once, or hears what it says to one who asked and waits no more: a signal came, or
 * the time was up. Returns as await_answer(). */
static int ask_daemon(struct rmx_client *client, struct rmx_line *line)
{
    int err = 0;

    if (line->answer.due) {
        rmx_handle_hear(client);
        return await_answer(client, line);
    }
    if (line->offered == NULL) { /* else it was too busy for this one */
        err = make(client, line);
    }
    if (err == 0) {
        err = rmx_line_offer(line);
    }
    return err < 0 ? err : await_answer(client, line);
}

/* Asks until the daemon has an answer other than that it is busy. Returns as ask_daemon(). */
static int offer(struct rmx_client *client, struct rmx_line *line, uint64_t until_ns)
{
    for (;;) {
        int status = ask_daemon(client, line);

        if ((status != RMX_STATUS_BUSY && status != -EAGAIN) || rmx_clock_ns() >= until_ns) {
            return status;
        }
        uint64_t pause_ns = rmx_clock_in(PAUSE_NS);
        while (rmx_clock_ns() < pause_ns && line->lost == 0) {
            int woken = rmx_handle_wait(client, RMX_HANDLE_ANYTHING, 0, pause_ns);

            if (woken < 0) {
                return woken;
            }
        }
    }
}

static int error_of(int status)
{
    switch (status) {
    case RMX_STATUS_BUSY:
        return -EBUSY;
    case RMX_STATUS_OVER_LIMIT:
        return -E2BIG;
    default:
        return -EOPNOTSUPP; /* this kernel's shared memory is not what the daemon takes */
    }
}

/* Puts what was offered among the channels. Returns 0 or -errno: it is gone. */
static int enlist(struct rmx_client *client, struct rmx_line *line, uint32_t index)
{
    struct rmx_line_answer *answer = &line->answer;
    struct rmx_conduit *channel = line->offered;

    line->offered = NULL;
    rmx_base_close(&channel->region.fd); /* mapped here, and the daemon has its own */
    rmx_conduit_open(channel, line->number, answer->channel, &answer->wake_fd, &answer->heard_fd);
    client->channels[index] = channel;
    int err = rmx_handle_watch(client, index);
    if (err < 0) { /* not a descriptor that can be polled, or the system's limit */
        rmx_handle_unwatch(client, index);
        rmx_conduit_free(&client->channels[index]);
        return err == -EPERM ? -EPROTO : err;
    }
    return 0;
}

void rmx_fleet_take(struct rmx_client *client, struct rmx_line *line)
{
    struct rmx_line_answer *answer = &line->answer;
    uint32_t index = free_index(client);

    if (index < RMX_CHANNELS_MAX && line == client->line) {
        answer->outcome = enlist(client, line, index);
        return;
    }
    rmx_base_close(&answer->wake_fd); /* new jobs go to another daemon by now */
    rmx_base_close(&answer->heard_fd);
}

static int open_one(struct rmx_client *client, struct rmx_line *line, uint64_t until_ns)
{
    if (size_of_one(client) > line->channel_bytes) {
        return -E2BIG; /* known before so much memory is touched */
    }
    if (free_index(client) == RMX_CHANNELS_MAX) {
        return -EAGAIN; /* jobs of workers and daemons that are gone hold them all */
    }
    if (client->streams == NULL) {
        client->streams = calloc(RMX_INFLIGHT_MAX, sizeof(client->streams[0]));
    }
    if (client->streams == NULL) {
        return -ENOMEM;
    }
    if (!line->answer.due) {
        rmx_conduit_free(&line->offered); /* what was refused when nobody waited any more */
    }
    int status = offer(client, line, until_ns);
    if (!line->answer.due) {
        rmx_conduit_free(&line->offered); /* unless it was taken */
    }
    return status > 0 ? error_of(status) : status;
}

static int open_alone(struct rmx_client *client, uint64_t until_ns)
{
    struct rmx_line *line = client->line; /* which may be for new jobs no more when it answers */

    line->pins++;
    client->opening = true;
    int err = open_one(client, line, until_ns);
    client->opening = false;
    line->pins--;
    rmx_handle_wake(client, RMX_HANDLE_ANYTHING, 0);
    return err;
}

/* May there be one more now? */
static bool may_grow(const struct rmx_client *client, uint32_t alive)
{
    return !client->opening && alive < client->line->workers &&
           (client->open_again_ns == 0 || rmx_clock_ns() >= client->open_again_ns);
}

static bool all_are_busy(const struct rmx_client *client)
{
    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        if (takes_jobs(client, i) && client->channels[i]->jobs < JOBS_ENOUGH) {
            return false;
        }
    }
    return true;
}

int rmx_fleet_grow(struct rmx_client *client)
{
    if (!may_grow(client, count_alive(client))) {
        return -EAGAIN;
    }
    if (open_alone(client, 0) < 0) {
        client->open_again_ns = rmx_clock_in(GROW_AGAIN_NS);
        return -EAGAIN;
    }
    client->open_again_ns = 0;
    return 0;
}

int rmx_fleet_ready(struct rmx_client *client, uint64_t deadline_ns)
{
    uint64_t until_ns = rmx_clock_in(BUSY_NS);

    if (deadline_ns != 0 && deadline_ns < until_ns) {
        until_ns = deadline_ns;
    }
    while (count_alive(client) == 0 && client->line->lost == 0) {
        int err = client->opening ? rmx_handle_wait(client, RMX_HANDLE_ANYTHING, 0, until_ns)
                                  : open_alone(client, until_ns);

        if (err < 0) {
            return err;
        }
        if (client->opening && rmx_clock_ns() >= until_ns) {
            return -EBUSY; /* as another thread is told, sooner or later */
        }
    }
    if (client->line->lost == 0 && all_are_busy(client)) {
        (void)rmx_fleet_grow(client); /* the others do */
    }
    return client->line->lost;
}

/* --- who sits where ------------------------------------------------------------------------ */

static int place_rings(
    struct rmx_conduit *channel, struct rmx_stream *stream, const struct rmx_job_spec *spec)
{
    int err = 0;

    stream->in.place = spec->input_ring;
    stream->out.place = spec->output_ring;
    if (spec->input_port == RMX_JOB_RING) {
        err = rmx_conduit_place(channel, &stream->in.place, &stream->in.ring);
    }
    if (err == 0 && spec->output_port == RMX_JOB_RING) {
        err = rmx_conduit_place(channel, &stream->out.place, &stream->out.ring);
        if (err < 0 && spec->input_port == RMX_JOB_RING) {
            rmx_conduit_clear(channel, &stream->in.place);
        }
    }
    return err;
}

/* The channel with the fewest jobs of those that are not in `tried`, or RMX_CHANNELS_MAX. */
static uint32_t emptiest(const struct rmx_client *client, uint64_t tried)
{
    uint32_t best = RMX_CHANNELS_MAX;

    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        if (takes_jobs(client, i) && (tried & (UINT64_C(1) << i)) == 0 &&
            (best == RMX_CHANNELS_MAX ||
                client->channels[i]->jobs < client->channels[best]->jobs)) {
            best = i;
        }
    }
    return best;
}

static void describe(
    struct rmx_stream *stream, const struct rmx_job_spec *spec, const struct rmx_job *job)
{
    stream->in.size = spec->input_bytes;
    stream->in.seekable = (spec->flags & RMX_JOB_SEEKABLE_INPUT) != 0;
    stream->out.positional = (spec->flags & RMX_JOB_POSITIONAL) != 0;
    stream->out.parts = (spec->flags & RMX_JOB_PARTS) != 0;
    stream->in_closed = spec->input_port != RMX_JOB_RING;
    stream->out_closed = spec->output_port != RMX_JOB_RING;
    if (job->source != NULL) {
        stream->has_source = true;
        stream->source = *job->source;
    }
    if (job->sink != NULL) {
        stream->has_sink = true;
        stream->sink = *job->sink;
    }
}

int rmx_fleet_seat(struct rmx_client *client, struct rmx_job_spec *spec, const struct rmx_job *job)
{
    uint32_t place = rmx_inflight_place(spec->job);
    struct rmx_stream made = { .channel = NULL };
    uint64_t tried = 0;
    int err = -EAGAIN;

    for (uint32_t i; err < 0 && (i = emptiest(client, tried)) < RMX_CHANNELS_MAX;) {
        tried |= UINT64_C(1) << i;
        made.channel = client->channels[i];
        err = place_rings(made.channel, &made, spec);
    }
    if (err < 0) {
        return err;
    }
    describe(&made, spec, job);
    made.channel->jobs++;
    client->streams[place] = made;
    client->inflight.jobs[place].kept = true;
    spec->channel = made.channel->name;
    spec->channel_flow = place;
    spec->input_ring.at = made.in.place.at;
    spec->output_ring.at = made.out.place.at;
    return 0;
}

static void free_if_useless(struct rmx_client *client, uint32_t index)
{
    struct rmx_conduit *channel = client->channels[index];

    if (channel != NULL && channel->dead && channel->jobs == 0) {
        rmx_handle_unwatch(client, index);
        rmx_conduit_free(&client->channels[index]);
    }
}

void rmx_fleet_unseat(struct rmx_client *client, struct rmx_stream *stream)
{
    struct rmx_conduit *channel = stream->channel;

    if (stream->in.place.slots != 0) {
        rmx_conduit_clear(channel, &stream->in.place);
    }
    if (stream->out.place.slots != 0) {
        rmx_conduit_clear(channel, &stream->out.place);
    }
    stream->channel = NULL;
    channel->jobs--;
    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        if (client->channels[i] == channel) {
            free_if_useless(client, i);
        }
    }
}

void rmx_fleet_lose(struct rmx_client *client, uint32_t line, uint32_t name)
{
    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        struct rmx_conduit *channel = client->channels[i];

        if (channel != NULL && channel->line == line && channel->name == name) {
            channel->dead = true;
            free_if_useless(client, i);
        }
    }
}

void rmx_fleet_leave(struct rmx_client *client, uint32_t line)
{
    for (uint32_t i = 0; i < RMX_CHANNELS_MAX; i++) {
        if (client->channels[i] != NULL && client->channels[i]->line == line) {
            client->channels[i]->dead = true;
            free_if_useless(client, i);
        }
    }
}

void rmx_fleet_distrust(struct rmx_client *client, uint32_t index)
{
    struct rmx_conduit *channel = client->channels[index];

    channel->dead = true;
    for (uint32_t place = 0; place < RMX_INFLIGHT_MAX; place++) {
        if (client->streams[place].channel == channel) {
            rmx_tend_break(client, place);
        }
    }
    free_if_useless(client, index);
}
