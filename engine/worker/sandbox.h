/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a worker may still call once it reads foreign bytes: compute, and talk on the descriptors it
 * has. Worker process, once, before the first media byte. The only file that knows seccomp.
 */
#ifndef RMX_ENGINE_WORKER_SANDBOX_H
#define RMX_ENGINE_WORKER_SANDBOX_H

/* From here on a system call without a rule is not done, and sends SIGSYS; who has no handler for
 * it, or blocks it, dies. Nobody can install another handler. Needs PR_SET_NO_NEW_PRIVS. Cannot be
 * undone. Returns 0 or -errno. */
int rmx_sandbox_enter(void);

/* Of a call that was refused, once entered: its name if it is one that nobody has an honest use
 * for, else NULL. Safe in a signal handler. */
const char *rmx_sandbox_danger(int number);

#endif
