/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the daemon knows of its workers' sandbox: what stands around it besides seccomp, and the
 * system calls it refused. Runs on the lane's thread. Decides only whether a sandbox is enough; the
 * sandbox itself is the workers' (engine/worker/).
 */
#ifndef RMX_ENGINE_CAGE_H
#define RMX_ENGINE_CAGE_H

#include <stdint.h>

#include "engine/berth.h"

struct rmx_lane;

/* The choices of the setting `sandbox`. */
enum rmx_cage_choice {
    RMX_CAGE_PERMITTED = 0, /* all that this machine permits; seccomp always */
    RMX_CAGE_FULL = 1,      /* all, or there is no service */
};

/* A lane's worker is ready: is what stands around it enough? Says once what is missing. False: it
 * is not enough, and the lane fails. lacks and error as the zygote told them. */
bool rmx_cage_accept(struct rmx_lane *lane, uint32_t lacks, int error);

/* Counts the unknown system calls that the berth's worker made since the last look. Its own word on
 * itself. */
void rmx_cage_count(struct rmx_lane *lane, struct rmx_berth *berth);

#endif
