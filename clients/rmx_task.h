/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One line of a batch: a remux as a JSON object. Runs in the process rmx. This is where the JSON
 * library lives, and all that knows it.
 *
 *   {"input": "a.mp4", "output": "a.ts", "options": {"muxrate": 400000}, "deadline": "2s"}
 */
#ifndef RMX_CLIENTS_RMX_TASK_H
#define RMX_CLIENTS_RMX_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clients/ringmux.h"
#include "clients/rmx_report.h"

#define RMX_TASK_LIST_MAX 64 /* options, maps; a job carries fewer maps, and says so itself */

struct rmx_task {
    struct json_t *words;    /* the line, which the strings of all the others are in; owned */
    struct json_t *pairs;    /* likewise: "key=value" */
    struct rmx_job job;      /* no descriptors, no deadline, no group */
    struct rmx_report names; /* the files', and the line's number */
    uint64_t budget_ns;      /* from its start on; see has_budget */
    bool has_budget;
    const char *options[RMX_TASK_LIST_MAX + 1]; /* NULL-ended, as is maps */
    const char *maps[RMX_TASK_LIST_MAX + 1];
};

#define RMX_TASK_WHY_BYTES 800

/* Reads the line of that number. Returns 0; -EBADMSG: it makes no sense, and `why` says what to
 * mend; or -ENOMEM, with a `why` too. *task must stay where it is until rmx_task_fini(). */
int rmx_task_read(struct rmx_task *task, const char *line, size_t bytes, uint64_t number,
    char why[RMX_TASK_WHY_BYTES]);

/* Accepts one that is empty. */
void rmx_task_fini(struct rmx_task *task);

#endif
