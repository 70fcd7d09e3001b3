/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A session's jobs. See roster.h.
 */
#include "engine/roster.h"

#include "engine/flow.h"

#define NONE UINT16_MAX

_Static_assert(RMX_CREDITS_MAX < NONE, "a slot could be taken for none");

/* Clients count their jobs, or draw them: the top bits of this product differ for both. */
static uint32_t bucket_of(uint64_t job)
{
    return (uint32_t)(job * 0x9e3779b97f4a7c15u >> 56);
}
_Static_assert(RMX_ROSTER_BUCKETS == 1u << (64 - 56), "a bucket for each value");

void rmx_roster_init(struct rmx_roster *roster, uint32_t slots)
{
    rmx_assert(slots <= RMX_CREDITS_MAX);
    roster->slots = slots;
    roster->free = NONE;
    for (uint32_t i = 0; i < RMX_ROSTER_BUCKETS; i++) {
        roster->first[i] = NONE;
    }
    for (uint32_t slot = slots; slot-- > 0;) {
        roster->jobs[slot] = NULL;
        roster->next[slot] = roster->free;
        roster->free = (uint16_t)slot;
    }
}

uint32_t rmx_roster_add(struct rmx_roster *roster, struct rmx_flow *flow, uint64_t job)
{
    uint16_t *bucket = &roster->first[bucket_of(job)];
    uint16_t slot = roster->free;

    rmx_assert(slot != NONE && flow != NULL);
    roster->free = roster->next[slot];
    roster->jobs[slot] = flow;
    roster->next[slot] = *bucket;
    *bucket = slot;
    return slot;
}

void rmx_roster_remove(struct rmx_roster *roster, uint32_t slot, uint64_t job)
{
    uint16_t *link = &roster->first[bucket_of(job)];

    while (*link != slot) {
        rmx_assert(*link != NONE);
        link = &roster->next[*link];
    }
    *link = roster->next[slot];
    roster->jobs[slot] = NULL;
    roster->next[slot] = roster->free;
    roster->free = (uint16_t)slot;
}

struct rmx_flow *rmx_roster_find(const struct rmx_roster *roster, uint64_t job)
{
    uint16_t slot = roster->first[bucket_of(job)];

    while (slot != NONE && roster->jobs[slot]->spec.job != job) {
        slot = roster->next[slot];
    }
    return slot == NONE ? NULL : roster->jobs[slot];
}
