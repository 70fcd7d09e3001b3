/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a call on one end of a job's stream waits: polls for a while if it may, asks, looks again,
 * sleeps. Runs in the client process, under the client's lock, which it lets go of meanwhile.
 */
#ifndef RMX_CLIENTS_PATIENCE_H
#define RMX_CLIENTS_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "clients/handle.h"

struct rmx_patience { /* of one call */
    int timeout_ms;
    uint64_t until_ns;
    bool spun;
};

struct rmx_patience rmx_patience_of(int timeout_ms);

/* This end (enum rmx_event_kind) of a job with rings has nothing for the caller. Returns 0: look
 * again, from the job's name on; -EAGAIN: the time is up, and rmx_events() will tell; or -EINTR. */
int rmx_patience_await(
    struct rmx_client *client, uint64_t id, uint32_t kind, struct rmx_patience *patience);

#endif
