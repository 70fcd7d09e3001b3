/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What happens when a worker calls what the sandbox refuses (SIGSYS): a dangerous call ends the
 * process, which says its name first; one that is merely unknown is counted and fails with ENOSYS.
 * Worker process; runs inside a signal handler, so it must never allocate, lock, or make a system
 * call that may be refused but to die: SIGSYS is blocked there, and one that comes then kills.
 */
#ifndef RMX_ENGINE_WORKER_TRAP_H
#define RMX_ENGINE_WORKER_TRAP_H

#include <stdbool.h>

/* Before rmx_sandbox_enter(), which forbids it; after rmx_lastwords_init(). */
void rmx_trap_init(void);

/* In a handler of SIGSYS with its context: makes the call that was refused return -errno. False: it
 * is not known how on this machine. */
bool rmx_trap_answer(void *context, int error);

#endif
