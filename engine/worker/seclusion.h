/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What stands around a zygote and its workers besides seccomp: an identity of their own, empty
 * namespaces, no capability, and Landlock without a rule. Each part is taken where the machine
 * permits it; which are missing is the caller's to tell. Zygote, once, when all files are read.
 */
#ifndef RMX_ENGINE_WORKER_SECLUSION_H
#define RMX_ENGINE_WORKER_SECLUSION_H

#include <stdint.h>

struct rmx_seclusion {
    uint32_t lacks; /* bits of enum rmx_lane_wall */
    int error;      /* -errno of the first of them */
};

/* The zygote's part: nobody's identity if it is root's, namespaces with an empty root, and no
 * capability. What it forks next is the first process of its pid namespace, if it has got one: see
 * rmx_seclusion_keep(). Must have one thread. */
void rmx_seclusion_enter(struct rmx_seclusion *seclusion);

/* A process that holds the pid namespace open, does nothing else, and ends with its parent. Returns
 * its pid; 0 without such a namespace; or -errno. */
int rmx_seclusion_keep(const struct rmx_seclusion *seclusion);

/* A worker's part, where the kernel has it: no file, no TCP port, no abstract socket and no signal
 * beyond itself. Needs PR_SET_NO_NEW_PRIVS. Returns 0 or -errno. */
int rmx_seclusion_landlock(void);

#endif
