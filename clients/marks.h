/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A set of jobs by their place in the table of those in flight: which are due for something. Runs
 * in the client process, under the client's lock; no I/O, allocates nothing.
 */
#ifndef RMX_CLIENTS_MARKS_H
#define RMX_CLIENTS_MARKS_H

#include <stdbool.h>
#include <stdint.h>

#include "clients/inflight.h"

struct rmx_marks { /* all zero: none */
    uint32_t count;
    uint32_t last; /* taken last */
    uint64_t words[RMX_INFLIGHT_MAX / 64];
};

void rmx_marks_set(struct rmx_marks *marks, uint32_t place);
void rmx_marks_clear(struct rmx_marks *marks, uint32_t place);

/* Takes the next one round the table, so that none waits for ever. False: there is none. */
bool rmx_marks_take(struct rmx_marks *marks, uint32_t *place);

#endif
