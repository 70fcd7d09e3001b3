/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client's channels: opened as jobs come, one worker each, and which of them a job goes to. Those
 * of a daemon that drains take no new jobs. Runs in the client process, under the client's lock,
 * which it lets go of to wait for the daemon.
 */
#ifndef RMX_CLIENTS_FLEET_H
#define RMX_CLIENTS_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "clients/handle.h"

/* Is there a channel, or one in the making? */
bool rmx_fleet_is_there(const struct rmx_client *client);

/* Sees that there is a channel for a job with rings, and one more if all have plenty of jobs. Waits
 * for a daemon without room no longer than the job could, whose deadline this is; 0 = it has none.
 * Returns 0, or what rmx_submit() returns. */
int rmx_fleet_ready(struct rmx_client *client, uint64_t deadline_ns);

/* Opens one more channel if there may be one: the jobs' memory is used up. Returns 0, or -EAGAIN:
 * there may not be more, or it did not work. */
int rmx_fleet_grow(struct rmx_client *client);

/* The daemon has opened what was offered on this line: there is one more channel, even if whoever
 * asked waits no more. */
void rmx_fleet_take(struct rmx_client *client, struct rmx_line *line);

/* Gives a job's rings a place in the channel with the fewest jobs that has room, makes its stream,
 * and says so in the spec. Returns 0, -EAGAIN (no room now) or -ENOBUFS (never). */
int rmx_fleet_seat(struct rmx_client *client, struct rmx_job_spec *spec, const struct rmx_job *job);

/* Gives the memory of a stream back, and that of its channel if nobody can use it any more. */
void rmx_fleet_unseat(struct rmx_client *client, struct rmx_stream *stream);

/* The daemon on this line says that the worker of this channel is gone. */
void rmx_fleet_lose(struct rmx_client *client, uint32_t line, uint32_t name);

/* Frees the channels of a line that no job uses any more. */
void rmx_fleet_leave(struct rmx_client *client, uint32_t line);

/* The worker at the other end of channel `index` broke its mailbox. */
void rmx_fleet_distrust(struct rmx_client *client, uint32_t index);

#endif
