/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shows that the sandbox does on this machine what it must: for `ringmux-worker --selftest`. Each
 * probe is a forked child that locks itself down as a worker does and then tries one thing.
 */
#ifndef RMX_ENGINE_WORKER_SELFTEST_H
#define RMX_ENGINE_WORKER_SELFTEST_H

/* One line for each probe on stdout. Returns the exit code: 0 = all as it must be. */
int rmx_selftest_run(void);

#endif
