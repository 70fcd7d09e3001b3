/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client's lines to its daemons, and its groups on them (see muster.h). Runs in the client
 * process, under the client's lock.
 */
#include "clients/muster.h"

#include <errno.h>

#include "clients/dial.h"
#include "clients/fleet.h"
#include "ring/base.h"

_Static_assert(
    (int)RMX_COLLECT_ALL == (int)RMX_GROUP_COLLECT_ALL, "the public flags are the wire's");

/* --- lines --------------------------------------------------------------------------------- */

/* The first place for one more line; RMX_INFLIGHT_LINES if there is none. */
static uint32_t free_place(const struct rmx_client *client)
{
    uint32_t number = 0;

    while (number < RMX_INFLIGHT_LINES && client->lines[number] != NULL) {
        number++;
    }
    return number;
}

int rmx_muster_join(struct rmx_client *client, struct rmx_line **line)
{
    uint32_t number = free_place(client);

    rmx_assert(number < RMX_INFLIGHT_LINES);
    int err = rmx_handle_listen(client, *line, number);
    if (err < 0) {
        return err;
    }
    (*line)->number = number;
    (*line)->inflight = &client->inflight;
    (*line)->cohorts = &client->cohorts;
    client->lines[number] = *line;
    client->line = *line;
    client->open_again_ns = 0;
    *line = NULL;
    return 0;
}

static bool is_needed(const struct rmx_client *client, const struct rmx_line *line)
{
    return line == client->line || line->pins > 0 || client->inflight.on_line[line->number] > 0 ||
           rmx_cohort_is_on(&client->cohorts, 1u << line->number);
}

void rmx_muster_dismiss(struct rmx_client *client)
{
    for (uint32_t i = 0; i < RMX_INFLIGHT_LINES; i++) {
        struct rmx_line *line = client->lines[i];

        if (line != NULL && !is_needed(client, line)) {
            rmx_fleet_leave(client, i);
            rmx_handle_ignore(client, line);
            rmx_line_free(&client->lines[i]);
        }
    }
}

int rmx_muster_state(struct rmx_client *client)
{
    rmx_handle_hear(client);
    if (client->line->lost != 0) {
        return RMX_STATE_LOST;
    }
    return client->line->session.state == RMX_SESSION_OPEN ? RMX_STATE_READY : RMX_STATE_DRAINING;
}

/* Another thread is connecting: waits for it. Returns 1 if there was one, 0 if not, or -errno. */
static int await_other(struct rmx_client *client, uint64_t until_ns)
{
    int waited = 0;

    while (client->moving) {
        waited = rmx_handle_wait(client, RMX_HANDLE_ANYTHING, 0, until_ns);
        if (waited <= 0) {
            return waited < 0 ? waited : -ETIMEDOUT;
        }
    }
    return waited;
}

/* Connects without the lock, and joins what comes of it. */
static int connect_anew(struct rmx_client *client, uint64_t until_ns, bool once)
{
    struct rmx_line **coming = &client->coming;

    pthread_mutex_unlock(&client->lock);
    int err = once ? rmx_dial_once(coming, client->path, client->features)
                   : rmx_dial_again(coming, client->path, client->features, until_ns);
    pthread_mutex_lock(&client->lock);
    if (err == 0) {
        err = rmx_muster_join(client, coming);
        rmx_line_free(coming); /* unless it joined */
    }
    return err;
}

int rmx_muster_move(struct rmx_client *client, uint64_t until_ns, bool once)
{
    if (client->private.pid != 0) {
        return -EOPNOTSUPP;
    }
    if (once && client->moving) {
        return -EINPROGRESS;
    }
    int waited = await_other(client, until_ns);
    if (waited < 0) {
        return waited;
    }
    if (rmx_muster_state(client) == RMX_STATE_READY) {
        return waited > 0 ? 0 : -EISCONN;
    }
    rmx_muster_dismiss(client);
    if (free_place(client) == RMX_INFLIGHT_LINES) {
        return -EAGAIN;
    }
    client->moving = true;
    int err = connect_anew(client, until_ns, once);
    client->moving = false;
    rmx_handle_wake(client, RMX_HANDLE_ANYTHING, 0);
    return err;
}

/* --- groups -------------------------------------------------------------------------------- */

void rmx_muster_say(struct rmx_client *client)
{
    struct rmx_msg_group_name message;
    uint32_t lines = (1u << RMX_INFLIGHT_LINES) - 1; /* but those with no room */
    uint32_t bit;

    if (client->cohorts.due == 0) {
        return;
    }
    while ((bit = rmx_cohort_next(&client->cohorts, lines, &message)) != 0) {
        uint32_t number = (uint32_t)__builtin_ctz(bit);
        int err = rmx_line_say(client->lines[number], &message, sizeof(message));

        if (err == 0) {
            rmx_cohort_said(&client->cohorts, number, &message);
        } else {
            lines &= ~bit;
        }
    }
}

int rmx_muster_enroll(struct rmx_client *client, uint32_t group)
{
    struct rmx_cohort *cohort = rmx_cohort_find(&client->cohorts, group);
    struct rmx_line *line = client->line;

    if (cohort == NULL || cohort->closed) {
        return -EINVAL;
    }
    if ((cohort->lines & (1u << line->number)) != 0) {
        return 0;
    }
    int err = rmx_line_takes_jobs(line);
    if (err == 0) {
        err = rmx_line_say(line, &cohort->spec, sizeof(cohort->spec));
    }
    if (err == 0) {
        rmx_cohort_open(&client->cohorts, cohort, line->number);
        rmx_muster_say(client); /* that it was cancelled already */
    }
    return err;
}
