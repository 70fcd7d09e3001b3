/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a worker leaves behind when it dies: which job it was on, and of what it died. Worker
 * process; part of it runs inside signal handlers, so it must never allocate, lock or format with
 * stdio.
 */
#ifndef RMX_ENGINE_WORKER_LASTWORDS_H
#define RMX_ENGINE_WORKER_LASTWORDS_H

#include <stdint.h>

#include "ipc/lane_wire.h"

#define RMX_LASTWORDS_NO_FLOW UINT32_MAX

/* What `stage` says. */
enum rmx_lastwords_stage {
    RMX_LASTWORDS_IDLE = 0,
    RMX_LASTWORDS_IN_JOB = 1,
};

/* Catches fatal signals and failed asserts, on a stack of its own. Words go nowhere yet. */
void rmx_lastwords_init(void);

/* From now on words go to the arena, for whoever finds it. */
void rmx_lastwords_adopt(struct rmx_last_words_shm *shm);

/* The flow on the core, or RMX_LASTWORDS_NO_FLOW. */
void rmx_lastwords_on_core(uint32_t flow);

/* One more job has ended. */
void rmx_lastwords_count_job(void);

/* A job took chunks, or offered some: it does not merely compute. */
void rmx_lastwords_count_move(void);

/* A system call was refused and failed with ENOSYS: by its number. Safe in a signal handler. */
void rmx_lastwords_count_unknown(uint32_t call);

/* A dangerous one was: by its name, or NULL and its number. The process is about to end. Likewise
 * safe. */
void rmx_lastwords_say_refused(const char *name, uint32_t call);

/* Why the process is about to end, unless it has said so before. */
void rmx_lastwords_say(const char *text);

#endif
