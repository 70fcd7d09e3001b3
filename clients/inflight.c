/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The jobs of one client (see inflight.h). Runs in the client process, under the client's one
 * thread at a time.
 */
#include "clients/inflight.h"

#include <errno.h>
#include <stdio.h>

#include "ring/base.h"

#define NONE RMX_INFLIGHT_MAX

_Static_assert((RMX_INFLIGHT_MAX & (RMX_INFLIGHT_MAX - 1)) == 0, "a name's low bits are the index");

void rmx_inflight_init(struct rmx_inflight *inflight)
{
    inflight->free = 0;
    inflight->room = RMX_INFLIGHT_MAX;
    inflight->ended_first = NONE;
    inflight->ended_last = NONE;
    for (uint32_t i = 0; i < RMX_INFLIGHT_MAX; i++) {
        inflight->jobs[i].state = RMX_INFLIGHT_FREE;
        inflight->jobs[i].next = i + 1; /* the last one's is NONE */
        inflight->jobs[i].id = i;
    }
}

uint64_t rmx_inflight_add(struct rmx_inflight *inflight, void *user)
{
    uint32_t i = inflight->free;

    rmx_assert(inflight->room > 0 && i != NONE);
    struct rmx_inflight_job *job = &inflight->jobs[i];
    rmx_assert(job->state == RMX_INFLIGHT_FREE);
    inflight->free = job->next;
    inflight->room--;
    job->state = RMX_INFLIGHT_FLYING;
    job->id += RMX_INFLIGHT_MAX;
    job->user = user;
    return job->id;
}

static void set_free(struct rmx_inflight *inflight, uint32_t i)
{
    inflight->jobs[i].state = RMX_INFLIGHT_FREE;
    inflight->jobs[i].next = inflight->free;
    inflight->free = i;
    inflight->room++;
}

void rmx_inflight_undo(struct rmx_inflight *inflight, uint64_t id)
{
    rmx_assert(rmx_inflight_has(inflight, id));
    set_free(inflight, (uint32_t)(id % RMX_INFLIGHT_MAX));
}

bool rmx_inflight_has(const struct rmx_inflight *inflight, uint64_t id)
{
    const struct rmx_inflight_job *job = &inflight->jobs[id % RMX_INFLIGHT_MAX];

    return job->state == RMX_INFLIGHT_FLYING && job->id == id;
}

int rmx_inflight_end(struct rmx_inflight *inflight, const struct rmx_job_result *result)
{
    uint32_t i = (uint32_t)(result->job % RMX_INFLIGHT_MAX);

    if (!rmx_inflight_has(inflight, result->job)) {
        return -EBADMSG;
    }
    inflight->jobs[i].state = RMX_INFLIGHT_ENDED;
    inflight->jobs[i].next = NONE;
    inflight->jobs[i].result = *result;
    if (inflight->ended_first == NONE) {
        inflight->ended_first = i;
    } else {
        inflight->jobs[inflight->ended_last].next = i;
    }
    inflight->ended_last = i;
    return 0;
}

void rmx_inflight_end_all(struct rmx_inflight *inflight, uint32_t status, const char *text)
{
    for (uint32_t i = 0; i < RMX_INFLIGHT_MAX; i++) {
        struct rmx_job_result result = { .job = inflight->jobs[i].id, .status = status };

        if (inflight->jobs[i].state == RMX_INFLIGHT_FLYING) {
            snprintf(result.text, sizeof(result.text), "%s", text);
            int err = rmx_inflight_end(inflight, &result);
            rmx_assert(err == 0);
        }
    }
}

const struct rmx_inflight_job *rmx_inflight_collect(struct rmx_inflight *inflight)
{
    uint32_t i = inflight->ended_first;

    if (i == NONE) {
        return NULL;
    }
    rmx_assert(inflight->jobs[i].state == RMX_INFLIGHT_ENDED);
    inflight->ended_first = inflight->jobs[i].next;
    set_free(inflight, i);
    return &inflight->jobs[i];
}
