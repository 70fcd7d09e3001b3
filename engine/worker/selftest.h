/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shows that the sandbox does on this machine what it must: a forked child locks itself down as a
 * worker does, and then tries one thing after the other. For `ringmux-worker --selftest`, and for
 * each zygote before its first worker.
 */
#ifndef RMX_ENGINE_WORKER_SELFTEST_H
#define RMX_ENGINE_WORKER_SELFTEST_H

#include <stdbool.h>
#include <sys/types.h>

struct rmx_selftest {
    struct rmx_selftest_outcome *outcomes; /* shared with the child that tries */
    pid_t tries;
    pid_t dares; /* to do one thing that must end it */
};

/* Forks both children, who go on beside us. Returns 0 or -errno. */
int rmx_selftest_start(struct rmx_selftest *test);

/* Waits for them. aloud: one line for each attempt on stdout; else only what does not hold is said,
 * on stderr. Returns the exit code: 0 = all as it must be. */
int rmx_selftest_finish(struct rmx_selftest *test, bool aloud);

/* All of it aloud, and before that what stands around a zygote, of which the machine need not
 * permit all. What that takes from the process does not come back. Returns the exit code. */
int rmx_selftest_show(void);

#endif
