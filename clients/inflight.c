/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The jobs of one client (see inflight.h). Runs in the client process, under the client's lock.
 */
#include "clients/inflight.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ring/base.h"

#define NONE RMX_INFLIGHT_MAX

_Static_assert((RMX_INFLIGHT_MAX & (RMX_INFLIGHT_MAX - 1)) == 0, "a name's low bits are the index");

void rmx_inflight_init(struct rmx_inflight *inflight)
{
    inflight->free = 0;
    inflight->room = RMX_INFLIGHT_MAX;
    inflight->unshown = 0;
    memset(inflight->on_line, 0, sizeof(inflight->on_line));
    inflight->ended = (struct rmx_inflight_list){ .first = NONE, .last = NONE };
    inflight->shown = inflight->ended;
    for (uint32_t i = 0; i < RMX_INFLIGHT_MAX; i++) {
        inflight->jobs[i].state = RMX_INFLIGHT_FREE;
        inflight->jobs[i].next = i + 1; /* the last one's is NONE */
        inflight->jobs[i].id = i;
    }
}

static void append(
    struct rmx_inflight *inflight, struct rmx_inflight_list *list, struct rmx_inflight_job *job)
{
    uint32_t i = rmx_inflight_place(job->id);

    job->next = NONE;
    if (list->first == NONE) {
        list->first = i;
    } else {
        inflight->jobs[list->last].next = i;
    }
    list->last = i;
}

static struct rmx_inflight_job *take_first(
    struct rmx_inflight *inflight, struct rmx_inflight_list *list)
{
    if (list->first == NONE) {
        return NULL;
    }
    struct rmx_inflight_job *job = &inflight->jobs[list->first];
    list->first = job->next;
    return job;
}

uint64_t rmx_inflight_add(struct rmx_inflight *inflight, uint32_t line, void *user)
{
    uint32_t i = inflight->free;

    rmx_assert(inflight->room > 0 && i != NONE && line < RMX_INFLIGHT_LINES);
    struct rmx_inflight_job *job = &inflight->jobs[i];
    rmx_assert(job->state == RMX_INFLIGHT_FREE);
    inflight->free = job->next;
    inflight->room--;
    inflight->unshown++;
    inflight->on_line[line]++;
    job->state = RMX_INFLIGHT_FLYING;
    job->id += RMX_INFLIGHT_MAX;
    job->user = user;
    job->line = line;
    job->group = 0;
    job->kinds = 0;
    job->kept = false;
    job->orphan = false;
    job->claimed = false;
    job->lost = false;
    return job->id;
}

static void set_free(struct rmx_inflight *inflight, struct rmx_inflight_job *job)
{
    job->state = RMX_INFLIGHT_FREE;
    job->next = inflight->free;
    inflight->free = rmx_inflight_place(job->id);
    inflight->room++;
    inflight->on_line[job->line]--;
}

void rmx_inflight_undo(struct rmx_inflight *inflight, uint64_t id)
{
    rmx_assert(rmx_inflight_has(inflight, id));
    inflight->unshown--;
    set_free(inflight, &inflight->jobs[rmx_inflight_place(id)]);
}

struct rmx_inflight_job *rmx_inflight_find(struct rmx_inflight *inflight, uint64_t id)
{
    struct rmx_inflight_job *job = &inflight->jobs[rmx_inflight_place(id)];

    return job->state != RMX_INFLIGHT_FREE && job->id == id ? job : NULL;
}

bool rmx_inflight_has(const struct rmx_inflight *inflight, uint64_t id)
{
    const struct rmx_inflight_job *job = &inflight->jobs[rmx_inflight_place(id)];

    return job->state == RMX_INFLIGHT_FLYING && job->id == id;
}

int rmx_inflight_end(
    struct rmx_inflight *inflight, uint32_t line, const struct rmx_job_result *result)
{
    struct rmx_inflight_job *job = &inflight->jobs[rmx_inflight_place(result->job)];

    if (!rmx_inflight_has(inflight, result->job) || job->line != line) {
        return -EBADMSG;
    }
    job->state = RMX_INFLIGHT_ENDED;
    job->result = *result;
    append(inflight, &inflight->ended, job);
    return 0;
}

void rmx_inflight_end_all(
    struct rmx_inflight *inflight, uint32_t line, uint32_t status, const char *text)
{
    for (uint32_t i = 0; i < RMX_INFLIGHT_MAX; i++) {
        struct rmx_inflight_job *job = &inflight->jobs[i];
        struct rmx_job_result result = { .job = job->id, .status = status };

        if (job->state == RMX_INFLIGHT_FLYING && job->line == line) {
            snprintf(result.text, sizeof(result.text), "%s", text);
            int err = rmx_inflight_end(inflight, line, &result);
            rmx_assert(err == 0);
            job->lost = true;
        }
    }
}

struct rmx_inflight_job *rmx_inflight_next(struct rmx_inflight *inflight)
{
    return take_first(inflight, &inflight->ended);
}

void rmx_inflight_show(struct rmx_inflight *inflight, struct rmx_inflight_job *job)
{
    rmx_assert(job->state == RMX_INFLIGHT_ENDED && !job->orphan);
    job->state = RMX_INFLIGHT_SHOWN;
    inflight->unshown--;
    if (!job->claimed) {
        append(inflight, &inflight->shown, job);
    }
}

/* The caller has what it wants of it. */
static void retire(struct rmx_inflight *inflight, struct rmx_inflight_job *job)
{
    if (job->kept) {
        job->state = RMX_INFLIGHT_KEPT;
    } else {
        set_free(inflight, job);
    }
}

void rmx_inflight_forget(struct rmx_inflight *inflight, struct rmx_inflight_job *job)
{
    rmx_assert(job->state == RMX_INFLIGHT_ENDED);
    inflight->unshown--;
    retire(inflight, job);
}

const struct rmx_inflight_job *rmx_inflight_collect(struct rmx_inflight *inflight)
{
    struct rmx_inflight_job *job = take_first(inflight, &inflight->shown);

    if (job != NULL) {
        rmx_assert(job->state == RMX_INFLIGHT_SHOWN);
        retire(inflight, job);
    }
    return job;
}

void rmx_inflight_claim(struct rmx_inflight *inflight, uint64_t id)
{
    rmx_assert(rmx_inflight_has(inflight, id));
    inflight->jobs[rmx_inflight_place(id)].claimed = true;
}

const struct rmx_inflight_job *rmx_inflight_collect_one(struct rmx_inflight *inflight, uint64_t id)
{
    struct rmx_inflight_job *job = rmx_inflight_find(inflight, id);

    rmx_assert(job != NULL && job->claimed);
    if (job->state != RMX_INFLIGHT_SHOWN) {
        return NULL;
    }
    retire(inflight, job);
    return job;
}

void rmx_inflight_let_go(struct rmx_inflight *inflight, struct rmx_inflight_job *job)
{
    rmx_assert(job->state == RMX_INFLIGHT_KEPT);
    set_free(inflight, job);
}
