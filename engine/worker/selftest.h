/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shows that the sandbox does on this machine what it must: a forked child locks itself down as a
 * worker does, and then tries one thing after the other. For `ringmux-worker --selftest`, and for
 * each zygote before its first worker.
 */
#ifndef RMX_ENGINE_WORKER_SELFTEST_H
#define RMX_ENGINE_WORKER_SELFTEST_H

#include <stdbool.h>

/* aloud: one line for each attempt on stdout; else only what does not hold is said, on stderr.
 * Returns the exit code: 0 = all as it must be. */
int rmx_selftest_run(bool aloud);

/* First what stands around a zygote, of which the machine need not permit all, then the above,
 * aloud. What it takes from the process does not come back. Returns the exit code. */
int rmx_selftest_show(void);

#endif
