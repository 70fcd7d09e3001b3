/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One line of a batch: a remux as a JSON object. Runs in the process rmx. This is where the JSON
 * library lives, and all that knows it.
 *
 *   {"input": "a.mp4", "output": "a.ts", "options": {"muxrate": 400000}, "deadline": "2s"}
 */
#ifndef RMX_CLIENTS_RMX_TASK_H
#define RMX_CLIENTS_RMX_TASK_H

#include <stddef.h>
#include <stdint.h>

#include "clients/rmx_request.h"

struct rmx_task {
    struct json_t *words; /* the line, which the strings of all the others are in; owned */
    struct json_t *pairs; /* likewise: "key=value" */
    struct rmx_request request;
};

/* Reads the line of that number. Returns 0; -EBADMSG: it makes no sense, and `why` says what to
 * mend; or -ENOMEM, with a `why` too. *task must stay where it is until rmx_task_fini(). */
int rmx_task_read(struct rmx_task *task, const char *line, size_t bytes, uint64_t number,
    char why[RMX_ARGS_WHY_BYTES]);

/* Accepts one that is empty. */
void rmx_task_fini(struct rmx_task *task);

#endif
