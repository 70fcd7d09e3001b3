/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the two ends of a job (source.h, sink.h) share: how to wait, how to tell the peer at a
 * ring's other end (the lane or a client), and what went wrong beside the media. Worker process,
 * the job's fiber.
 */
#ifndef RMX_ENGINE_WORKER_AVIO_H
#define RMX_ENGINE_WORKER_AVIO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/lane_wire.h"
#include "ipc/status.h"

struct rmx_avio {
    const _Atomic uint32_t *stop; /* in the arena; the lane writes it */
    const bool *late;             /* becomes true when the job's deadline has passed: as a stop */

    /* Waits, for what `what` says, until a note came for the job, or until then (CLOCK_MONOTONIC,
     * to the millisecond that follows; 0 = however long it takes); may come back without either.
     * Nothing may happen between the ring's ask and this, or the note could be taken for another's.
     */
    void (*sleep)(void *owner, enum rmx_flow_wait what, uint64_t until_ns);

    /* The input ring is empty: a good moment to send out what was made. Comes before the ask.
     * Returns when to be called again though nothing came (as for sleep): what a live job holds
     * back by the clock has to go out even if its input stops. See struct rmx_idle. */
    uint64_t (*starve)(void *owner);

    /* Tells the peer that room or a seek (INPUT) or chunks (OUTPUT) came, and wakes it. */
    void (*tell)(void *owner, enum rmx_note_kind kind);
    void *owner;

    enum rmx_status status; /* OK, or the first thing that ended the job from outside */
    int cause;              /* INPUT_IO: -errno */
    bool forsaken;          /* who takes the output broke a rule: nothing waits for it any more */
    bool ending;            /* only the output's last chunk is to come, however the job went */
};

/* Has the lane stopped the job, is it late or forsaken? Then nobody waits for anything but the
 * result. */
bool rmx_avio_stopped(struct rmx_avio *avio);

/* Is the job over, for whatever reason outside of the media? Then nobody waits any more, but for
 * room for the output's last chunk. Looks at the stop word too. */
bool rmx_avio_over(struct rmx_avio *avio);

/* Ends the job; the first one to say so wins. Returns the AVERROR to leave libavformat with. */
int rmx_avio_end(struct rmx_avio *avio, enum rmx_status status, int cause);

#endif
