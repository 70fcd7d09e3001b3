/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The jobs of one client: which names are in flight, which have ended and wait to be collected.
 * Runs in the client process, under the client's one thread at a time; no I/O, allocates nothing.
 *
 *   FREE -> FLYING -> ENDED -> FREE
 */
#ifndef RMX_CLIENTS_INFLIGHT_H
#define RMX_CLIENTS_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/wire.h"

#define RMX_INFLIGHT_MAX RMX_CREDITS_MAX

enum rmx_inflight_state {
    RMX_INFLIGHT_FREE,
    RMX_INFLIGHT_FLYING,
    RMX_INFLIGHT_ENDED,
};

struct rmx_inflight_job {
    enum rmx_inflight_state state;
    uint32_t next; /* FREE: the next free one. ENDED: the one that ended next */
    uint64_t id;   /* a count above its own index, so a name is not used again for long */
    void *user;
    struct rmx_job_result result; /* ENDED */
};

struct rmx_inflight {
    uint32_t free;        /* first of the free list; RMX_INFLIGHT_MAX = none */
    uint32_t room;        /* how many are on it */
    uint32_t ended_first; /* of the ended; RMX_INFLIGHT_MAX = none */
    uint32_t ended_last;
    struct rmx_inflight_job jobs[RMX_INFLIGHT_MAX];
};

void rmx_inflight_init(struct rmx_inflight *inflight);

/* Takes a free place and returns its name, which is not 0. Asserts that there is room. */
uint64_t rmx_inflight_add(struct rmx_inflight *inflight, void *user);

/* Takes back an add whose job was never sent. */
void rmx_inflight_undo(struct rmx_inflight *inflight, uint64_t id);

/* Is this the name of a job in flight? Any number may be asked about. */
bool rmx_inflight_has(const struct rmx_inflight *inflight, uint64_t id);

/* The job result->job names has ended. Returns 0, or -EBADMSG when no such job is in flight. */
int rmx_inflight_end(struct rmx_inflight *inflight, const struct rmx_job_result *result);

/* Every job in flight has ended with this status. */
void rmx_inflight_end_all(struct rmx_inflight *inflight, uint32_t status, const char *text);

/* The job that ended first of those not collected, or NULL; valid until the next call. Its place is
 * free from here on. */
const struct rmx_inflight_job *rmx_inflight_collect(struct rmx_inflight *inflight);

#endif
