/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A session's jobs, each in a slot of its own, which is also that of its progress; found by slot or
 * by the client's name for them, however many there are. Runs on the lane's thread.
 */
#ifndef RMX_ENGINE_ROSTER_H
#define RMX_ENGINE_ROSTER_H

#include <stdint.h>

#include "ipc/wire.h"

#define RMX_ROSTER_BUCKETS 256u

struct rmx_flow;

struct rmx_roster {
    uint32_t slots;                         /* as many as the session has progress entries */
    uint16_t free;                          /* the first of those without a job */
    uint16_t first[RMX_ROSTER_BUCKETS];     /* the first slot of those names */
    uint16_t next[RMX_CREDITS_MAX];         /* behind this one: in its bucket, or free */
    struct rmx_flow *jobs[RMX_CREDITS_MAX]; /* NULL = free */
};

void rmx_roster_init(struct rmx_roster *roster, uint32_t slots);

/* Gives a job with this name a slot; there must be one. Returns it. */
uint32_t rmx_roster_add(struct rmx_roster *roster, struct rmx_flow *flow, uint64_t job);
void rmx_roster_remove(struct rmx_roster *roster, uint32_t slot, uint64_t job);

/* The job with this name, its spec's; NULL: there is none. */
struct rmx_flow *rmx_roster_find(const struct rmx_roster *roster, uint64_t job);

#endif
