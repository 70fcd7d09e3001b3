/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The jobs at a worker's desk, one on each seat: their fibers, their turns, what they wait for and
 * how long they may. Worker process, its one thread: the scheduler's part between turns, the job's
 * own on its fiber.
 *
 *   IDLE --begin--> READY --turn--> RUNNING --sleeps--> WAITING --woken, or its time--> READY
 *                     ^---breathes----'  `--job ends--> IDLE
 *
 * A job that was told to stop, or whose deadline has passed, is in a hurry from then on: its turns
 * come before those of all others, so that its end does not depend on how many there are.
 */
#ifndef RMX_ENGINE_WORKER_SEATS_H
#define RMX_ENGINE_WORKER_SEATS_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/lane_wire.h"
#include "ring/alarms.h"

#define RMX_SEATS_NEVER RMX_ALARMS_NEVER

struct rmx_seats_plan {
    struct rmx_worker_shm *shm;
    uint32_t flows;            /* entries of its flow table */
    void (*work)(void *flow);  /* a job from its first turn to its last, given its entry */
    bool (*mail_is_due)(void); /* then a job that computes lets the scheduler look at it */
    bool (*note_is_due)(void); /* of the lane's; to ask costs next to nothing */
};

/* At most once in a process. */
void rmx_seats_init(const struct rmx_seats_plan *plan);

/* Makes stacks for so many jobs, as far as there is memory: their first pages are there when the
 * jobs come. */
void rmx_seats_prepare(uint32_t jobs);

/* --- for the scheduler ----------------------------------------------------------------------- */

/* The job in that entry of the flow table takes its seat. Returns 0, -EBUSY (it is taken) or
 * -ENOMEM. */
int rmx_seats_begin(uint32_t flow);

/* The flow has news. Returns whether it waited for some: else it looks by itself before it waits,
 * or is over. */
bool rmx_seats_wake(uint32_t flow);

/* The flow's job is to end. */
void rmx_seats_hurry(uint32_t flow);

/* Wakes those whose time has come, and hurries those whose deadline has. */
void rmx_seats_look_at_clock(void);

/* When it is worth another look; or RMX_SEATS_NEVER. */
uint64_t rmx_seats_next_look_ns(void);

bool rmx_seats_any_ready(void);

/* The scheduler had the core for long: the next turn is a whole one, whatever mail comes. */
void rmx_seats_owe_turn(void);

/* The turn of the job whose turn it is. Returns whether there was one. */
bool rmx_seats_run_turn(void);

/* --- for the job whose turn it is, on its fiber ---------------------------------------------- */

uint32_t rmx_seats_current(void);

/* Until it is woken, or until then, to the millisecond that follows (0 = however long it takes), or
 * until its deadline. The flow's entry says how long it waited, and what for. */
void rmx_seats_sleep(enum rmx_flow_wait what, uint64_t until_ns);

/* Call often, between two packets or two steps. Others have the core once the turn has been long
 * enough; before, the scheduler has it if the lane sent a note, which may be of a job that comes
 * first. */
void rmx_seats_breathe(void);

/* Has its deadline passed? The scheduler notes it there between turns; a turn ends for it. */
const bool *rmx_seats_late(void);

#endif
