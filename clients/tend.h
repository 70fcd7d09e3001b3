/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What has to be done for jobs while their caller waits: sources and sinks served, ends shown,
 * memory given back. Runs in the client process, under the client's lock, which it lets go of while
 * a source or sink is at work.
 */
#ifndef RMX_CLIENTS_TEND_H
#define RMX_CLIENTS_TEND_H

#include <stddef.h>
#include <stdint.h>

#include "clients/handle.h"

/* The worker says that a ring moved: kinds of enum rmx_event_kind. */
void rmx_tend_news(struct rmx_client *client, uint32_t place, uint32_t kinds);

/* A source or sink of this job may have something to do. */
void rmx_tend_due(struct rmx_client *client, uint32_t place);

/* Serves each source and sink that is due, once. */
void rmx_tend_pumps(struct rmx_client *client);

/* Takes in news if somebody is due, else sleeps until there are some. Returns as
 * rmx_handle_wait(). */
int rmx_tend_rest(struct rmx_client *client, uint64_t until_ns);

/* Takes what there is for the caller into to[0..max); returns how many, or -errno. */
typedef int rmx_tend_take(struct rmx_client *client, void *to, size_t max);

/* Waits until there is something to take, and sees to sources and sinks. Returns what take() said
 * that is not 0, or 0 and errors as rmx_wait(). */
int rmx_tend_wait(
    struct rmx_client *client, rmx_tend_take *take, void *to, size_t max, int timeout_ms);

/* A job's result is here. */
void rmx_tend_ended(struct rmx_client *client, struct rmx_inflight_job *job);

/* The worker broke a ring of this job, which is over with that. */
void rmx_tend_break(struct rmx_client *client, uint32_t place);

/* Asks for the end of a job that is in flight, as soon as there is room on the socket. */
void rmx_tend_cancel(struct rmx_client *client, uint32_t place);

/* The same for those there was no room for. */
void rmx_tend_cancels(struct rmx_client *client);

/* Nobody waits for this job any more: it is cancelled, its output dropped, its result thrown away.
 * Its source and sink are not called again. */
void rmx_tend_disown(struct rmx_client *client, uint64_t id);

/* Gives a job's rings back if nobody needs them any more. Whoever closed an end, or collected the
 * job, asks. */
void rmx_tend_let_go(struct rmx_client *client, uint32_t place);

#endif
